"""`headgate local SKILL [TEXT]`: one local skill on a text, here and now: no model, no network, no running gateway."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import Failed, console, put, put_json, say

if TYPE_CHECKING:
    from headgate.local.skills import SkillResult, Supplies

USAGE: Final = 2
PARTLY_DONE: Final = 3
TEXT_CHARS_MAX: Final = 1_000_000
SHOWN_CHARS: Final = 60

SKILLS: Final = {
    "extract": "Find UPI ids, phones, accounts, IFSC codes, cards, emails, links, amounts and dates.",
    "classify": "Choose one of your labels: -o labels=refund,delivery.",
    "reply": "Answer in the words of a persona library: -o persona=helpdesk.",
    "repetition": 'Say whether a message was said before: -o earlier=["...","..."].',
    "language": "Guess the language of a text.",
    "summary": "Pick the telling sentences of a text.",
    "fill": 'Fill a JSON Schema: -o schema={"properties":{"upi_id":{"type":"string"}}}.',
    "risk": "Say how likely a message is scam or phishing, and by what.",
    "safety": "Find blocked words and phrases: -o block=word,phrase.",
}
"""Written down here too, so that `--help` loads no skill; a test holds it to the table of skills."""


def list_(
    config: Annotated[Path | None, typer.Option(help="headgate.toml or .yaml (HEADGATE_CONFIG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the schemas of the options.")] = False,
) -> None:
    """The skills, what they take, and the persona libraries of `reply`."""
    from headgate.local.skills import table

    found = table(_supplies(config))
    if as_json:
        put_json(found)
        return
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("skill", "options", "what it does"):
        shown.add_column(name, no_wrap=name == "skill")
    for row in found["data"]:
        shown.add_row(row["id"], ", ".join(row["options"]["properties"]), row["does"])
    console().print(shown)
    put(f"\nPersonas: {', '.join(each['name'] for each in found['personas'])}\n")


def command_of(name: str) -> Callable[..., None]:
    """The command of a skill."""

    def command(
        text: Annotated[str | None, typer.Argument(help="The text; - or nothing reads standard input.")] = None,
        option: Annotated[
            list[str] | None,
            typer.Option(
                "--option", "-o", help="NAME=VALUE; a value may be JSON, a list with commas, or @FILE that holds it."
            ),
        ] = None,
        config: Annotated[Path | None, typer.Option(help="headgate.toml or .yaml (HEADGATE_CONFIG).")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="The whole result as JSON.")] = False,
    ) -> None:
        _run(name, text, option or [], config, as_json=as_json)

    return command


def _run(name: str, text: str | None, options: list[str], config: Path | None, *, as_json: bool) -> None:
    from headgate.local.skills import Misused, run, skill
    from headgate.local.skills import as_json as written

    given = _read(text)
    row = skill(name)
    try:
        result = run(name, given, _options(options, row.options.__struct_fields__), _supplies(config))
    except Misused as problem:
        raise Failed(problem.message, USAGE) from None
    if as_json:
        import msgspec

        put(msgspec.json.format(written(result), indent=2).decode() + "\n")
    else:
        said = row.says(result)
        if said is not None:
            put(f"{said}\n")
        _explain(given, result)
    _say_what_lacks(name, result)


def _say_what_lacks(name: str, result: "SkillResult") -> None:
    """What the answer does not hold. Raises Exit where it is a part of what was asked for."""
    if name == "classify":
        from headgate.local.classification import Classification

        if isinstance(result, Classification) and result.label is None:
            say("none of the labels fits")
    elif name == "fill":
        from headgate.local.filling import Filled

        if isinstance(result, Filled) and result.partial:
            say(f"missing: {', '.join(result.missing)}" if result.missing else "the schema is not satisfied")
            raise typer.Exit(PARTLY_DONE)


def _explain(text: str, result: "SkillResult") -> None:
    say(f"[confidence {result.confidence:.2f}]")
    for each in result.evidence:
        quoted = " ".join(text[each.start : each.end].split())
        shown = quoted if len(quoted) <= SHOWN_CHARS else quoted[:SHOWN_CHARS] + "..."
        say(f"  {shown!r}: {each.reason}" if shown else f"  {each.reason}")


def _read(text: str | None) -> str:
    whole = sys.stdin.read(TEXT_CHARS_MAX + 1) if text in {None, "-"} else str(text)
    if len(whole) > TEXT_CHARS_MAX:
        raise Failed(f"The text has more than {TEXT_CHARS_MAX:,} characters.", USAGE)
    # What was no UTF-8 on the command line comes as lone surrogates, which no JSON can hold.
    return whole.encode("utf-8", "replace").decode()


def _options(pairs: list[str], names: tuple[str, ...]) -> Mapping[str, object]:
    given: dict[str, object] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign:
            raise Failed(f"-o {pair}: write it as NAME=VALUE; the options are {', '.join(names) or 'none'}.", USAGE)
        given[name] = _value(name, value)
    return given


def _value(name: str, value: str) -> Any:
    import msgspec

    file = Path(value[1:]) if value.startswith("@") else None
    if file is not None:
        value = _held(name, file)
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        is_named_so = file is not None and file.suffix.lower() == ".json"
        if name in OBJECTS or is_named_so or value.lstrip()[:1] in {"{", "["}:
            place = _place_of_error(value)
            raise Failed(f"-o {name}: {file or 'the value'} is not valid JSON: {place or error}.", USAGE) from None
        return value.split(",") if name in LISTS else value


def _place_of_error(value: str) -> str:
    """What is wrong with a JSON text, and where; "" where that is not known."""
    import json

    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    except RecursionError:
        pass
    return ""


def _held(name: str, file: Path) -> str:
    try:
        if file.stat().st_size > TEXT_CHARS_MAX:
            raise Failed(f"-o {name}: {file} has more than {TEXT_CHARS_MAX:,} bytes.", USAGE)
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"-o {name}: {file} cannot be read ({type(error).__name__}).", USAGE) from None


OBJECTS: Final = frozenset({"schema", "slots"})
"""Options whose values are JSON objects and cannot be written otherwise."""
LISTS: Final = frozenset({"labels", "earlier", "avoid", "kinds", "block", "allow"})
"""Options whose values may be written with commas instead of as JSON."""


def _supplies(config: Path | None) -> "Supplies":
    from headgate.assembly.skills import supplies_of

    return supplies_of(load(config))

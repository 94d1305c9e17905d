"""`headgate pack`: files, folders or messages as one prompt that a model's window holds. Asks nobody."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from headgate.cli.terminal import BAD_CONFIGURATION, Failed, put, put_json, say

if TYPE_CHECKING:
    from headgate.sdk.packing import Packable, Packed

USAGE: Final = 2
MOST_SHOWN: Final = 200
"""Lines of the account on stderr; `--json` has all."""


def pack(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders, in the order they should have.")
    ] = None,
    messages: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Messages instead: a JSON list, or a chat's body.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model or a tier, as headgate/fast.")] = None,
    question: Annotated[str, typer.Option("--question", "-q", help="What comes last in the prompt.")] = "",
    answer: Annotated[int | None, typer.Option(min=1, help="Tokens of the window to keep for the answer.")] = None,
    first: Annotated[
        list[str] | None, typer.Option(help="Files of this pattern stay before others, as 'src/*.py'.")
    ] = None,
    larger: Annotated[
        str, typer.Option(help="Take a model with a larger window: cheaper, always or never.")
    ] = "cheaper",
    repeats: Annotated[bool, typer.Option(help="Leave what is said twice as it is.")] = False,
    config: Annotated[Path | None, typer.Option(help="headgate.toml or .yaml (HEADGATE_CONFIG).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The messages and the whole account as JSON.")] = False,
) -> None:
    """Print a prompt that fits MODEL's window at 90 %: whole files first, then heads and tails with a marker between.

    The prompt goes to stdout, what was kept, cut and left out to stderr."""
    if bool(files) == (messages is not None):
        raise typer.BadParameter("Give either files or --messages.")
    import asyncio

    what: Packable = list(files or ()) if messages is None else _messages(messages)
    options = {
        "model": model,
        "question": question,
        "answer_tokens": answer,
        "larger": larger,
        "removes_repeats": not repeats,
        "priorities": dict.fromkeys(first or (), 1),
    }
    packed = asyncio.run(_packed(what, config, options))
    if as_json:
        put_json(packed)
    elif messages is None:
        put(packed.text + "\n")
    else:
        put_json(packed.messages)
    _tell(packed)


async def _packed(what: "Packable", config: Path | None, options: dict[str, Any]) -> "Packed":
    from headgate.runtime.settings import InvalidSettings
    from headgate.sdk import Headgate, HeadgateError

    try:
        gate = Headgate(config=config)
    except InvalidSettings as error:
        raise Failed(str(error), BAD_CONFIGURATION) from None
    async with gate:
        try:
            return await gate.pack(what, **options)
        except HeadgateError as error:
            raise Failed(str(error)) from None
        except OSError as error:
            raise Failed(f"{error.filename} cannot be read: {error.strerror}") from None


def _messages(file: Path) -> "Packable":
    """A list of messages, or those of a body. Raises Failed."""
    import msgspec

    try:
        read: Any = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Failed(f"{file} holds no JSON: {error}", USAGE) from None
    found = read.get("messages") if isinstance(read, dict) else read
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise Failed(f"{file} holds no list of messages.", USAGE)
    return found


def _tell(packed: "Packed") -> None:
    for item in packed.items[:MOST_SHOWN]:
        kept = "" if item.state == "whole" else f" of {item.tokens:,}"
        again = f", {item.repeated_tokens:,} said elsewhere" if item.repeated_tokens else ""
        say(f"{item.state:8} {item.kept_tokens:>9,}{kept} tokens{again}  {item.name}")
    if len(packed.items) > MOST_SHOWN:
        say(f"... and {len(packed.items) - MOST_SHOWN:,} more")
    for left in packed.left[:MOST_SHOWN]:
        say(f"not read: {left.name} ({left.why})")
    took = ", which has a larger window" if packed.reason else ""
    whole = f"{packed.whole_tokens:,} whole"
    say(f"about {packed.tokens:,} of {packed.limit_tokens:,} tokens, {whole}; for {packed.model}{took}")

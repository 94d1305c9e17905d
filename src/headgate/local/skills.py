"""Owns the table of local skills: what each does, what may be said to it, and the one way to run any of them.

To add a skill: write its options (`options.py`), a function here that calls it, and a row. A skill's own module is
loaded when it is first run.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.feeds import NO_FEEDS, Feeds
from headgate.local.options import (
    ClassifyOptions,
    ExtractOptions,
    FillOptions,
    NoOptions,
    Options,
    RepetitionOptions,
    ReplyOptions,
    SafetyOptions,
    SummaryOptions,
)
from headgate.local.personas import BadReply, Persona
from headgate.local.safety import EMPTY, Blocklist, listed, screen, together

__all__ = [
    "MOST_CHARS",
    "NO_SUPPLIES",
    "SKILLS",
    "Misused",
    "Options",
    "Skill",
    "SkillResult",
    "Supplies",
    "as_json",
    "options_of",
    "run",
    "skill",
    "table",
]

MOST_CHARS: Final = 100_000
"""Of a text that a gateway works on: about a second of a core. No thread can be stopped when its client leaves, so
longer ones are refused at the door, left to models in the cascade, and fail as jobs."""

_PLACE: Final = re.compile(r"^(.*) - at `\$\.?(.*)`$", re.DOTALL)
_FIELD: Final = re.compile(r"(?:missing required|unknown) field `(.*)`")


class SkillResult(Protocol):
    """What every result says beside its own."""

    @property
    def confidence(self) -> float: ...
    @property
    def evidence(self) -> tuple[Evidence, ...]: ...


class Supplies(msgspec.Struct, frozen=True):
    """What an operator brought for the skills: persona libraries by name, beside those that ship; the threat feeds as
    they are when somebody asks; words and phrases that are not wanted."""

    personas: Mapping[str, Persona] = {}
    feeds: Callable[[], Feeds] = lambda: NO_FEEDS
    blocklist: Blocklist = EMPTY


NO_SUPPLIES: Final = Supplies()


class Skill(msgspec.Struct, frozen=True):
    """One row: `run` takes the text, options of the type `options`, and supplies; it is pure, and raises Misused for
    what the types cannot know. `says` is a result as a chat's answer in words, None where it has nothing to say."""

    name: str
    does: str
    options: type[Options]
    run: Callable[[str, Any, Supplies], SkillResult]
    says: Callable[[Any], str | None]


class Misused(ValueError):
    """A skill that does not exist, or options that it cannot have; `param` names the option."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


def skill(name: str) -> Skill:
    """The row of a name. Raises Misused with the nearest one."""
    found = SKILLS.get(name)
    if found is None:
        close = difflib.get_close_matches(name[:60], SKILLS, n=1, cutoff=0.5)
        meant = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(SKILLS)}."
        raise Misused(f"There is no local skill `{name[:60]}`: {meant}", "skill")
    return found


def options_of(row: Skill, given: Mapping[str, object]) -> Options:
    """Options as a door got them, checked. Raises Misused."""
    try:
        return msgspec.convert(given, row.options)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PLACE.match(text)
        reason, place = (found[1], found[2]) if found else (text, "")
        if field := _FIELD.search(reason):
            place = f"{place}.{field[1]}".lstrip(".")
        known = ", ".join(row.options.__struct_fields__) or "none"
        message = f"The option {place!r} of `{row.name}` is not valid: {reason}. Its options are {known}."
        raise Misused(message, place) from None


def run(
    name: str, text: str, options: Options | Mapping[str, object] | None = None, supplies: Supplies = NO_SUPPLIES
) -> SkillResult:
    """What a skill makes of a text; its result's type is that of the skill's own function. Raises Misused."""
    row = skill(name)
    if not isinstance(options, row.options):
        if isinstance(options, Options):
            raise Misused(f"`{name}` takes {row.options.__name__}, not {type(options).__name__}.", "options")
        options = options_of(row, options or {})
    return row.run(text, options, supplies)


def table(supplies: Supplies = NO_SUPPLIES) -> dict[str, list[dict[str, Any]]]:
    """What there is, for those who ask: under `data` each skill with the JSON Schema of its options, under `personas`
    the libraries that `reply` has, with their situations and slots."""
    from headgate.local.shipped_library import shipped_personas

    rows = [
        {"id": row.name, "object": "local.skill", "does": row.does, "options": _schema(row)} for row in SKILLS.values()
    ]
    known = {**shipped_personas(), **supplies.personas}
    libraries = [
        {
            "name": name,
            "language": persona.language,
            "description": persona.description,
            "situations": list(persona.situations),
            "slots": {slot: each.default for slot, each in persona.slots.items()},
        }
        for name, persona in known.items()
    ]
    return {"data": rows, "personas": libraries}


def _schema(row: Skill) -> dict[str, Any]:
    """The schema of a skill's options, whose own definition is the root."""
    schema = msgspec.json.schema(row.options)
    definitions = dict(schema["$defs"])
    root = definitions.pop(row.options.__name__)
    return {**root, "$defs": definitions} if definitions else root


def as_json(result: SkillResult) -> bytes:
    """A result as JSON."""
    return msgspec.json.encode(result)


def _extract(text: str, options: ExtractOptions, _: Supplies) -> SkillResult:
    from headgate.local.extraction import extract

    return extract(text, wanted=frozenset(options.kinds), region=options.region, today=options.today)


def _classify(text: str, options: ClassifyOptions, _: Supplies) -> SkillResult:
    from headgate.local.classification import classify

    try:
        return classify(text, options.labels, options.threshold)
    except ValueError as error:
        raise Misused(f"{error}.", "labels") from None


def _reply(text: str, options: ReplyOptions, supplies: Supplies) -> SkillResult:
    from headgate.local.personas import reply

    persona = _persona(options.persona, supplies)
    try:
        return reply(
            text,
            persona,
            situation=options.situation,
            slots=options.slots,
            seed=options.seed,
            avoid=options.avoid,
        )
    except BadReply as error:
        raise Misused(str(error), error.param) from None


def _persona(name: str, supplies: Supplies) -> Persona:
    from headgate.local.shipped_library import shipped_personas

    found = supplies.personas.get(name) or shipped_personas().get(name)
    if found is None:
        there = ", ".join(sorted({*supplies.personas, *shipped_personas()}))
        raise Misused(f"There is no persona `{name[:60]}`; there are {there}.", "persona")
    return found


def _repetition(text: str, options: RepetitionOptions, _: Supplies) -> SkillResult:
    from headgate.local.repetition import find_repetition, window_of

    return find_repetition(text, window_of(options.earlier), options.threshold)


def _language(text: str, _: NoOptions, __: Supplies) -> SkillResult:
    from headgate.local.language import guess_language

    return guess_language(text)


def _summary(text: str, options: SummaryOptions, _: Supplies) -> SkillResult:
    from headgate.local.summary import summarize

    return summarize(text, options.max_sentences, options.max_chars)


def _fill(text: str, options: FillOptions, supplies: Supplies) -> SkillResult:
    from headgate.local.check import Problem, compiled
    from headgate.local.filling import fill

    problem = compiled(options.schema)
    if isinstance(problem, Problem):
        raise Misused(problem.message, "schema")
    return fill(text, options.schema, options.labels, feeds=supplies.feeds())


def _risk(text: str, _: NoOptions, supplies: Supplies) -> SkillResult:
    from headgate.local.risk import score

    return score(text, feeds=supplies.feeds())


def _safety(text: str, options: SafetyOptions, supplies: Supplies) -> SkillResult:
    """The operator's list and the caller's: neither spares what the other blocks."""
    try:
        own = listed(options.block, options.allow)
    except ValueError as error:
        raise Misused(f"{error}.", "block") from None
    return together(screen(text, supplies.blocklist), screen(text, own))


def _whole(result: SkillResult) -> str:
    return as_json(result).decode()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_ROWS: Final = (
    Skill(
        "extract",
        "Finds UPI ids, phones, accounts, IFSC codes, cards, emails, links, amounts and dates, normalised.",
        ExtractOptions,
        _extract,
        lambda result: _whole(result) if result.entities else None,
    ),
    Skill(
        "classify",
        "Chooses one of your labels by keywords, names and likeness to examples, or none.",
        ClassifyOptions,
        _classify,
        lambda result: result.label,
    ),
    Skill(
        "reply",
        "Answers in the words of a persona library, for the situation that the message is in.",
        ReplyOptions,
        _reply,
        lambda result: result.text,
    ),
    Skill(
        "repetition",
        "Says whether a message repeats an earlier one of its session, which one, and how nearly.",
        RepetitionOptions,
        _repetition,
        _whole,
    ),
    Skill(
        "language",
        "Guesses the language and the script of a text.",
        NoOptions,
        _language,
        lambda result: result.code,
    ),
    Skill(
        "summary",
        "Picks the telling sentences of a text, word for word and in their order.",
        SummaryOptions,
        _summary,
        lambda result: result.text or None,
    ),
    Skill(
        "fill",
        "Fills a JSON Schema with what the text holds, and names what is missing.",
        FillOptions,
        _fill,
        lambda result: _json(result.value),
    ),
    Skill(
        "risk",
        "Says how likely a message is scam or phishing, and by what; threat feeds raise it.",
        NoOptions,
        _risk,
        _whole,
    ),
    Skill(
        "safety",
        "Finds blocked words and phrases, also in disguise: the operator's and yours.",
        SafetyOptions,
        _safety,
        _whole,
    ),
)

SKILLS: Final[Mapping[str, Skill]] = {row.name: row for row in _ROWS}
"""Every local skill by its name."""

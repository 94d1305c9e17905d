"""Owns replies from templates: persona libraries in TOML, the situation a message is in, seeded choice, slots.

A library is text and nothing else: `{slot}` is replaced by what the caller gives or the library's default, once, and
nothing in a template or a value is ever evaluated. What a library holds wrongly is refused when it is read.
"""

import random
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from headgate.local.classification import Label, classify
from headgate.local.evidence import Evidence
from headgate.local.spans import plain_text

LIBRARY_CHARS_MAX: Final = 262_144
SITUATIONS_MAX: Final = 100
REPLIES_MAX: Final = 200
REPLY_CHARS_MAX: Final = 4_000
SLOTS_MAX: Final = 50
SLOT_CHARS_MAX: Final = 1_000
"""Of one value, unless its library allows less."""
OTHERWISE: Final = "otherwise"
"""The situation of a message that fits no other."""
RECOGNISED: Final = 0.3
"""Confidence from which a message is in a situation."""
_FITS_NONE: Final = 0.1
_SAID_BEFORE: Final = 0.5

_SLOT: Final = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]{0,39})\}|[{}]")
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
_Text = Annotated[str, Meta(min_length=1, max_length=REPLY_CHARS_MAX)]


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place in replies. Without a default its value must be given wherever it is used."""

    default: Annotated[str, Meta(max_length=SLOT_CHARS_MAX)] | None = None
    max_chars: Annotated[int, Meta(ge=1, le=SLOT_CHARS_MAX)] = SLOT_CHARS_MAX
    description: Annotated[str, Meta(max_length=500)] = ""


class Situation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be said, and the words and phrases by which a message is known to ask for it."""

    replies: Annotated[tuple[_Text, ...], Meta(min_length=1, max_length=REPLIES_MAX)]
    when: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=200)] = ()


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One library: who speaks, and what in which situation."""

    name: _Name
    situations: Annotated[dict[_Name, Situation], Meta(min_length=1, max_length=SITUATIONS_MAX)]
    language: Annotated[str, Meta(max_length=40)] = ""
    description: Annotated[str, Meta(max_length=500)] = ""
    slots: Annotated[dict[_Name, Slot], Meta(max_length=SLOTS_MAX)] = {}


class BadLibrary(ValueError):
    """A library that cannot be used; says what is wrong in which place."""


class BadReply(ValueError):
    """A reply that cannot be made as it was asked for; `param` is the option that is wrong."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class Reply(msgspec.Struct, frozen=True):
    """What to say, in whose words and for which situation. `confidence` is how sure it is that the message is in that
    situation: 1 where the caller named it, and half where everything that could be said was said before."""

    text: str
    persona: str
    situation: str
    confidence: float
    evidence: tuple[Evidence, ...] = ()


def persona_of(text: str) -> Persona:
    """The persona of a TOML library. Raises BadLibrary."""
    if len(text) > LIBRARY_CHARS_MAX:
        raise BadLibrary(f"the library has more than {LIBRARY_CHARS_MAX:,} characters; split it")
    try:
        persona = msgspec.convert(tomllib.loads(text), Persona)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadLibrary(f"not valid TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BadLibrary(str(error)) from None
    used = {name for situation in persona.situations.values() for text in situation.replies for name in slots_in(text)}
    if unknown := used - persona.slots.keys():
        raise BadLibrary(f"no [slots.{min(unknown)}] stands for {{{min(unknown)}}}; declare it, or write {{{{ }}}}")
    if idle := persona.slots.keys() - used:
        raise BadLibrary(f"no reply uses the slot {min(idle)!r}; take it out")
    if long := [name for name, slot in persona.slots.items() if len(slot.default or "") > slot.max_chars]:
        raise BadLibrary(f"the default of the slot {min(long)!r} is longer than its max_chars")
    if odd := [name for name, each in persona.situations.items() if not each.when and name != OTHERWISE]:
        raise BadLibrary(f"the situation {odd[0]!r} has no `when`; only {OTHERWISE!r} needs none")
    return persona


def slots_in(text: str) -> tuple[str, ...]:
    """The names of the slots of a template, in order. Raises BadLibrary for any other brace that is not doubled."""
    names = []
    for match in _SLOT.finditer(text):
        if match[1]:
            names.append(match[1])
        elif match[0] in "{}":
            raise BadLibrary(f"a lone {match[0]!r} in {text[:60]!r}; double it, or name a slot as {{name}}")
    return tuple(names)


def reply(
    text: str,
    persona: Persona,
    *,
    situation: str | None = None,
    slots: Mapping[str, str] | None = None,
    seed: int = 0,
    avoid: tuple[str, ...] = (),
) -> Reply:
    """What the persona says to a message. The same arguments give the same words; another seed perhaps others.

    Without a `situation` it is recognised; `avoid` are texts that were said before and are not said again while there
    are others. Raises BadReply for names that the library has not, and for slots without any value.
    """
    given = _checked(persona, slots or {})
    name, confidence, evidence = _situation(text, persona, situation)
    fillable = [each for each in persona.situations[name].replies if all(slot in given for slot in slots_in(each))]
    if not fillable:
        missing = next(
            slot for each in persona.situations[name].replies for slot in slots_in(each) if slot not in given
        )
        raise BadReply(f"The slot {missing!r} has no default in {persona.name!r}: give its value in `slots`.", "slots")
    said = {plain_text(each) for each in avoid}
    choices = [filled(each, given) for each in fillable]
    fresh = [each for each in choices if plain_text(each) not in said]
    dice = random.Random(f"{seed}/{persona.name}/{name}/{text}".encode("utf-8", "surrogatepass"))
    chosen = dice.choice(fresh or choices)
    sure = confidence if fresh else confidence * _SAID_BEFORE
    return Reply(chosen, persona.name, name, round(sure, 3), evidence)


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its slots replaced, in one pass: braces in values stay as they are."""
    return _SLOT.sub(lambda match: values[match[1]] if match[1] else match[0][0], template)


def _checked(persona: Persona, slots: Mapping[str, str]) -> dict[str, str]:
    """The value of every slot that has one."""
    for name, value in slots.items():
        slot = persona.slots.get(name)
        if slot is None:
            known = ", ".join(persona.slots) or "none"
            raise BadReply(f"{persona.name!r} has no slot {name!r}; it has {known}.", f"slots.{name}")
        if len(value) > slot.max_chars:
            raise BadReply(f"The slot {name!r} takes at most {slot.max_chars} characters.", f"slots.{name}")
    defaults = {name: slot.default for name, slot in persona.slots.items() if slot.default is not None}
    return {**defaults, **slots}


def _situation(text: str, persona: Persona, named: str | None) -> tuple[str, float, tuple[Evidence, ...]]:
    if named is not None:
        if named not in persona.situations:
            there = ", ".join(persona.situations)
            raise BadReply(f"{persona.name!r} has no situation {named!r}; it has {there}.", "situation")
        return named, 1.0, ()
    labels = _labels(persona.name, tuple((name, each.when) for name, each in persona.situations.items() if each.when))
    if labels:
        found = classify(text, labels, RECOGNISED)
        if found.label is not None:
            return found.label, found.confidence, found.evidence
    if OTHERWISE in persona.situations:
        return OTHERWISE, _FITS_NONE, ()
    raise BadReply(
        f"The message fits no situation of {persona.name!r}, and it has none called {OTHERWISE!r}: name one.",
        "situation",
    )


@lru_cache(maxsize=64)
def _labels(_: str, situations: tuple[tuple[str, tuple[str, ...]], ...]) -> Any:
    return tuple(Label(name, when) for name, when in situations)

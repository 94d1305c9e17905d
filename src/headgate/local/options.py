"""Owns what may be said to each skill besides the text: names, types, bounds and defaults, for every door alike.

The descriptions are shown by `GET /v1/local`. Options of a skill are one Struct; what is not in it is refused.
"""

from datetime import date
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from headgate.local import classification, repetition, summary
from headgate.local.classification import Labels
from headgate.local.extract_types import Kind
from headgate.local.personas import SLOT_CHARS_MAX, SLOTS_MAX
from headgate.local.shipped_library import HELPDESK

SEED_MAX = 2**63 - 1
PHRASES_MAX = 1_000
_Phrase = Annotated[str, Meta(min_length=1, max_length=200)]
_Earlier = Annotated[str, Meta(max_length=repetition.MESSAGE_CHARS_MAX)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be said to a skill."""


class NoOptions(Options, frozen=True):
    """Nothing but the text."""


class ExtractOptions(Options, frozen=True):
    """For `extract`."""

    kinds: Annotated[
        tuple[Kind, ...], Meta(min_length=1, max_length=len(Kind), description="What to look for; all without it.")
    ] = tuple(Kind)
    region: Annotated[
        str, Meta(pattern="^[A-Z]{2}$", description="The country whose national phone numbers are understood.")
    ] = "IN"
    today: Annotated[
        date | None, Meta(description="With it, days without a year and relative ones (tomorrow) count as well.")
    ] = None


class ClassifyOptions(Options, frozen=True):
    """For `classify`."""

    labels: Annotated[
        Labels,
        Meta(description="Names, or objects with a name and any of keywords, examples and a description."),
    ]
    threshold: Annotated[_Share, Meta(description="Confidence under which no label is given.")] = (
        classification.THRESHOLD
    )


class SafetyOptions(Options, frozen=True):
    """For `safety`."""

    block: Annotated[
        tuple[_Phrase, ...],
        Meta(
            max_length=PHRASES_MAX, description="Words and phrases that are not wanted; a * at the end is any ending."
        ),
    ] = ()
    allow: Annotated[
        tuple[_Phrase, ...], Meta(max_length=PHRASES_MAX, description="Phrases in which they are harmless.")
    ] = ()


class ReplyOptions(Options, frozen=True):
    """For `reply`."""

    persona: Annotated[str, Meta(max_length=40, description="The library whose words are used.")] = HELPDESK
    situation: Annotated[
        str | None, Meta(description="A situation of the library; left out, it is recognised in the text.")
    ] = None
    slots: Annotated[
        dict[str, Annotated[str, Meta(max_length=SLOT_CHARS_MAX)]],
        Meta(max_length=SLOTS_MAX, description="Values for slots of the library, by name."),
    ] = {}
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX, description="Another seed gives perhaps other words.")] = 0
    avoid: Annotated[
        tuple[_Earlier, ...],
        Meta(max_length=repetition.MESSAGES_MAX, description="Replies that were given before."),
    ] = ()


class RepetitionOptions(Options, frozen=True):
    """For `repetition`."""

    earlier: Annotated[
        tuple[_Earlier, ...],
        Meta(max_length=repetition.MESSAGES_MAX, description="Earlier messages of the session, the oldest first."),
    ]
    threshold: Annotated[_Share, Meta(description="Likeness from which a message is a repetition.")] = (
        repetition.THRESHOLD
    )


class SummaryOptions(Options, frozen=True):
    """For `summary`."""

    max_sentences: Annotated[int, Meta(ge=1, le=summary.SENTENCES_MAX)] = summary.SENTENCES
    max_chars: Annotated[int, Meta(ge=1, le=summary.CHARS_MAX)] = summary.CHARS


class FillOptions(Options, frozen=True):
    """For `fill`."""

    schema: Annotated[dict[str, Any], Meta(description="The JSON Schema of the object that is wanted.")]
    labels: Annotated[
        Labels | None, Meta(description="What tells the values of an `enum` apart, where their names do not.")
    ] = None

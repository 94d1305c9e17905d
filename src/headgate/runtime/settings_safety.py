"""Owns `[local.safety]` of headgate.toml: which words and phrases are not wanted, and what is done about them."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

MAX_LISTED: int = 10_000
"""Phrases of one list in headgate.toml; longer lists go into files."""
MAX_FILES: int = 100

Phrase = Annotated[str, Meta(min_length=1, max_length=200)]
Phrases = Annotated[tuple[Phrase, ...], Meta(max_length=MAX_LISTED)]
FileName = Annotated[str, Meta(min_length=1, max_length=4_096)]
Category = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class RouteSafety(StrEnum):
    """What is done with a prompt that holds a blocked term, before any call: nothing, a fact, or a refusal too."""

    OFF = "off"
    LOG = "log"
    BLOCK = "block"


class SafetySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[local.safety]`: blocked words and phrases, found in disguise too; a `*` at the end of one is any end of a word.
    They judge what a provider refused for safety, and, where a route says `safety = "block"` or `"log"`, every prompt
    before it is sent."""

    block: Phrases = ()
    allow: Phrases = ()
    """Phrases in which a blocked word is harmless, as `kill switch`."""
    categories: dict[Category, Phrases] = {}
    """More blocked phrases, by what they are instances of; those of `block` are of the category `blocked`."""
    files: Annotated[tuple[FileName, ...], Meta(max_length=MAX_FILES)] = ()
    """Lists, read at the start: a phrase in a line, `[category]` above its phrases, `!` before one that is allowed,
    `#` before a remark."""

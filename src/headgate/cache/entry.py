"""Owns the form in which an answer is kept, and the proof that what was found is that answer and nobody else's.

    one byte: version | 16 bytes: checksum | msgpack of the entry

The checksum is an HMAC under the space's secret, so that who can write to a tier but does not know the secret cannot
put words into anybody's answers. Whatever is wrong with what was found is a `Flaw`, a miss, and never an exception.
"""

import hmac
from collections.abc import Container
from enum import StrEnum
from typing import Final

import msgspec

from headgate.cache.key import Space
from headgate.domain.answer import Usage
from headgate.domain.time import Seconds

ENTRY_VERSION: Final = 1
SUM_BYTES: Final = 16
HEAD_BYTES: Final = 1 + SUM_BYTES


class Flaw(StrEnum):
    """What is wrong with something that was found under a key."""

    UNREADABLE = "unreadable"
    """Too short, cut off, or no entry at all."""
    POISONED = "poisoned"
    """Its bytes are not those that were written."""
    FOREIGN = "foreign"
    """It is an entry, of another key, another tenant or a model that may not serve here."""
    OLDER = "older"
    NEWER = "newer"


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer as it is kept. `body` is what `kind` says: of a chat the whole completion, however it was made.

    `written_at` is wall time in seconds since 1970, `ttl_s` how long it is fresh from then on. `marks` are what it can
    be made void by: `tag:...`, `tenant:...`, `model:...`. `asked_at` is the wall time at which it was asked for; None
    in entries of earlier releases.
    """

    kind: str
    key: str
    space: str
    model: str
    provider: str
    written_at: float
    ttl_s: Seconds
    marks: tuple[str, ...]
    usage: Usage | None
    body: bytes
    asked_at: float | None = None

    @property
    def since(self) -> float:
        """From when on what it answers may have changed: marks that were set later make it void, also one that was set
        while it was made and heard of when it was kept already."""
        return self.written_at if self.asked_at is None else self.asked_at

    def age_s(self, wall_s: float) -> Seconds:
        """How old it is; never less than nothing, whatever the clocks of those who wrote it say."""
        return max(0.0, wall_s - self.written_at)


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Entry).decode


def encode_entry(entry: Entry, space: Space) -> bytes:
    """The entry as bytes for a tier."""
    payload = _encode(entry)
    return b"%c%b%b" % (ENTRY_VERSION, _sum(space, payload), payload)


def decode_entry(data: bytes, key: str, space: Space, models: Container[str]) -> Entry | Flaw:
    """The entry, if it is the one that was looked for and nothing happened to it. About 5 µs for 600 bytes."""
    if len(data) < HEAD_BYTES:
        return Flaw.UNREADABLE
    if data[0] != ENTRY_VERSION:
        return Flaw.OLDER if data[0] < ENTRY_VERSION else Flaw.NEWER
    payload = data[HEAD_BYTES:]
    try:
        entry = _decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return Flaw.UNREADABLE
    if entry.space != space.name or entry.key != key:
        return Flaw.FOREIGN
    if not hmac.compare_digest(data[1:HEAD_BYTES], _sum(space, payload)):
        return Flaw.POISONED
    return entry if entry.model in models else Flaw.FOREIGN


def _sum(space: Space, payload: bytes) -> bytes:
    return hmac.digest(space.secret, payload, "sha256")[:SUM_BYTES]

"""Owns the form of virtual keys, how they are hashed, and the ring that looks one up. Knows no headers and no HTTP.

    hg_ 1a2B3c4D _ 43 characters of secret + 6 of checksum
        public id  256 random bits           CRC-32 of all before it

The id finds the row; the whole key is compared by its hash in constant time; the checksum lets scanners and typing
errors be told without a look-up. The raw key is shown once, when it is made; a hash is never accepted in its place.
"""

import datetime
import hashlib
import hmac
import re
import zlib
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from headgate.runtime.settings_secret import Secret

PREFIX: Final = "hg_"
ID_CHARS: Final = 8
SECRET_BYTES: Final = 32
SECRET_CHARS: Final = 43
CHECKSUM_CHARS: Final = 6
KEY_CHARS: Final = len(PREFIX) + ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS
SCOPES_MAX: Final = 32
RANDOM_BYTES_OF_ID: Final = 8

PEPPERED: Final = "h1"
"""Version tag of HMAC-SHA-256(pepper, key)."""
PLAIN: Final = "s1"
"""Version tag of SHA-256(key), for installations without a pepper; enough for 256 random bits."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM: Final = re.compile(rb"hg_[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}" % (ID_CHARS, SECRET_CHARS + CHECKSUM_CHARS))
_ID: Final = slice(len(PREFIX), len(PREFIX) + ID_CHARS)

KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{8}$")]
KeyHash = Annotated[str, msgspec.Meta(pattern=r"^(h1|s1):[0-9a-f]{64}$")]
TenantName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Label = Annotated[str, msgspec.Meta(max_length=100)]
ZonedTime = Annotated[datetime.datetime, msgspec.Meta(tz=True)]


class Scope(StrEnum):
    """What a virtual key can be made for. Models, limits and stories of its own requests may be looked at with any."""

    CHAT = "chat"
    """`chat/completions`, `responses` and `messages`."""
    EMBEDDINGS = "embeddings"
    MODERATIONS = "moderations"
    AUDIO = "audio"
    FILES = "files"
    BATCHES = "batches"
    """Whatever their lines ask for."""
    JOBS = "jobs"
    """Also those that a chat brings."""
    LOCAL = "local"
    USAGE = "usage"


SCOPES: Final = frozenset(Scope)
"""Equal to their texts."""


class VirtualKeyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a virtual key: an entry of `[[auth.virtual_keys]]`.

    No scopes means every scope; with some, all else is a 403. `hash` is never shown to anybody but the operator who
    made the key.
    """

    id: KeyId
    hash: KeyHash
    tenant: TenantName = "default"
    name: Label = ""
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(max_length=SCOPES_MAX)] = ()
    admin: bool = False
    expires: ZonedTime | None = None

    def __repr__(self) -> str:
        return f"<VirtualKeyRow {self.id} of {self.tenant}>"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("id", self.id), ("tenant", self.tenant)]


def new_virtual_key(
    random_bytes: Callable[[int], bytes],
    *,
    tenant: str = "default",
    name: str = "",
    scopes: tuple[Scope, ...] = (),
    admin: bool = False,
    expires: datetime.datetime | None = None,
    pepper: Secret | None = None,
) -> tuple[str, VirtualKeyRow]:
    """A new raw key, to be shown once, and its row. `random_bytes` must come from the system's secure source."""
    public_id = _base62(int.from_bytes(random_bytes(RANDOM_BYTES_OF_ID)), ID_CHARS)
    secret = _base62(int.from_bytes(random_bytes(SECRET_BYTES)), SECRET_CHARS)
    body = f"{PREFIX}{public_id}_{secret}"
    raw = body + _checksum(body.encode())
    digest = key_hash(raw.encode(), pepper)
    row = VirtualKeyRow(
        id=public_id, hash=digest, tenant=tenant, name=name, scopes=scopes, admin=admin, expires=expires
    )
    return raw, row


def looks_like_virtual_key(text: str | bytes) -> bool:
    """Whether the form and the checksum are those of a virtual key; says nothing about whether it is valid."""
    raw = text.encode("ascii", "replace") if isinstance(text, str) else text
    if len(raw) != KEY_CHARS or _FORM.fullmatch(raw) is None:
        return False
    return _checksum(raw[:-CHECKSUM_CHARS]).encode() == raw[-CHECKSUM_CHARS:]


def public_id(raw: bytes) -> str:
    """The part of a key that may be shown."""
    return raw[_ID].decode("ascii", "replace")


def key_hash(raw: bytes, pepper: Secret | None) -> str:
    """What is stored of a key: with a pepper `h1:` and HMAC-SHA-256, else `s1:` and SHA-256, in hexadecimal."""
    if pepper is None:
        return f"{PLAIN}:{hashlib.sha256(raw).hexdigest()}"
    return f"{PEPPERED}:{hmac.digest(pepper.reveal().encode(), raw, 'sha256').hex()}"


class KeyRing:
    """The virtual keys that are valid, by public id. A change of keys makes a new ring.

    A key that was found once is remembered by its full SHA-256, so at most one entry per row is remembered.
    """

    __slots__ = ("_dummy", "_pepper", "_rows", "_seen")

    def __init__(self, rows: Iterable[VirtualKeyRow], pepper: Secret | None = None) -> None:
        self._rows = {row.id.encode(): row for row in rows}
        self._pepper = pepper
        self._seen: dict[bytes, VirtualKeyRow] = {}
        tag = PLAIN if pepper is None else PEPPERED
        self._dummy = VirtualKeyRow(id="0" * ID_CHARS, hash=f"{tag}:{'0' * 64}")

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<KeyRing of {len(self._rows)} keys>"

    def rows(self) -> tuple[VirtualKeyRow, ...]:
        """Every row, expired ones included."""
        return tuple(self._rows.values())

    def find(self, raw: bytes, now_unix_s: float) -> VirtualKeyRow | None:
        """The row of a key that is right and has not expired at `now_unix_s` (Unix seconds)."""
        digest = hashlib.sha256(raw).digest()
        row = self._seen.get(digest)
        if row is None:
            row = self._look_up(raw)
            if row is None:
                return None
            self._seen[digest] = row
        if row.expires is not None and row.expires.timestamp() <= now_unix_s:
            return None
        return row

    def _look_up(self, raw: bytes) -> VirtualKeyRow | None:
        """A known and an unknown id take the same path, so that the time does not tell which ids exist."""
        if not looks_like_virtual_key(raw):
            return None
        row = self._rows.get(raw[_ID])
        expected = self._dummy if row is None else row
        pepper = self._pepper if expected.hash.startswith(PEPPERED) else None
        right = hmac.compare_digest(key_hash(raw, pepper), expected.hash)
        return row if right else None


def config_line(row: VirtualKeyRow) -> str:
    """The lines to paste into headgate.toml."""
    lines = ["[[auth.virtual_keys]]", f"id = {_toml(row.id)}", f"hash = {_toml(row.hash)}"]
    lines.append(f"tenant = {_toml(row.tenant)}")
    if row.name:
        lines.append(f"name = {_toml(row.name)}")
    if row.scopes:
        lines.append(f"scopes = [{', '.join(_toml(scope) for scope in row.scopes)}]")
    if row.admin:
        lines.append("admin = true")
    if row.expires is not None:
        lines.append(f"expires = {row.expires.isoformat()}")
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """A basic string of TOML, which is JSON's with DEL escaped too."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007F")


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))


def _checksum(body: bytes) -> str:
    return _base62(zlib.crc32(body), CHECKSUM_CHARS)

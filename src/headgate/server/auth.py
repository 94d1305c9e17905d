"""Owns the door: who a request comes from, by its headers. Knows no bodies, no routes and no quota.

Without virtual keys the door is open: everybody is the tenant `local`, whatever `Authorization` says, and on loopback
the `Host` must be a name of this machine, because a web page can point a name of its own at 127.0.0.1. With virtual
keys, one must come as `Authorization: Bearer hg_...` or as `X-API-Key: hg_...`; beside the latter a caller may bring a
provider key of their own.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final, final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.runtime.keys import PREFIX, KeyRing, Scope, VirtualKeyRow
from headgate.runtime.settings_model import AuthSettings, Passthrough, ServerSettings, is_loopback
from headgate.runtime.settings_secret import Secret

LOCAL_TENANT: Final = "local"
OWN_KEY_PREFIX: Final = b"gsk_"
OWN_KEY_ID_CHARS: Final = 16
OWN_KEY_CHARS_MAX: Final = 512
_OWN_KEY_DOMAIN: Final = b"headgate own key v1"
"""What own keys are hashed with where no pepper is set: it only sets their ids apart from plain hashes."""

_USUAL_PEERS: Final = frozenset({"127.0.0.1", "::1", None})
"""None is the peer of a Unix socket."""
_VIRTUAL: Final = PREFIX.encode()
_OWN_KEY: Final = re.compile(rb"[\x21-\x7e]+")
_PAGES: Final = frozenset({b"http", b"https"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+)(?::[0-9]{1,5})?")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. No scopes means every scope.

    `own_key` is the caller's own provider key, never to be pooled, cached or learned across; `own_key_id` is its name.
    """

    tenant: str
    key_id: str | None = None
    key_name: str = ""
    scopes: tuple[Scope, ...] = ()
    admin: bool = False
    own_key: Secret | None = None
    own_key_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the key was made for this."""
        return not self.scopes or scope in self.scopes


@final
class Denied(msgspec.Struct, frozen=True):
    """Why nobody comes in. The message helps and never repeats a key."""

    status: int
    code: RefusalCode
    message: str

    @property
    def refusal(self) -> Refusal:
        """What the client gets."""
        return Refusal(self.code, self.message, self.status)


ANYBODY: Final = Identity(tenant=LOCAL_TENANT)
_HOW: Final = "Send your gateway key as `Authorization: Bearer hg_...` or `X-API-Key: hg_...`."

NO_KEY: Final = Denied(401, RefusalCode.INVALID_API_KEY, f"No API key was given. {_HOW}")
WRONG_KEY: Final = Denied(
    401,
    RefusalCode.INVALID_API_KEY,
    "The gateway key is not valid: it is mistyped, expired or was taken back. Ask who runs this gateway for a new one.",
)
NOT_A_GATEWAY_KEY: Final = Denied(
    401, RefusalCode.INVALID_API_KEY, f"The API key is not a key of this gateway: those begin with hg_. {_HOW}"
)
OWN_KEY_ALONE: Final = Denied(
    401,
    RefusalCode.INVALID_API_KEY,
    "A provider key alone does not open this gateway. Send your gateway key as `X-API-Key: hg_...` beside it, "
    "or as `Authorization: Bearer hg_...` instead of it.",
)
NOT_A_PROVIDER_KEY: Final = Denied(
    401, RefusalCode.INVALID_API_KEY, "The provider key in `Authorization` has a form that no key has."
)
STRANGE_PEER: Final = Denied(
    403,
    RefusalCode.FORBIDDEN,
    "This gateway is open to its own machine only. To serve others, make a virtual key with `headgate keys create`.",
)
STRANGE_HOST: Final = Denied(
    403,
    RefusalCode.FORBIDDEN,
    "This gateway is open to its own machine only, so the Host header must be a name of it, as 127.0.0.1 or "
    "localhost. To serve other names, make a virtual key with `headgate keys create`.",
)

STRANGE_ORIGIN: Final = Denied(
    403,
    RefusalCode.FORBIDDEN,
    "This gateway is open to its own machine only, so no web page from elsewhere may send it anything. To serve "
    "others, make a virtual key with `headgate keys create`.",
)


def out_of_scope(scope: Scope) -> Refusal:
    """What the client of a key that was made for other things gets."""
    text = f"This gateway key may not be used for `{scope}`: it has other scopes. Ask who runs this gateway for one."
    return Refusal(RefusalCode.FORBIDDEN, text, 403)


class Door:
    """Tells who a request comes from. A change of keys makes a new door.

    `now_unix_s` is asked for the time only where keys are checked.
    """

    __slots__ = ("_always", "_checks_host", "_hosts", "_identities", "_never", "_now", "_open", "_ring", "_salt")

    def __init__(self, auth: AuthSettings, server: ServerSettings, now_unix_s: Callable[[], float]) -> None:
        self._ring = KeyRing(auth.virtual_keys, auth.pepper)
        self._identities = {row.id: _identity(row) for row in auth.virtual_keys}
        self._now = now_unix_s
        self._open = not auth.virtual_keys
        self._checks_host = self._open and is_loopback(server.host)
        self._hosts = _usual_hosts(server)
        self._always = auth.passthrough is Passthrough.ALWAYS
        self._never = auth.passthrough is Passthrough.NEVER
        self._salt = _OWN_KEY_DOMAIN if auth.pepper is None else auth.pepper.reveal().encode()

    @property
    def is_open(self) -> bool:
        """Whether anybody may come in."""
        return self._open

    def authenticate(self, headers: Mapping[bytes, bytes], client_host: str | None = None) -> Identity | Denied:
        """Who a request with these headers (names in lower case) comes from.

        `client_host` is the peer's address, None where it has none. Costs under 2 µs at an open door, under 4 with a
        key seen before.
        """
        if self._open:
            return self._authenticate_anybody(headers, client_host)
        bearer = _bearer(headers.get(b"authorization"))
        if bearer is not None and bearer.startswith(_VIRTUAL):
            return self._of_virtual_key(bearer)
        own = bearer if bearer is not None and bearer.startswith(OWN_KEY_PREFIX) else None
        gateway_key = headers.get(b"x-api-key")
        if gateway_key is not None:
            identity = self._of_virtual_key(gateway_key.strip())
            if own is None or self._never or isinstance(identity, Denied):
                return identity
            return self._with_own_key(identity, own)
        if own is not None:
            return self._own_key_alone(own) if self._always else OWN_KEY_ALONE
        return NO_KEY if bearer is None else NOT_A_GATEWAY_KEY

    def bars_page(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a web page from elsewhere sent this to an open door. Its browser asks nobody's leave for a form or a
        file; for JSON it does, and gets none. What a browser sends for an extension or a program is no page."""
        origin = headers.get(b"origin")
        if origin is None or not self._checks_host:
            return False
        scheme, _, authority = origin.partition(b"://")
        return (scheme in _PAGES or origin == b"null") and not is_loopback_authority(authority)

    def _authenticate_anybody(self, headers: Mapping[bytes, bytes], client_host: str | None) -> Identity | Denied:
        if self._checks_host:
            if client_host not in _USUAL_PEERS and not is_loopback(client_host or ""):
                return STRANGE_PEER
            host = headers.get(b"host", b"")
            if host not in self._hosts and not is_loopback_authority(host):
                return STRANGE_HOST
        return ANYBODY

    def _of_virtual_key(self, raw: bytes) -> Identity | Denied:
        row = self._ring.find(raw, self._now())
        return WRONG_KEY if row is None else self._identities[row.id]

    def _with_own_key(self, identity: Identity, own: bytes) -> Identity | Denied:
        if len(own) > OWN_KEY_CHARS_MAX or _OWN_KEY.fullmatch(own) is None:
            return NOT_A_PROVIDER_KEY
        return msgspec.structs.replace(identity, own_key=Secret(own.decode("ascii")), own_key_id=self._id_of(own))

    def _own_key_alone(self, own: bytes) -> Identity | Denied:
        return self._with_own_key(Identity(tenant=f"own-{self._id_of(own)}"), own)

    def _id_of(self, own: bytes) -> str:
        return hmac.digest(self._salt, own, "sha256").hex()[:OWN_KEY_ID_CHARS]


def _identity(row: VirtualKeyRow) -> Identity:
    return Identity(tenant=row.tenant, key_id=row.id, key_name=row.name, scopes=row.scopes, admin=row.admin)


def _bearer(value: bytes | None) -> bytes | None:
    """The token of a Bearer header; None for no header, another scheme or an empty token."""
    if value is None or value[:7].lower() != b"bearer ":
        return None
    return value[7:].strip() or None


def _usual_hosts(server: ServerSettings) -> frozenset[bytes]:
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset(text.encode() for name in names for text in (name, f"{name}:{server.port}"))


def is_loopback_authority(host: bytes) -> bool:
    """Whether a Host header names this machine: any loopback address or *.localhost, at any port."""
    found = _HOST.fullmatch(host.decode("latin-1").strip())
    return found is not None and is_loopback(found[1])

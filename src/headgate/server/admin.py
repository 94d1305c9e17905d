"""Owns the operators' listener: who may come in there, its table of paths, and how its answers go out.

It shares nothing with the tenants' doors but the gateway: another port, another credential, no key of a tenant opens
it. Every row of the table says whom it is for. On loopback the `Host` must be a name of this machine, because a web
page can point a name of its own at 127.0.0.1; and nothing here is for other origins, so none is let in.

If you add a path: write its door beside those of its kind, and its row in `admin_routes`, with its role.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.observe.tally import Tally
from headgate.protocol.openai import error_body
from headgate.runtime.settings_secret import Secret
from headgate.server.auth import is_loopback_authority
from headgate.server.errors import invalid, refusal_parts
from headgate.server.gateway import Gateway
from headgate.server.labels import JSON, Header, lines_of, request_id
from headgate.server.request_ids import new_id
from headgate.server.visit import Receive, Scope, Send, read_json, send_whole

MAX_BODY_BYTES: Final = 64 * 1024
SECURITY: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
NO_TOKEN: Final = Refusal(
    RefusalCode.INVALID_API_KEY,
    "This is the operators' listener: send its token as `Authorization: Bearer ...` (HEADGATE_ADMIN_TOKEN, or the one "
    "in the folder for state that `headgate cache` reads). No gateway key and no provider key opens it.",
    401,
)
STRANGE_HOST: Final = Refusal(
    RefusalCode.FORBIDDEN,
    "The Host header must be a name of this machine, as 127.0.0.1 or localhost.",
    403,
)


class Role(StrEnum):
    """Whom a path is for."""

    ANYBODY = "anybody"
    """Whoever reaches the port: it tells nothing but that somebody is there."""
    OPERATOR = "operator"
    """Who has the token."""


class AdminVisit(msgspec.Struct, frozen=True):
    """One request that was let in. `name` is its id, `given` what its path holds."""

    gateway: Gateway
    tally: Tally
    scope: Scope
    receive: Receive
    send: Send
    headers: Mapping[bytes, bytes]
    name: str
    given: Mapping[str, str]

    async def reply(self, body: bytes, status: int = 200, kind: Header = JSON) -> None:
        """A whole answer."""
        lines = lines_of((kind, request_id(self.name), *SECURITY))
        await send_whole(self.scope, self.send, status, lines, body)

    async def tell(self, value: object, status: int = 200) -> None:
        """A value as JSON."""
        await self.reply(msgspec.json.encode(value), status)

    async def refuse(self, refusal: Refusal, *more: Header) -> None:
        """A refusal in OpenAI's shape."""
        status, headers, body = refusal_parts(refusal, self.name)
        await send_whole(self.scope, self.send, status, lines_of((*headers, *SECURITY, *more)), body)

    async def body(self) -> bytes | None:
        """The JSON body; None when there is nobody to answer any more, because it was refused or the client left."""
        read = await read_json(self.scope, self.receive, self.headers, MAX_BODY_BYTES)
        if isinstance(read, Refusal):
            await self.refuse(read)
            return None
        return read


AdminDoor = Callable[[AdminVisit], Awaitable[None]]


class AdminRoute(msgspec.Struct, frozen=True):
    """One row. A pattern that ends in `{name}` holds what has no slash there."""

    method: str
    pattern: str
    role: Role
    door: AdminDoor


class AdminApp:
    """The ASGI application of the operators' listener."""

    def __init__(
        self, gateway: Gateway, tally: Tally, token: Secret, routes: tuple[AdminRoute, ...], *, checks_host: bool
    ) -> None:
        self._gateway = gateway
        self._tally = tally
        self._digest = _digest(token.reveal().encode())
        self._routes = routes
        self._checks_host = checks_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the server's own start and stop, which the gateway does not depend on."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        path, method = scope["path"], scope["method"]
        rows, given = self._find(path)
        visit = AdminVisit(self._gateway, self._tally, scope, receive, send, headers, new_id(), given)
        if self._checks_host and not is_loopback_authority(headers.get(b"host", b"")):
            await visit.refuse(STRANGE_HOST)
            return
        row = next((row for row in rows if row.method == method), None)
        if (row is None or row.role is not Role.ANYBODY) and not self._is_operator(headers):
            await visit.refuse(NO_TOKEN, (b"www-authenticate", b"Bearer"))
        elif row is not None:
            await row.door(visit)
        elif rows:
            allow = ", ".join(row.method for row in rows)
            refusal = invalid(f"{method} is not possible here: use {allow}.", status=405)
            await visit.refuse(refusal, (b"allow", allow.encode()))
        else:
            there = ", ".join(f"{row.method} {row.pattern}" for row in self._routes)
            text = f"Unknown request URL: {method} {path[:200]}. There are {there}."
            await visit.reply(error_body(text, "invalid_request_error", "unknown_url"), 404)

    def _find(self, path: str) -> tuple[list[AdminRoute], dict[str, str]]:
        """The rows of a path, and what it holds."""
        exact = [row for row in self._routes if row.pattern == path]
        if exact:
            return exact, {}
        head, _, last = path.rpartition("/")
        rows = [row for row in self._routes if last and row.pattern.startswith(f"{head}/{{")]
        return rows, {row.pattern.rpartition("{")[2].rstrip("}"): last for row in rows}

    def _is_operator(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the token is there. It takes the same time whatever stands in its place."""
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        return hmac.compare_digest(_digest(token.strip()), self._digest) and scheme.lower() == b"bearer"


def _digest(token: bytes) -> bytes:
    """Tokens of any length as digests of one length, so that comparing tells nothing of it."""
    return hashlib.sha256(token).digest()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

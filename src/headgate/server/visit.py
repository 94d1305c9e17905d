"""One HTTP request at a door: what came in, and how a whole answer goes out. It knows no bodies and no routes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.server.auth import Identity
from headgate.server.errors import Refuser, invalid
from headgate.server.gateway import Gateway
from headgate.server.labels import DIRECT, JSON, Header, headers_of, lines_of, request_id
from headgate.server.watch import Watch

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BUSY_RETRY_S: Final = 1.0


class Visit(msgspec.Struct, frozen=True):
    """One request that was let in by `auth`. `name` is its id, `given` what its path holds (`{id}`), `refuser` how its
    API words what we refuse."""

    gateway: Gateway
    scope: Scope
    receive: Receive
    send: Send
    headers: Mapping[bytes, bytes]
    identity: Identity
    name: str
    given: Mapping[str, str]
    refuser: Refuser

    async def reply(self, body: bytes, status: int = 200, headers: tuple[Header, ...] = (JSON,)) -> None:
        """A whole answer that is no model's."""
        await send_whole(self.scope, self.send, status, lines_of((*headers, request_id(self.name))), body)

    def watch(self) -> Watch:
        """A watch of the client."""
        return watched(self.scope)

    async def refuse(self, refusal: Refusal) -> None:
        """A refusal as an answer."""
        await refuse(self.scope, self.send, refusal, self.name, self.refuser)


def body_now(scope: Scope, headers: Mapping[bytes, bytes], most: int) -> bytes | Refusal | None:
    """The whole body if it is here already, or a refusal for one that is too large or not JSON; None when it is to be
    received."""
    kind = headers.get(b"content-type", b"")
    if kind != JSON[1] and kind.partition(b";")[0].strip().lower() != JSON[1]:
        return invalid("Send the body as JSON, with the header `content-type: application/json`.", status=415)
    if b"content-encoding" in headers and headers[b"content-encoding"] != b"identity":
        return invalid("Send the body as it is, without the header `content-encoding`.", status=415)
    direct = scope.get(DIRECT)
    if direct is not None and (there := direct.body_now()) is not None:
        return too_large(most) if len(there) > most else there
    stated = headers.get(b"content-length", b"0")
    return too_large(most) if stated.isdigit() and int(stated) > most else None


async def read_json(
    scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], most: int
) -> bytes | Refusal | None:
    """The whole body; a refusal for one that is too large or not JSON; None when the client left meanwhile."""
    there = body_now(scope, headers, most)
    return await received(receive, most) if there is None else there


async def received(receive: Receive, most: int) -> bytes | Refusal | None:
    """A body that `body_now` has not; None when the client left meanwhile."""
    chunks, size, more = [], 0, True
    while more:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            return too_large(most)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def too_large(most: int) -> Refusal:
    """413 that names the setting."""
    return invalid(f"The body is larger than {most:,} bytes (setting server.max_body_bytes).", status=413)


def busy() -> Refusal:
    """429 for a full house: SDKs repeat it by themselves."""
    text = "Too many requests are in flight here (settings server.max_in_flight and max_in_flight_per_tenant)."
    return Refusal(RefusalCode.NO_CAPACITY, text, 429, BUSY_RETRY_S, untried=True)


async def refuse(scope: Scope, send: Send, refusal: Refusal, name: str, refuser: Refuser) -> None:
    """A refusal as an answer, in the words of an API."""
    status, headers, body = refuser(refusal, name)
    await send_whole(scope, send, status, lines_of(headers), body)


async def send_whole(scope: Scope, send: Send, status: int, lines: bytes, body: bytes) -> None:
    """A whole answer, at once where our own server can. `lines` are those of its head, but for the length of the
    body."""
    lines = b"%bcontent-length: %d\r\n" % (lines, len(body))
    direct = scope.get(DIRECT)
    if direct is None or not direct.answer_now(status, lines, body):
        await send({"type": "http.response.start", "status": status, "headers": headers_of(lines)})
        await send({"type": "http.response.body", "body": body})


def watched(scope: Scope) -> Watch:
    """A watch of the client who waits for the answer of the current task. Only our own server tells of its leaving."""
    direct = scope.get(DIRECT)
    return Watch(asyncio.current_task()) if direct is None else direct.watched()


def indirect(scope: Scope) -> Scope:
    """The same request, to be answered in uvicorn's own way, which knows which answers have no body."""
    return {**scope, DIRECT: None}

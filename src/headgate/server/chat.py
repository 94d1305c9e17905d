"""The door of `POST /chat/completions`: bytes in, a driver's answer out, whole or as a stream, labelled either way."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.failure import Failure
from headgate.protocol.chat import Chat, InvalidBody, parse_chat
from headgate.protocol.errors import redact
from headgate.protocol.openai import completion_body, stream_of
from headgate.runtime.driver import Answered
from headgate.server.auth import Identity
from headgate.server.controls import InvalidControl, read_controls
from headgate.server.errors import invalid, refusal_parts
from headgate.server.gateway import Gateway
from headgate.server.labels import EVENT_STREAM, JSON, NO_RETRY, WHOLE, Header, labels

if TYPE_CHECKING:
    from headgate.server.app import Receive, Scope, Send

BUSY_RETRY_S: Final = 1.0


async def answer(
    gateway: Gateway,
    scope: "Scope",
    receive: "Receive",
    send: "Send",
    headers: Mapping[bytes, bytes],
    identity: Identity,
    name: str,
) -> None:
    """Answer one chat request."""
    started_at = gateway.clock.now()
    body = await _read(receive, headers, gateway.max_body_bytes)
    if body is None:
        return
    if isinstance(body, Refusal):
        await _send(scope, send, *refusal_parts(body, name))
        return
    if not gateway.enter(identity.tenant):
        await _send(scope, send, *refusal_parts(_busy(), name))
        return
    try:
        await _answer(gateway, scope, receive, send, body, identity, name, started_at)
    finally:
        gateway.leave(identity.tenant)


async def _answer(
    gateway: Gateway,
    scope: "Scope",
    receive: "Receive",
    send: "Send",
    body: bytes,
    identity: Identity,
    name: str,
    started_at: float,
) -> None:
    try:
        chat = parse_chat(body)
        controls = read_controls(scope["headers"], chat.controls, identity)
    except InvalidBody as problem:
        await _send(scope, send, *refusal_parts(invalid(problem.message, problem.param), name))
        return
    except InvalidControl as problem:
        await _send(scope, send, *refusal_parts(problem.refusal, name))
        return
    request = gateway.intake.request(
        chat, controls, request_id=name, tenant=identity.tenant, now=started_at, own_key=identity.own_key_id
    )
    if isinstance(request, Refusal):
        await _send(scope, send, *refusal_parts(request, name))
        return
    watch = gateway.watches.watch(receive)
    answered = None
    explain = controls.inactive if controls.explain else None
    try:
        answered = await gateway.driver.ask(request, chat, identity.own_key)
        if answered.stream is None:
            watch.stop()
            spent_s = gateway.clock.now() - started_at
            overhead_s = max(0.0, spent_s - answered.upstream_s - answered.journey.waited_s)
            await _send(scope, send, *_whole(gateway, answered, chat, overhead_s, explain))
        else:
            watch.limit(request.deadline_at - gateway.clock.now())
            await _stream(gateway, send, answered, started_at, explain)
    except asyncio.CancelledError:
        if not watch.gone:
            raise
    finally:
        watch.stop()
        if answered is not None and answered.stream is not None:
            await answered.stream.aclose()


def _whole(
    gateway: Gateway, answered: Answered, chat: Chat, overhead_s: float, explain: tuple[str, ...] | None
) -> tuple[int, list[Header], bytes]:
    """Status, headers and body of whatever is not an upstream stream."""
    finish, journey = answered.finish, answered.journey
    marks = labels(answered, overhead_s=overhead_s, explain=explain)
    match finish.ending:
        case Ending.ANSWER:
            assert answered.body is not None
            return 200, [JSON, *marks], answered.body
        case Ending.LOCAL:
            return _local(gateway, answered, chat, marks)
        case Ending.RELAY:
            assert finish.failure is not None
            return _relayed(finish.failure, marks, own=journey.request.own_key is not None)
        case Ending.REFUSAL:
            assert finish.refusal is not None
            status, headers, body = refusal_parts(finish.refusal, journey.request.id)
            return status, [*headers, *marks[1:]], body
        case Ending.BREAK | Ending.ABANDONED:
            raise AssertionError(f"{finish.ending} is not for a whole answer")


def _local(gateway: Gateway, answered: Answered, chat: Chat, marks: list[Header]) -> tuple[int, list[Header], bytes]:
    local, name = answered.local, answered.journey.request.id
    assert local is not None
    label = {"headgate": {"source": "local", "skill": local.skill, "confidence": local.confidence}}
    created = int(gateway.clock.wall())
    if chat.stream:
        events = stream_of(
            f"chatcmpl-{name}", created, LOCAL_MODEL, local.text, label, include_usage=chat.include_usage
        )
        return 200, [EVENT_STREAM, *marks], b"".join(events)
    return 200, [JSON, *marks], completion_body(f"chatcmpl-{name}", created, LOCAL_MODEL, local.text, label)


_NO_EXTENSIONS: Final[dict[str, Any]] = {}

LOCAL_MODEL: Final = "headgate/local"


def _relayed(failure: Failure, marks: list[Header], *, own: bool) -> tuple[int, list[Header], bytes]:
    """The upstream's own error, byte for byte; where the key is not the caller's without what names its owner."""
    assert failure.status is not None
    return failure.status, [JSON, NO_RETRY, *marks], failure.body if own else redact(failure.body)


async def _stream(
    gateway: Gateway, send: "Send", answered: Answered, started_at: float, explain: tuple[str, ...] | None
) -> None:
    """A committed stream. Nothing is buffered here: `send` waits when the client reads slowly."""
    overhead_s = max(0.0, gateway.clock.now() - started_at - answered.upstream_s - answered.journey.waited_s)
    marks = labels(answered, overhead_s=overhead_s, explain=explain)
    headers = [EVENT_STREAM, (b"cache-control", b"no-cache"), *marks]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    assert answered.stream is not None
    async for chunk in answered.stream:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _read(receive: "Receive", headers: Mapping[bytes, bytes], most: int) -> bytes | Refusal | None:
    """The whole body; a refusal for one that is too large or not JSON; None when the client left meanwhile."""
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        return invalid("Send the body as JSON, with the header `content-type: application/json`.", status=415)
    stated = headers.get(b"content-length", b"0")
    if stated.isdigit() and int(stated) > most:
        return _too_large(most)
    message: Any = await receive()
    if message["type"] == "http.disconnect":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return _too_large(most) if len(body) > most else body
    chunks, size = [body], len(body)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            return _too_large(most)
    return b"".join(chunks)


def _too_large(most: int) -> Refusal:
    return invalid(f"The body is larger than {most:,} bytes (setting server.max_body_bytes).", status=413)


def _busy() -> Refusal:
    text = "Too many requests are in flight here (settings server.max_in_flight and max_in_flight_per_tenant)."
    return Refusal(RefusalCode.NO_CAPACITY, text, 429, BUSY_RETRY_S)


async def _send(scope: "Scope", send: "Send", status: int, headers: list[Header], body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    whole = scope.get("extensions", _NO_EXTENSIONS).get(WHOLE)
    if whole is not None and whole(status, headers, body):
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

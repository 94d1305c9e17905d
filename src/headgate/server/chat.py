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
from headgate.runtime.errand import ChatErrand
from headgate.server.auth import Identity
from headgate.server.controls import InvalidControl, read_controls
from headgate.server.errors import invalid, refusal_parts
from headgate.server.gateway import Gateway
from headgate.server.labels import EVENT_STREAM, JSON, NO_RETRY, WHOLE, headers_of, labels, lines_of

if TYPE_CHECKING:
    from headgate.server.app import Receive, Scope, Send

BUSY_RETRY_S: Final = 1.0
_ANSWER: Final = Ending.ANSWER  # looking up a member of an enum costs as much as a call
_JSON: Final = lines_of([JSON])
_RELAYED: Final = lines_of([JSON, NO_RETRY])
_STREAMED: Final = lines_of([EVENT_STREAM])
_STREAMED_ON: Final = lines_of([EVENT_STREAM, (b"cache-control", b"no-cache")])


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
        await _refuse(scope, send, body, name)
        return
    if not gateway.enter(identity.tenant):
        await _refuse(scope, send, _busy(), name)
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
        await _refuse(scope, send, invalid(problem.message, problem.param), name)
        return
    except InvalidControl as problem:
        await _refuse(scope, send, problem.refusal, name)
        return
    request = gateway.intake.request(
        chat, controls, request_id=name, tenant=identity.tenant, now=started_at, own_key=identity.own_key_id
    )
    if isinstance(request, Refusal):
        await _refuse(scope, send, request, name)
        return
    watch = gateway.watches.watch(receive)
    answered = None
    explain = controls.inactive if controls.explain else None
    try:
        errand = ChatErrand(chat, gateway.handling)
        answered = await gateway.driver.ask(request, errand, identity.own_key)
        if answered.stream is None:
            watch.stop()
            await _send(scope, send, *_whole(gateway, answered, chat, started_at, explain))
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
    gateway: Gateway, answered: Answered, chat: Chat, started_at: float, explain: tuple[str, ...] | None
) -> tuple[int, bytes, bytes]:
    """Status, header lines and body of whatever is not an upstream stream."""
    finish, journey = answered.finish, answered.journey
    marks = labels(answered, overhead_s=_overhead_s(gateway, answered, started_at), explain=explain)
    if finish.ending is _ANSWER:
        assert answered.body is not None
        return 200, _JSON + marks, answered.body
    match finish.ending:
        case Ending.LOCAL:
            return _local(gateway, answered, chat, marks)
        case Ending.RELAY:
            assert finish.failure is not None
            return _relayed(
                finish.failure, marks, own=journey.request.own_key is not None or not gateway.handling.redact
            )
        case Ending.REFUSAL:
            assert finish.refusal is not None
            status, headers, body = refusal_parts(finish.refusal, journey.request.id)
            return status, lines_of(header for header in headers if header[0] != b"x-request-id") + marks, body
        case _:
            raise AssertionError(f"{finish.ending} is not for a whole answer")


def _overhead_s(gateway: Gateway, answered: Answered, started_at: float) -> float:
    """Time that was neither the upstream's nor spent waiting."""
    return max(0.0, gateway.clock.now() - started_at - answered.upstream_s - answered.journey.waited_s)


def _local(gateway: Gateway, answered: Answered, chat: Chat, marks: bytes) -> tuple[int, bytes, bytes]:
    local, name = answered.local, answered.journey.request.id
    assert local is not None
    label = {"headgate": {"source": "local", "skill": local.skill, "confidence": local.confidence}}
    created = int(gateway.clock.wall())
    if chat.stream:
        events = stream_of(
            f"chatcmpl-{name}", created, LOCAL_MODEL, local.text, label, include_usage=chat.include_usage
        )
        return 200, _STREAMED + marks, b"".join(events)
    return 200, _JSON + marks, completion_body(f"chatcmpl-{name}", created, LOCAL_MODEL, local.text, label)


LOCAL_MODEL: Final = "headgate/local"


def _relayed(failure: Failure, marks: bytes, *, own: bool) -> tuple[int, bytes, bytes]:
    """The upstream's own error, byte for byte; where the key is not the caller's without what names its owner."""
    assert failure.status is not None
    return failure.status, _RELAYED + marks, failure.body if own else redact(failure.body)


async def _stream(
    gateway: Gateway, send: "Send", answered: Answered, started_at: float, explain: tuple[str, ...] | None
) -> None:
    """A committed stream. Nothing is buffered here: `send` waits when the client reads slowly."""
    marks = labels(answered, overhead_s=_overhead_s(gateway, answered, started_at), explain=explain)
    await send({"type": "http.response.start", "status": 200, "headers": headers_of(_STREAMED_ON + marks)})
    assert answered.stream is not None
    async for chunk in answered.stream:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _read(receive: "Receive", headers: Mapping[bytes, bytes], most: int) -> bytes | Refusal | None:
    """The whole body; a refusal for one that is too large or not JSON; None when the client left meanwhile."""
    kind = headers.get(b"content-type", b"")
    if kind != JSON[1] and kind.partition(b";")[0].strip().lower() != JSON[1]:
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


async def _refuse(scope: "Scope", send: "Send", refusal: Refusal, name: str) -> None:
    status, headers, body = refusal_parts(refusal, name)
    await _send(scope, send, status, lines_of(headers), body)


async def _send(scope: "Scope", send: "Send", status: int, lines: bytes, body: bytes) -> None:
    """A whole answer. `lines` are those of its head, but for the length of the body."""
    lines += b"content-length: %d\r\n" % len(body)
    extensions = scope.get("extensions")
    whole = None if extensions is None else extensions.get(WHOLE)
    if whole is None or not whole(scope, status, lines, body):
        await send({"type": "http.response.start", "status": status, "headers": headers_of(lines)})
        await send({"type": "http.response.body", "body": body})

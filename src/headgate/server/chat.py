"""The pipeline of everything that is a chat inside: bytes in, a driver's answer out, whole or as a stream, labelled.

`POST /chat/completions` goes through it in its own words (`form` is None); other APIs bring theirs (`forms`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal, Source
from headgate.domain.failure import Failure
from headgate.domain.request import Request
from headgate.protocol.chat import Chat, InvalidBody, parse_chat
from headgate.protocol.openai import completion_body, stream_of
from headgate.protocol.replay import events_of
from headgate.runtime.answers import Wish
from headgate.runtime.errand import ChatErrand
from headgate.runtime.outcome import Answered, Committed
from headgate.server import background
from headgate.server.auth import Identity
from headgate.server.controls import Controls, InvalidControl, read_controls
from headgate.server.errors import invalid, refusal_parts
from headgate.server.forms import Form, Translation
from headgate.server.gateway import Gateway
from headgate.server.labels import (
    EVENT_STREAM,
    JSON,
    LOCAL_MODEL,
    headers_of,
    labels,
    lines_of,
    request_id,
    steady_labels,
)
from headgate.server.outcome import Outgoing, overhead_s, refused, told, unreadable
from headgate.server.visit import Receive, Scope, Send, body_now, busy, received, refuse, send_whole, watched
from headgate.server.wishes import asked, wish_of

__all__ = ["LOCAL_MODEL", "answer"]

_CACHE: Final = Source.CACHE
_ANSWER: Final = Ending.ANSWER  # looking up a member of an enum costs as much as a call
_JSON: Final = lines_of([JSON])
_STREAMED: Final = lines_of([EVENT_STREAM])
_STREAMED_ON: Final = lines_of([EVENT_STREAM, (b"cache-control", b"no-cache")])


def answer(
    gateway: Gateway,
    scope: Scope,
    receive: Receive,
    send: Send,
    headers: Mapping[bytes, bytes],
    identity: Identity,
    name: str,
    form: Form | None = None,
) -> Awaitable[None]:
    """Answer one request. Gives what is to be awaited, since every coroutine around another costs a call's time."""
    started_at = gateway.now()
    body, most = body_now(scope, headers, gateway.max_body_bytes), gateway.max_body_bytes
    begun = partial(_begun, gateway, scope, send, identity, name, started_at, form)
    return _received(received(receive, most), begun) if body is None else begun(body)


async def _received(reading: Awaitable[bytes | Refusal | None], begun: Callable[..., Awaitable[None]]) -> None:
    """The same for a body that is still on its way; nothing for a client who left meanwhile."""
    body = await reading
    if body is not None:
        await begun(body)


def _begun(
    gateway: Gateway,
    scope: Scope,
    send: Send,
    identity: Identity,
    name: str,
    started_at: float,
    form: Form | None,
    body: bytes | Refusal,
) -> Awaitable[None]:
    """The answer that is ready for these bytes, or a place in the house for whoever sent them."""
    if type(body) is Refusal:
        return _refuse(scope, send, body, name, form)
    ready = gateway.ready
    if ready is not None and form is None and not ready.is_empty():
        digest = ready.digest(scope["headers"], identity, scope["path"], body)
        found = None if digest is None else ready.take(digest, name, started_at)
        if found is not None:
            return send_whole(scope, send, 200, *found)
    if not gateway.enter(identity.tenant):
        return _refuse(scope, send, busy(), name, form)
    return _answer(gateway, scope, send, body, identity, name, started_at, form)


async def _answer(
    gateway: Gateway,
    scope: Scope,
    send: Send,
    body: bytes,
    identity: Identity,
    name: str,
    started_at: float,
    form: Form | None,
) -> None:
    """Answer one that was let in; it leaves with that."""
    answered, aside, watch, out = None, None, None, scope
    try:
        understood = _understood(gateway, scope, body, identity, name, started_at, form)
        if type(understood) is Refusal:
            await _refuse(scope, send, understood, name, form)
            return
        chat, translation, controls, request, wish = understood
        if controls.background or controls.webhook:
            words = body if translation is None else translation.body
            aside = await _set_aside(gateway, scope, send, controls, chat, words, identity, name, form)
            if aside is None:
                return
            out, send = aside.scope, aside.send
        watch = watched(scope)
        errand = ChatErrand(chat, gateway.handling)
        answered = await asked(gateway, request, errand, wish, identity.own_key)
        marks = _marks(answered, overhead_s(gateway, answered, started_at), controls, errand, translation, wish)
        if answered.stream is not None:
            watch.limit(request.deadline_at - gateway.now())
            if form is not None:
                marks += form.lines(name)
            await _stream(send, answered.stream, marks, translation)
        else:
            watch.stop()
            whole = _whole(gateway, answered, chat, marks, form, translation)
            if answered.entry is not None and form is None and aside is None and not controls.explain:
                _keep_ready(gateway, scope, identity, body, chat, answered, whole)
            await send_whole(out, send, *whole)
    except asyncio.CancelledError:
        if watch is None or not watch.gone:
            raise
    finally:
        try:
            if watch is not None:
                watch.stop()
            if aside is not None:
                aside.close()
            if answered is not None and answered.stream is not None:
                await answered.stream.aclose()
        finally:
            gateway.leave(identity.tenant)


Understood = tuple[Chat, Translation | None, Controls, Request, Wish | None]


def _understood(
    gateway: Gateway,
    scope: Scope,
    body: bytes,
    identity: Identity,
    name: str,
    started_at: float,
    form: Form | None,
) -> Understood | Refusal:
    """What a body asks for, or why it cannot be asked."""
    translation = None
    try:
        if form is not None:
            translation = form.read(body, name, int(gateway.clock.wall()))
        chat = parse_chat(body if translation is None else translation.body)
        controls = read_controls(scope["headers"], chat.controls, identity)
        request = gateway.intake.request(
            chat, controls, request_id=name, tenant=identity.tenant, now=started_at, own_key=identity.own_key_id
        )
        if type(request) is Refusal:
            return request
        return chat, translation, controls, request, wish_of(gateway, chat, request, controls)
    except InvalidBody as problem:
        return invalid(problem.message, problem.param)
    except InvalidControl as problem:
        return problem.refusal


async def _set_aside(
    gateway: Gateway,
    scope: Scope,
    send: Send,
    controls: Controls,
    chat: Chat,
    body: bytes,
    identity: Identity,
    name: str,
    form: Form | None,
) -> background.Aside | None:
    """The way out of an answer that leaves jobs; None where all is said: it became a job, or its jobs cannot be."""
    taken = await background.take(gateway, scope, send, controls, chat, body, identity, name, is_chat=form is None)
    if isinstance(taken, background.Aside):
        return taken
    if isinstance(taken, Refusal):
        await _refuse(scope, send, taken, name, form)
    else:
        await send_whole(scope, send, 202, lines_of([JSON, request_id(name)]), taken.body)
    return None


def _marks(
    answered: Answered,
    spent_s: float,
    controls: Controls,
    errand: ChatErrand,
    translation: Translation | None,
    wish: Wish | None,
) -> bytes:
    """Where the answer came from; for a client who asks why, also that."""
    if not controls.explain:
        return labels(answered, overhead_s=spent_s)
    notes = errand.notes if translation is None else (*translation.notes, *errand.notes)
    key = None if wish is None else wish.ticket.key
    return labels(answered, overhead_s=spent_s, explain=controls.inactive, notes=notes, cache_key=key)


def _whole(
    gateway: Gateway, answered: Answered, chat: Chat, marks: bytes, form: Form | None, translation: Translation | None
) -> Outgoing:
    """What goes out for whatever is not an upstream stream."""
    ending, body = answered.finish.ending, answered.body
    is_stream = answered.finish.source is _CACHE and chat.stream  # which the cache has as a whole
    if is_stream:
        assert body is not None
        body = events_of(body, include_usage=chat.include_usage)
    if form is None:
        if ending is _ANSWER:
            assert body is not None
            return 200, (_STREAMED_ON if is_stream else _JSON) + marks, body
        return _local(gateway, answered, chat, marks) if ending is Ending.LOCAL else told(gateway, answered, marks)
    assert translation is not None
    name = answered.journey.request.id
    marks += form.lines(name)
    head = (_STREAMED_ON if is_stream else _JSON) + marks
    if ending is Ending.LOCAL:
        _, head, body = _local(gateway, answered, chat, marks)
    elif ending is not _ANSWER:
        return told(gateway, answered, marks, form)
    assert body is not None
    if chat.stream:
        writer = translation.stream()
        return 200, head, writer.feed(body) + writer.end()
    whole = translation.whole(body)
    return refused(unreadable(whole), name, marks, form) if isinstance(whole, Failure) else (200, head, whole)


def _keep_ready(
    gateway: Gateway, scope: Scope, identity: Identity, raw: bytes, chat: Chat, answered: Answered, whole: Outgoing
) -> None:
    """Have an answer of the cache ready for whoever sends the same bytes again, unless each of them is told of."""
    ready = None if gateway.intake.tells_of(chat, answered.journey.request.route) else gateway.ready
    digest = None if ready is None else ready.digest(scope["headers"], identity, scope["path"], raw)
    if ready is not None and digest is not None:
        head = _STREAMED_ON if answered.journey.request.stream else _JSON
        ready.keep(digest, answered, head + steady_labels(answered).encode(), whole[2])


def _local(gateway: Gateway, answered: Answered, chat: Chat, marks: bytes) -> Outgoing:
    local, name = answered.local, answered.journey.request.id
    assert local is not None
    label = {"headgate": local.label}
    created = int(gateway.clock.wall())
    if chat.stream:
        events = stream_of(
            f"chatcmpl-{name}", created, LOCAL_MODEL, local.text, label, include_usage=chat.include_usage
        )
        return 200, _STREAMED + marks, b"".join(events)
    return 200, _JSON + marks, completion_body(f"chatcmpl-{name}", created, LOCAL_MODEL, local.text, label)


async def _stream(send: Send, stream: Committed, marks: bytes, translation: Translation | None) -> None:
    """A committed stream. Nothing is buffered here: `send` waits when the client reads slowly."""
    await send({"type": "http.response.start", "status": 200, "headers": headers_of(_STREAMED_ON + marks)})
    if translation is None:
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    else:
        writer = translation.stream()
        async for chunk in stream:
            if rewritten := writer.feed(chunk):
                await send({"type": "http.response.body", "body": rewritten, "more_body": True})
        if rest := writer.end():
            await send({"type": "http.response.body", "body": rest, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, send: Send, refusal: Refusal, name: str, form: Form | None) -> None:
    await refuse(scope, send, refusal, name, refusal_parts if form is None else form.refuse)

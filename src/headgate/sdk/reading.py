"""Owns the way from a driver's outcome to an `Answer` or an exception, whole or event by event."""

from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.decide.actions import Ending
from headgate.domain.answer import Source, Usage
from headgate.protocol.openai import completion_body
from headgate.protocol.sse import Event as WireEvent
from headgate.protocol.sse import EventParser
from headgate.runtime.outcome import Answered
from headgate.sdk.answer import Answer, Done, Error, Event, Token, ToolCall
from headgate.sdk.problems import StreamBroke, UpstreamRefused, refused, relayed
from headgate.server.chat import LOCAL_MODEL

NANO: Final = Decimal(10) ** 9
_NULL: Final = Raw(b"null")
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct, gc=False):
    id: str | None = None
    index: int = 0
    function: _Function | None = None


class _Message(Struct, gc=False):
    content: Raw = _NULL
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct, gc=False):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Body(Struct, gc=False):
    choices: list[_Choice] | None = None


class _ErrorText(Struct, gc=False):
    message: str | None = None
    code: str | int | None = None


class _ErrorBody(Struct, gc=False):
    error: _ErrorText | None = None


_decode: Final = msgspec.json.Decoder(_Body).decode
_decode_error: Final = msgspec.json.Decoder(_ErrorBody).decode


def whole_answer(answered: Answered, inactive: tuple[str, ...], wall_s: float) -> Answer:
    """The answer of a request that was not streamed, or was answered locally. Raises a HeadgateError."""
    if answered.finish.ending is Ending.LOCAL:
        return _local_answer(answered, inactive, wall_s)
    return _upstream_answer(answered, brought(answered), inactive)


def brought(answered: Answered) -> bytes:
    """The body that a model answered a request with. Raises a HeadgateError where none did."""
    finish, name = answered.finish, answered.journey.request.id
    match finish.ending:
        case Ending.ANSWER:
            assert answered.body is not None
            return answered.body
        case Ending.RELAY:
            assert finish.failure is not None
            raise relayed(finish.failure, name)
        case Ending.REFUSAL:
            assert finish.refusal is not None
            raise refused(finish.refusal, name)
        case Ending.LOCAL | Ending.BREAK | Ending.ABANDONED:
            raise AssertionError(f"{finish.ending} brings no model's answer")


def _upstream_answer(answered: Answered, body: bytes, inactive: tuple[str, ...]) -> Answer:
    try:
        choice = (_decode(body).choices or [_Choice()])[0]
    except _UNREADABLE as error:
        text = f"The provider's answer is not shaped as one: {error}"
        raise UpstreamRefused(text, 200, None, body, answered.journey.request.id) from None
    message = choice.message or _Message()
    return _answer(
        answered,
        text=_text(message),
        reasoning=message.reasoning or message.reasoning_content or "",
        tool_calls=tuple(_tool_call(call) for call in message.tool_calls or ()),
        finish_reason=choice.finish_reason or "stop",
        raw=body,
        inactive=inactive,
    )


def _local_answer(answered: Answered, inactive: tuple[str, ...], wall_s: float) -> Answer:
    local, journey = answered.local, answered.journey
    assert local is not None
    label = {"headgate": local.label}
    body = completion_body(f"chatcmpl-{journey.request.id}", int(wall_s), LOCAL_MODEL, local.text, label)
    return _answer(answered, text=local.text, finish_reason="stop", raw=body, inactive=inactive)


def _answer(
    answered: Answered,
    *,
    text: str,
    finish_reason: str,
    raw: bytes,
    inactive: tuple[str, ...],
    reasoning: str = "",
    tool_calls: tuple[ToolCall, ...] = (),
) -> Answer:
    """An answer with the labels of its journey: the same facts as the answer headers of the HTTP doors."""
    journey, finish = answered.journey, answered.finish
    source = finish.source or Source.UPSTREAM
    served = None if source is Source.LOCAL else journey.served
    return Answer(
        text=text,
        tool_calls=tool_calls,
        reasoning=reasoning,
        finish_reason=finish_reason,
        usage=Usage(0, 0) if source is Source.LOCAL else journey.usage,
        source=source,
        model_asked=journey.request.model_asked,
        model_served=LOCAL_MODEL if served is None else served.model,
        provider="" if served is None else served.provider,
        attempts=journey.attempts,
        calls=journey.calls,
        fitted=journey.fitted if source is Source.UPSTREAM else None,
        cost_usd=Decimal(journey.cost_nanousd) / NANO,
        reason=finish.reason or journey.why(),
        cache=answered.cache,
        age_s=answered.age_s,
        request_id=journey.request.id,
        raw=raw,
        inactive=inactive,
    )


def _text(message: _Message) -> str:
    """The text of a content; parts that are not text have none."""
    try:
        content = msgspec.json.decode(message.content)
    except _UNREADABLE:
        return ""
    return content if isinstance(content, str) else ""


def _tool_call(call: _Call) -> ToolCall:
    function = call.function or _Function()
    return ToolCall(call.id or "", function.name or "", function.arguments or "")


# Streams --------------------------------------------------------------------------------------------------------------


async def stream_events(answered: Answered, inactive: tuple[str, ...]) -> AsyncGenerator[Event, None]:
    """The events of a stream that has begun: its bytes are those that an HTTP client would be sent."""
    assert answered.stream is not None
    reading = StreamReading()
    try:
        async for chunk in answered.stream:
            for event in reading.feed(chunk):
                yield event
        yield reading.end(answered, inactive)
    finally:
        await answered.stream.aclose()


class StreamReading:
    """One stream while it is read. A tool call is given out when it is whole."""

    def __init__(self) -> None:
        self._parser = EventParser()
        self._raw: list[bytes] = []
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._open: dict[int, _Call] = {}
        self._calls: list[ToolCall] = []
        self._finish_reason = ""
        self.error: tuple[str, str | None] | None = None

    def feed(self, chunk: bytes) -> list[Event]:
        self._raw.append(chunk)
        return [event for wire in self._parser.feed(chunk) for event in self._read(wire)]

    def end(self, answered: Answered, inactive: tuple[str, ...]) -> Done | Error:
        text = "".join(self._texts)
        if self.error is not None:
            return Error(StreamBroke(*self.error, text, answered.journey.request.id))
        answer = _answer(
            answered,
            text=text,
            reasoning="".join(self._reasoning),
            tool_calls=tuple(self._calls),
            finish_reason=self._finish_reason,
            raw=b"".join(self._raw),
            inactive=inactive,
        )
        return Done(answer)

    def _read(self, wire: WireEvent) -> list[Event]:
        if wire.event == "error":
            self.error = _error_of(wire.data)
            return []
        if wire.data == "[DONE]":
            return self._close_calls()
        choices = _decode(wire.data).choices
        if not choices:
            return []
        choice, events = choices[0], list[Event]()
        if choice.delta is not None:
            events += self._read_delta(choice.delta)
        if choice.finish_reason:
            self._finish_reason = choice.finish_reason
            events += self._close_calls()
        return events

    def _read_delta(self, delta: _Message) -> list[Event]:
        events: list[Event] = []
        for part in delta.tool_calls or ():
            if part.index not in self._open:
                events += self._close_calls()
                self._open[part.index] = _Call(index=part.index)
            _extend(self._open[part.index], part)
        reasoning = delta.reasoning or delta.reasoning_content
        if reasoning:
            self._reasoning.append(reasoning)
        text = _text(delta)
        if text:
            self._texts.append(text)
            events.append(Token(text))
        return events

    def _close_calls(self) -> list[Event]:
        whole = [_tool_call(call) for call in self._open.values()]
        self._open.clear()
        self._calls += whole
        return [*whole]


def _extend(call: _Call, part: _Call) -> None:
    call.id = part.id or call.id
    before, more = call.function or _Function(), part.function or _Function()
    call.function = _Function(more.name or before.name, (before.arguments or "") + (more.arguments or ""))


def _error_of(data: str) -> tuple[str, str | None]:
    try:
        error = _decode_error(data).error or _ErrorText()
    except _UNREADABLE:
        error = _ErrorText()
    return error.message or "The stream broke off.", None if error.code is None else str(error.code)

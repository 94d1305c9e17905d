"""A chat stream as Responses events, while it passes.

Every delta is written at once. Items open when their first delta comes and close when another kind follows, function
calls when the answer ends. A stream that breaks ends in `response.failed` and `error`, never in `response.completed`.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.protocol.error_body import read_error, redact
from headgate.protocol.responses import Asked
from headgate.protocol.responses_executed import Executed, executed_item, executed_prefix, read_executed
from headgate.protocol.responses_reply import (
    call_item,
    incomplete_reason,
    item_id,
    message_item,
    reasoning_item,
    refusal_part,
    response_object,
    text_part,
)
from headgate.protocol.sse import BOM, MAX_EVENT_BYTES, EventCutter, read_block

_NULL: Final = Raw(b"null")
_NO_ERROR: Final = frozenset({b"null", b'""', b"{}"})
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_BROKEN: Final = frozenset({"error"})
"""Finish reasons by which a provider says that the answer is none (OpenRouter)."""


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    executed_tools: Raw = _NULL


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _XGroq(Struct, gc=False):
    usage: Raw = _NULL
    error: Raw = _NULL


class _Chunk(Struct, gc=False):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = _NULL
    error: Raw = _NULL
    service_tier: str | None = None
    x_groq: _XGroq | None = None
    headgate: Raw = _NULL


class _Kind(Struct, frozen=True):
    """What a text item is made of: its id's prefix, and the two events that carry its words."""

    prefix: str
    delta: str
    done: str
    done_field: str


_REASONING: Final = _Kind("rs", "response.reasoning_text.delta", "response.reasoning_text.done", "text")
_TEXT: Final = _Kind("msg", "response.output_text.delta", "response.output_text.done", "text")
_REFUSAL: Final = _Kind("msg", "response.refusal.delta", "response.refusal.done", "refusal")


class _OpenText(Struct):
    """The text item that is being written: `head` and `tail` stand around each delta."""

    kind: _Kind
    id: str
    output_index: int
    head: bytes
    tail: bytes
    texts: list[str]


class _OpenUse(Struct):
    """A use of a built-in tool that has begun; `executed` is the last that was said of it."""

    id: str
    output_index: int
    executed: Executed


class _OpenCall(Struct):
    """A function call that is being written. `id` is the item's, `call_id` the provider's, `index` its place there."""

    id: str
    output_index: int
    call_id: str
    index: int | None
    name: str
    arguments: list[str]


_decode: Final = msgspec.json.Decoder(_Chunk).decode
_encode: Final = msgspec.json.Encoder().encode


class ResponseStream:
    """Writes one stream. Feed it chat events, relay what it gives back, call `end` when the connection has ended.

    The result does not depend on how the bytes were cut. After `ended` there is nothing more to relay.
    """

    __slots__ = (
        "_asked",
        "_calls",
        "_created",
        "_cutter",
        "_finish_reason",
        "_head",
        "_id",
        "_label",
        "_model",
        "_next_index",
        "_output",
        "_sequence",
        "_started",
        "_text",
        "_tier",
        "_usage",
        "_uses",
        "ended",
    )

    def __init__(self, asked: Asked, response_id: str, created: int, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.ended = False
        self._asked = asked
        self._id = response_id
        self._created = created
        self._cutter = EventCutter(max_event_bytes)
        self._head: bytes | None = b""
        self._started = False
        self._sequence = 0
        self._next_index = 0
        self._model: str | None = None
        self._tier: str | None = None
        self._usage = _NULL
        self._label = _NULL
        self._finish_reason: str | None = None
        self._text: _OpenText | None = None
        self._calls: list[_OpenCall] = []
        self._uses: dict[int, _OpenUse] = {}
        self._output: dict[int, dict[str, object]] = {}

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes, comments relayed as they are."""
        if self._head is not None:
            self._head += data
            if len(self._head) < len(BOM) and BOM.startswith(self._head):
                return b""
            data, self._head = self._head.removeprefix(BOM), None
        out: list[bytes] = []
        for block in self._cutter.feed(data):
            if self.ended:
                break
            self._read(block, out)
        if self._cutter.oversized is not None and not self.ended:
            self._fail(f"An event of the stream is larger than {self._cutter.oversized.limit_bytes} bytes.", out)
        return b"".join(out)

    def end(self) -> bytes:
        """The last events, once the connection has ended: a stream without a finish_reason was cut off."""
        out: list[bytes] = []
        if not self.ended:
            if self._finish_reason is None:
                self._fail("The stream ended before the answer did.", out)
            else:
                self._complete(out)
        return b"".join(out)

    # ---------------------------------------------------------------------------------------------------------- reading

    def _read(self, block: bytes, out: list[bytes]) -> None:
        event, data = read_block(block)
        if data is None:
            if block.startswith(b":"):
                out.append(block)
            return
        if event == b"error":
            self._fail_with(data, out)
            return
        if data == b"[DONE]":
            out.append(self.end())
            return
        try:
            chunk = _decode(data)
        except _UNREADABLE:
            self._fail("An event of the stream cannot be read.", out)
            return
        self._read_chunk(chunk, data, out)

    def _read_chunk(self, chunk: _Chunk, data: bytes, out: list[bytes]) -> None:
        if chunk.error is not _NULL and bytes(chunk.error) not in _NO_ERROR:
            self._fail_with(data, out)
            return
        inner = chunk.x_groq
        if inner is not None:
            if inner.error is not _NULL and bytes(inner.error) not in _NO_ERROR:
                self._fail_with(b'{"error":%b}' % inner.error, out)
                return
            if inner.usage is not _NULL:
                self._usage = inner.usage.copy()
        if chunk.usage is not _NULL and chunk.usage != _NULL:
            self._usage = chunk.usage.copy()
        if not self._started:
            self._start(chunk, out)
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.choices:
            choice = chunk.choices[0]
            if choice.delta is not None:
                self._read_delta(choice.delta, out)
            if choice.finish_reason:
                self._finish(choice.finish_reason, out)

    def _read_delta(self, delta: _Delta, out: list[bytes]) -> None:
        reasoning = delta.reasoning or delta.reasoning_content
        if reasoning:
            self._write_text(_REASONING, reasoning, out)
        if delta.executed_tools is not _NULL:
            for executed in read_executed(delta.executed_tools):
                self._write_use(executed, out)
        if delta.content:
            self._write_text(_TEXT, delta.content, out)
        if delta.refusal:
            self._write_text(_REFUSAL, delta.refusal, out)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._write_call(call, out)

    def _finish(self, reason: str, out: list[bytes]) -> None:
        if reason in _BROKEN:
            self._fail("The provider broke the answer off.", out)
            return
        self._finish_reason = reason
        self._close_all(out)

    # ---------------------------------------------------------------------------------------------------------- writing

    def _event(self, kind: str, fields: dict[str, object]) -> bytes:
        body = _encode({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), body)

    def _state(self, status: str, *, incomplete: str | None = None, error: object = None) -> dict[str, object]:
        response = response_object(
            self._asked,
            self._id,
            self._created,
            status=status,
            model=self._model,
            output=[self._output[index] for index in sorted(self._output)],
            usage=self._usage,
            service_tier=self._tier,
            label=self._label,
            incomplete=incomplete,
            error=error,
        )
        return {"response": response}

    def _start(self, chunk: _Chunk | None, out: list[bytes]) -> None:
        self._started = True
        if chunk is not None:
            self._model = chunk.model
            self._tier = chunk.service_tier
            self._label = chunk.headgate.copy()
        out.append(self._event("response.created", self._state("in_progress")))
        out.append(self._event("response.in_progress", self._state("in_progress")))

    def _write_text(self, kind: _Kind, text: str, out: list[bytes]) -> None:
        opened = self._text
        if opened is None or opened.kind is not kind:
            self._close_text("completed", out)
            opened = self._open_text(kind, out)
        opened.texts.append(text)
        out.append(opened.head % self._sequence + _encode(text) + opened.tail)
        self._sequence += 1

    def _open_text(self, kind: _Kind, out: list[bytes]) -> _OpenText:
        index = self._take_index()
        own = item_id(kind.prefix, self._id, index)
        head = b'event: %b\ndata: {"type":"%b","sequence_number":%%d,"item_id":%b,"output_index":%d,"content_index":0'
        name = kind.delta.encode()
        self._text = opened = _OpenText(
            kind=kind,
            id=own,
            output_index=index,
            head=head % (name, name, _encode(own).replace(b"%", b"%%"), index) + b',"delta":',
            tail=b',"logprobs":[]}\n\n' if kind is _TEXT else b"}\n\n",
            texts=[],
        )
        out.append(self._event("response.output_item.added", {"output_index": index, "item": _empty_item(kind, own)}))
        place = {"item_id": own, "output_index": index, "content_index": 0}
        out.append(self._event("response.content_part.added", {**place, "part": _part(kind, "")}))
        return opened

    def _close_text(self, status: str, out: list[bytes]) -> None:
        opened, self._text = self._text, None
        if opened is None:
            return
        kind, text = opened.kind, "".join(opened.texts)
        place = {"item_id": opened.id, "output_index": opened.output_index, "content_index": 0}
        extra: dict[str, object] = {"logprobs": []} if kind is _TEXT else {}
        out.append(self._event(kind.done, {**place, kind.done_field: text, **extra}))
        out.append(self._event("response.content_part.done", {**place, "part": _part(kind, text)}))
        self._item_done(opened.output_index, _text_item(opened, status), out)

    def _write_call(self, call: _ToolCall, out: list[bytes]) -> None:
        function = call.function or _Function()
        opened = self._call_of(call)
        if opened is None:
            self._close_text("completed", out)
            opened = self._open_call(call, function.name or "", out)
        elif function.name and not opened.name:
            opened.name = function.name
        if function.arguments:
            opened.arguments.append(function.arguments)
            fields = {"item_id": opened.id, "output_index": opened.output_index, "delta": function.arguments}
            out.append(self._event("response.function_call_arguments.delta", fields))

    def _write_use(self, executed: Executed, out: list[bytes]) -> None:
        """A use opens as it begins and is done with its output; one whose output comes at once is both."""
        prefix = executed_prefix(executed)
        if prefix is None:
            return
        opened = self._uses.get(executed.index)
        if opened is None:
            self._close_text("completed", out)
            index = self._take_index()
            own = item_id(prefix, self._id, index)
            self._uses[executed.index] = opened = _OpenUse(own, index, executed)
            item = executed_item(executed, own, "in_progress")
            out.append(self._event("response.output_item.added", {"output_index": index, "item": item}))
        elif opened.output_index in self._output:
            return
        opened.executed = executed
        if executed.output is not None:
            self._item_done(opened.output_index, executed_item(executed, opened.id, "completed"), out)

    def _call_of(self, call: _ToolCall) -> _OpenCall | None:
        """The open call that a delta goes on with. One with an id of its own is another call, whatever its index."""
        for opened in reversed(self._calls):
            if call.index is None or call.index == opened.index:
                return opened if not call.id or call.id == opened.call_id else None
        return None

    def _open_call(self, call: _ToolCall, name: str, out: list[bytes]) -> _OpenCall:
        index = self._take_index()
        own = item_id("fc", self._id, index)
        opened = _OpenCall(own, index, call.id or own, call.index, name, [])
        self._calls.append(opened)
        item = call_item(own, opened.call_id, name, "", "in_progress")
        out.append(self._event("response.output_item.added", {"output_index": index, "item": item}))
        return opened

    def _close_call(self, opened: _OpenCall, status: str, out: list[bytes]) -> None:
        arguments = "".join(opened.arguments)
        place: dict[str, object] = {"item_id": opened.id, "output_index": opened.output_index}
        done = {**place, "name": opened.name, "arguments": arguments}
        out.append(self._event("response.function_call_arguments.done", done))
        item = call_item(opened.id, opened.call_id, opened.name, arguments, status)
        self._item_done(opened.output_index, item, out)

    def _close_all(self, out: list[bytes]) -> None:
        """Closes what is open; of an answer that was cut off, the item opened last is the one that is not whole."""
        cut = incomplete_reason(self._finish_reason) is not None
        last = self._next_index - 1
        uses, self._uses = self._uses, {}
        for use in uses.values():
            if use.output_index not in self._output:
                self._item_done(use.output_index, executed_item(use.executed, use.id, "completed"), out)
        calls, self._calls = self._calls, []
        for opened in calls:
            self._close_call(opened, "incomplete" if cut and opened.output_index == last else "completed", out)
        self._close_text("incomplete" if cut else "completed", out)

    def _item_done(self, index: int, item: dict[str, object], out: list[bytes]) -> None:
        self._output[index] = item
        out.append(self._event("response.output_item.done", {"output_index": index, "item": item}))

    def _take_index(self) -> int:
        self._next_index += 1
        return self._next_index - 1

    # ----------------------------------------------------------------------------------------------------------- ending

    def _complete(self, out: list[bytes]) -> None:
        self.ended = True
        self._close_all(out)
        why = incomplete_reason(self._finish_reason)
        status = "completed" if why is None else "incomplete"
        out.append(self._event(f"response.{status}", self._state(status, incomplete=why)))

    def _fail(self, message: str, out: list[bytes]) -> None:
        error = {"message": message, "type": "upstream_error", "code": "upstream_failed", "param": None}
        self._fail_with(_encode({"error": error}), out)

    def _fail_with(self, body: bytes, out: list[bytes]) -> None:
        """Ends the stream as broken; `body` is an error body of any provider or our own."""
        self.ended = True
        if not self._started:
            self._start(None, out)
        for opened in self._calls:
            arguments = "".join(opened.arguments)
            item = call_item(opened.id, opened.call_id, opened.name, arguments, "incomplete")
            self._output[opened.output_index] = item
        if self._text is not None:
            self._output[self._text.output_index] = _text_item(self._text, "incomplete")
        read = read_error(redact(body))
        message = read.message or "The stream broke."
        code = read.code or "upstream_failed"
        stated = {"code": code if code == "rate_limit_exceeded" else "server_error", "message": message}
        out.append(self._event("response.failed", self._state("failed", error=stated)))
        # The object inside makes the SDKs raise: they take no offence at an event that is merely named `error`.
        error = {"message": message, "type": read.type or "upstream_error", "code": code, "param": None}
        out.append(self._event("error", {"code": code, "message": message, "param": None, "error": error}))


def _part(kind: _Kind, text: str) -> dict[str, object]:
    if kind is _REASONING:
        return {"type": "reasoning_text", "text": text}
    return text_part(text) if kind is _TEXT else refusal_part(text)


def _empty_item(kind: _Kind, own: str) -> dict[str, object]:
    return reasoning_item(own, "", "in_progress") if kind is _REASONING else message_item(own, [], "in_progress")


def _text_item(opened: _OpenText, status: str) -> dict[str, object]:
    text = "".join(opened.texts)
    if opened.kind is _REASONING:
        return reasoning_item(opened.id, text, status)
    return message_item(opened.id, [_part(opened.kind, text)], status)

"""A stream of chat chunks as Anthropic's events, piece by piece as it comes.

Anthropic's blocks stand one after the other, chat deltas only carry an index. A block is closed when another kind of
delta comes; a tool call only once its arguments are whole JSON. While they are not, whatever belongs to other blocks is
held back and told at the end, so that no fragment is lost however calls are interleaved. What ends without
`finish_reason` and `[DONE]` ends in an error event and never in `message_stop`.
"""

from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from headgate.domain.answer import Usage
from headgate.protocol.anthropic import Asked
from headgate.protocol.anthropic_errors import broken_event, stream_error
from headgate.protocol.anthropic_reply import UNSIGNED, call_id, message_head, stop_of, usage_fields
from headgate.protocol.sse import BOM, MAX_EVENT_BYTES, EventCutter, data_event, read_block
from headgate.protocol.usage import usage_of

PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
"""What a comment becomes: it keeps a quiet connection alive."""

_NULL: Final = Raw(b"null")
_NO_ERROR: Final = frozenset({b"null", b'""', b"{}"})
_DONE: Final = b"[DONE]"
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{%b%b}}\n\n'
_DELTA_HEADS: Final = {
    "text": b'"type":"text_delta","text":',
    "thinking": b'"type":"thinking_delta","thinking":',
    "tool": b'"type":"input_json_delta","partial_json":',
}
_SIGNATURE: Final = b'"type":"signature_delta","signature":'
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_MESSAGE_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None
    stop_reason: object = None


class _XGroq(Struct, gc=False):
    usage: Raw = _NULL
    error: Raw = _NULL


class _Chunk(Struct, gc=False):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = _NULL
    error: Raw = _NULL
    x_groq: _XGroq | None = None
    headgate: Raw = _NULL


class _Block(Struct, gc=False):
    """One content block in the making. `told` are the arguments of a call, or what is held back."""

    kind: Literal["text", "thinking", "tool"]
    told: list[str]
    id: str = ""
    name: str = ""
    is_held: bool = False


_decode: Final = msgspec.json.Decoder(_Chunk).decode
_decode_input: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class MessageStream:
    """Translates one stream: feed it what comes, send what it gives back, and at the end of the connection `end`.

    `finished`: `message_stop` was given. `failed`: an error event was. After either nothing follows. What comes out,
    put together, does not depend on how the bytes were cut. `name` is the message's id without `msg_`.
    """

    __slots__ = (
        "_asked",
        "_blocks",
        "_calls",
        "_cutter",
        "_finish",
        "_held",
        "_max_event_bytes",
        "_name",
        "_open",
        "_out",
        "_read_any",
        "_refused",
        "_started",
        "_stop",
        "_usage",
        "failed",
        "finished",
    )

    def __init__(self, asked: Asked, name: str, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.finished = False
        self.failed = False
        self._asked = asked
        self._name = name
        self._max_event_bytes = max_event_bytes
        self._cutter = EventCutter(max_event_bytes)
        self._out: list[bytes] = []
        self._read_any = False
        self._started = False
        self._open: _Block | None = None
        self._blocks = 0  # begun so far; the open one is the last of them
        self._held: list[_Block] = []
        self._calls: dict[int, _Block] = {}
        self._finish: str | None = None
        self._stop: object = None
        self._refused = False
        self._usage: Usage | None = None

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes."""
        for block in self._cutter.feed(data):
            if self.finished or self.failed:
                break
            self._take(block)
        if self._cutter.oversized is not None and not self.failed:
            self._break(f"An event of the stream is larger than {self._max_event_bytes} bytes.")
        out, self._out = self._out, []
        return b"".join(out)

    def end(self) -> bytes:
        """What is still to be sent when the connection has ended: nothing, or the error event of a stream cut short."""
        if not (self.finished or self.failed):
            self._break("The stream ended before the answer was complete.")
        out, self._out = self._out, []
        return b"".join(out)

    # ------------------------------------------------------------------------------------------------------ the chunks

    def _take(self, block: bytes) -> None:
        if not self._read_any:
            self._read_any = True
            block = block.removeprefix(BOM)
        event, data = read_block(block)
        if not data:
            if block.startswith(b":"):
                self._out.append(PING)
            return
        if event == b"error":
            self._fail(stream_error(data))
        elif data.strip() == _DONE:
            self._close_message()
        else:
            try:
                chunk = _decode(data)
            except _UNREADABLE:
                self._break("An event of the stream is not readable.")
            else:
                self._read(chunk, data)

    def _read(self, chunk: _Chunk, data: bytes) -> None:
        if chunk.error is not _NULL and bytes(chunk.error) not in _NO_ERROR:
            self._fail(stream_error(data))
            return
        if chunk.x_groq is not None and bytes(chunk.x_groq.error) not in _NO_ERROR:
            self._fail(stream_error(_as_error(chunk.x_groq.error)))
            return
        if not self._started:
            self._start(chunk)
        for raw in (chunk.x_groq.usage if chunk.x_groq is not None else _NULL, chunk.usage):
            if raw is not _NULL:
                self._usage = usage_of(raw) or self._usage
        if not chunk.choices or chunk.choices[0].index:
            return
        choice = chunk.choices[0]
        if choice.delta is not None:
            self._read_delta(choice.delta)
        if choice.finish_reason == "error":
            self._break("The provider broke the answer off.")
        elif choice.finish_reason is not None:
            self._finish, self._stop = choice.finish_reason, choice.stop_reason

    def _start(self, chunk: _Chunk) -> None:
        self._started = True
        message: dict[str, object] = {
            **message_head(self._name, chunk.model or self._asked.model),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_fields(None),
        }
        if chunk.headgate != _NULL:
            message["headgate"] = chunk.headgate
        self._tell("message_start", message=message)

    def _read_delta(self, delta: _Delta) -> None:
        thoughts = delta.reasoning or delta.reasoning_content
        if thoughts and self._asked.show_thinking:
            self._say("thinking", thoughts)
        if delta.content:
            self._say("text", delta.content)
        if delta.refusal:
            self._refused = True
            self._say("text", delta.refusal)
        for call in delta.tool_calls or ():
            self._call(call)

    # ------------------------------------------------------------------------------------------------------ the blocks

    def _say(self, kind: Literal["text", "thinking"], text: str) -> None:
        """A piece of text or thinking, in the block that it continues or in one of its own."""
        current = self._open
        if current is not None and current.kind == kind:
            self._out.append(_DELTA % (self._blocks - 1, _DELTA_HEADS[kind], _encode(text)))
        elif self._can_go_on():
            self._begin(_Block(kind, [text]))
        elif self._held and self._held[-1].kind == kind:
            self._held[-1].told.append(text)
        else:
            self._hold(_Block(kind, [text]))

    def _call(self, call: _ToolCall) -> None:
        """A tool call, whole or a fragment of one."""
        name = (call.function.name if call.function is not None else None) or ""
        arguments = (call.function.arguments if call.function is not None else None) or ""
        block = self._calls.get(call.index)
        if block is None or (name and call.id and call.id != block.id):  # some providers count every call as the first
            if not name:
                self._break("A tool call without a name came in the stream.")
                return
            block = _Block("tool", [arguments], call_id(call.id, self._name, len(self._calls)), name)
            self._calls[call.index] = block
            if self._can_go_on():
                self._begin(block)
            else:
                self._hold(block)
        elif block is self._open:
            block.told.append(arguments)
            if arguments:
                self._out.append(_DELTA % (self._blocks - 1, _DELTA_HEADS["tool"], _encode(arguments)))
        elif block.is_held:
            block.told.append(arguments)
        elif arguments.strip():
            self._break("A tool call went on after its arguments were complete.")

    def _hold(self, block: _Block) -> None:
        block.is_held = True
        self._held.append(block)

    def _can_go_on(self) -> bool:
        """Whether the next block may begin: nothing is held back, and the open block is known to be complete."""
        if self._held:
            return False
        return self._open is None or self._open.kind != "tool" or _is_whole("".join(self._open.told))

    def _begin(self, block: _Block) -> None:
        """Opens a block behind those before it and tells what it holds so far."""
        self._close()
        index, self._open = self._blocks, block
        self._blocks += 1
        self._tell("content_block_start", index=index, content_block=_empty(block))
        told = "".join(block.told)
        if told:
            self._out.append(_DELTA % (index, _DELTA_HEADS[block.kind], _encode(told)))

    def _close(self) -> None:
        if self._open is None:
            return
        index = self._blocks - 1
        if self._open.kind == "thinking":
            self._out.append(_DELTA % (index, _SIGNATURE, _encode(UNSIGNED)))
        self._out.append(_STOP % index)
        self._open = None

    # --------------------------------------------------------------------------------------------------------- the end

    def _close_message(self) -> None:
        if self._finish is None:
            self._break("The stream said that it was done without a finish_reason.")
            return
        for block in self._held:
            self._begin(block)
        self._close()
        called = bool(self._calls)
        reason, stop = stop_of(self._finish, self._stop, self._asked, called=called, refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": stop}
        self._tell("message_delta", delta=delta, usage=usage_fields(self._usage))
        self._out.append(_MESSAGE_STOP)
        self.finished = True

    def _break(self, message: str) -> None:
        self._fail(broken_event(message, code="upstream_failed"))

    def _fail(self, event: bytes) -> None:
        self._out.append(event)
        self.failed = True

    def _tell(self, event: str, **fields: object) -> None:
        self._out.append(b"event: %b\n" % event.encode() + data_event(_encode({"type": event, **fields})))


def _empty(block: _Block) -> dict[str, object]:
    """A block as it stands in its start event."""
    match block.kind:
        case "text":
            return {"type": "text", "text": ""}
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "tool":
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}


def _is_whole(arguments: str) -> bool:
    """Whether these are all the arguments of a call: one JSON object."""
    try:
        _decode_input(arguments)
    except _UNREADABLE:
        return False
    return True


def _as_error(told: Raw) -> bytes:
    """`x_groq.error` as an error body, without reading it; it may be a word alone (groq-api.md 1.3)."""
    error = bytes(told)
    return b'{"error":%b}' % (b'{"message":%b,"code":%b}' % (error, error) if error.startswith(b'"') else error)

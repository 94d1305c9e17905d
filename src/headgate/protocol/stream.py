"""An upstream stream while it passes: what may be relayed now, and its milestones.

Bytes are relayed untouched, whole events only. An event is parsed for its milestones, unless it is the last parsed one
with other plain text in the same place: after the first words of an answer nearly every event is (see `_learn`).
"""

import re
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.domain.answer import Reply, Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.errors import classify
from headgate.protocol.reply import BROKE_OFF
from headgate.protocol.sse import BOM, MAX_EVENT_BYTES, EventCutter, read_block
from headgate.protocol.usage import usage_of

_NULL: Final = Raw(b"null")
_NO_ERROR: Final = frozenset({b"null", b'""', b"{}"})
_DONE: Final = b"[DONE]"
_MAX_LESSONS: Final = 16

_is_plain: Final = re.compile(rb'[^"\\\x00-\x1f]*').fullmatch
"""The inside of a JSON string without escapes; whether it is UTF-8 is for the caller to see."""


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    function: _Function | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    error: Raw = _NULL


class _XGroq(Struct, gc=False):
    usage: Raw = _NULL
    error: Raw = _NULL


class _Chunk(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = _NULL
    error: Raw = _NULL
    x_groq: _XGroq | None = None


_decode: Final = msgspec.json.Decoder(_Chunk).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class StreamReader:
    """Reads one stream. Feed it what comes, relay what it gives back, look at the milestones, then ask `end`.

    `began`: generated text, reasoning or a tool call was seen. `content_chars` counts all of it, for an estimate when
    usage never comes. `done`: `[DONE]` was relayed. `failure`: the stream is broken, and the event that says so is not
    relayed; nothing is after it. The result does not depend on how the bytes were cut.
    """

    __slots__ = (
        "_answered",
        "_clean",
        "_cutter",
        "_drop_usage_chunk",
        "_fast",
        "_first_id",
        "_head",
        "_id_of_all",
        "_last_block",
        "_last_id",
        "_last_relayed",
        "_lessons",
        "_max_event_bytes",
        "_relays_errors",
        "_shortest",
        "_tail",
        "_text_from",
        "_text_to",
        "began",
        "content_chars",
        "done",
        "failure",
        "finish_reason",
        "model",
        "relayed_error",
        "usage",
    )

    def __init__(
        self,
        drop_usage_chunk: bool = False,
        max_event_bytes: int = MAX_EVENT_BYTES,
        *,
        fast: bool = True,
        relays_errors: bool = False,
    ) -> None:
        """`relays_errors`: the event by which upstream itself says that it failed is relayed like any other."""
        self.relayed_error = False
        self._relays_errors = relays_errors
        self.began = False
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.done = False
        self.failure: Failure | None = None
        self.model = ""
        self.content_chars = 0
        self._answered = False
        self._drop_usage_chunk = drop_usage_chunk
        self._max_event_bytes = max_event_bytes
        self._cutter = EventCutter(max_event_bytes)
        self._first_id: str | None = None
        self._last_id: str | None = None
        self._id_of_all: str | None = None
        self._last_block: bytes | None = None
        self._last_relayed = True
        # The template: an event is `_head`, plain text, `_tail`. `_clean`: there is one, and no event is half read.
        self._fast = fast
        self._clean = False
        self._head = b""
        self._tail = b""
        self._text_from = self._text_to = self._shortest = 0
        self._lessons = 0

    def feed(self, data: bytes) -> bytes:
        """The bytes that may be relayed now. After a failure or `[DONE]` there are none."""
        if self._clean and data.startswith(self._head) and data.endswith(self._tail):
            text = data[self._text_from : self._text_to]
            if _is_plain(text) is not None and text.isascii() and self._shortest <= len(data) <= self._max_event_bytes:
                self.content_chars += len(text)
                return data
            if self._is_templated(data):
                return data
        return self._feed_blocks(data)

    def end(self) -> Reply | Failure:
        """What the stream was, once the connection has ended. A reply without `done` still needs its `[DONE]`."""
        if self.failure is not None:
            return self.failure
        if self.finish_reason is None:
            self._fail(self._broken("The stream ended without a finish_reason."))
            return self.end()
        return Reply(self.finish_reason, self.usage, self.model, self._answered)

    # ---------------------------------------------------------------------------------------------------- the fast path

    def _is_templated(self, data: bytes) -> bool:
        """Whether `data` is nothing but events of the template; then their text is counted."""
        if len(data) > self._max_event_bytes:
            return False
        chars = 0
        for block in data[:-2].split(b"\n\n"):
            event = block + b"\n\n"
            text = event[self._text_from : self._text_to]
            if (
                not event.startswith(self._head)
                or not event.endswith(self._tail)
                or len(event) < self._shortest
                or _is_plain(text) is None
            ):
                return False
            try:
                chars += len(text.decode())
            except UnicodeDecodeError:
                return False
        self.content_chars += chars
        return True

    def _learn(self, block: bytes, name: bytes, text: str) -> None:
        """Takes an ordinary event as the template for those that follow.

        Why any other plain text in its place gives the same milestones: the block is one line of valid JSON, `"name"`
        stands in it once and nothing outside the text is escaped, so the text is the value of that one key whatever
        plain characters it has; and it was the only generated text of this event.
        """
        written = text.encode()
        if _is_plain(written) is None or (self._head and block.startswith(self._head) and block.endswith(self._tail)):
            return
        self._lessons += 1
        mark = b'"%b":"' % name
        start = block.find(mark) + len(mark)
        head, tail = block[:start], block[start + len(written) :]
        if (
            block == head + written + tail
            and head.startswith(b"data: {")
            and head.endswith(mark)
            and tail.startswith(b'"')
            and tail.find(b"\n") == len(tail) - 2
            and block.count(b'"%b"' % name) == 1
            and b"\\" not in head
            and b"\\" not in tail
            and b"\r" not in block
            and b"\n" not in head
        ):
            self._head, self._tail = head, tail
            self._text_from, self._text_to, self._shortest = len(head), -len(tail), len(head) + len(tail)

    # --------------------------------------------------------------------------------------------------- the exact path

    def _feed_blocks(self, data: bytes) -> bytes:
        relayed: list[bytes] = []
        if self._is_over and not (self.done and self._ends_in_cut_crlf(data)):
            return b""
        for block in self._cutter.feed(data):
            if block == b"\n" and self._last_block is not None and self._last_block.endswith(b"\r"):
                relay = self._last_relayed  # the second half of a line end belongs to its event
            elif self.done:
                break
            else:
                relay = self._take(block)
            if self.failure is not None and self._relays_errors:
                relay = self.relayed_error = True
            self._last_block, self._last_relayed = block, relay
            if relay:
                relayed.append(block)
            if self.failure is not None:
                break
        if self._cutter.oversized is not None and not self._is_over:
            self._fail(self._malformed(f"An event is larger than {self._max_event_bytes} bytes.", b""))
        self._clean = bool(self._head) and self._cutter.is_between_events and not self._is_over
        return b"".join(relayed)

    @property
    def _is_over(self) -> bool:
        return self.done or self.failure is not None

    def _ends_in_cut_crlf(self, data: bytes) -> bool:
        return self._last_block is not None and self._last_block.endswith(b"\r") and data.startswith(b"\n")

    def _take(self, block: bytes) -> bool:
        """Reads one block; whether it is relayed."""
        event, data = read_block(block.removeprefix(BOM) if self._last_block is None else block)
        if not data:
            return True  # a comment, a blank line, a field that says nothing: it keeps the connection alive
        if data.strip() == _DONE:
            if self.finish_reason is None:
                self._fail(self._broken("The stream said [DONE] without a finish_reason."))
                return False
            self.done = True
            return True
        if event == b"error":
            self._fail(classify(200, data, {}))
            return False
        try:
            chunk = _decode(data)
        except _UNREADABLE:
            self._fail(self._malformed("An event of the stream is not readable.", data))
            return False
        return self._read(chunk, block, data)

    def _read(self, chunk: _Chunk, block: bytes, data: bytes) -> bool:
        """Takes the milestones of one chunk; whether it is relayed."""
        choices = chunk.choices
        if (  # an ordinary chunk in the middle of an answer
            choices is not None
            and len(choices) == 1
            and choices[0].finish_reason is None
            and choices[0].error is _NULL
            and chunk.id == self._id_of_all
            and chunk.model == self.model
            and chunk.error is _NULL
            and chunk.x_groq is None
            and (chunk.usage is _NULL or chunk.usage == _NULL)
        ):
            self._read_delta(choices[0].delta, block)
            return True
        return self._read_milestones(chunk, data)

    def _read_milestones(self, chunk: _Chunk, data: bytes) -> bool:
        if (failure := self._failure_in(chunk, data)) is not None:
            self._fail(failure)
            return False
        if not self.model and chunk.model:
            self.model = chunk.model
        usage = self._read_usage(chunk)
        if not chunk.choices:
            return not (usage and self._drop_usage_chunk)
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self.finish_reason = choice.finish_reason
        self._read_delta(choice.delta, None)
        return True

    def _failure_in(self, chunk: _Chunk, data: bytes) -> Failure | None:
        """A mid-stream error, told in any of the five ways known, or a chunk of another answer."""
        if bytes(chunk.error) not in _NO_ERROR:
            return classify(200, data, {})
        if chunk.x_groq is not None and bytes(chunk.x_groq.error) not in _NO_ERROR:
            return classify(200, _told_by_groq(bytes(chunk.x_groq.error)), {})
        if chunk.choices and (
            chunk.choices[0].finish_reason == BROKE_OFF or bytes(chunk.choices[0].error) not in _NO_ERROR
        ):
            failure = classify(200, data, {})
            is_told = failure.kind is not FailureKind.MALFORMED_BODY
            return failure if is_told else self._broken("The stream finished with an error.")
        if self._is_foreign(chunk):
            return self._malformed("A chunk of another answer is in the stream.", data)
        return None

    def _is_foreign(self, chunk: _Chunk) -> bool:
        """Whether a chunk names another model, or breaks the pattern of ids: all equal, or (Compound) all distinct."""
        if chunk.model and self.model and chunk.model != self.model:
            return True
        first, last, now = self._first_id, self._last_id, chunk.id
        if not now:
            return False
        if first is None:
            self._first_id = self._last_id = now
            return False
        if now == first == last:
            self._id_of_all = now
            return False
        self._last_id = now
        return self._id_of_all is not None or now in (first, last)

    def _read_usage(self, chunk: _Chunk) -> bool:
        """Notes the usage of a chunk, the last valid one wins; whether there was any, valid or not."""
        found = False
        for raw in (chunk.x_groq.usage if chunk.x_groq is not None else _NULL, chunk.usage):
            if raw is not _NULL and raw != _NULL:
                found = True
                self.usage = usage_of(raw) or self.usage
        return found

    def _read_delta(self, delta: _Delta | None, block: bytes | None) -> None:
        """Counts what a delta generated; `block` is given where the event is ordinary enough to be learned from."""
        if delta is None:
            return
        content, reasoning = delta.content or "", delta.reasoning or ""
        chars = len(content) + len(reasoning)
        if delta.tool_calls or delta.function_call or delta.refusal or delta.reasoning_content:
            block = None
            chars += _other_chars(delta)
            self._answered = self._answered or bool(delta.tool_calls or delta.function_call or delta.refusal)
        elif not chars:
            return
        self.began = True
        self.content_chars += chars
        if content:
            self._answered = True
        if block is not None and self._fast and self._lessons < _MAX_LESSONS and not (content and reasoning):
            self._learn(block, b"content" if content else b"reasoning", content or reasoning)

    def _fail(self, failure: Failure) -> None:
        """Breaks the stream: once the client has seen text, whatever went wrong is one thing only."""
        if self.began:
            failure = msgspec.structs.replace(failure, kind=FailureKind.STREAM_BROKE_LATE)
        self.failure = failure

    def _broken(self, message: str) -> Failure:
        return Failure(FailureKind.STREAM_BROKE_EARLY, status=200, message=message)

    def _malformed(self, message: str, data: bytes) -> Failure:
        return Failure(FailureKind.MALFORMED_BODY, status=200, message=message, body=data)


def _told_by_groq(error: bytes) -> bytes:
    """The error of `x_groq` as a body of its own; one that is only a word is code and message in one.

    Nothing is decoded that need not be: a number beyond all bounds is the classifier's to shrug at.
    """
    if not error.startswith(b'"'):
        return b'{"error":%b}' % error
    return b'{"error":{"message":%b,"code":%b}}' % (error, error)


def _other_chars(delta: _Delta) -> int:
    """Characters of what is neither content nor `reasoning`: names and arguments of tool calls, refusals."""
    functions = [call.function for call in delta.tool_calls or ()]
    functions.append(delta.function_call)
    called = sum(len(each.name or "") + len(each.arguments or "") for each in functions if each is not None)
    return called + len(delta.refusal or "") + len(delta.reasoning_content or "")

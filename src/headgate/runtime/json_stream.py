"""Owns the watching of a stream whose answer must be JSON: lets through what may be shown, stops where it goes wrong.

It stands behind the `StreamReader`, reads the same whole events for their text, and holds back what would make a wrong
answer look whole: the text that spoils it, the finish and the `[DONE]`.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from headgate.domain.request import Check
from headgate.local.incremental import JsonWatch
from headgate.protocol.sse import MAX_EVENT_BYTES, EventCutter, read_block

_NULL: Final = Raw(b"null")
_NOTHING: Final = frozenset({b"null", b"[]", b'""'})


class _Delta(Struct, gc=False):
    content: str | None = None
    tool_calls: Raw = _NULL
    function_call: Raw = _NULL
    refusal: Raw = _NULL


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None


_decode: Final = msgspec.json.Decoder(_Chunk).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class JsonStream:
    """One stream. `problem` is why nothing more comes out; "" while all is well.

    With tools in the request, text may stand before a call: it is then judged at the end only, if no call came.
    """

    __slots__ = ("_cutter", "_has_tools", "_is_other", "_watch", "problem")

    def __init__(
        self, check: Check, schema: dict[str, Any] | None, *, has_tools: bool, max_event_bytes: int = MAX_EVENT_BYTES
    ) -> None:
        self.problem = ""
        self._watch = JsonWatch(check, schema)
        self._cutter = EventCutter(max_event_bytes)
        self._has_tools = has_tools
        self._is_other = False

    def feed(self, relayed: bytes) -> bytes:
        """As much of what the reader gave out as may go to the client."""
        passed: list[bytes] = []
        if self.problem:
            return b""
        for block in self._cutter.feed(relayed):
            self.problem = self._problem_with(block)
            if self.problem:
                break
            passed.append(block)
        return b"".join(passed)

    def _problem_with(self, block: bytes) -> str:
        _, data = read_block(block)
        if not data or not data.startswith(b"{"):
            return ""
        try:
            choices = _decode(data).choices
        except _UNREADABLE:
            return ""
        return self._problem_of(choices[0]) if choices else ""

    def _problem_of(self, choice: _Choice) -> str:
        delta = choice.delta
        if delta is not None:
            others = (delta.tool_calls, delta.function_call, delta.refusal)
            self._is_other = self._is_other or any(bytes(each) not in _NOTHING for each in others)
            if delta.content and not self._watch.feed(delta.content) and not self._has_tools:
                return self._watch.close()
        return self._watch.close() if choice.finish_reason is not None and not self._is_other else ""

"""A chat completion as a stream, and a stream as a chat completion: the same answer in its other form.

For answers that are given again to clients who want them otherwise than they were made. What a stream says in ways that
are not known here is not guessed: then it is no completion, and is not given again.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.domain.answer import Usage
from headgate.protocol.sse import DONE, EventCutter, data_event, read_block

PIECE_CHARS: Final = 4_096
"""Of a text in one event: clients bound the size of events."""
STREAM_EVENTS_MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one event of a stream that is put together."""

_HEAD: Final = ("id", "created", "model", "system_fingerprint", "service_tier")
_TEXTS: Final = ("reasoning", "reasoning_content", "content", "refusal")
_SILENT: Final = frozenset({"role", "channel"})
"""Parts of a delta that say nothing which a whole message must say again."""
_DONE: Final = b"[DONE]"
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


def events_of(body: bytes, *, include_usage: bool) -> bytes:
    """The events of a whole completion: role, reasoning, content and tool calls, finish, usage if wanted, `[DONE]`.

    Only for a body of which `read_reply` gave a `Reply`, which asks nothing of the bytes of its texts.
    """
    try:
        whole = _decode(body)
    except UnicodeError:
        whole = _decode(body.decode(errors="replace"))
    choice = whole["choices"][0]
    head = {name: whole[name] for name in _HEAD if whole.get(name) is not None}
    head["object"] = "chat.completion.chunk"
    usage = whole.get("usage")

    def chunk(delta: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, **more}]}

    chunks = [chunk(delta) for delta in _deltas(choice["message"])]
    if choice.get("logprobs") is not None:
        chunks[-1]["choices"][0]["logprobs"] = choice["logprobs"]
    last = chunk({}, finish_reason=choice["finish_reason"])
    if isinstance(groq := whole.get("x_groq"), dict):
        last["x_groq"] = {**groq, "usage": usage}
    chunks.append(last)
    if include_usage and usage is not None:
        chunks.append({**head, "choices": [], "usage": usage})
    return b"".join([*(data_event(_encode(each)) for each in chunks), DONE])


def _deltas(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    rest = {name: value for name, value in message.items() if value is not None and name != "role"}
    yield {"role": message.get("role") or "assistant", "content": "" if "content" in rest else None}
    for name in _TEXTS:
        text = rest.get(name)
        if isinstance(text, str):
            del rest[name]
            for at in range(0, len(text), PIECE_CHARS):
                yield {name: text[at : at + PIECE_CHARS]}
    calls = rest.pop("tool_calls", None)
    if isinstance(calls, list):
        for index, call in enumerate(calls):
            yield {"tool_calls": [{"index": index, **call} if isinstance(call, dict) else call]}
    if rest:
        yield rest


class _NotWhole(Exception):
    """The stream cannot be said as one completion."""


class _Whole:
    """A completion that is put together."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.texts: dict[str, list[str]] = {}
        self.calls: dict[int, dict[str, Any]] = {}
        self.finish_reason: str | None = None
        self.usage: Any = None
        self.groq_id: str | None = None

    def take(self, chunk: dict[str, Any]) -> None:
        if chunk.get("error") is not None:
            raise _NotWhole
        for name in _HEAD:
            if chunk.get(name) is not None:
                self.head.setdefault(name, chunk[name])
        groq = chunk.get("x_groq") or {}
        self.groq_id = self.groq_id or groq.get("id")
        self.usage = chunk.get("usage") or groq.get("usage") or self.usage
        choices = chunk.get("choices") or []
        if len(choices) > 1:
            raise _NotWhole
        for choice in choices:
            if choice.get("index", 0) != 0 or choice.get("logprobs") is not None:
                raise _NotWhole
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            self._delta(choice.get("delta") or {})

    def _delta(self, delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if value is None or name in _SILENT:
                continue
            if name in _TEXTS and isinstance(value, str):
                self.texts.setdefault(name, []).append(value)
            elif name == "tool_calls":
                for part in value:
                    self._call(part)
            elif value not in ([], {}):
                raise _NotWhole

    def _call(self, part: dict[str, Any]) -> None:
        call = self.calls.setdefault(part.get("index", 0), {"id": None, "type": "function", "function": {}})
        call["id"] = call["id"] or part.get("id")
        function, more = call["function"], part.get("function") or {}
        if set(part) - {"index", "id", "type", "function"} or set(more) - {"name", "arguments"}:
            raise _NotWhole
        function["name"] = function.get("name") or more.get("name")
        function["arguments"] = function.get("arguments", "") + (more.get("arguments") or "")

    def body(self, usage: Usage | None) -> bytes:
        if not self.finish_reason or not self.head.get("id"):
            raise _NotWhole
        texts = {name: text for name, parts in self.texts.items() if (text := "".join(parts))}
        message: dict[str, Any] = {"role": "assistant", "content": texts.pop("content", None if self.calls else "")}
        message |= texts
        if self.calls:
            message["tool_calls"] = [self.calls[index] for index in sorted(self.calls)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        whole = {**self.head, "object": "chat.completion", "choices": [choice]}
        told = self.usage or (None if usage is None else _told(usage))
        if told is not None:
            whole["usage"] = told
        if self.groq_id is not None:
            whole["x_groq"] = {"id": self.groq_id}
        return _encode(whole)


def completion_of(stream: bytes, usage: Usage | None = None) -> bytes | None:
    """The whole completion that a stream said, to its `[DONE]`; None where it cannot be said as one. `usage` is what is
    known of it where the stream does not say."""
    whole, is_done = _Whole(), False
    cutter = EventCutter(STREAM_EVENTS_MAX_BYTES)
    try:
        for block in cutter.feed(stream):
            event, data = read_block(block)
            if not data:
                continue
            if data.strip() == _DONE:
                is_done = True
                break
            if event == b"error":
                return None
            whole.take(_decode(data))
        return whole.body(usage) if is_done else None
    except (_NotWhole, AttributeError, TypeError, *_UNREADABLE):
        return None


def _told(usage: Usage) -> dict[str, Any]:
    """A usage object of what was understood of one."""
    told: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.cached_tokens:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return told

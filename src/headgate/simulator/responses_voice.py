"""How the pretend Responses API words a reply: the response object, its items, and the events of a stream."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.simulator.chunks import Consumed
from headgate.simulator.scribe import Told, Voice
from headgate.simulator.visit import Visit

_REASONING, _MESSAGE, _CALL = 1, 2, 3
"""Salts that tell the ids of one reply's items apart."""

_NO_ERROR: Final = None
Event = tuple[int, bytes]


class Echo(msgspec.Struct, frozen=True):
    """What a reply says back of its request. `timed`: whether the metadata tell the times of inference."""

    raw: Mapping[str, Any]
    id: str
    visit: Visit
    tokens_per_chunk: int
    timed: bool


def voice(echo: Echo) -> Voice:
    """The voice of one reply."""
    return Voice(lambda told: msgspec.json.encode(_whole(echo, told)), lambda told: _Stream(echo, told).events())


def _whole(echo: Echo, told: Told) -> dict[str, Any]:
    cut = told.written.finish_reason == "length"
    return _response(echo, told, "incomplete" if cut else "completed", _items(echo, told), told.used)


def _response(
    echo: Echo, told: Told, status: str, output: list[dict[str, Any]], used: Consumed | None
) -> dict[str, Any]:
    raw = echo.raw
    return {
        "id": echo.id,
        "object": "response",
        "status": status,
        "created_at": told.names.created,
        "output": output,
        "previous_response_id": None,
        "model": told.names.model,
        "reasoning": {"effort": (raw.get("reasoning") or {}).get("effort"), "summary": None},
        "max_output_tokens": raw.get("max_output_tokens"),
        "instructions": raw.get("instructions"),
        "text": raw.get("text") or {"format": {"type": "text"}},
        "tools": raw.get("tools") or [],
        "tool_choice": raw.get("tool_choice") or "auto",
        "truncation": "disabled",
        "metadata": (raw.get("metadata") or {}) | (_timings(used) if echo.timed and used else {}),
        "temperature": _or_one(raw.get("temperature")),
        "top_p": _or_one(raw.get("top_p")),
        "user": raw.get("user"),
        "service_tier": "flex" if raw.get("service_tier") == "flex" else "default",
        "error": _NO_ERROR,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "usage": None if used is None else _usage(used),
        "parallel_tool_calls": raw.get("parallel_tool_calls") is not False,
        "store": False,
    }


def _or_one(value: float | None) -> float:
    return 1 if value is None else value


def _usage(used: Consumed) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens},
        "output_tokens": used.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.prompt_tokens + used.completion_tokens,
    }


def _timings(used: Consumed) -> dict[str, str]:
    times = {"completion_time": used.completion_s, "prompt_time": used.prompt_s, "queue_time": used.queue_s}
    times["total_time"] = used.prompt_s + used.completion_s
    return {name: f"{seconds:.9f}" for name, seconds in times.items()}


def _items(echo: Echo, told: Told) -> list[dict[str, Any]]:
    """The output: reasoning where there is some, then a call or a message."""
    written = told.written
    made = []
    if written.reasoning and told.asked.reasoning_shown:
        made.append(_reasoning(echo, "".join(written.reasoning)))
    if written.tool_call is not None:
        made.append(_call(echo, told, written.tool_call.arguments))
    else:
        status = "incomplete" if written.finish_reason == "length" else "completed"
        made.append(_message(echo, [_text("".join(written.content))], status))
    return made


def _reasoning(echo: Echo, text: str, status: str = "completed") -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": text}] if text else []
    name = echo.visit.named("resp_", _REASONING)
    return {"type": "reasoning", "id": name, "status": status, "summary": [], "content": content}


def _message(echo: Echo, content: list[dict[str, Any]], status: str = "completed") -> dict[str, Any]:
    name = echo.visit.named("msg_", _MESSAGE)
    return {"type": "message", "id": name, "status": status, "role": "assistant", "content": content}


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": None}


def _call(echo: Echo, told: Told, arguments: str, status: str = "completed") -> dict[str, Any]:
    call = told.written.tool_call
    assert call is not None, "only asked for where there is one"
    return {
        "type": "function_call",
        "id": echo.visit.named("fc_", _CALL),
        "call_id": told.names.tool_call_id,
        "name": call.name,
        "arguments": arguments,
        "status": status,
    }


class _Stream:
    """The events of one reply, numbered in order."""

    __slots__ = ("_echo", "_number", "_told")

    def __init__(self, echo: Echo, told: Told) -> None:
        self._echo = echo
        self._told = told
        self._number = -1

    def events(self) -> Iterator[Event]:
        """Every event with the tokens that must have been generated before it."""
        echo, told, written = self._echo, self._told, self._told.written
        end, index = written.completion_tokens, 0
        for name in ("response.created", "response.in_progress"):
            yield 0, self._event(name, response=_response(echo, told, "in_progress", [], None))
        if written.reasoning and told.asked.reasoning_shown:
            yield from self._thought(index)
            index += 1
        if written.failure is not None:
            yield end, self._failed()
            return
        if written.tool_call is not None:
            yield from self._called(index, written.tool_call.arguments)
        else:
            yield from self._said(index)
        whole = _whole(echo, told)
        yield end, self._event(f"response.{whole['status']}", response=whole)

    def _event(self, name: str, **fields: Any) -> bytes:
        self._number += 1
        body = {"type": name, "sequence_number": self._number} | fields
        return f"event: {name}\ndata: ".encode() + msgspec.json.encode(body) + b"\n\n"

    def _failed(self) -> bytes:
        failure = self._told.written.failure
        assert failure is not None, "only asked for where generation failed"
        inner = msgspec.json.decode(failure.body)["error"]
        response = _response(self._echo, self._told, "failed", [], self._told.used)
        response["error"] = {"code": inner.get("code", "server_error"), "message": inner["message"]}
        return self._event("response.failed", response=response)

    def _thought(self, index: int) -> Iterator[Event]:
        text, written = "".join(self._told.written.reasoning), self._told.written
        empty, full = _reasoning(self._echo, "", "in_progress"), _reasoning(self._echo, text)
        place = {"item_id": full["id"], "output_index": index, "content_index": 0}
        part = {"type": "reasoning_text", "text": ""}
        yield 0, self._event("response.output_item.added", output_index=index, item=empty)
        yield 0, self._event("response.content_part.added", **place, part=part)
        yield from self._deltas("response.reasoning_text.delta", place, written.reasoning, 0)
        done = written.reasoning_tokens
        yield done, self._event("response.reasoning_text.done", **place, text=text)
        yield done, self._event("response.content_part.done", **place, part=part | {"text": text})
        yield done, self._event("response.output_item.done", output_index=index, item=full)

    def _said(self, index: int) -> Iterator[Event]:
        written = self._told.written
        text, begun, end = "".join(written.content), written.reasoning_tokens, written.completion_tokens
        status = "incomplete" if written.finish_reason == "length" else "completed"
        full = _message(self._echo, [_text(text)], status)
        place = {"item_id": full["id"], "output_index": index, "content_index": 0}
        empty = _message(self._echo, [], "in_progress")
        yield begun, self._event("response.output_item.added", output_index=index, item=empty)
        yield begun, self._event("response.content_part.added", **place, part=_text(""))
        yield from self._deltas("response.output_text.delta", place | {"logprobs": []}, written.content, begun)
        yield end, self._event("response.output_text.done", **place, text=text, logprobs=[])
        yield end, self._event("response.content_part.done", **place, part=_text(text))
        yield end, self._event("response.output_item.done", output_index=index, item=full)

    def _called(self, index: int, arguments: str) -> Iterator[Event]:
        """Arguments come whole, as in chat (groq-api 1.3)."""
        begun, end = self._told.written.reasoning_tokens, self._told.written.completion_tokens
        full = _call(self._echo, self._told, arguments)
        place = {"item_id": full["id"], "output_index": index}
        empty = _call(self._echo, self._told, "", "in_progress")
        yield begun, self._event("response.output_item.added", output_index=index, item=empty)
        yield end, self._event("response.function_call_arguments.delta", **place, delta=arguments)
        yield end, self._event("response.function_call_arguments.done", **place, arguments=arguments)
        yield end, self._event("response.output_item.done", output_index=index, item=full)

    def _deltas(self, name: str, place: dict[str, Any], tokens: Sequence[str], before: int) -> Iterator[Event]:
        step = self._echo.tokens_per_chunk
        for start in range(0, len(tokens), step):
            text = "".join(tokens[start : start + step])
            yield before + min(start + step, len(tokens)), self._event(name, **place, delta=text)

"""Completions that are put together from what a model wrote and its provider did not take: whole, or as a stream.

What they say is decided elsewhere. What such a call used is not known, so `usage` is null and not a number.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from headgate.protocol.openai import completion_body, stream_of
from headgate.protocol.sse import DONE, data_event

_SIGNS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode


class Head(NamedTuple):
    """What stands at the top of a completion; `created` is in Unix seconds, `label` is the `headgate` object."""

    id: str
    created: int
    model: str
    label: Mapping[str, object]


def text_completion(head: Head, text: str, *, stream: bool) -> bytes:
    """A completion that says `text`."""
    extra = {"usage": None, "headgate": head.label}
    if stream:
        return b"".join(stream_of(head.id, head.created, head.model, text, extra))
    return completion_body(head.id, head.created, head.model, text, extra)


def tool_completion(head: Head, calls: Sequence[tuple[str, str]], *, stream: bool) -> bytes:
    """A completion that calls tools: (name, arguments as JSON) of each, with ids as its model makes them."""
    made = [
        {
            "id": tool_call_id(head.model, f"{head.id}/{index}"),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for index, (name, arguments) in enumerate(calls)
    ]
    if stream:
        return _tool_stream(head, made)
    message = {"role": "assistant", "content": None, "tool_calls": made}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}
    return _encode({**_top(head, "chat.completion"), "choices": [choice], "usage": None, "headgate": head.label})


def labelled(body: bytes, label: Mapping[str, object]) -> bytes:
    """A completion with `label` as its `headgate` object and every other field byte for byte."""
    return _encode({**_decode_object(body), "headgate": label})


def tool_call_id(model: str, seed: str) -> str:
    """An id as the model writes them: `fc_` and a UUID for gpt-oss, nine characters for others (groq-api.md 1.2)."""
    drawn = blake2b(seed.encode(), digest_size=16).digest()
    if "gpt-oss" in model:
        text = drawn.hex()
        return f"fc_{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
    return "".join([_SIGNS[byte % len(_SIGNS)] for byte in drawn[:9]])


def _top(head: Head, kind: str) -> dict[str, object]:
    return {"id": head.id, "object": kind, "created": head.created, "model": head.model}


def _tool_stream(head: Head, made: Sequence[Mapping[str, object]]) -> bytes:
    """Role and label first, then every call in one chunk of its own, finish, `[DONE]`."""
    top = _top(head, "chat.completion.chunk")

    def chunk(delta: Mapping[str, object], finish_reason: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**top, "choices": [choice]}

    opening = {**chunk({"role": "assistant", "content": None}), "usage": None, "headgate": head.label}
    calls = [chunk({"tool_calls": [{"index": index, **call}]}) for index, call in enumerate(made)]
    chunks = [opening, *calls, chunk({}, "tool_calls")]
    return b"".join([*(data_event(_encode(each)) for each in chunks), DONE])

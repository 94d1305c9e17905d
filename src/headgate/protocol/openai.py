"""Bodies of our own in OpenAI's shape: errors, local answers whole and as streams, model lists.

What they say is decided elsewhere; here is only how it is written.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from headgate.protocol.sse import DONE, data_event

_encode: Final = msgspec.json.Encoder().encode
_NO_USAGE: Final = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def error_body(
    message: str,
    type: str = "invalid_request_error",  # noqa: A002 the wire's own word
    code: str | None = None,
    param: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> bytes:
    """`{"error": {message, type, param, code}}`; `extra` stands beside `error` (`{"headgate": {"tried": [...]}}`)."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return _encode({"error": error, **(extra or {})})


def completion_body(
    id: str,  # noqa: A002 the wire's own word
    created: int,
    model: str,
    text: str,
    extra: Mapping[str, object] | None = None,
    usage: Mapping[str, int] = _NO_USAGE,
) -> bytes:
    """A whole chat completion, which used no tokens unless `usage` says so; `created` is in Unix seconds, `extra`
    stands at the top level."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "logprobs": None,
        "finish_reason": "stop",
    }
    head = {"id": id, "object": "chat.completion", "created": created, "model": model}
    return _encode({**head, "choices": [choice], "usage": usage, **(extra or {})})


def stream_of(
    id: str,  # noqa: A002 the wire's own word
    created: int,
    model: str,
    text: str,
    extra: Mapping[str, object] | None = None,
    *,
    include_usage: bool = False,
    usage: Mapping[str, int] = _NO_USAGE,
) -> list[bytes]:
    """The same answer as events: role, content, finish, the usage chunk if asked for, `[DONE]`.

    `extra` stands in the first chunk, so that the label comes before the text.
    """
    head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}

    def chunk(delta: Mapping[str, str], finish_reason: str | None = None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return {**head, "choices": [choice]}

    chunks: list[dict[str, object]] = [
        {**chunk({"role": "assistant", "content": ""}), **(extra or {})},
        chunk({"content": text}),
        chunk({}, "stop"),
    ]
    if include_usage:
        chunks.append({**head, "choices": [], "usage": usage})
    return [*(data_event(_encode(each)) for each in chunks), DONE]


def model_body(
    id: str,  # noqa: A002 the wire's own word
    created: int,
    owned_by: str,
    extra: Mapping[str, object] | None = None,
) -> bytes:
    """One model; `created` is in Unix seconds, `extra` holds whatever else the catalogue tells."""
    return _encode(model_row(id, created, owned_by, extra))


def models_body(rows: Iterable[Mapping[str, object]]) -> bytes:
    """The list of models, each a `model_row`."""
    return _encode({"object": "list", "data": list(rows)})


def model_row(
    id: str,  # noqa: A002 the wire's own word
    created: int,
    owned_by: str,
    extra: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """One row of the list."""
    return {"id": id, "object": "model", "created": created, "owned_by": owned_by, **(extra or {})}

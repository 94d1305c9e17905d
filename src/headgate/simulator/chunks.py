"""The bytes of answers: buffered bodies and stream chunks, in the field order and shapes of live captures.

Shapes are from groq-api 1.2 and 1.3 and recorded streams of 2025 and 2026. Owns bytes only: what is written and when is
decided before. Like Go's encoder, `<`, `>` and `&` in texts are escaped.
"""

from collections.abc import Iterator, Sequence

import msgspec

from headgate.domain.time import Seconds
from headgate.simulator.errors import Rejection
from headgate.simulator.generate import ToolCall, Written

DONE = b"data: [DONE]\n\n"
_SLICE_ITEM = b'},"logprobs":null,"finish_reason":null}]}\n\n'


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What marks one reply: its ids, its model and the stamps that all its chunks share."""

    completion_id: str
    request_id: str
    tool_call_id: str
    created: int
    model: str
    fingerprint: str
    seed: int
    tier: str


class Consumed(msgspec.Struct, frozen=True, gc=False):
    """The numbers of a usage block. Details are absent, not zero, when they do not apply."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    queue_s: Seconds
    prompt_s: Seconds
    completion_s: Seconds


def usage_text(used: Consumed) -> str:
    """The usage object. `total_time` leaves the queue out (as in captured bodies); guards report a total of 0."""
    details = ""
    if used.cached_tokens:
        details = f',"prompt_tokens_details":{{"cached_tokens":{used.cached_tokens}}}'
    if used.reasoning_tokens:
        details += f',"completion_tokens_details":{{"reasoning_tokens":{used.reasoning_tokens}}}'
    return (
        f'{{"queue_time":{used.queue_s:.9f},"prompt_tokens":{used.prompt_tokens},"prompt_time":{used.prompt_s:.9f},'
        f'"completion_tokens":{used.completion_tokens},"completion_time":{used.completion_s:.9f},'
        f'"total_tokens":{used.prompt_tokens + used.completion_tokens if used.completion_tokens else 0},'
        f'"total_time":{used.prompt_s + used.completion_s:.9f}{details}}}'
    )


def text_json(text: str) -> str:
    """A text as Go's JSON encoder writes it."""
    encoded = msgspec.json.encode(text).decode()
    if "<" in encoded or ">" in encoded or "&" in encoded:
        return encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return encoded


def buffered(identity: Identity, written: Written, used: Consumed, *, raw_reasoning: bool, shown: bool) -> bytes:
    """The body of a whole answer. Content is absent when there is only a tool call."""
    content = "".join(written.content)
    reasoning = "".join(written.reasoning) if written.reasoning and shown else ""
    if reasoning and raw_reasoning:
        content, reasoning = f"<think>\n{reasoning}\n</think>\n{content}", ""
    message = '"role":"assistant"'
    if written.tool_call is None:
        message += f',"content":{text_json(content)}'
    if reasoning:
        message += f',"reasoning":{text_json(reasoning)}'
    if written.tool_call is not None:
        message += f',"tool_calls":[{_call_json(identity, written.tool_call)}]'
    return (
        f'{{"id":"{identity.completion_id}","object":"chat.completion","created":{identity.created},'
        f'"model":"{identity.model}","choices":[{{"index":0,"message":{{{message}}},"logprobs":null,'
        f'"finish_reason":"{written.finish_reason}"}}],"usage":{usage_text(used)},"usage_breakdown":null,'
        f'"system_fingerprint":"{identity.fingerprint}",'
        f'"x_groq":{{"id":"{identity.request_id}","seed":{identity.seed}}},'
        f'"service_tier":"{identity.tier}"}}'
    ).encode("utf-8", "replace")


def _call_json(identity: Identity, call: ToolCall) -> str:
    return (
        f'{{"id":"{identity.tool_call_id}","type":"function","function":{{"name":{text_json(call.name)},'
        f'"arguments":{text_json(call.arguments)}}}}}'
    )


class StreamShape(msgspec.Struct, frozen=True):
    """How a stream is cut up and what its end carries."""

    tokens_per_chunk: int = 1
    include_usage: bool = False
    top_level_usage: bool = True
    reasoning_shown: bool = True
    reasoning_channel: bool = False


def events(identity: Identity, written: Written, used: Consumed, shape: StreamShape) -> Iterator[tuple[int, bytes]]:
    """Every event of a stream with the tokens that must have been generated before it goes out."""
    head = (
        f'data: {{"id":"{identity.completion_id}","object":"chat.completion.chunk","created":{identity.created},'
        f'"model":"{identity.model}","system_fingerprint":"{identity.fingerprint}","choices":['
    )
    opening = head + '{"index":0,"delta":{'
    first_content = "null" if written.tool_call else '""'
    yield (
        0,
        (
            f'{opening}"role":"assistant","content":{first_content}}},"logprobs":null,"finish_reason":null}}],'
            f'"x_groq":{{"id":"{identity.request_id}","seed":{identity.seed}}}}}\n\n'
        ).encode(),
    )
    yield from _middle(opening, written, shape)
    end = written.completion_tokens
    if written.failure is not None:
        yield end, error_event(written.failure)
        return
    if written.tool_call is not None:
        call = _call_json(identity, written.tool_call)[:-1]
        yield end, f'{opening}"tool_calls":[{call},"index":0}}]'.encode() + _SLICE_ITEM
    usage = usage_text(used)
    top_level = f',"usage":{usage}' if shape.top_level_usage else ""
    yield (
        end,
        (
            f'{opening}}},"logprobs":null,"finish_reason":"{written.finish_reason}"}}],'
            f'"x_groq":{{"id":"{identity.request_id}","usage":{usage}}}{top_level}}}\n\n'
        ).encode(),
    )
    if shape.include_usage:
        yield end, f'{head}],"usage":{usage}}}\n\n'.encode()
    yield end, DONE


def _middle(opening: str, written: Written, shape: StreamShape) -> Iterator[tuple[int, bytes]]:
    """The deltas of reasoning, then of content."""
    thought = len(written.reasoning)
    if thought and shape.reasoning_shown:
        channel = ',"channel":"analysis"' if shape.reasoning_channel else ""
        yield from _deltas(opening + '"reasoning":', channel.encode() + _SLICE_ITEM, written.reasoning, 0, shape)
    yield from _deltas(opening + '"content":', _SLICE_ITEM, written.content, written.reasoning_tokens, shape)


def _deltas(
    opening: str, closing: bytes, tokens: Sequence[str], before: int, shape: StreamShape
) -> Iterator[tuple[int, bytes]]:
    step = shape.tokens_per_chunk
    for start in range(0, len(tokens), step):
        text = tokens[start] if step == 1 else "".join(tokens[start : start + step])
        done = before + min(start + step, len(tokens))
        yield done, (opening + text_json(text)).encode("utf-8", "replace") + closing


def error_event(failure: Rejection) -> bytes:
    """A failure after the stream began: `event: error`, the error object plus its status (groq-api 1.3, point 10)."""
    inner = msgspec.json.decode(failure.body)["error"] | {"status_code": failure.status}
    return b"event: error\ndata: " + msgspec.json.encode({"error": inner}) + b"\n\n"

"""Microseconds of the protocol's hot functions on one core: `python bench/protocol.py`.

Figures are the best of five repetitions, in µs per call, and for a stream per event.
"""

import json
import timeit
from collections.abc import Callable

from headgate.protocol.chat import parse_chat, to_upstream
from headgate.protocol.cleaning import Cleaned
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.limits import read_limit_headers
from headgate.protocol.reply import read_reply
from headgate.protocol.stream import StreamReader

_SYSTEM = "You answer questions about orders. Be short, say what you do not know, and never promise a refund. " * 4
_QUESTION = "Where is order 4711 of 2026-05-03? The customer wrote twice and was told to wait until Friday."
_CHAT = {
    "model": "openai/gpt-oss-20b",
    "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}],
    "temperature": 0.2,
    "max_completion_tokens": 256,
    "user": "customer-17",
}
COMPACT = json.dumps(_CHAT, separators=(",", ":")).encode()
SPACED = json.dumps(_CHAT).encode()
HINDI = json.dumps(
    {"model": "m", "messages": [{"role": "user", "content": "यह एक परीक्षण है, कृपया उत्तर दें। " * 8}]}, ensure_ascii=False
).encode()
REPLY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"openai/gpt-oss-20b","choices":[{"index"'
    b':0,"message":{"role":"assistant","content":"%b"},"logprobs":null,"finish_reason":"stop"}],"usage":{"queue_time":0.04,'
    b'"prompt_tokens":192,"prompt_time":0.01,"completion_tokens":88,"completion_time":0.09,"total_tokens":280,"total_time":'
    b'0.1,"prompt_tokens_details":{"cached_tokens":128}},"usage_breakdown":null,"system_fingerprint":"fp_1234567890",'
    b'"x_groq":{"id":"req_01","seed":7},"service_tier":"on_demand"}'
) % (b"It left the warehouse on Monday and should arrive within two days. " * 4)
HEADERS = {
    "date": "Fri, 20 Nov 2026 12:00:00 GMT",
    "content-type": "application/json",
    "x-ratelimit-limit-requests": "1000",
    "x-ratelimit-limit-tokens": "8000",
    "x-ratelimit-remaining-requests": "823",
    "x-ratelimit-remaining-tokens": "7656",
    "x-ratelimit-reset-requests": "4h14m52.8s",
    "x-ratelimit-reset-tokens": "2.579s",
}


def event(content: str, finish_reason: str | None = None) -> bytes:
    """A chunk as Groq writes it."""
    choice = {"index": 0, "delta": {"content": content}, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-4ef92b12-fb9d-486f-8b98-af9b5ecac736", "object": "chat.completion.chunk"}
    more = {"created": 1790000000, "model": "openai/gpt-oss-20b", "system_fingerprint": "fp_448a0d11e0"}
    return (
        b"data: %b\n\n"
        % json.dumps({**head, **more, "choices": [choice]}, separators=(",", ":"), ensure_ascii=False).encode()
    )


def measure(name: str, function: Callable[[], object], number: int = 20_000, per: int = 1) -> None:
    """Prints the best of five."""
    best = min(timeit.repeat(function, number=number, repeat=5))
    print(f"{name:44} {best / number / per * 1e6:8.2f} µs")


GROQ = DIALECTS["groq"]
CLEANED = Cleaned(drop=frozenset({"logprobs"}))


def main() -> None:
    """Prints one line for each function."""
    chat = parse_chat(COMPACT)
    print(f"bodies: {len(COMPACT)} bytes compact, {len(HINDI)} bytes Hindi, reply {len(REPLY)} bytes\n")
    measure("parse_chat, compact", lambda: parse_chat(COMPACT))
    measure("parse_chat, with spaces", lambda: parse_chat(SPACED))
    measure("parse_chat, Hindi", lambda: parse_chat(HINDI))
    measure(
        "to_upstream", lambda: to_upstream(chat, dialect=GROQ, model="openai/gpt-oss-120b", max_completion_tokens=640)
    )
    measure(
        "to_upstream, first of a body",
        lambda: to_upstream(chat, dialect=GROQ, model="m", max_completion_tokens=9, cleaned=CLEANED),
    )
    measure("read_reply", lambda: read_reply(REPLY))
    measure("read_limit_headers, six", lambda: read_limit_headers(HEADERS))
    measure("read_limit_headers, none", lambda: read_limit_headers({"content-type": "application/json"}))
    for name, chunk in (("plain", event(" word")), ("Hindi", event(" शब्द")), ("escaped", event('\n"'))):
        reader = StreamReader()
        reader.feed(event("Hello"))
        measure(f"StreamReader.feed, {name} event", lambda reader=reader, chunk=chunk: reader.feed(chunk))  # type: ignore[misc]
    reader = StreamReader()
    reader.feed(event("Hello"))
    ten = event(" word") * 10
    measure("StreamReader.feed, ten events at once, each", lambda: reader.feed(ten), per=10)
    slow = StreamReader(fast=False)
    plain = event(" word")
    measure("StreamReader.feed, always parsed", lambda: slow.feed(plain))


if __name__ == "__main__":
    main()

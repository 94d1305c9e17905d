"""The cheapest upstream there is: every POST gets the same chat completion, or the same stream of events.

A request is recognised by its Content-Length and nothing else, so that a benchmark measures whoever stands in front.

    python -m bench.canned_upstream --port 9001 [--events 100] [--gap-ms 0]
"""

import argparse
import asyncio
from typing import Final, cast

import uvloop

REQUESTS_PER_DAY: Final = 100_000_000
LIMIT_HEADERS: Final = (
    b"x-ratelimit-limit-requests: 100000000\r\n"
    b"x-ratelimit-limit-tokens: 1000000000\r\n"
    b"x-ratelimit-remaining-requests: %d\r\n"
    b"x-ratelimit-remaining-tokens: 999999000\r\n"
    b"x-ratelimit-reset-requests: 2ms\r\n"
    b"x-ratelimit-reset-tokens: 1ms\r\n"
)
BODY: Final = (
    b'{"id":"chatcmpl-canned","object":"chat.completion","created":1763683200,"model":"llama-3.1-8b-instant",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"'
    + b"A headgate lets through what the channel can carry. "
    * 4
    + b'"},"logprobs":null,"finish_reason":"stop"}],"usage":{"queue_time":0.0001,"prompt_tokens":48,'
    b'"prompt_time":0.001,"completion_tokens":44,"completion_time":0.05,"total_tokens":92,"total_time":0.051},'
    b'"system_fingerprint":"fp_canned","x_groq":{"id":"req_canned"}}'
)
REPLY: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    + LIMIT_HEADERS
    + b"x-request-id: req_canned\r\ncontent-length: %d\r\n\r\n" % len(BODY)
    + BODY
)
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    + LIMIT_HEADERS
    + b"x-request-id: req_canned\r\ntransfer-encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


EVENT_START: Final = (
    b'data: {"id":"chatcmpl-canned","object":"chat.completion.chunk","created":1763683200,'
    b'"model":"llama-3.1-8b-instant","system_fingerprint":"fp_canned","choices":[{"index":0,"delta":'
)
FIRST: Final = chunk(EVENT_START + b'{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n')
TOKEN: Final = chunk(EVENT_START + b'{"content":" water"},"logprobs":null,"finish_reason":null}]}\n\n')
LAST: Final = (
    chunk(
        EVENT_START + b'{},"logprobs":null,"finish_reason":"stop"}],"x_groq":{"id":"req_canned",'
        b'"usage":{"prompt_tokens":48,"completion_tokens":44,"total_tokens":92}}}\n\n'
    )
    + chunk(b"data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


class Used:
    """The day's requests, so that the headers tell the truth: a gateway compares them with its own count."""

    def __init__(self) -> None:
        self._level = self._at = 0.0

    def remaining(self, now: float) -> int:
        """One more request is made at `now`."""
        self._level = max(0.0, self._level - (now - self._at) * REQUESTS_PER_DAY / 86_400) + 1
        self._at = now
        return int(REQUESTS_PER_DAY - self._level)


USED: Final = Used()


class Canned(asyncio.Protocol):
    """One connection: waits for whole requests and answers them in order."""

    __slots__ = ("_buffer", "_events", "_gap_s", "_loop", "_transport")

    def __init__(self, events: int, gap_s: float) -> None:
        self._buffer = b""
        self._events = events
        self._gap_s = gap_s
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        while (head_end := data.find(b"\r\n\r\n")) >= 0:
            end = head_end + 4 + content_length(data, head_end)
            if len(data) < end:
                break
            self._answer(data.find(b'"stream":true', head_end, end) >= 0)
            data = data[end:]
        self._buffer = data

    def _answer(self, streamed: bool) -> None:
        if not streamed:
            self._transport.write(REPLY % USED.remaining(self._loop.time()))
        elif not self._gap_s:
            head = STREAM_HEAD % USED.remaining(self._loop.time())
            self._transport.write(b"".join((head, FIRST, TOKEN * self._events, LAST)))
        else:
            self._transport.write(STREAM_HEAD % USED.remaining(self._loop.time()) + FIRST)
            self._loop.call_later(self._gap_s, self._next_event, self._events)

    def _next_event(self, left: int) -> None:
        if self._transport.is_closing():
            return
        if left:
            self._transport.write(TOKEN)
            self._loop.call_later(self._gap_s, self._next_event, left - 1)
        else:
            self._transport.write(LAST)


def content_length(data: bytes, head_end: int) -> int:
    """The size of the body that follows a head; 0 if the head does not say."""
    start = data.find(b"ontent-", 0, head_end)
    while start >= 0:
        if data[start + 7 : start + 14].lower() == b"length:":
            return int(data[start + 14 : data.find(b"\r\n", start)])
        start = data.find(b"ontent-", start + 1, head_end)
    return 0


async def serve(port: int, events: int, gap_s: float) -> None:
    """Answer until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Canned(events, gap_s), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--events", type=int, default=100, help="tokens in a streamed reply")
    parser.add_argument("--gap-ms", type=float, default=0.0, help="time between streamed events; 0 sends them at once")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.events, options.gap_ms / 1000))


if __name__ == "__main__":
    main()

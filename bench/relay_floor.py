"""The plain-relay floor: what our stack costs when it decides nothing.

A bare ASGI app on uvicorn (httptools, uvloop) passes each POST to one upstream through the gateway's own client and
hands the reply back. What the gateway costs above this is what its logic costs.

    python -m bench.relay_floor --port 9002 --upstream http://127.0.0.1:9001
"""

import argparse
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import uvicorn

from headgate.runtime.upstream import Endpoint, Timeouts, Upstream, UpstreamError
from headgate.runtime.upstream_http1 import Http1Upstream

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TIMEOUTS: Final = Timeouts(first_byte_s=30.0, total_s=60.0)
REQUEST_HEADERS: Final = (
    (b"authorization", b"Bearer gsk_canned_key_for_benchmarks_only_0123456789abcdef"),
    (b"content-type", b"application/json"),
)
JSON_HEADERS: Final = (b"content-type", b"application/json")


class Relay:
    """The ASGI application."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        try:
            if b'"stream":true' in body:
                await self._stream(scope["path"], body, send)
            else:
                await self._buffered(scope["path"], body, send)
        except UpstreamError as error:
            await send({"type": "http.response.start", "status": 502, "headers": []})
            await send({"type": "http.response.body", "body": str(error).encode()})

    async def _buffered(self, path: str, body: bytes, send: Send) -> None:
        reply = await self._upstream.request("POST", path, REQUEST_HEADERS, body, TIMEOUTS)
        length = b"%d" % len(reply.body)
        headers = (JSON_HEADERS, (b"content-length", length))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _stream(self, path: str, body: bytes, send: Send) -> None:
        stream = await self._upstream.open("POST", path, REQUEST_HEADERS, body, TIMEOUTS)
        try:
            headers = ((b"content-type", b"text/event-stream"),)
            await send({"type": "http.response.start", "status": stream.status, "headers": headers})
            while (chunk := await stream.read_chunk()) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            stream.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="origin of the upstream; the path is passed on as it is")
    options = parser.parse_args()
    uvicorn.run(
        Relay(Http1Upstream(Endpoint.parse(options.upstream))),
        host="127.0.0.1",
        port=options.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
        interface="asgi3",
    )


if __name__ == "__main__":
    main()

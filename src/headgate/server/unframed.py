"""Owns how a stream is sent to an HTTP/1.0 client, which knows no chunks: its end is the end of the connection."""

import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Unframed(RequestResponseCycle):
    """A request of HTTP/1.0: an answer whose length nobody knows goes out as it is, and the connection is closed.

    uvicorn would frame it in chunks, which such a client takes for a part of the answer.
    """

    _is_endless = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._is_endless = not any(name.lower() == b"content-length" for name, _ in message["headers"])
            if self._is_endless:
                self.chunked_encoding, self.expected_content_length = False, sys.maxsize
        elif self._is_endless and not message.get("more_body", False):
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)

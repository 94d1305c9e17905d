"""Request heads as bytes. Owns what may be sent: nothing with CR, LF or NUL in it, and no header that frames messages.

The constant part of a head is built once for each method and path; a name is checked once, and only remembered then.
"""

import re
from typing import Final

from headgate.runtime.upstream import Body, Endpoint, Headers, is_path

USER_AGENT: Final = "headgate"
MAX_REMEMBERED: Final = 1024
"""Entries that a cache of checked names or request lines holds before it starts again from nothing."""

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_OURS: Final = frozenset(
    {
        b"accept-encoding",
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
    }
)


class _CheckedNames(dict[bytes, bytes]):
    """Header name -> `name: `, filled by checking."""

    def __missing__(self, name: bytes) -> bytes:
        check_name(name)
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        line_start = self[name] = name + b": "
        return line_start


_NAMES: Final = _CheckedNames()


def check_name(name: bytes) -> None:
    """Raise ValueError for a header name that is no token, or that the client sets by itself."""
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header name must be a token")
    if name.lower() in _OURS:
        raise ValueError(f"the upstream client sets {name.decode('ascii').lower()} itself")


def check_headers(headers: Headers) -> None:
    """Raise ValueError if any header must not be sent."""
    for name, value in headers:
        check_name(name)
        if b"\r" in value or b"\n" in value or b"\0" in value:
            raise ValueError("a header value must not contain CR, LF or NUL")


def check_target(method: str, path: str) -> None:
    """Raise ValueError for a bad path or a method we do not speak (HEAD and CONNECT frame replies differently)."""
    if method not in _METHODS:
        raise ValueError(f"{method!r} is not a method of the upstream client")
    if not is_path(path):
        raise ValueError("a request path must start with / and have no blanks or control characters")


class PreparedHeaders(tuple[tuple[bytes, bytes], ...]):  # noqa: SLOT001 - a tuple can have no slots that hold something
    """Headers that go with many requests: checked and written as lines once. Raises ValueError as `encode` does."""

    lines: bytes

    @classmethod
    def of(cls, headers: Headers) -> "PreparedHeaders":
        """The same headers, prepared."""
        check_headers(headers)
        prepared = cls(headers)
        prepared.lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return prepared


class RequestEncoder:
    """Turns a request for one endpoint into the bytes of one write."""

    __slots__ = ("_constant", "_starts")

    def __init__(self, endpoint: Endpoint) -> None:
        self._constant = (
            f"host: {endpoint.authority}\r\naccept-encoding: identity\r\nuser-agent: {USER_AGENT}\r\n".encode("ascii")
        )
        self._starts: dict[tuple[str, str], bytes] = {}

    def encode(self, method: str, path: str, headers: Headers, body: Body) -> bytes:
        """The whole request, or the head of one whose body is uploaded. Raises ValueError for what must not be sent."""
        size_bytes = len(body) if isinstance(body, bytes) else body.size_bytes
        start = self._starts.get((method, path)) or self._start(method, path)
        if type(headers) is PreparedHeaders and size_bytes:
            content = body if isinstance(body, bytes) else b""
            return b"%b%bcontent-length: %d\r\n\r\n%b" % (start, headers.lines, size_bytes, content)
        parts = [start]
        for name, value in headers:
            parts += (_NAMES[name], value, b"\r\n")
        if size_bytes or method in _BODY_METHODS:
            parts.append(b"content-length: %d\r\n\r\n" % size_bytes)
        else:
            parts.append(b"\r\n")
        head = b"".join(parts)
        # One CR and one LF for the request line, each header and the empty line: any other came in with a value.
        lines = start.count(b"\n") + len(headers) + (2 if size_bytes or method in _BODY_METHODS else 1)
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise ValueError("a header value must not contain CR, LF or NUL")
        return head + body if isinstance(body, bytes) and body else head

    def _start(self, method: str, path: str) -> bytes:
        check_target(method, path)
        if len(self._starts) >= MAX_REMEMBERED:
            self._starts.clear()
        start = f"{method} {path} HTTP/1.1\r\n".encode("ascii") + self._constant
        self._starts[method, path] = start
        return start

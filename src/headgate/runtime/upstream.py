"""The vocabulary of talking to an upstream: where it is, how long it may take, what comes back, what may go wrong.

Everything that crosses the border of the upstream client is here. Nothing here opens a socket: `upstream_http1` and
`upstream_proxy` do, and `upstream_proxy.open_upstream` chooses between them.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol, Self, TypeAlias
from urllib.parse import urlsplit

import msgspec

from headgate.domain.time import Instant, Seconds

GROQ_PREFIX: Final = "/openai/v1"
"""Where Groq's API lives below its host root; the Groq SDK appends it by itself."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Endpoint(msgspec.Struct, frozen=True):
    """Where an upstream listens: one origin and the path that all its operations share."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a base URL: a host root, or one that ends in `/v1` or any other path.

        Raises ValueError for anything that is not http or https, or that carries credentials, a query or a fragment.
        """
        parts = urlsplit(url.strip())
        if parts.scheme not in DEFAULT_PORTS:
            raise ValueError(f"{url!r} is not an http or https address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a base URL must not carry credentials")
        if parts.query or parts.fragment:
            raise ValueError(f"{url!r} must not have a query or a fragment")
        if not parts.hostname:
            raise ValueError(f"{url!r} names no host")
        prefix = parts.path.rstrip("/")
        if not is_path(prefix + "/"):
            raise ValueError(f"{url!r} has characters that must be percent-encoded")
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode("ascii")
        return cls(scheme=parts.scheme, host=host, port=parts.port or DEFAULT_PORTS[parts.scheme], prefix=prefix)

    @classmethod
    def parse_groq(cls, url: str) -> Self:
        """Read a Groq base URL, where the host root and the form ending in `/openai/v1` mean the same."""
        endpoint = cls.parse(url)
        if endpoint.prefix.endswith("/v1"):
            return endpoint
        prefix = endpoint.prefix.removesuffix("/openai") + GROQ_PREFIX
        return msgspec.structs.replace(endpoint, prefix=prefix)

    def path(self, suffix: str) -> str:
        """The full path of one operation: `path("/chat/completions")`."""
        return f"{self.prefix}/{suffix.removeprefix('/')}"

    @property
    def is_tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the `host` header says: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"


def is_path(path: str) -> bool:
    """True for a path (with or without a query) that can stand in a request line as it is."""
    return path.startswith("/") and path.isascii() and path.isprintable() and " " not in path and "#" not in path


class Timeouts(msgspec.Struct, frozen=True, gc=False):
    """How long each part of one exchange may take, in seconds. `total_s` bounds all of it, waiting included."""

    connect_s: Seconds = 3.0
    """Looking up the address, and then connecting to it: each may take this long."""
    tls_s: Seconds = 5.0
    first_byte_s: Seconds = 60.0
    """From writing the request to the first byte of the reply; starts anew while the peer still takes the request."""
    idle_s: Seconds = 15.0
    """The longest silence within a reply. Silence that our own slow reader causes does not count."""
    total_s: Seconds = 120.0


class ReplyLimits(msgspec.Struct, frozen=True):
    """How much of a reply is accepted before the connection is thrown away."""

    max_head_bytes: int = 64 * 1024
    """The header block; also the trailers, and any run of framing without content."""
    max_headers: int = 100
    max_body_bytes: int = 64 * 1024 * 1024
    """Decoded size, of buffered bodies and of whole streams."""
    max_interim_replies: int = 10
    """1xx replies before the real one."""
    max_inflation: int = 100
    """Decoded size over encoded size."""
    inflation_grace_bytes: int = 64 * 1024
    """Decoded output of this size is never taken for a bomb, however small its source."""
    stream_buffer_bytes: int = 64 * 1024
    """Unread stream content at which reading from the socket pauses."""


class PoolLimits(msgspec.Struct, frozen=True):
    """How many connections one upstream may hold."""

    max_connections: int = 512
    max_idle: int = 128
    max_waiting: int = 4096
    """Callers that may stand in line for a connection."""
    idle_expiry_s: Seconds = 60.0
    tick_s: Seconds = 0.05
    """How coarsely timeouts are watched while requests are in flight."""


class UpstreamErrorKind(StrEnum):
    """Why there is no reply. A status of any value, redirects included, is a reply and not an error."""

    DNS = "dns"
    REFUSED = "refused"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    TLS_TIMEOUT = "tls_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    RESET = "reset"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    POOL_FULL = "pool_full"


class UpstreamError(Exception):
    """An exchange that brought no complete reply.

    `written` is True once the kernel had the last byte of the request; `received` counts the bytes of the reply that
    came, undecoded. `detail` is for operators: it never quotes headers or bodies.
    """

    __slots__ = ("detail", "kind", "received", "written")

    def __init__(self, kind: UpstreamErrorKind, *, written: bool = False, received: int = 0, detail: str = "") -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.written = written
        self.received = received
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail}" if self.detail else self.kind.value


class Response(msgspec.Struct, frozen=True, gc=False):
    """A whole reply. Header names are lower case; repeated headers are joined by a comma and a blank."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reused: bool
    """True if the connection had served an earlier request."""
    written: bool
    """False if the upstream answered before it had taken the whole request."""
    first_byte_at: Instant
    eof_framed: bool
    """True if only the end of the connection ended the body: the caller must see for itself that it is whole."""


class Stream(Protocol):
    """A reply whose head is here and whose body is still coming. Its holder must read it to the end or close it."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def reused(self) -> bool: ...
    @property
    def written(self) -> bool: ...
    @property
    def first_byte_at(self) -> Instant: ...
    @property
    def eof_framed(self) -> bool: ...
    @property
    def complete(self) -> bool:
        """True once the end of the reply has arrived, even if not all of it is read yet."""
        ...

    async def read_chunk(self) -> bytes | None:
        """All content that has come since the last read, as soon as there is any; None at the end of the reply.

        Raises UpstreamError, after the content that came before the break. A cancelled read closes the stream.
        """
        ...

    def close(self) -> None:
        """Stop. Unless the reply is complete its connection is aborted. Calling it again does nothing."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Upload(Protocol):
    """A request body that is not held in memory: it is read piece by piece, as fast as the upstream takes it."""

    @property
    def size_bytes(self) -> int:
        """How long the body is; more than nothing."""
        ...

    @property
    def is_given(self) -> bool:
        """Whether the latest reading has come to the end: then the upstream may have the whole of it."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body from its beginning, anew at each call, since a call may have to be made again. No piece is empty."""
        ...


Body: TypeAlias = bytes | Upload


class Gauges(msgspec.Struct, frozen=True):
    """What an upstream holds at this moment."""

    open: int
    """Connections, those being made included."""
    idle: int
    in_flight: int
    waiting: int
    unsent_bytes: int = 0
    """Of requests, those that the kernel has not taken yet."""


Headers = Sequence[tuple[bytes, bytes]]


class Upstream(Protocol):
    """One upstream endpoint. Redirects are never followed; cancelling a call aborts its connection."""

    @property
    def endpoint(self) -> Endpoint: ...

    async def request(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> Response:
        """Exchange a request for a whole reply. `path` is the full path, from `endpoint.path`.

        An upload stops where the upstream refuses it before its end: the refusal is the reply, and not `written`.
        Raises UpstreamError, and ValueError for a method, path or header that must not be sent.
        """
        ...

    async def open(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> Stream:
        """Send a request and return when the head of the reply is here. Raises as `request` does."""
        ...

    def gauges(self) -> Gauges: ...

    async def close(self) -> None:
        """Abort every connection and refuse every caller, those that wait included."""
        ...

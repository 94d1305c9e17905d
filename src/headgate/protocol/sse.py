"""Server-sent events: cutting a byte stream into events, reading one, writing our own.

The rules are those of the WHATWG HTML standard (section 9.2). Cutting never changes a byte, so what is cut can be
relayed as it came; it knows nothing of what the events say.
"""

import re
from typing import Final

import msgspec

MAX_EVENT_BYTES: Final = 1024 * 1024
"""The largest event that is read, without its line ends: 1 MiB (fault 32)."""

DONE: Final = b"data: [DONE]\n\n"
"""The end of an OpenAI-shaped stream."""

BOM: Final = b"\xef\xbb\xbf"
_LINE_ENDS: Final = b"\r\n"
_BLANK_LINE: Final = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_LINE: Final = re.compile(rb"\r\n|\r|\n")
_LONGEST_BLANK_LINE: Final = 4


class Event(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event. `event` and `id` are those of this event alone; an id is not carried over to the next."""

    data: str
    event: str | None = None
    id: str | None = None


class OversizedEvent(msgspec.Struct, frozen=True, gc=False):
    """Why a stream is read no further: an event grew beyond the cap."""

    limit_bytes: int


class EventCutter:
    r"""Cuts bytes into blocks: each an event, comment or blank line, its line ends included.

    All blocks put together are the input. Blocks do not depend on how the input was cut into feeds, with one exception:
    where a feed ends in the CR of a CRLF that ends a block, the LF follows as the block `b"\n"`.
    """

    __slots__ = ("_max_bytes", "_pending", "_scanned", "oversized")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_event_bytes
        self._pending = bytearray()
        self._scanned = 0
        self.oversized: OversizedEvent | None = None

    @property
    def is_between_events(self) -> bool:
        """Whether every byte fed so far has come out in a block."""
        return not self._pending

    def feed(self, data: bytes) -> list[bytes]:
        """The blocks that `data` completes. After `oversized` is set there are no more."""
        if self.oversized is not None:
            return []
        if self._pending or b"\r" in data or data.startswith(b"\n") or b"\n\n\n" in data:
            self._pending += data
            return self._cut()
        if 0 <= len(data) - 2 == data.find(b"\n\n") and len(data) <= self._max_bytes:
            return [data]  # one whole event: what a provider's write usually is
        *events, rest = data.split(b"\n\n")
        self._pending += rest
        blocks = [event + b"\n\n" for event in events]
        if len(data) > self._max_bytes:
            return self._checked(blocks)
        return blocks

    def _cut(self) -> list[bytes]:
        pending, start, blocks = self._pending, 0, []
        scan = self._scanned
        while start < len(pending):
            if pending[start] in _LINE_ENDS:
                end = start + (2 if pending[start : start + 2] == b"\r\n" else 1)
            elif (found := _BLANK_LINE.search(pending, max(scan, start))) is not None:
                end = found.end()
            else:
                break
            blocks.append(bytes(pending[start:end]))
            start = end
        del pending[:start]
        self._scanned = max(0, len(pending) - _LONGEST_BLANK_LINE)
        return self._checked(blocks)

    def _checked(self, blocks: list[bytes]) -> list[bytes]:
        """The blocks before the first that is too large; line ends do not count, so that no cut changes the verdict."""
        sizes = [*map(self._size, blocks), self._size(self._pending)]
        within = next((index for index, size in enumerate(sizes) if size > self._max_bytes), None)
        if within is None:
            return blocks
        self.oversized = OversizedEvent(self._max_bytes)
        self._pending = bytearray()
        return blocks[:within]

    def _size(self, block: bytes | bytearray) -> int:
        return len(block) if len(block) <= self._max_bytes else len(block.rstrip(_LINE_ENDS))


class EventParser:
    """Reads a stream into events, whatever the cuts.

    `retry_ms` and `comments` are what the last feed brought; they come with the blank line that ends their block.
    """

    __slots__ = ("_at_start", "_cutter", "_head", "comments", "retry_ms")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._cutter = EventCutter(max_event_bytes)
        self._head = b""
        self._at_start = True
        self.comments: list[str] = []
        self.retry_ms: list[int] = []

    @property
    def oversized(self) -> OversizedEvent | None:
        return self._cutter.oversized

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes; an event that the stream never ends with a blank line never comes."""
        self.comments, self.retry_ms = [], []
        if self._at_start:
            self._head += data
            if len(self._head) < len(BOM) and BOM.startswith(self._head):
                return []
            data, self._at_start = self._head.removeprefix(BOM), False
        blocks = self._cutter.feed(data)
        return [event for block in blocks if (event := self._read(block)) is not None]

    def _read(self, block: bytes) -> Event | None:
        data: list[str] = []
        event = identity = None
        for line in _LINE.split(block):
            name, value = split_field(line)
            match name:
                case b"data":
                    data.append(value.decode(errors="replace"))
                case b"event":
                    event = value.decode(errors="replace") or None
                case b"id" if b"\0" not in value:
                    identity = value.decode(errors="replace")
                case b"retry" if value.isdigit() and len(value) < 10:
                    self.retry_ms.append(int(value))
                case b"" if line:
                    self.comments.append(value.decode(errors="replace"))
        return Event("\n".join(data), event, identity) if data else None


def split_field(line: bytes) -> tuple[bytes, bytes]:
    """Name and value of one line; one space behind the colon is not part of the value. A comment has the name ""."""
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


def read_block(block: bytes) -> tuple[bytes | None, bytes | None]:
    """`event` and `data` of one block as bytes (data lines joined by LF); None where the block has no such field."""
    if block.startswith(b"data: ") and block.find(b"\n") == len(block) - 2 and b"\r" not in block:
        return None, block[6:-2]  # what nearly every event of every provider looks like
    event: bytes | None = None
    data: list[bytes] = []
    for line in _LINE.split(block):
        name, value = split_field(line)
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
    return event, b"\n".join(data) if data else None


def data_event(data: bytes) -> bytes:
    """One event that carries `data`; each of its lines becomes a line of the event."""
    return b"data: %b\n\n" % b"\ndata: ".join(data.splitlines())


def error_event(body: bytes) -> bytes:
    """The event that ends a stream which broke; `body` is an error body.

    Named `error` as Groq does it, and with an `error` object inside, so that both official SDKs raise.
    """
    return b"event: error\n" + data_event(body)


def comment(text: str) -> bytes:
    """A line that clients ignore: it keeps a quiet connection alive."""
    return b": %b\n\n" % text.replace("\n", " ").replace("\r", " ").encode()

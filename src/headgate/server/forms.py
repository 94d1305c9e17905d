"""How an API that is a chat inside words things: its request as a chat body, and the way back of answers and errors.

A form stands for an API, a translation for one request. Chat completions need neither: their bytes pass as they are.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from headgate.domain.failure import Failure
from headgate.server.errors import Refuser


class StreamWriter(Protocol):
    """Rewrites a chat stream while it passes; it holds back no more than one unfinished event."""

    def feed(self, data: bytes) -> bytes:
        """What `data` completes in the API's own events."""

    def end(self) -> bytes:
        """The rest, once the chat stream has ended, well or not."""


class Translation(Protocol):
    """The way back for one request. `body` is the chat body it became, `notes` what was left out of it and why."""

    @property
    def body(self) -> bytes:
        """What `headgate.protocol.chat.parse_chat` reads."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One line each."""

    def whole(self, completion: bytes) -> bytes | Failure:
        """A chat completion as the API's own answer; a failure for what cannot be one."""

    def stream(self) -> StreamWriter:
        """What rewrites this request's stream."""


class Form(msgspec.Struct, frozen=True):
    """One API. `read` makes a chat of a body (with the request's id and the time in Unix seconds) and raises
    `InvalidBody`; `refuse` words our refusals, `relayed` an upstream error body of a status, given the request's id;
    `lines` are further lines of every head."""

    read: Callable[[bytes, str, int], Translation]
    refuse: Refuser
    relayed: Callable[[int, bytes, str], bytes]
    lines: Callable[[str], bytes]

"""Owns what the in-process door gives out: an answer with its labels, and the events of a stream."""

from decimal import Decimal
from typing import Final

import msgspec

from headgate.domain.answer import Source, Usage

SHOWN_CHARS: Final = 60
"""Of an answer's text in its repr."""


class ToolCall(msgspec.Struct, frozen=True):
    """One call of a tool that the model wants made; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer and where it came from; the labels are those of the `x-headgate-*` headers.

    `usage` is None where nobody knows it. `raw` is the body as the provider wrote it; of a stream, all its events.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    finish_reason: str
    usage: Usage | None
    source: Source
    model_asked: str
    model_served: str
    provider: str = ""
    attempts: int = 0
    calls: int = 0
    fitted: str | None = None
    cost_usd: Decimal = Decimal(0)
    reason: str = ""
    cache: str = "off"
    age_s: float | None = None
    """How old an answer of the cache is; None for any other."""
    request_id: str
    raw: bytes = b""
    inactive: tuple[str, ...] = ()
    """Controls that were given and that this version does not act on yet."""

    def json(self) -> object:
        """The whole body, decoded. Raises ValueError for a streamed answer, whose `raw` is a stream of events."""
        return msgspec.json.decode(self.raw)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        start = self.text if len(self.text) <= SHOWN_CHARS else self.text[:SHOWN_CHARS] + "..."
        return f"<Answer {start!r} from {self.model_served}, {self.source}>"


class Token(msgspec.Struct, frozen=True):
    """The next piece of the answer's text."""

    text: str


class Done(msgspec.Struct, frozen=True):
    """The stream is over and this is the whole answer."""

    answer: Answer


class Error(msgspec.Struct, frozen=True):
    """The stream is over without an answer; what was given out before is not one."""

    error: Exception


Event = Token | ToolCall | Done | Error
"""What a stream yields: any number of Token and ToolCall, then exactly one Done or Error."""

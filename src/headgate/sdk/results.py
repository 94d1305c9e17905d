"""Owns what the in-process door gives out besides chats: vectors, transcripts, sounds, verdicts, lines of a batch."""

from collections.abc import Mapping
from decimal import Decimal
from os import PathLike
from pathlib import Path
from typing import Final, TypedDict

import msgspec

from headgate.domain.answer import Source, Usage
from headgate.domain.time import Seconds
from headgate.runtime.outcome import Answered

NANO: Final = Decimal(10) ** 9


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """Where a result came from and what it took; the labels are those of the `x-headgate-*` headers.

    `usage` is None where nobody knows it. `raw` is the body as the provider wrote it, empty for what we made ourselves.
    """

    source: Source
    model_asked: str
    model_served: str
    provider: str = ""
    attempts: int = 0
    calls: int = 0
    usage: Usage | None = None
    cost_usd: Decimal = Decimal(0)
    reason: str = ""
    request_id: str
    raw: bytes = b""
    inactive: tuple[str, ...] = ()
    """Controls that were given and that this version does not act on yet."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} from {self.model_served}, {self.source}>"


class Facts(TypedDict):
    """The fields of `Labelled`."""

    source: Source
    model_asked: str
    model_served: str
    provider: str
    attempts: int
    calls: int
    usage: Usage | None
    cost_usd: Decimal
    reason: str
    request_id: str
    raw: bytes
    inactive: tuple[str, ...]


def facts(answered: Answered, raw: bytes, inactive: tuple[str, ...]) -> Facts:
    """The labels of a result that a model gave."""
    journey, served = answered.journey, answered.journey.served
    failed = "" if journey.failure is None else journey.failure.kind
    return Facts(
        source=answered.finish.source or Source.UPSTREAM,
        model_asked=journey.request.model_asked,
        model_served="" if served is None else served.model,
        provider="" if served is None else served.provider,
        attempts=journey.attempts,
        calls=journey.calls,
        usage=journey.usage,
        cost_usd=Decimal(journey.cost_nanousd) / NANO,
        reason=answered.finish.reason or failed or journey.request.reason,
        request_id=journey.request.id,
        raw=raw,
        inactive=inactive,
    )


def own_facts(model: str, request_id: str, inactive: tuple[str, ...]) -> Facts:
    """The labels of a result that only we can give: `model` is our own one's name."""
    return Facts(
        source=Source.LOCAL,
        model_asked=model,
        model_served=model,
        provider="",
        attempts=0,
        calls=0,
        usage=Usage(0, 0),
        cost_usd=Decimal(0),
        reason="",
        request_id=request_id,
        raw=b"",
        inactive=inactive,
    )


class Embeddings(Labelled, frozen=True, kw_only=True):
    """A vector for each text, in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...]

    @property
    def model(self) -> str:
        """Whose vectors these are: those of two models cannot be compared."""
        return self.model_served


class Segment(msgspec.Struct, frozen=True):
    """A stretch of what was said, in seconds from the beginning."""

    start_s: Seconds = msgspec.field(name="start", default=0.0)
    end_s: Seconds = msgspec.field(name="end", default=0.0)
    text: str = ""


class Word(msgspec.Struct, frozen=True):
    """One word that was said, in seconds from the beginning."""

    start_s: Seconds = msgspec.field(name="start", default=0.0)
    end_s: Seconds = msgspec.field(name="end", default=0.0)
    text: str = msgspec.field(name="word", default="")


class Transcript(Labelled, frozen=True, kw_only=True):
    """What was said. `language` is as the provider calls it; it, `segments` and `words` are empty where it tells none.

    `duration_s` is the length of the sound, None where neither the provider nor the file says it.
    """

    text: str
    language: str = ""
    duration_s: Seconds | None = None
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()

    def __str__(self) -> str:
        return self.text


class Speech(Labelled, frozen=True, kw_only=True):
    """A sound and what it is, as `audio/wav`."""

    audio: bytes
    content_type: str

    def save(self, path: str | PathLike[str]) -> None:
        """Write the sound into a file. Raises OSError."""
        Path(path).write_bytes(self.audio)


class Verdict(msgspec.Struct, frozen=True):
    """What a model says of one text, by OpenAI's categories or, of a prompt-guard model, by `prompt-attack`.

    `category_scores` are from 0 to 1; `categories` are those of a half and more.
    """

    flagged: bool
    categories: Mapping[str, bool]
    category_scores: Mapping[str, float]


class Moderation(Labelled, frozen=True, kw_only=True):
    """A verdict for each text, in the order of the texts. The labels are of all calls together."""

    results: tuple[Verdict, ...]

    @property
    def flagged(self) -> bool:
        """Whether any text is."""
        return any(result.flagged for result in self.results)


class BatchResult(msgspec.Struct, frozen=True):
    """How one line of a batch ended. `status` is that of its response, `body` the response's JSON.

    `is_done` is False for a line that was refused or for which there was no time; then the body says why.
    """

    custom_id: str
    is_done: bool
    status: int
    request_id: str
    body: bytes

    def json(self) -> object:
        """The body, decoded. Raises ValueError for a body that is text, as a transcript may be."""
        return msgspec.json.decode(self.body)

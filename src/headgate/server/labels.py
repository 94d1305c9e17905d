"""The answer headers of design 10, built from a journey. Headers say what is known when they are sent.

They are made as lines of a head, since thirteen headers one by one cost more than reading the request; the parts that
many answers share are made once.
"""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from headgate.cache.likeness import Likeness
from headgate.decide.actions import Ending
from headgate.domain.answer import Source, Tried
from headgate.observe.stories import usd
from headgate.runtime.outcome import Answered

Header = tuple[bytes, bytes]

DIRECT: Final = "headgate.direct"
"""Where a scope of our own server holds what it can do beyond ASGI (`server.cycle.Cycle`)."""

JSON: Final[Header] = (b"content-type", b"application/json")
EVENT_STREAM: Final[Header] = (b"content-type", b"text/event-stream; charset=utf-8")
_ABANDONED: Final = Ending.ABANDONED
_UPSTREAM: Final = Source.UPSTREAM  # looking up a member of an enum costs as much as a call
_MADE_BY_MODELS: Final = frozenset({Source.UPSTREAM, Source.CACHE})
LOCAL_MODEL: Final = "headgate/local"
_UNLIKE: Final = Likeness()
MAX_NOTES: Final = 16
"""Notes that a header tells."""
NO_RETRY: Final[Header] = (b"x-should-retry", b"false")


def request_id(name: str) -> Header:
    """Every answer carries its request's id."""
    return (b"x-request-id", name.encode())


class Explanation(msgspec.Struct, frozen=True):
    """What `x-headgate-explain` says: controls that were given and do not work yet, the models that could serve, in
    order, what was tried in vain before the header was sent, what was left out of the request on its way, and the key
    of the answer in the cache, None where the cache took no part. `similarity` is of the nearest similar request, where
    the route asks for such; `kept_apart` what kept that one from answering."""

    inactive: tuple[str, ...]
    candidates: tuple[str, ...]
    tried: tuple[Tried, ...]
    notes: tuple[str, ...] = ()
    cache_key: str | None = None
    similarity: float | None = None
    kept_apart: str | None = None


def lines_of(headers: Iterable[Header]) -> bytes:
    """Headers as lines of a head, each with its end."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def headers_of(lines: bytes) -> list[Header]:
    """The same again as headers."""
    pairs = (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])
    return [(name, value) for name, _, value in pairs]


def labels(
    answered: Answered,
    *,
    overhead_s: float,
    explain: tuple[str, ...] | None = None,
    notes: Sequence[str] = (),
    cache_key: str | None = None,
) -> bytes:
    """Where the answer came from and what it took, as lines of a head; `explain` are the inactive controls of a client
    who asked why, and `notes` are for them too."""
    journey = answered.journey
    request = journey.request
    lines = (
        f"x-request-id: {request.id}\r\n{steady_labels(answered)}x-headgate-overhead-ms: {overhead_s * 1000:.2f}\r\n"
    )
    if answered.age_s is not None:
        lines += f"age: {int(answered.age_s)}\r\n"
    if journey.cost_nanousd:
        lines += f"x-headgate-cost-usd: {usd(journey.cost_nanousd)}\r\n"
    if journey.fitted is not None and (answered.finish.source is _UPSTREAM or answered.stream is not None):
        lines += f"x-headgate-fitted: {journey.fitted}\r\n"
    if explain is not None:
        like = answered.likeness or _UNLIKE
        told = Explanation(
            explain,
            request.candidates,
            journey.tried,
            tuple(notes)[:MAX_NOTES],
            like.key or cache_key,
            None if like.similarity is None else round(like.similarity, 4),
            like.kept_apart,
        )
        lines += f"x-headgate-explain: {json.dumps(msgspec.to_builtins(told))}\r\n"  # ASCII, whatever a client wrote
    return lines.encode()


def steady_labels(answered: Answered) -> str:
    """Those that are the same for every answer of this kind."""
    journey, finish = answered.journey, answered.finish
    call = journey.open
    source = finish.source or (_UPSTREAM if answered.stream is not None else None)
    served = journey.served if call is None else call.plan.deployment
    return _shared_lines(
        journey.request.model_asked,
        source,
        None if served is None else served.provider,
        None if served is None else served.model,
        journey.attempts if call is None else journey.attempts + 1,  # a stream: its one attempt is not over yet
        journey.calls,
        "" if finish.ending is _ABANDONED else finish.reason or journey.why(),
        answered.cache,
    )


def local_labels(name: str, asked: str, *, overhead_s: float) -> bytes:
    """The same for an answer that needed no journey, because only we can give it: `asked` is our own model's name."""
    shared = _shared_lines(asked, Source.LOCAL, None, asked, 0, 0, "")
    return f"x-request-id: {name}\r\n{shared}x-headgate-overhead-ms: {overhead_s * 1000:.2f}\r\n".encode()


def labels_of_many(answers: Sequence[Answered], name: str, *, overhead_s: float) -> bytes:
    """One answer made of several: who served the first of them, and what all of them took."""
    journeys = [each.journey for each in answers]
    served = journeys[0].served
    shared = _shared_lines(
        journeys[0].request.model_asked,
        _UPSTREAM,
        None if served is None else served.provider,
        None if served is None else served.model,
        sum(journey.attempts for journey in journeys),
        sum(journey.calls for journey in journeys),
        "",
    )
    lines = f"x-request-id: {name}\r\n{shared}x-headgate-overhead-ms: {overhead_s * 1000:.2f}\r\n"
    cost_nanousd = sum(journey.cost_nanousd for journey in journeys)
    return (lines + (f"x-headgate-cost-usd: {usd(cost_nanousd)}\r\n" if cost_nanousd else "")).encode()


@lru_cache(maxsize=1024)
def _shared_lines(
    asked: str,
    source: Source | None,
    provider: str | None,
    model: str | None,
    attempts: int,
    calls: int,
    reason: str,
    cache: str = "off",
) -> str:
    headers = [("model-asked", _ascii(asked))]
    if source is not None:
        headers.append(("source", source.value))
    if source in _MADE_BY_MODELS and provider is not None and model is not None:
        headers.append(("provider", _ascii(provider)))
        headers.append(("model-served", _ascii(model)))
    elif source is Source.LOCAL:
        headers.append(("model-served", model if provider is None and model is not None else LOCAL_MODEL))
    headers += [("attempts", str(attempts)), ("calls", str(calls)), ("cache", cache)]
    if reason:
        headers.append(("reason", _ascii(reason)))
    return "".join([f"x-headgate-{name}: {value}\r\n" for name, value in headers])


def _ascii(text: str) -> str:
    """A name in a header: printable ASCII only, and not much of it."""
    clean = text if text.isascii() and text.isprintable() else text.encode("ascii", "replace").decode()
    return "".join(c for c in clean[:256] if c.isprintable())

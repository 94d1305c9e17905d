"""The answer headers of design 10, built from a journey. Headers say what is known when they are sent.

They are made as lines of a head, since thirteen headers one by one cost more than reading the request; the parts that
many answers share are made once.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from headgate.decide.actions import Ending
from headgate.domain.answer import Source, Tried
from headgate.observe.stories import usd
from headgate.runtime.driver import Answered

Header = tuple[bytes, bytes]

WHOLE: Final = "headgate.whole"
"""The ASGI extension by which our own server takes a whole answer at once."""

JSON: Final[Header] = (b"content-type", b"application/json")
EVENT_STREAM: Final[Header] = (b"content-type", b"text/event-stream; charset=utf-8")
_ABANDONED: Final = Ending.ABANDONED
_UPSTREAM: Final = Source.UPSTREAM  # looking up a member of an enum costs as much as a call
NO_RETRY: Final[Header] = (b"x-should-retry", b"false")


def request_id(name: str) -> Header:
    """Every answer carries its request's id."""
    return (b"x-request-id", name.encode())


class Explanation(msgspec.Struct, frozen=True):
    """What `x-headgate-explain` says: controls that were given and do not work yet, the models that could serve, in
    order, and what was tried in vain before the header was sent."""

    inactive: tuple[str, ...]
    candidates: tuple[str, ...]
    tried: tuple[Tried, ...]


def lines_of(headers: Iterable[Header]) -> bytes:
    """Headers as lines of a head, each with its end."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def headers_of(lines: bytes) -> list[Header]:
    """The same again as headers."""
    pairs = (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])
    return [(name, value) for name, _, value in pairs]


def labels(answered: Answered, *, overhead_s: float, explain: tuple[str, ...] | None = None) -> bytes:
    """Where the answer came from and what it took, as lines of a head; `explain` are the inactive controls of a client
    who asked why."""
    journey, finish = answered.journey, answered.finish
    request, call = journey.request, journey.open
    source = finish.source or (_UPSTREAM if answered.stream is not None else None)
    served = journey.served if call is None else call.plan.deployment
    failure = journey.failure
    shared = _shared_lines(
        request.model_asked,
        source,
        None if served is None else served.provider,
        None if served is None else served.model,
        journey.attempts if call is None else journey.attempts + 1,  # a stream: its one attempt is not over yet
        journey.calls,
        "" if finish.ending is _ABANDONED else finish.reason or (request.reason if failure is None else failure.kind),
    )
    lines = f"x-request-id: {request.id}\r\n{shared}x-headgate-overhead-ms: {overhead_s * 1000:.2f}\r\n"
    if journey.cost_nanousd:
        lines += f"x-headgate-cost-usd: {usd(journey.cost_nanousd)}\r\n"
    if journey.fitted is not None and source is _UPSTREAM:
        lines += f"x-headgate-fitted: {journey.fitted}\r\n"
    if explain is not None:
        told = Explanation(explain, request.candidates, journey.tried)
        lines += f"x-headgate-explain: {msgspec.json.encode(told).decode()}\r\n"
    return lines.encode()


@lru_cache(maxsize=1024)
def _shared_lines(
    asked: str,
    source: Source | None,
    provider: str | None,
    model: str | None,
    attempts: int,
    calls: int,
    reason: str,
) -> str:
    headers = [("model-asked", _ascii(asked))]
    if source is not None:
        headers.append(("source", source.value))
    if source is Source.UPSTREAM and provider is not None and model is not None:
        headers.append(("provider", _ascii(provider)))
        headers.append(("model-served", _ascii(model)))
    elif source is Source.LOCAL:
        headers.append(("model-served", "headgate/local"))
    headers += [("attempts", str(attempts)), ("calls", str(calls)), ("cache", "off")]
    if reason:
        headers.append(("reason", _ascii(reason)))
    return "".join([f"x-headgate-{name}: {value}\r\n" for name, value in headers])


def _ascii(text: str) -> str:
    """A name in a header: printable ASCII only, and not much of it."""
    clean = text if text.isascii() and text.isprintable() else text.encode("ascii", "replace").decode()
    return "".join(c for c in clean[:256] if c.isprintable())

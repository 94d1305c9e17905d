"""The answer headers of design 10, built from a journey. Headers say what is known when they are sent."""

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
NO_RETRY: Final[Header] = (b"x-should-retry", b"false")
_CACHE_OFF: Final[Header] = (b"x-headgate-cache", b"off")
_SOURCES: Final = {source: (b"x-headgate-source", source.value.encode()) for source in Source}
_ATTEMPTS: Final = tuple((b"x-headgate-attempts", b"%d" % n) for n in range(64))
_CALLS: Final = tuple((b"x-headgate-calls", b"%d" % n) for n in range(64))


def request_id(name: str) -> Header:
    """Every answer carries its request's id."""
    return (b"x-request-id", name.encode())


class Explanation(msgspec.Struct, frozen=True):
    """What `x-headgate-explain` says: controls that were given and do not work yet, the models that could serve, in
    order, and what was tried in vain before the header was sent."""

    inactive: tuple[str, ...]
    candidates: tuple[str, ...]
    tried: tuple[Tried, ...]


def labels(answered: Answered, *, overhead_s: float, explain: tuple[str, ...] | None = None) -> list[Header]:
    """Where the answer came from and what it took; `explain` are the inactive controls of a client who asked why."""
    journey, finish = answered.journey, answered.finish
    request = journey.request
    source = finish.source or (Source.UPSTREAM if answered.stream is not None else None)
    headers = [request_id(request.id), (b"x-headgate-model-asked", _ascii(request.model_asked))]
    if source is not None:
        headers.append(_SOURCES[source])
    served = journey.served if journey.open is None else journey.open.plan.deployment
    if served is not None and source is Source.UPSTREAM:
        headers.append((b"x-headgate-provider", _ascii(served.provider)))
        headers.append((b"x-headgate-model-served", _ascii(served.model)))
    elif source is Source.LOCAL:
        headers.append((b"x-headgate-model-served", b"headgate/local"))
    begun = journey.open is not None  # a stream: its one attempt is not over yet
    headers.append(_ATTEMPTS[journey.attempts + begun])
    headers.append(_CALLS[journey.calls])
    headers.append(_CACHE_OFF)
    if journey.fitted is not None and source is Source.UPSTREAM:
        headers.append((b"x-headgate-fitted", journey.fitted.encode()))
    if journey.cost_nanousd:
        headers.append((b"x-headgate-cost-usd", usd(journey.cost_nanousd).encode()))
    headers.append((b"x-headgate-overhead-ms", b"%.2f" % (overhead_s * 1000)))
    reason = finish.reason or (request.reason if journey.failure is None else journey.failure.kind)
    if reason and finish.ending is not Ending.ABANDONED:
        headers.append((b"x-headgate-reason", _ascii(reason)))
    if explain is not None:
        told = Explanation(explain, request.candidates, journey.tried)
        headers.append((b"x-headgate-explain", msgspec.json.encode(told)))
    return headers


@lru_cache(maxsize=1024)
def _ascii(text: str) -> bytes:
    """A name in a header: printable ASCII only, and not much of it."""
    clean = text if text.isascii() and text.isprintable() else text.encode("ascii", "replace").decode()
    return "".join(c for c in clean[:256] if c.isprintable()).encode()

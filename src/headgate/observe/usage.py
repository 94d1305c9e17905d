"""One usage row for each request that is over: what it asked, who answered, what it used and cost.

On the path of a request its fact is only written down; once in a window the store takes what there is and makes rows
of it on its own thread. So a death of the process takes the newest rows with it: those of that window and of the
store's own (decision 7).
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec

from headgate.decide.giving_up import CLIENT_GONE
from headgate.domain.answer import Source
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.time import Instant, Seconds
from headgate.store.rows import UsageRow

WINDOW_S: Final[Seconds] = 0.025
ANSWERED: Final = "answered"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
SOURCES: Final = {source: source.value for source in Source}

_decode: Final = msgspec.msgpack.Decoder(RequestFinished).decode


class Takes(Protocol):
    """The part of a usage store that this needs."""

    def append_read(self, records: Sequence[bytes], read: Callable[[bytes], UsageRow]) -> None: ...


class UsageRows:
    """Told every fact. `provider` stands in the rows instead of the facts' own where a pretend one answers."""

    def __init__(
        self, store: Takes, *, now: Callable[[], Instant], wall: Callable[[], float], provider: str | None = None
    ) -> None:
        self._store = store
        self._now = now
        self._wall = wall
        self._provider = provider
        self._records: list[bytes] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, fact: Fact) -> None:
        """Write down a request that is over; one that was asked for several is told by those. Called in the loop that
        serves."""
        if type(fact) is RequestFinished and not fact.parts:
            self._records.append(self._encode(fact))
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(WINDOW_S, self.flush)

    def flush(self) -> None:
        """Give the store all requests that are over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, self._records = self._records, []
        self._store.append_read(records, partial(row_of, back_s=self._wall() - self._now(), provider=self._provider))


def row_of(record: bytes, *, back_s: Seconds = 0.0, provider: str | None = None) -> UsageRow:
    """The row of an encoded RequestFinished; `back_s` makes wall time of its instant."""
    fact = _decode(record)
    usage, source = fact.usage, fact.source
    return UsageRow(
        fact.at + back_s,
        fact.request_id,
        fact.tenant,
        ANSWERED if source is not None else CANCELLED if fact.reason == CLIENT_GONE else REFUSED,
        "",
        fact.session or "",
        fact.agent or "",
        fact.task or "",
        fact.route or "",
        "",
        (provider or fact.provider) if fact.provider else "",
        fact.organisation,
        fact.model_asked,
        fact.model_served,
        "" if source is None else SOURCES[source],
        fact.reason,
        0 if usage is None else usage.prompt_tokens,
        0 if usage is None else usage.completion_tokens,
        0 if usage is None else usage.cached_tokens,
        0 if usage is None else usage.reasoning_tokens,
        0.0 if usage is None else usage.audio_s,
        0 if usage is None else usage.characters,
        fact.cost_nanousd,
        fact.duration_s,
        fact.calls,
        fact.attempts,
        fact.saved_tokens,
    )

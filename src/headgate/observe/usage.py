"""One usage row for each request that is over: what it asked, who answered, what it used and cost.

On the path of a request its fact is only put aside; once in a window rows are made of what there is, some 0.3 us each,
and the store writes them on its own thread. So a death of the process takes the newest rows with it: those of that
window and of the commit under way (decision 7).
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from headgate.decide.giving_up import CLIENT_GONE
from headgate.domain.answer import Source
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.time import Instant, Seconds
from headgate.store.rows import UsageFields
from headgate.store.window import Window

ANSWERED: Final = "answered"
REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
NOTHING: Final = (0, 0, 0, 0, 0.0, 0)
SOURCES: Final = {source: source.value for source in Source}


class Takes(Protocol):
    """The part of a usage store that this needs."""

    def append_all(self, rows: Sequence[UsageFields]) -> None: ...


class UsageRows:
    """Told every fact. `provider` stands in the rows instead of the facts' own where a pretend one answers. `window` is
    joined: whatever else is written behind requests may go with the rows."""

    def __init__(
        self,
        store: Takes,
        window: Window,
        *,
        now: Callable[[], Instant],
        wall: Callable[[], float],
        provider: str | None = None,
    ) -> None:
        self._store = store
        self._now = now
        self._wall = wall
        self._provider = provider
        self._facts: list[RequestFinished] = []
        self.window = window
        window.join(self.flush)

    def tell(self, fact: Fact) -> None:
        """Put a request aside that is over; one that was asked for several is told by those. Called in the loop that
        serves."""
        if type(fact) is RequestFinished and not fact.parts:
            if not self._facts:
                self.window.open()
            self._facts.append(fact)

    def flush(self) -> None:
        """Give the store all requests that are over."""
        if not self._facts:
            return
        facts, self._facts = self._facts, []
        back_s, provider = self._wall() - self._now(), self._provider
        self._store.append_all([fields_of(fact, back_s, provider) for fact in facts])


def fields_of(fact: RequestFinished, back_s: Seconds, provider: str | None) -> UsageFields:
    """The row of a request that is over; `back_s` makes wall time of its instant."""
    usage, source = fact.usage, fact.source
    prompt, completion, cached, reasoning, audio_s, characters = (
        NOTHING
        if usage is None
        else (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            usage.reasoning_tokens,
            usage.audio_s,
            usage.characters,
        )
    )
    return (
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
        prompt,
        completion,
        cached,
        reasoning,
        audio_s,
        characters,
        fact.cost_nanousd,
        fact.duration_s,
        fact.calls,
        fact.attempts,
        fact.saved_tokens,
    )

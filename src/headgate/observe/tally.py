"""Owns the counts of requests and calls since the start, for the metrics page. Counts decide nothing."""

from collections import Counter

from headgate.decide.giving_up import CLIENT_GONE
from headgate.domain.fact import Alert, CallEnded, DeliveryTried, Fact, JobEnded, RequestFinished

REFUSED = "refused"
CANCELLED = "cancelled"
ANSWERED = "answered"


class Tally:
    """Told every fact; keeps sums only. Its names are few: providers, sources, kinds of failure and of alert."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        """By source: upstream, cache, local; or refused, or cancelled by the client."""
        self.calls: Counter[tuple[str, str]] = Counter()
        """By provider, and `answered` or the kind of failure."""
        self.tokens: Counter[str] = Counter()
        """prompt, completion, cached."""
        self.alerts: Counter[str] = Counter()
        self.jobs: Counter[tuple[str, str]] = Counter()
        """Background jobs that ended, by kind and by how."""
        self.deliveries: Counter[tuple[str, str]] = Counter()
        """Tries to tell a webhook of a job, by target; `arrived` or `failed`."""
        self.cost_nanousd = 0

    def __call__(self, fact: Fact) -> None:
        """Count a fact."""
        kind = type(fact)
        if kind is RequestFinished:
            assert isinstance(fact, RequestFinished)
            self._finished(fact)
        elif kind is CallEnded:
            assert isinstance(fact, CallEnded)
            self.calls[fact.deployment.provider, ANSWERED if fact.failure is None else fact.failure.value] += 1
        elif kind is Alert:
            assert isinstance(fact, Alert)
            self.alerts[fact.kind.value] += 1
        elif kind is JobEnded:
            assert isinstance(fact, JobEnded)
            self.jobs[fact.kind, fact.status] += 1
        elif kind is DeliveryTried:
            assert isinstance(fact, DeliveryTried)
            self.deliveries[fact.target, "arrived" if fact.arrived else "failed"] += 1

    def _finished(self, fact: RequestFinished) -> None:
        if fact.parts:
            return  # asked for several requests: each tells its share
        if fact.source is not None:
            self.requests[fact.source.value] += 1
        else:
            self.requests[CANCELLED if fact.reason == CLIENT_GONE else REFUSED] += 1
        usage = fact.usage
        if usage is not None:
            self.tokens["prompt"] += usage.prompt_tokens
            self.tokens["completion"] += usage.completion_tokens
            self.tokens["cached"] += usage.cached_tokens
        self.cost_nanousd += fact.cost_nanousd

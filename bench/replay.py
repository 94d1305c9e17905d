"""The omniscient replay: what first come, first served would serve if it knew every output length in advance.

Its own arithmetic on purpose: it shares no code with the ledger that it judges. Each request, in order of arrival, goes
to the deployment where it can start soonest; one that cannot start within its patience, or not end by its deadline, is
not served. Nothing is ever shrunk, and exactly what will be used is what is charged.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Wanted:
    """One request of the load: `tokens` by model are prompt plus true output, `seconds` by model how long it runs."""

    at_s: float
    models: tuple[str, ...]
    tokens: Mapping[str, int]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Stranger:
    """Somebody else's spending at every deployment: so many tokens every so often, whatever the level is.

    The pretend Groq drops a bite that does not fit. A replay that knows all would sit so close to the limit that it
    crowded the stranger out; here the stranger gets its share in the replay too.
    """

    tokens: float
    every_s: float


@dataclass
class Bucket:
    """A continuously draining bucket."""

    limit: float
    per_s: float
    level: float = 0.0

    def wait_s(self, need: float) -> float:
        return max(0.0, (self.level + need - self.limit) / self.per_s)


@dataclass
class Deployment:
    """One model at one organisation, at the instant of its last start."""

    model: str
    tokens: Bucket
    requests: Bucket
    days: tuple[Bucket, Bucket]
    stranger: Stranger | None = None
    at_s: float = 0.0
    bite_at_s: float = field(default=0.0)

    def buckets(self, need: int) -> tuple[tuple[Bucket, float], ...]:
        return ((self.tokens, need), (self.requests, 1), (self.days[0], need), (self.days[1], 1))

    def copy(self) -> "Deployment":
        buckets = [Bucket(b.limit, b.per_s, b.level) for b in (self.tokens, self.requests, *self.days)]
        return Deployment(
            self.model, buckets[0], buckets[1], (buckets[2], buckets[3]), self.stranger, self.at_s, self.bite_at_s
        )

    def drain_to(self, at_s: float) -> None:
        """Go on to an instant, the stranger's bites on the way included."""
        for bite_at_s in self._bites(at_s):
            self._drain(bite_at_s)
            assert self.stranger is not None
            self.tokens.level += self.stranger.tokens
        self._drain(at_s)

    def _bites(self, until_s: float) -> Iterator[float]:
        while self.stranger is not None and self.bite_at_s <= until_s:
            yield self.bite_at_s
            self.bite_at_s += self.stranger.every_s

    def _drain(self, at_s: float) -> None:
        for bucket in (self.tokens, self.requests, *self.days):
            bucket.level = max(0.0, bucket.level - (at_s - self.at_s) * bucket.per_s)
        self.at_s = at_s

    def start_s(self, at_s: float, need: int, latest_s: float) -> float:
        """The earliest instant from `at_s` on at which the need fits; inf if not by `latest_s`. Changes nothing."""
        trial = self.copy()
        at_s = max(at_s, trial.at_s)
        while at_s <= latest_s:
            trial.drain_to(at_s)
            wait_s = max(bucket.wait_s(amount) for bucket, amount in trial.buckets(need))
            if wait_s <= 1e-9:
                return at_s
            if need > trial.tokens.limit:
                break
            at_s += wait_s if trial.stranger is None else min(wait_s, trial.stranger.every_s)
        return math.inf

    def take(self, at_s: float, need: int) -> None:
        self.drain_to(at_s)
        for bucket, amount in self.buckets(need):
            bucket.level += amount


@dataclass(frozen=True)
class Served:
    """What the replay served: requests and tokens, out of how many requests."""

    requests: int
    tokens: int
    asked: int

    @property
    def unserved_share(self) -> float:
        return 1 - self.requests / self.asked


def replay(load: Sequence[Wanted], deployments: Sequence[Deployment], patience_s: float, deadline_s: float) -> Served:
    """Serve the load in order of arrival."""
    requests = tokens = 0
    for wanted in sorted(load, key=lambda each: each.at_s):
        best, best_at_s = None, wanted.at_s + patience_s
        for model in wanted.models:
            for deployment in deployments:
                if deployment.model != model or wanted.seconds[model] > deadline_s:
                    continue
                start_s = deployment.start_s(wanted.at_s, wanted.tokens[model], best_at_s)
                if start_s < best_at_s and start_s + wanted.seconds[model] <= wanted.at_s + deadline_s:
                    best, best_at_s = deployment, start_s
        if best is not None:
            best.take(best_at_s, wanted.tokens[best.model])
            requests += 1
            tokens += wanted.tokens[best.model]
    return Served(requests, tokens, len(load))

"""Owns the counts of requests and calls since the start, for the metrics page. Counts decide nothing."""

from collections import Counter
from typing import Final

from headgate.decide.giving_up import CLIENT_GONE
from headgate.domain.answer import Source
from headgate.domain.fact import Alert, CallEnded, DeliveryTried, Fact, JobEnded, PromptScreened, RequestFinished

REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
ANSWERED: Final = "answered"
_UPSTREAM, _CACHE, _LOCAL = Source.UPSTREAM, Source.CACHE, Source.LOCAL  # a member looked up costs as much as a call


AT_ONCE: Final = 64
"""Facts that are counted together, which takes half the time of counting each when it comes."""


class Tally:
    """Told every fact; keeps sums only. Its names are few: providers, kinds of failure and of alert. Whoever reads sums
    reads those of `up_to_date()`."""

    __slots__ = (
        "_answered",
        "_cached",
        "_cancelled",
        "_completion",
        "_failed",
        "_local",
        "_new",
        "_prompt",
        "_refused",
        "_reused",
        "_upstream",
        "alerts",
        "cost_nanousd",
        "deliveries",
        "jobs",
        "screened",
    )

    def __init__(self) -> None:
        self._upstream = self._cached = self._local = self._refused = self._cancelled = 0
        self._prompt = self._completion = self._reused = self.cost_nanousd = 0
        self._new: list[Fact] = []
        self._answered: dict[str, int] = {}
        self._failed: dict[tuple[str, str], int] = {}
        self.alerts: Counter[str] = Counter()
        """By kind."""
        self.jobs: Counter[tuple[str, str]] = Counter()
        """Background jobs that ended, by kind and by how."""
        self.deliveries: Counter[tuple[str, str]] = Counter()
        """Tries to tell a webhook of a job, by target; `arrived` or `failed`."""
        self.screened: Counter[tuple[str, str]] = Counter()
        """Prompts that held something of the blocklist, by category; `blocked` or `logged`."""

    def __call__(self, fact: Fact) -> None:
        """Count a fact."""
        new = self._new
        new.append(fact)
        if len(new) >= AT_ONCE:
            self.up_to_date()

    def up_to_date(self) -> "Tally":
        """The same, with everything counted that it was told."""
        for fact in self._new:
            if type(fact) is RequestFinished:
                self._finished(fact)
            elif type(fact) is CallEnded:
                self._called(fact)
            else:
                self._rare(fact)
        self._new.clear()
        return self

    def _rare(self, fact: Fact) -> None:
        """What most requests never bring."""
        if isinstance(fact, Alert):
            self.alerts[fact.kind.value] += 1
        elif isinstance(fact, JobEnded):
            self.jobs[fact.kind, fact.status] += 1
        elif isinstance(fact, DeliveryTried):
            self.deliveries[fact.target, "arrived" if fact.arrived else "failed"] += 1
        elif isinstance(fact, PromptScreened):
            self.screened.update((category, "blocked" if fact.is_blocked else "logged") for category in fact.categories)

    def _finished(self, fact: RequestFinished) -> None:
        if fact.parts:
            return  # asked for several requests: each tells its share
        source = fact.source
        if source is _UPSTREAM:
            self._upstream += 1
        elif source is _CACHE:
            self._cached += 1
        elif source is _LOCAL:
            self._local += 1
        elif fact.reason == CLIENT_GONE:
            self._cancelled += 1
        else:
            self._refused += 1
        usage = fact.usage
        if usage is not None:
            self._prompt += usage.prompt_tokens
            self._completion += usage.completion_tokens
            self._reused += usage.cached_tokens
        self.cost_nanousd += fact.cost_nanousd

    def _called(self, fact: CallEnded) -> None:
        provider = fact.deployment.provider
        if fact.failure is None:
            self._answered[provider] = self._answered.get(provider, 0) + 1
        else:
            name = (provider, fact.failure.value)
            self._failed[name] = self._failed.get(name, 0) + 1

    @property
    def requests(self) -> dict[str, int]:
        """By source, or how they ended without an answer."""
        return {
            _UPSTREAM.value: self._upstream,
            _CACHE.value: self._cached,
            _LOCAL.value: self._local,
            REFUSED: self._refused,
            CANCELLED: self._cancelled,
        }

    @property
    def calls(self) -> dict[tuple[str, str], int]:
        """By provider, and `answered` or the kind of failure."""
        return {**{(provider, ANSWERED): count for provider, count in self._answered.items()}, **self._failed}

    @property
    def tokens(self) -> dict[str, int]:
        """As providers counted them; cached ones are prompt tokens that a provider had seen."""
        return {"prompt": self._prompt, "completion": self._completion, "cached": self._reused}

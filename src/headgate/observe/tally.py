"""Owns the counts of requests and calls since the start, for the metrics page. Counts decide nothing."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from headgate.decide.giving_up import CLIENT_GONE
from headgate.domain.answer import Source
from headgate.domain.fact import Alert, CallEnded, DeliveryTried, Fact, JobEnded, PromptScreened, RequestFinished

REFUSED: Final = "refused"
CANCELLED: Final = "cancelled"
ANSWERED: Final = "answered"

AT_ONCE: Final = 64
"""Facts that are counted together, which takes half the time of counting each when it comes."""


class Tally:
    """Told every fact; keeps sums only. Its names are few: providers, kinds of failure and of alert."""

    __slots__ = (
        "_alerts",
        "_answered",
        "_cancelled",
        "_completion",
        "_cost_nanousd",
        "_deliveries",
        "_failed",
        "_jobs",
        "_new",
        "_prompt",
        "_reused",
        "_screened",
        "_sources",
    )

    def __init__(self) -> None:
        self._sources: Counter[Source | None] = Counter()
        self._cancelled = self._prompt = self._completion = self._reused = self._cost_nanousd = 0
        self._new: list[Fact] = []
        self._answered: dict[str, int] = {}
        self._failed: dict[tuple[str, str], int] = {}
        self._alerts: Counter[str] = Counter()
        self._jobs: Counter[tuple[str, str]] = Counter()
        self._deliveries: Counter[tuple[str, str]] = Counter()
        self._screened: Counter[tuple[str, str]] = Counter()

    def tell(self, fact: Fact) -> None:
        """Count a fact."""
        new = self._new
        new.append(fact)
        if len(new) >= AT_ONCE:
            self._count()

    def _count(self) -> None:
        new = self._new
        self._finished([fact for fact in new if type(fact) is RequestFinished and not fact.parts])
        for fact in new:
            if type(fact) is CallEnded:
                self._called(fact)
            elif type(fact) is not RequestFinished:
                self._rare(fact)
        new.clear()

    def _rare(self, fact: Fact) -> None:
        """What most requests never bring."""
        if isinstance(fact, Alert):
            self._alerts[fact.kind.value] += 1
        elif isinstance(fact, JobEnded):
            self._jobs[fact.kind, fact.status] += 1
        elif isinstance(fact, DeliveryTried):
            self._deliveries[fact.target, "arrived" if fact.arrived else "failed"] += 1
        elif isinstance(fact, PromptScreened):
            self._screened.update(
                (category, "blocked" if fact.is_blocked else "logged") for category in fact.categories
            )

    def _finished(self, facts: list[RequestFinished]) -> None:
        """Requests of their own: what was asked for several is told by those."""
        self._sources.update([fact.source for fact in facts])
        self._cancelled += sum([fact.reason == CLIENT_GONE for fact in facts if fact.source is None])
        used = [fact.usage for fact in facts if fact.usage is not None]
        self._prompt += sum([usage.prompt_tokens for usage in used])
        self._completion += sum([usage.completion_tokens for usage in used])
        self._reused += sum([usage.cached_tokens for usage in used])
        self._cost_nanousd += sum([fact.cost_nanousd for fact in facts])

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
        self._count()
        return {
            **{source.value: self._sources[source] for source in Source},
            REFUSED: self._sources[None] - self._cancelled,
            CANCELLED: self._cancelled,
        }

    @property
    def calls(self) -> dict[tuple[str, str], int]:
        """By provider, and `answered` or the kind of failure."""
        self._count()
        return {**{(provider, ANSWERED): count for provider, count in self._answered.items()}, **self._failed}

    @property
    def tokens(self) -> dict[str, int]:
        """As providers counted them; cached ones are prompt tokens that a provider had seen."""
        self._count()
        return {"prompt": self._prompt, "completion": self._completion, "cached": self._reused}

    @property
    def cost_nanousd(self) -> int:
        """What all answers cost."""
        self._count()
        return self._cost_nanousd

    @property
    def alerts(self) -> Mapping[str, int]:
        """By kind."""
        self._count()
        return self._alerts

    @property
    def jobs(self) -> Mapping[tuple[str, str], int]:
        """Background jobs that ended, by kind and by how."""
        self._count()
        return self._jobs

    @property
    def deliveries(self) -> Mapping[tuple[str, str], int]:
        """Tries to tell a webhook of a job, by target; `arrived` or `failed`."""
        self._count()
        return self._deliveries

    @property
    def screened(self) -> Mapping[tuple[str, str], int]:
        """Prompts that held something of the blocklist, by category; `blocked` or `logged`."""
        self._count()
        return self._screened

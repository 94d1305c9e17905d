"""The pretend Groq's limiter: one bucket per organisation, model and dimension, refilling continuously and exactly.

A level is what is used and has not drained yet; it drains at limit ÷ window. A call is reserved at admission and
reconciled to what it really used when it ends. There are no windows and no midnights (groq-api 2.3).
Strangers, other users of the same organisation, spend at their own instants, applied lazily but exactly.
Knows nothing of HTTP, texts or models.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

import msgspec

from headgate.domain.limits import WINDOW_S, Dimension
from headgate.domain.time import NEVER, Instant, Seconds

SLACK: Final = 1e-3
"""By how much a level may pass its limit: a client who waits the announced nanoseconds must be let in."""

ORDER: Final = (
    Dimension.RPM,
    Dimension.RPD,
    Dimension.TPM,
    Dimension.TPD,
    Dimension.ITPM,
    Dimension.OTPM,
    Dimension.ASH,
    Dimension.ASD,
)
"""The order in which dimensions are looked at; the first that does not fit names the refusal."""


SHOWN: Final = (Dimension.RPD, Dimension.TPM, Dimension.ASH)
"""The dimensions that headers tell: requests, tokens, audio seconds (groq-api 2.2)."""


class Charge(NamedTuple):
    """What one call takes. `total` need not be `input + output`: a maximum may count differently in TPM and OTPM."""

    requests: int
    total: int
    input: int
    output: int
    audio_s: int = 0


_FIELD: Final = {
    Dimension.RPM: 0,
    Dimension.RPD: 0,
    Dimension.TPM: 1,
    Dimension.TPD: 1,
    Dimension.ITPM: 2,
    Dimension.OTPM: 3,
    Dimension.ASH: 4,
    Dimension.ASD: 4,
}


class Shortage(msgspec.Struct, frozen=True, gc=False):
    """Why a call is not admitted. `too_large`: it fits not even into an empty bucket; then `wait_s` means nothing."""

    dimension: Dimension
    limit: int
    used: float
    requested: int
    wait_s: Seconds
    too_large: bool = False


class Stranger(msgspec.Struct, frozen=True):
    """Somebody else who spends from an organisation: `share` of the refill of every bucket, in bites of `chunk_tokens`.

    Each bite is a request of its own and is dropped when it does not fit. `model` None means every model.
    """

    organisation: str
    share: float
    model: str | None = None
    chunk_tokens: int = 400
    start_at: Instant = 0.0
    until: Instant = NEVER


class _Bites:
    """The schedule of one stranger at one account: the next instant and what each bite takes per bucket."""

    __slots__ = ("next_at", "period_s", "takes", "until")

    def __init__(self, stranger: Stranger, account: "Account") -> None:
        tokens_per_s = stranger.share * account.token_rate()
        self.period_s = stranger.chunk_tokens / tokens_per_s if tokens_per_s > 0 else math.inf
        self.takes = [stranger.share * rate * self.period_s for rate in account.rates]
        self.next_at = stranger.start_at + self.period_s
        self.until = stranger.until


class Account:
    """All buckets of one organisation and model. Parallel lists, because every call walks all of them."""

    __slots__ = ("_bites", "at", "dimensions", "fields", "levels", "limits", "rates", "shown", "windows")

    def __init__(self, limits: Mapping[Dimension, int], now: Instant) -> None:
        self.dimensions = [d for d in ORDER if d in limits]
        self.limits = [limits[d] for d in self.dimensions]
        self.windows = [WINDOW_S[d] for d in self.dimensions]
        self.rates = [limit / window for limit, window in zip(self.limits, self.windows, strict=True)]
        self.fields = [_FIELD[d] for d in self.dimensions]
        self.levels = [0.0] * len(self.dimensions)
        self.shown = [self.dimensions.index(d) if d in limits else None for d in SHOWN]
        self.at = now
        self._bites: list[_Bites] = []

    def token_rate(self) -> float:
        """Tokens per second of the minute bucket; of the first other bucket where there is none."""
        if Dimension.TPM in self.dimensions:
            return self.rates[self.dimensions.index(Dimension.TPM)]
        return self.rates[0] if self.rates else 0.0

    def admit_stranger(self, stranger: Stranger) -> None:
        """From now on this stranger spends here too."""
        self._bites.append(_Bites(stranger, self))

    def touch(self, now: Instant) -> None:
        """Bring every level up to `now`: strangers bite at their instants, levels drain between. Never goes back."""
        if now <= self.at:
            return
        if self._bites:
            self._bite_until(now)
        self._drain(now)

    def _drain(self, now: Instant) -> None:
        elapsed_s = now - self.at
        if elapsed_s > 0:
            self.levels = [
                left if (left := level - rate * elapsed_s) > 0.0 else 0.0
                for level, rate in zip(self.levels, self.rates, strict=True)
            ]
            self.at = now

    def _bite_until(self, now: Instant) -> None:
        while True:
            bites = min(self._bites, key=_next_at)
            if bites.next_at > now:
                return
            if bites.next_at <= bites.until:
                self._drain(bites.next_at)
                self._take(bites.takes)
                bites.next_at += bites.period_s
            else:
                bites.next_at = NEVER

    def _take(self, takes: Sequence[float]) -> None:
        after = [level + take for level, take in zip(self.levels, takes, strict=True)]
        if all(level <= limit + SLACK for level, limit in zip(after, self.limits, strict=True)):
            self.levels = after

    def shortage(self, charge: Charge) -> Shortage | None:
        """The first bucket that a call does not fit into, judged at the last `touch`; too large beats too early."""
        early: Shortage | None = None
        for i, limit in enumerate(self.limits):
            need = charge[self.fields[i]]
            over = self.levels[i] + need - limit
            if over <= SLACK:
                continue
            wait_s = over / limit * self.windows[i] if limit else math.inf
            found = Shortage(self.dimensions[i], limit, self.levels[i], need, wait_s, need > limit)
            if found.too_large:
                return found
            early = early or found
        return early

    def hold(self, charge: Charge) -> None:
        """Take the reservation of an admitted call."""
        self.levels = [level + charge[field] for level, field in zip(self.levels, self.fields, strict=True)]

    def settle(self, held: Charge, used: Charge) -> None:
        """Replace a reservation by what was used. A credit never makes a level negative: that is lost refill."""
        self.levels = [
            max(0.0, level + used[field] - held[field]) for level, field in zip(self.levels, self.fields, strict=True)
        ]


def _next_at(bites: _Bites) -> Instant:
    return bites.next_at


class Call(msgspec.Struct):
    """An admitted call: its reservation, and what it will have used by any instant.

    Output flows evenly from `output_from` to `output_until`. Cached prompt tokens do not count (groq-api 2.1).
    `audio_s` are the billed seconds of audio, spent as soon as the call is admitted.
    """

    account: Account
    held: Charge
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    output_from: Instant
    output_until: Instant
    audio_s: int = 0

    def used_by(self, at: Instant) -> Charge:
        """What is metered when the call ends at `at`: the prompt, and what was generated until then."""
        prompt = self.prompt_tokens - self.cached_tokens
        written = self.written_by(at)
        return Charge(1, prompt + written, prompt, written, self.audio_s)

    def written_by(self, at: Instant) -> int:
        """Completion tokens generated by then."""
        if at >= self.output_until:
            return self.completion_tokens
        if at <= self.output_from:
            return 0
        return int(self.completion_tokens * (at - self.output_from) / (self.output_until - self.output_from))


class Limiter:
    """Every account, made when it is first touched, and every call that is still to be settled.

    `limits_of(organisation, model)` says which buckets an account has. Time is given and never goes back.
    """

    def __init__(
        self, limits_of: Callable[[str, str], Mapping[Dimension, int]], strangers: Sequence[Stranger] = ()
    ) -> None:
        self._limits_of = limits_of
        self._strangers = strangers
        self.accounts: dict[tuple[str, str], Account] = {}
        self.calls: dict[int, Call] = {}
        self._due: list[tuple[Instant, int]] = []

    def advance(self, now: Instant) -> None:
        """Settle every call that ended by `now`, each at its own end, in time order."""
        while self._due and self._due[0][0] <= now:
            at, call_id = heappop(self._due)
            self.settle(call_id, at)

    def admit(self, call_id: int, call: Call, ends_at: Instant) -> None:
        """Take the reservation of a call that fits, to be settled when it ends."""
        call.account.hold(call.held)
        self.calls[call_id] = call
        heappush(self._due, (ends_at, call_id))

    def settle(self, call_id: int, at: Instant) -> None:
        """Replace a reservation by what was used by `at`; nothing when that was done before."""
        call = self.calls.pop(call_id, None)
        if call is not None:
            call.account.touch(at)
            call.account.settle(call.held, call.used_by(at))

    def account(self, organisation: str, model: str, now: Instant) -> Account:
        """The account, brought up to `now`. A new one is full, and its strangers begin when it was first seen."""
        account = self.accounts.get((organisation, model))
        if account is None:
            account = self._open(organisation, model, now)
        account.touch(now)
        return account

    def _open(self, organisation: str, model: str, now: Instant) -> Account:
        limits = self._limits_of(organisation, model)
        strangers = [s for s in self._strangers if s.organisation == organisation and s.model in (None, model)]
        opened_at = min([now, *(s.start_at for s in strangers)])
        account = self.accounts[organisation, model] = Account(limits, opened_at)
        for stranger in strangers:
            account.admit_stranger(stranger)
        return account

    def level(self, organisation: str, model: str, dimension: Dimension, now: Instant) -> float:
        """What is used in one bucket at `now`, ended calls settled; 0 where the plan has no such bucket."""
        self.advance(now)
        account = self.account(organisation, model, now)
        if dimension not in account.dimensions:
            return 0.0
        return account.levels[account.dimensions.index(dimension)]

    def set_level(self, organisation: str, model: str, dimension: Dimension, level: float, now: Instant) -> None:
        """Begin from a given level, as if somebody had spent before. For worlds and tests."""
        account = self.account(organisation, model, now)
        account.levels[account.dimensions.index(dimension)] = level

"""A ledger driven by chance beside the truth that it cannot see: its sends never exceed what upstream really admits."""

import math

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headgate.domain.limits import WINDOW_S, Amounts, Deployment, Dimension, SeenLimits
from headgate.quota.answers import Held
from headgate.quota.correction import Note
from headgate.quota.ledger import Ledger

LIMITS = {Dimension.RPM: 30, Dimension.RPD: 200, Dimension.TPM: 8000, Dimension.TPD: 40_000, Dimension.OTPM: 3000}
HERE = Deployment.of("groq", "one", "m")
TEN_YEARS_S = 315_576_000.0


class Truth:
    """The exact buckets upstream. It admits or refuses; it never asks the ledger."""

    def __init__(self) -> None:
        self.levels = dict.fromkeys(LIMITS, 0.0)
        self.at = 0.0

    def drain(self, now: float) -> None:
        for dimension, limit in LIMITS.items():
            drained = (now - self.at) * limit / WINDOW_S[dimension]
            self.levels[dimension] = max(0.0, self.levels[dimension] - drained)
        self.at = now

    def admits(self, ask: Amounts) -> bool:
        return all(self.levels[d] + ask.of(d) <= limit + 1e-5 for d, limit in LIMITS.items())

    def add(self, ask: Amounts, given_back: Amounts | None = None) -> None:
        for d in LIMITS:
            back = given_back.of(d) if given_back is not None else 0
            self.levels[d] = max(0.0, self.levels[d] + ask.of(d) - back)

    def header(self) -> SeenLimits:
        return SeenLimits(
            limit_requests=LIMITS[Dimension.RPD],
            remaining_requests=max(0, math.floor(LIMITS[Dimension.RPD] - self.levels[Dimension.RPD] + 1e-9)),
            limit_tokens=LIMITS[Dimension.TPM],
            remaining_tokens=max(0, math.floor(LIMITS[Dimension.TPM] - self.levels[Dimension.TPM] + 1e-9)),
        )


class LedgerBesideTheTruth(RuleBasedStateMachine):
    """Sends, ends, headers, jumps of our clock, and snapshots, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(lambda _: LIMITS, lambda *_: LIMITS)
        self.truth = Truth()
        self.real = 0.0
        self.skew = 0.0
        self.open: dict[str, tuple[Amounts, Amounts, Held, SeenLimits]] = {}
        self.sent = self.ended = 0
        self.settled_headers = False

    @property
    def now(self) -> float:
        return self.real + self.skew

    @initialize(settled_headers=st.booleans(), origin=st.sampled_from([0.0, 5e5, 1.8e9]))
    def begin(self, settled_headers: bool, origin: float) -> None:
        self.settled_headers = settled_headers
        self.skew = origin

    @rule(seconds=st.sampled_from([0.01, 0.5, 3.0, 20.0, 90.0, 4000.0]))
    def pass_time(self, seconds: float) -> None:
        self.real += seconds
        self.truth.drain(self.real)

    @rule(prompt=st.integers(0, 3000), over=st.sampled_from([0, 3, 40, 300]), ask=st.integers(0, 3000))
    def send(self, prompt: int, over: int, ask: int) -> None:
        """The estimate is an upper bound of the prompt, so what the ledger grants upstream must admit."""
        held_amounts = Amounts(min(prompt + over, prompt * 5 // 4), ask)
        name = f"r{self.sent}"
        wait_s = self.ledger.wait_s(HERE, held_amounts, self.now)
        answer = self.ledger.reserve(HERE, name, held_amounts, self.now)
        assert isinstance(answer, Held) == (wait_s == 0.0)
        if not isinstance(answer, Held):
            return
        self.sent += 1
        real = Amounts(prompt, ask)
        assert self.truth.admits(real), (real, self.truth.levels)
        self.truth.add(real)
        self.open[name] = (held_amounts, real, answer, self.truth.header())

    @precondition(lambda self: self.open)
    @rule(data=st.data(), share=st.floats(0.0, 1.0), fate=st.sampled_from(["usage", "usage", "unknown", "stream"]))
    def end(self, data: st.DataObject, share: float, fate: str) -> None:
        """Any open call ends: with its usage, without one, or after a stream whose start showed headers."""
        name = data.draw(st.sampled_from(sorted(self.open)))
        _, real, held, at_admission = self.open.pop(name)
        used = Amounts(real.input_tokens, int(real.output_tokens * share))
        if fate == "stream":
            self.ledger.absorb_headers(HERE, at_admission, held.note, at_stream_start=True, now=self.now)
        self.truth.add(used, real)
        self.ledger.settle(name, None if fate == "unknown" else used, self.now)
        self.ended += 1
        if fate == "usage":
            shown = self.truth.header() if self.settled_headers else at_admission
            self.ledger.absorb_headers(HERE, shown, held.note, at_stream_start=False, now=self.now)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Reserving again under an open id gives the first answer and books nothing."""
        name = data.draw(st.sampled_from(sorted(self.open)))
        amounts, _, held, _ = self.open[name]
        assert self.ledger.reserve(HERE, name, amounts, self.now) == held

    @rule()
    def jump_back(self) -> None:
        """Our clock loses ten years: decisions stay as they were, no wait grows beyond its window."""
        before = self.ledger.wait_s(HERE, Amounts(1000, 1000), self.now)
        self.ledger.absorb_headers(HERE, SeenLimits(), _no_note(), at_stream_start=True, now=self.now)
        self.skew -= TEN_YEARS_S
        self.ledger.absorb_headers(HERE, SeenLimits(), _no_note(), at_stream_start=True, now=self.now)
        after = self.ledger.wait_s(HERE, Amounts(1000, 1000), self.now)
        assert abs(after - before) < 1e-3

    @rule()
    def restart(self) -> None:
        """A ledger restored from a snapshot is the same ledger."""
        snapshot = self.ledger.snapshot()
        self.ledger = Ledger(lambda _: LIMITS, lambda *_: LIMITS)
        self.ledger.restore(snapshot)
        assert self.ledger.snapshot() == snapshot

    @invariant()
    def audit(self) -> None:
        self.ledger.check(self.now)
        assert self.ledger.open_count(HERE) == len(self.open) == self.sent - self.ended


def _no_note() -> Note:
    return Note(0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)


TestLedgerBesideTheTruth = LedgerBesideTheTruth.TestCase
TestLedgerBesideTheTruth.settings = settings(
    max_examples=60, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

"""Plays one world from its first request to its last event, with every invariant watching, and counts what happened."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Final

import msgspec

from headgate.domain.fact import CallEnded, Fact, RequestFinished
from headgate.domain.time import Instant
from headgate.simulator.faults import Facts, Fault, FaultPlan
from headgate.simulator.groq import PretendGroq
from headgate.simulator.invariants import Checks, Scene, Violation, WatchedGate, every_invariant
from headgate.simulator.invariants_quota import Overruns
from headgate.simulator.trace import Trace
from headgate.simulator.virtual_driver import VirtualDriver
from headgate.simulator.virtual_run import Run, Wire
from headgate.simulator.world import START, World, capacity_tokens_per_s, catalog_of, make_gate
from headgate.simulator.world_draw import draw
from headgate.simulator.world_load import Ask, Load, arrivals

LIVE_SHARE: Final = 0.4
"""The share of what is left that the liveness load may take."""

LIVE_REQUEST_TOKENS: Final = 600
MOST_LIVE_PER_S: Final = 0.6
HEALING_PER_S: Final = 0.5
AFTERGLOW_S: Final = 200.0
"""Longer than any deadline: what happens after the last request."""

WALL_S: Final = 1_795_132_800.0
JUMP_S: Final = 10 * 365 * 86_400.0


class Played(msgspec.Struct):
    """What happened in one world. `digest` is the hash of its trace."""

    seed: int
    digest: str
    requests: int = 0
    calls: int = 0
    events: int = 0
    virtual_s: float = 0.0
    must_answer: int = 0
    honest: bool = False
    settled: int = 0
    overruns: int = 0
    endings: dict[str, int] = {}
    remedies: dict[str, int] = {}
    failures: dict[str, int] = {}
    faults: dict[str, int] = {}


class Broke(msgspec.Struct):
    """An invariant did not hold: which, where, and the steps before it."""

    seed: int
    number: int
    text: str
    steps: list[str]


class CountedFaults(FaultPlan):
    """The provider's faults, counted as they strike."""

    __slots__ = ("struck",)

    def __init__(self, settings_faults: tuple[Fault, ...], seed: int) -> None:
        super().__init__(settings_faults, seed)
        self.struck: Counter[str] = Counter()

    def at_door(self, facts: Facts, digest: bytes) -> Fault | None:
        fault = super().at_door(facts, digest)
        if fault is not None:
            self.struck[fault.kind] += 1
        return fault

    def inside(self, facts: Facts, digest: bytes) -> tuple[Fault, ...]:
        faults = super().inside(facts, digest)
        self.struck.update(fault.kind for fault in faults)
        return faults


class Player:
    """One world under way."""

    def __init__(self, world: World, *, keep_all: bool = False) -> None:
        self.world = world
        self.trace = Trace(keep_all=keep_all)
        self.counts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.requests = 0
        gate = make_gate(world, WatchedGate)
        assert isinstance(gate, WatchedGate)
        self.gate = gate
        self.groq = PretendGroq(world.settings, catalog_of(world.theirs))
        self.groq.faults = self.faults = CountedFaults(world.settings.faults, world.seed)
        secrets = {name: secret for name, secret, _ in world.keys}
        self.scene = Scene(gate, self.groq, is_honest=world.charges_as_known, secrets=secrets)
        self.checks = gate.checks = Checks(self.scene, [each(self.scene) for each in every_invariant()])
        self.wire = Wire(Random(f"wire {world.seed}"), world.latency_s, world.jitter_s, world.troubles)
        self.driver = VirtualDriver(
            gate=gate,
            groq=self.groq,
            secrets=secrets,
            wire=self.wire,
            observe=self._told,
            recorder=self.trace,
            witness=self.checks,
            wall=self._wall,
            start=START,
        )
        self.scene.driver = self.driver
        self.load = Load(world.habits, catalog_of(world.ours), Random(f"load {world.seed}"))
        self._dice = Random(f"arrivals {world.seed}")
        self._wall_dice = Random(f"wall {world.seed}")

    def play(self) -> Played:
        """All three phases, and the quiet after them."""
        world, driver = self.world, self.driver
        rates = (
            (world.per_s, START, world.healed_at),
            (min(world.per_s, HEALING_PER_S), world.healed_at, world.live_at),
        )
        for per_s, from_at, until in rates:
            bursts = world.bursts and until <= world.healed_at
            self._next(arrivals(self._dice, per_s, from_at, until, bursts=bursts))
        driver.play(world.live_at)
        self._go_live()
        driver.play(world.ends_at + AFTERGLOW_S)
        self.checks.at_rest(driver.now)
        return self._played()

    def _next(self, moments: Iterator[Instant]) -> None:
        """Let the next request of a series come, and after it the one that follows."""
        moment = next(moments, None)
        if moment is not None:
            self.driver.at(moment, self._comes, moments)

    def _comes(self, moments: Iterator[Instant]) -> None:
        ask = self.load.ask(self.driver.now)
        self._next(moments)
        self._start(ask)

    def _go_live(self) -> None:
        """The load that must be answered: as much as a share of what is left can carry."""
        world, now = self.world, self.driver.now
        tokens_per_s = capacity_tokens_per_s(world, self.gate, self.groq, now, world.ends_at)
        per_s = min(MOST_LIVE_PER_S, LIVE_SHARE * tokens_per_s / LIVE_REQUEST_TOKENS)
        if per_s > 0.02:
            self._next_live(arrivals(self._dice, per_s, now, world.ends_at, bursts=False))

    def _next_live(self, moments: Iterator[Instant]) -> None:
        moment = next(moments, None)
        if moment is not None:
            self.driver.at(moment, self._comes_live, moments)

    def _comes_live(self, moments: Iterator[Instant]) -> None:
        ask = self.load.plain(self.driver.now, local=self._dice.random() < 0.3)
        self.scene.must_answer.add(ask.request.id)
        self._next_live(moments)
        self._start(ask)

    def _start(self, ask: Ask) -> None:
        self.requests += 1
        run = Run(ask.request, ask.chat, ask.own_secret)
        self.scene.runs[ask.request.id] = run
        if ask.hangs_up_at is not None:
            self.driver.at(ask.hangs_up_at, self.driver.leave, run)
        self.driver.ask(run)

    def _told(self, fact: Fact) -> None:
        if isinstance(fact, CallEnded):
            if fact.failure is not None:
                self.failures[fact.failure] += 1
        elif isinstance(fact, RequestFinished):
            self.counts[fact.source or fact.refusal or fact.reason] += 1
        self.checks.told(fact)

    def _wall(self, now: Instant) -> float:
        jump = self._wall_dice.uniform(-JUMP_S, JUMP_S) if self.world.wall_jumps else 0.0
        return WALL_S + now + jump

    def _played(self) -> Played:
        overruns = next(each for each in self.checks.invariants if isinstance(each, Overruns))
        return Played(
            seed=self.world.seed,
            digest=self.trace.digest(),
            requests=self.requests,
            calls=self.driver.calls,
            events=self.trace.events,
            virtual_s=self.world.ends_at - START,
            must_answer=len(self.scene.must_answer),
            honest=self.world.charges_as_known,
            settled=overruns.settled,
            overruns=overruns.count,
            endings=dict(self.counts),
            remedies={str(remedy): count for remedy, count in self.gate.remedies_taken.items()},
            failures=dict(self.failures),
            faults=dict(self.faults.struck) | {f"wire: {kind}": n for kind, n in self.wire.struck.items()},
        )


def play(world: World, *, keep_all: bool = False) -> Played | Broke:
    """Play a world. A defect of the core's own (an assertion, a missing pair) counts as invariant 0."""
    player = Player(world, keep_all=keep_all)
    try:
        return player.play()
    except Violation as violation:
        return _broke(player, violation.number, str(violation), violation.request_id)
    except (AssertionError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return _broke(player, 0, f"{type(error).__name__}: {error} ({_place(error)})", "")


def play_seed(seed: int) -> Played | Broke:
    """Draw the world of a seed and play it."""
    return play(draw(seed))


def _broke(player: Player, number: int, text: str, request_id: str) -> Broke:
    steps = player.trace.lines(request_id.partition("#")[0] or None) or player.trace.lines()
    return Broke(player.world.seed, number, f"at {player.driver.now:.4f} s: {text}", steps)


def _place(error: BaseException) -> str:
    """File and line of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('headgate/')[2]}:{trace.tb_lineno}"

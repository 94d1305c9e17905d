"""What a gate knows of quota, through the store into another life of the process."""

import asyncio
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.stored import usage

from headgate.assembly import catalog_of, limits_now, make_gate, prints_of
from headgate.decide import actions as a
from headgate.domain.answer import Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Amounts, Deployment, Dimension, SeenLimits
from headgate.domain.time import NEVER
from headgate.quota.answers import Held
from headgate.quota.cooldown import CooldownSource
from headgate.quota.correction import Note
from headgate.quota.ledger import Ledger
from headgate.quota.meter import Meter
from headgate.runtime.settings import load_settings
from headgate.store.keeper import Keeper
from headgate.store.kept import POOL, VERSION, KeptMeter, Passage, decode, encode, revive_meter
from headgate.store.restoring import Restored, restore
from headgate.store.rows import MeterRow, StateRow, UsageFilter
from headgate.store.sqlite import SqliteStore
from headgate.store.upkeep import Upkeep
from headgate.store.window import Window

MODEL = "openai/gpt-oss-20b"
TWO_KEYS = {"GROQ_API_KEY": "gsk_one", "GROQ_API_KEY_2": "gsk_two"}
FIRST, SECOND = (Deployment.of("groq", f"key-{name}", MODEL) for name in TWO_KEYS)
DAY_S = 86_400.0


class Life:
    """One life of a process: a gate, and clocks that stand still unless they are moved."""

    def __init__(
        self, store: SqliteStore, now: float, wall: float, keys: Mapping[str, str] = TWO_KEYS, toml: Path | None = None
    ) -> None:
        settings = load_settings(toml, keys)
        catalog = catalog_of(settings)
        self.now, self.wall = now, wall
        self.store = store
        self.gate = make_gate(settings, catalog, random.Random(1))
        self.limits, self.prints = limits_now(settings, catalog), prints_of(settings)
        self.keeper = Keeper(
            self.gate, store.state, Window(), now=lambda: self.now, wall=lambda: self.wall, prints=self.prints
        )

    async def restored(self) -> Restored:
        """What the start brings back."""
        return await restore(
            self.gate,
            self.store.state,
            now=lambda: self.now,
            wall=lambda: self.wall,
            limits=self.limits,
            prints=self.prints,
        )

    async def keep(self) -> None:
        """Have everything committed."""
        self.keeper.start()
        self.keeper.stop()
        await self.store.flush()

    def level(self, deployment: Deployment, dimension: Dimension) -> float:
        meter = next(meter for meter in self.gate.ledger.meters() if meter.deployment == deployment)
        bucket = meter.bucket(dimension)
        assert bucket is not None
        return bucket.level_at(self.now)

    def spend(self, deployment: Deployment, tokens: int, *, settles: bool = True) -> None:
        name = f"r{random.getrandbits(60)}"
        held = self.gate.ledger.reserve(deployment, name, Amounts(input_tokens=tokens), self.now)
        assert isinstance(held, Held)
        if settles:
            self.gate.ledger.settle(name, None, self.now)

    def do(self, action: a.Action) -> None:
        self.gate.apply(action, self.now)

    def learn_limits(self, deployment: Deployment, requests: int, tokens: int) -> None:
        held = self.gate.ledger.reserve(deployment, "learning", Amounts(input_tokens=1), self.now)
        assert isinstance(held, Held)
        self.gate.ledger.settle("learning", None, self.now)
        seen = SeenLimits(requests, requests - 1, None, tokens, tokens - 1)
        self.gate.ledger.absorb_headers(deployment, seen, held.note, at_stream_start=False, now=self.now)


async def test_levels_drain_while_the_process_is_down(store: SqliteStore) -> None:
    """They go on from where they were, less what drained by the wall clock."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 4_000)
    await old.keep()
    new = Life(store, now=3.0, wall=1_000_015.0)
    assert (await new.restored()).deployments == 1
    assert new.level(FIRST, Dimension.TPM) == pytest.approx(4_000 - 15 * 8_000 / 60)
    assert new.level(FIRST, Dimension.RPD) == pytest.approx(1 - 15 * 1_000 / DAY_S)
    new.gate.ledger.check(new.now)


@pytest.mark.parametrize("back_s", [1.0, 3_600.0, 10 * DAY_S])
async def test_wall_clock_that_went_back(store: SqliteStore, back_s: float) -> None:
    """Nothing drains and no cooldown ends early."""
    old = Life(store, now=500.0, wall=10_000_000.0)
    old.spend(FIRST, 4_000)
    old.gate.ledger.cool(FIRST, 620.0, CooldownSource.ANNOUNCED, old.now, "429")
    await old.keep()
    new = Life(store, now=9_000.0, wall=10_000_000.0 - back_s)
    await new.restored()
    assert new.level(FIRST, Dimension.TPM) == pytest.approx(4_000)
    cooldown = new.gate.ledger.cooldown(FIRST, new.now)
    assert cooldown is not None
    assert cooldown.until - new.now == pytest.approx(120.0)


async def test_older_than_a_day(store: SqliteStore) -> None:
    """It is empty or over by then, and is not brought back; what keys reach which organisation is."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 4_000)
    old.do(a.RemoveKey("GROQ_API_KEY"))
    old.do(a.Identify("groq", "key-GROQ_API_KEY", "org_x"))
    await old.keep()
    new = Life(store, now=500.0, wall=1_000_000.0 + DAY_S + 1)
    assert (await new.restored()).deployments == 0
    assert new.gate.pool.removed == set()
    assert new.gate.pool.named == {"groq:key-GROQ_API_KEY": "org_x"}


async def test_open_reservations(store: SqliteStore) -> None:
    """Whoever held them is dead, so they count as spent in full, and nothing is open."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 1_000)
    old.spend(FIRST, 2_000, settles=False)
    await old.keep()
    new = Life(store, now=7.0, wall=1_000_000.0)
    await new.restored()
    assert new.level(FIRST, Dimension.TPM) == pytest.approx(3_000)
    assert new.gate.ledger.open_count(FIRST) == 0
    new.gate.ledger.check(new.now)


@pytest.mark.parametrize("source", list(CooldownSource))
async def test_cooldown(store: SqliteStore, source: CooldownSource) -> None:
    """It ends at the same moment as it would have, and is forgotten once it is over."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.gate.ledger.cool(FIRST, 560.0, source, old.now, "429")
    old.gate.ledger.cool(SECOND, 510.0, source, old.now, "429")
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_020.0)
    assert (await new.restored()).cooling == 1
    cooldown = new.gate.ledger.cooldown(FIRST, new.now)
    assert cooldown is not None
    assert cooldown.until == pytest.approx(44.0)
    assert (cooldown.source, cooldown.reason) == (source, "429")
    assert new.gate.ledger.cooldown(SECOND, new.now) is None


async def test_limits_that_headers_showed(store: SqliteStore) -> None:
    """They hold at once, without a first reply; what nobody ever showed is assumed anew."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.learn_limits(FIRST, 500_000, 250_000)
    old.spend(SECOND, 10)
    meter = next(meter for meter in old.gate.ledger.meters() if meter.deployment == SECOND)
    meter.set_limits({Dimension.TPM: 17}, (0, 0, 0, 0, 0), old.now)
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_000.0)
    await new.restored()
    found = {meter.deployment.id: meter.limits() for meter in new.gate.ledger.meters()}
    assert found[FIRST.id][Dimension.TPM] == 250_000
    assert found[FIRST.id][Dimension.RPD] == 500_000
    assert found[SECOND.id][Dimension.TPM] == 8_000


@pytest.mark.parametrize(
    "stated, expected",
    [
        ('plan = "developer"', {Dimension.TPM: 250_000, Dimension.RPD: None}),
        ('limits = { "*" = { TPM = 1234 } }', {Dimension.TPM: 1_234, Dimension.RPD: 77_000}),
    ],
)
async def test_settings_win(
    store: SqliteStore, tmp_path: Path, stated: str, expected: dict[Dimension, int | None]
) -> None:
    """Limits that the settings state since then hold over what was learned; levels stay."""
    keys = {"GROQ_API_KEY": "gsk_one", "GROQ_ORG_1": "acme"}
    place = Deployment.of("groq", "acme", MODEL)
    old = Life(store, now=500.0, wall=1_000_000.0, keys=keys)
    old.learn_limits(place, 77_000, 99_000)
    old.spend(place, 1_000)
    await old.keep()
    toml = tmp_path / "headgate.toml"
    toml.write_text(f"[organisations.acme]\n{stated}\n", encoding="utf-8")
    new = Life(store, now=4.0, wall=1_000_000.0, keys=keys, toml=toml)
    await new.restored()
    (meter,) = new.gate.ledger.meters()
    assert {dimension: meter.limits().get(dimension) for dimension in expected} == expected
    assert new.level(place, Dimension.TPM) == pytest.approx(1_001)


async def test_key_that_was_refused(store: SqliteStore) -> None:
    """It stays out of the pool; after the operator has replaced its secret it is used again, and its quota is new."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 4_000)
    old.do(a.RemoveKey("GROQ_API_KEY"))
    await old.keep()
    same = Life(store, now=4.0, wall=1_000_000.0)
    await same.restored()
    assert same.gate.pool.removed == {"GROQ_API_KEY"}
    changed = Life(store, now=4.0, wall=1_000_000.0, keys={**TWO_KEYS, "GROQ_API_KEY": "gsk_new"})
    await changed.restored()
    assert changed.gate.pool.removed == set()
    assert changed.gate.ledger.meters() == ()


async def test_key_that_is_gone(store: SqliteStore) -> None:
    """What is known of it is ignored."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 4_000)
    old.spend(SECOND, 3_000)
    old.do(a.RemoveKey("GROQ_API_KEY_2"))
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_000.0, keys={"GROQ_API_KEY": "gsk_one"})
    assert (await new.restored()).deployments == 1
    assert new.gate.pool.removed == set()


async def test_merged_organisations(store: SqliteStore) -> None:
    """Keys that turned out to share an organisation go on sharing one set of buckets, at the higher level."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 4_000)
    old.spend(SECOND, 3_000)
    await old.keep()  # both rows are there, as they were before the merge
    old.do(a.Identify("groq", FIRST.organisation, "org_x"))
    old.do(a.Identify("groq", SECOND.organisation, "org_x"))
    old.spend(SECOND, 500)
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_000.0)
    await new.restored()
    (place,) = new.gate.pool.deployments(MODEL)
    assert place == FIRST
    assert new.level(place, Dimension.TPM) == pytest.approx(4_500)
    new.spend(SECOND, 100)
    assert new.level(place, Dimension.TPM) == pytest.approx(4_600)
    new.gate.ledger.check(new.now)


async def test_what_was_out_of_use(store: SqliteStore) -> None:
    """A retired model and an organisation without money are out until the same moment as before."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 1)
    old.do(a.Retire("groq", MODEL, None, NEVER))
    old.do(a.Out("groq", "key-GROQ_API_KEY_2", 800.0, "spend"))
    old.do(a.Out("groq", "key-GROQ_API_KEY", 510.0, "spend"))
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_100.0)
    await new.restored()
    assert new.gate.pool.out == {
        f"groq:*:{MODEL}": NEVER,
        "groq:key-GROQ_API_KEY_2": pytest.approx(204.0),
    }
    assert not new.gate.is_usable(FIRST, new.now)


async def test_circuits(store: SqliteStore) -> None:
    """An open one is open until the same moment, then lets one probe through; a closed one is closed."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    for n in range(5):
        old.spend(FIRST, 1)
        old.do(a.Health(FIRST, f"c{n}", ok=False))
    old.spend(SECOND, 1)
    old.do(a.Health(SECOND, "c9", ok=True))
    left_s = old.gate.circuits[FIRST.id].open_until - old.now
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_001.0)
    await new.restored()
    circuit = new.gate.circuits[FIRST.id]
    assert circuit.open_until - new.now == pytest.approx(left_s - 1.0)
    assert not circuit.may_call(new.now)
    assert circuit.may_call(new.now + left_s)
    assert not new.gate.brown_out(new.now)


async def test_probe_that_died_with_the_process(store: SqliteStore) -> None:
    """Another one may start at once."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    for n in range(5):
        old.spend(FIRST, 1)
        old.do(a.Health(FIRST, f"c{n}", ok=False))
    old.now += 60.0
    old.gate.circuits[FIRST.id].started("probe", old.now)
    old.spend(FIRST, 1)
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_061.0)
    await new.restored()
    assert new.gate.circuits[FIRST.id].may_call(new.now)


async def test_what_was_learned(store: SqliteStore) -> None:
    """Prompt lines, output lengths and speeds go on."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    for tokens in range(40, 80):
        old.gate.learned.absorb(MODEL, "chat", 90.0, Usage(120, tokens), 1_000, False, 0.2)
    await old.keep()
    new = Life(store, now=4.0, wall=1_000_001.0)
    await new.restored()
    assert new.gate.learned == old.gate.learned
    assert new.gate.learned.lengths(MODEL, "chat").seen == 40


@pytest.mark.parametrize("what", ["newer meter", "newer pool", "no state at all", "damaged text"])
async def test_state_that_cannot_be_used(store: SqliteStore, what: str) -> None:
    """It is refused as a whole, with a reason, and the gate is as fresh as without it."""
    old = Life(store, now=500.0, wall=1_000_000.0)
    old.spend(FIRST, 4_000)
    old.do(a.RemoveKey("GROQ_API_KEY"))
    await old.keep()
    (row,) = await store.state.meters()
    pool = await store.state.find(POOL)
    assert pool is not None
    if what == "newer pool":
        store.state.keep(msgspec.structs.replace(pool, version=VERSION + 1))
    elif what == "newer meter":
        store.state.keep_meters([msgspec.structs.replace(row, version=VERSION + 1)])
    elif what == "damaged text":
        store.state.keep_meters([msgspec.structs.replace(row, state=row.state.replace(b"groq", b"gr\xffq"))])
    else:
        store.state.keep_meters([msgspec.structs.replace(row, state=b"\xc1")])
    await store.flush()
    new = Life(store, now=4.0, wall=1_000_000.0)
    told = await new.restored()
    assert told.problem
    assert (told.deployments, new.gate.ledger.meters(), new.gate.pool.removed) == (0, (), set())


async def test_while_it_runs(store: SqliteStore) -> None:
    """What changes is written without anybody asking for it, and not before the change."""
    life = Life(store, now=500.0, wall=1_000_000.0)
    life.keeper.start()
    assert await store.state.meters() == ()
    life.spend(FIRST, 4_000)
    rows: tuple[MeterRow, ...] = ()
    async with asyncio.timeout(10):
        while not rows:
            await asyncio.sleep(0.01)
            rows = await store.state.meters()
    kept = decode(rows[0].state, rows[0].version, KeptMeter)
    assert kept.meter.bucket(Dimension.TPM).level == 4_000  # type: ignore[union-attr]
    life.keeper.stop()


async def test_more_deployments_than_a_window_takes(store: SqliteStore) -> None:
    """All of them are written, window after window."""
    life = Life(store, now=500.0, wall=1_000_000.0)
    life.keeper.start()
    for n in range(700):
        life.spend(Deployment.of("groq", f"own-{n}", MODEL), 10)
    async with asyncio.timeout(10):
        while len(await store.state.meters()) < 700:  # noqa: ASYNC110 - the store announces nothing
            await asyncio.sleep(0.01)
    life.keeper.stop()


async def test_what_is_forgotten(store: SqliteStore) -> None:
    """Usage after the days that are set, levels after one; what is younger stays."""
    wall = 1_000 * DAY_S
    for number, age_days in enumerate((89.0, 91.0)):
        await store.usage.write(usage(number, at=wall - age_days * DAY_S))
    meter = encode(KeptMeter(0.0, Meter(FIRST, [])))
    store.state.keep_meters(
        [MeterRow("young", meter, wall - 0.9 * DAY_S, VERSION), MeterRow("old", meter, wall - 1.1 * DAY_S, VERSION)]
    )
    await Upkeep(store, wall=lambda: wall, usage_days=90).forget()
    assert [row.request_id for row in (await store.usage.page(UsageFilter())).rows] == ["req_0"]
    assert [row.deployment_id for row in await store.state.meters()] == ["young"]


async def test_nothing_known_yet(store: SqliteStore) -> None:
    """The first start of all finds nothing, and has nothing to complain of."""
    assert await Life(store, now=4.0, wall=1_000_000.0).restored() == Restored()


async def test_state_without_a_pool(store: SqliteStore) -> None:
    """Meters are brought back where the rest was never written."""
    meter = Meter(FIRST, [])
    store.state.keep_meters([MeterRow(FIRST.id, encode(KeptMeter(0.0, meter)), 1_000_000.0, VERSION)])
    store.state.keep(StateRow("elsewhere", b"", 1.0))
    await store.flush()
    new = Life(store, now=4.0, wall=1_000_000.0)
    assert (await new.restored()).deployments == 1


SHORTAGE = Failure(FailureKind.TOKENS_PER_MINUTE, status=429, dimension=Dimension.TPM, limit=8_000, used=7_000)
CHANGES: dict[str, Callable[[Ledger, Note], object]] = {
    "reserve": lambda ledger, _: ledger.reserve(FIRST, "new", Amounts(5), 2.0),
    "settle": lambda ledger, _: ledger.settle("held", None, 2.0),
    "release": lambda ledger, _: ledger.release("held", 2.0, keep_request=False),
    "headers": lambda ledger, note: ledger.absorb_headers(
        FIRST, SeenLimits(1_000, 9, None, 8_000, 9), note, at_stream_start=False, now=2.0
    ),
    "failure": lambda ledger, _: ledger.absorb_failure(FIRST, SHORTAGE, 2.0),
    "cool": lambda ledger, _: ledger.cool(FIRST, 9.0, CooldownSource.GUESSED, 2.0, "429"),
    "merge": lambda ledger, _: ledger.merge("groq", SECOND.organisation, FIRST.organisation, 2.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noted(change: str) -> None:
    """Whatever the ledger does to a deployment, whoever keeps it hears of it once, and gets it once."""
    ledger, calls = Ledger(lambda _: LIMITS), []
    held = ledger.reserve(FIRST, "held", Amounts(10), 1.0)
    assert isinstance(held, Held)
    ledger.reserve(SECOND, "elsewhere", Amounts(10), 1.0)
    assert [meter.deployment for meter in ledger.take_changed(9)] == [FIRST, SECOND]
    ledger.on_change = lambda: calls.append(change)
    CHANGES[change](ledger, held.note)
    assert calls == [change]
    assert [meter.deployment for meter in ledger.take_changed(9)] == [FIRST]
    assert not ledger.has_changed


# Any history at all ---------------------------------------------------------------------------------------------------

LIMITS = {Dimension.RPM: 30, Dimension.RPD: 1_000, Dimension.TPM: 8_000, Dimension.TPD: 200_000}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release", "cool", "refused", "headers"]),
        st.integers(1, 3_000),
        st.floats(0.0, 40.0),
    ),
    max_size=25,
)


def lived(steps: list[tuple[str, int, float]]) -> tuple[Ledger, float]:
    """A ledger after a history, and the time then."""
    ledger, now, notes = Ledger(lambda _: LIMITS), 1_000.0, {}
    for number, (what, tokens, pause_s) in enumerate(steps):
        now += pause_s
        if what == "reserve":
            answer = ledger.reserve(FIRST, f"r{number}", Amounts(tokens // 2, tokens - tokens // 2), now)
            if isinstance(answer, Held):
                notes[f"r{number}"] = answer.note
        elif what == "cool":
            ledger.cool(FIRST, now + tokens / 10, CooldownSource.ANNOUNCED, now, "429")
        elif what == "refused":
            failure = Failure(
                FailureKind.TOKENS_PER_MINUTE, status=429, dimension=Dimension.TPM, limit=8_000, used=tokens
            )
            ledger.absorb_failure(FIRST, failure, now)
        elif notes:
            name, note = notes.popitem()
            if what == "release":
                ledger.release(name, now, keep_request=bool(tokens % 2))
            else:
                ledger.settle(name, Amounts(tokens // 3, tokens // 3) if tokens % 2 else None, now)
            if what == "headers":
                seen = SeenLimits(1_000, 990, None, 8_000, 8_000 - tokens)
                ledger.absorb_headers(FIRST, seen, note, at_stream_start=False, now=now)
    return ledger, now


@given(steps=STEPS, down_s=st.floats(0.0, 100.0), later_s=st.floats(0.0, 200.0), origin=st.floats(-1e5, 1e5))
def test_any_history(steps: list[tuple[str, int, float]], down_s: float, later_s: float, origin: float) -> None:
    """After any history, a life that begins `down_s` later has the levels, the cooldown and the assumptions that the
    old one would have had by then, had its open reservations been settled in full."""
    ledger, then = lived(steps)
    states = [encode(KeptMeter(then, meter)) for meter in ledger.meters()]
    new, now = Ledger(lambda _: LIMITS), origin
    passage = Passage.of(then, 50_000.0, now, 50_000.0 + down_s)
    assert passage is not None
    new.adopt([revive_meter(decode(state, VERSION, KeptMeter), passage) for state in states], {}, now)
    new.check(now)
    for was, meter in zip(ledger.meters(), new.meters(), strict=True):
        for old_bucket, bucket in zip(was.buckets, meter.buckets, strict=True):
            expected = old_bucket.level_at(then + down_s + later_s)
            assert bucket.level_at(now + later_s) == pytest.approx(expected, abs=0.01)
        old_left_s = 0.0 if was.cooldown is None else max(0.0, was.cooldown.until - then - down_s)
        left_s = 0.0 if meter.cooldown is None else meter.cooldown.until - now
        assert left_s == pytest.approx(old_left_s, abs=1e-4)
        assert meter.open == 0
        assert meter.settled == was.settled + was.open

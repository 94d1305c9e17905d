"""The log of a live process under load replays to the same inline answers and the same actions."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from tests.remedies.house import BIG, QUICK, SMALL, House, chat, open_house, pretend

from headgate.assembly import catalog_of, make_gate
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.gate import Gate
from headgate.decide.replay import Diverged, Replay, Step
from headgate.domain.answer import Usage
from headgate.domain.limits import Amounts
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.runtime.settings import Settings
from headgate.runtime.step_log import StepLog, read_log
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Lengths, Organisation, Pace

TENANTS = ("one", "two", "three")
CLIENTS = 24
PARROTS = 12
ASKS = 5
LEAST_STEPS = 300

F = FaultKind
FAULTS = (
    Fault(F.RATE_LIMITED, probability=0.06, delay_s=0.4),
    Fault(F.SERVER_ERROR, probability=0.08),
    Fault(F.OVER_CAPACITY, model=BIG, from_at=0.8),  # so that circuits open
    Fault(F.RESET_BEFORE_HEADERS, probability=0.05),
    Fault(F.TRUNCATED_JSON, probability=0.05, stream=False),
    Fault(F.INVALID_JSON_CONTENT, probability=0.4),
    Fault(F.CUT, probability=0.1, stream=True, at=0.7),
    Fault(F.SLOW, probability=0.04, delay_s=5.0),
)
PACE = Pace(network_s=0.01, queue_median_s=0.02, output_speed_factor=0.5)
FREE = Organisation("free")


def virtual_keys() -> tuple[list[str], str]:
    """A key for each tenant, and the lines of the settings that let them in."""
    dice = random.Random(5)
    made = [new_virtual_key(dice.randbytes, tenant=tenant) for tenant in TENANTS]
    return [raw for raw, _ in made], "".join(config_line(row) for _, row in made)


async def load(house: House, keys: list[str], dice: random.Random) -> Counter[str]:
    """Mixed requests of three tenants for a few seconds; some leave before they are answered."""
    told: Counter[str] = Counter()

    async def client(number: int) -> None:
        for turn in range(ASKS):
            fields: dict[str, Any] = {"stream": dice.random() < 0.4, "model": dice.choice((BIG, SMALL))}
            if dice.random() < 0.25:
                fields["response_format"] = {"type": "json_object"}
            headers = {
                "authorization": f"Bearer {keys[number % len(keys)]}",
                "x_headgate_session": f"s{number % 5}",
                "x_headgate_priority": dice.choice(("interactive", "standard", "batch")),
                "x_headgate_local": dice.choice(("auto", "off")),
            }
            text = f"json {number} {turn} " + "word " * dice.randrange(60)
            body = chat(text, cap=dice.choice((60, 300, 3000)), **fields)
            leaves_s = dice.uniform(0.06, 0.2) if dice.random() < 0.2 else 6.0
            try:
                async with asyncio.timeout(leaves_s):
                    answer = await house.ask(body, **headers)
                told[f"{answer.status} {answer.label('source')}"] += 1
            except TimeoutError:
                told["left"] += 1

    async def parrot(number: int) -> None:
        """Asks what others ask at the same time; an answer is old as soon as it is there."""
        for _ in range(ASKS):
            body = chat("the same", cap=60, model=SMALL, temperature=0, stream=number % 2 == 0)
            key = keys[number % len(keys)]
            answer = await house.ask(body, authorization=f"Bearer {key}", x_headgate_cache_ttl_s="0")
            told[f"{answer.status} {answer.label('source')}"] += 1

    await asyncio.gather(*(client(number) for number in range(CLIENTS)), *(parrot(number) for number in range(PARROTS)))
    return told


def fresh_gate(settings: Settings, snapshot: bytes) -> Gate:
    """A gate that was never used, put where the log begins."""
    gate = make_gate(settings, catalog_of(settings), random.Random(0), policy=QUICK)
    gate.restore(snapshot)
    return gate


class Loaded(msgspec.Struct):
    """What is left of a process that was under load."""

    settings: Settings
    snapshot: bytes
    steps: list[Step]
    told: Counter[str]
    final: bytes


async def under_load(path: Path) -> Loaded:
    """A house with two organisations on the free plan, driven hard for a few seconds, and its log."""
    keys, toml = virtual_keys()
    lengths = Lengths(median_tokens=30.0, sigma=0.8, reasoning_medium_tokens=10.0)
    simulated = pretend(*FAULTS, organisations={"org_a": FREE, "org_b": FREE}, lengths=lengths, pace=PACE)
    route = "patience_s = 1.5\nfirst_token_target_s = 0.6\ndeadline_s = 5.0"
    async with open_house(simulated, keys="ab", models=(), route=route, toml=toml, plan="free") as house:
        recorder = StepLog(path, house.gate)
        house.gateway.driver.recorder = recorder
        told = await load(house, keys, random.Random(3))
        recorder.close()
        final = house.gate.snapshot()
    snapshot, steps = read_log(path)
    return Loaded(house.settings, snapshot, steps, told, final)


def replayed(loaded: Loaded, steps: list[Step]) -> Gate:
    """The gate after the whole log was replayed on it. Raises Diverged."""
    gate = fresh_gate(loaded.settings, loaded.snapshot)
    assert Replay(gate).run(steps) == len(steps)
    return gate


async def test_log_of_a_process_under_load_replays(tmp_path: Path) -> None:
    """Every inline answer and every action comes out the same from the snapshot on, and so does the gate's state."""
    loaded = await under_load(tmp_path / "steps.log")
    steps = loaded.steps
    events: Counter[type] = Counter(type(step.event) for step in steps)
    actions: Counter[type] = Counter(type(action) for step in steps for action in step.actions)
    shown = {kind.__name__: count for kind, count in {**events, **actions}.items()}
    assert len(steps) >= LEAST_STEPS, shown
    for kind in (
        e.Arrived,
        e.Granted,
        e.Replied,
        e.Failed,
        e.Began,
        e.Considered,
        e.Woke,
        e.ClientGone,
        e.Verified,
        e.Extended,
        e.CacheHit,
    ):
        assert events[kind], (kind, shown, loaded.told)
    for done in (
        a.Enqueue, a.Leave, a.Conclude, a.Absorb, a.AbsorbFailure, a.Cool, a.Health, a.Cancel, a.Mend, a.Finish,
    ):  # fmt: skip
        assert actions[done], (done, shown, loaded.told)

    gate = replayed(loaded, steps)
    assert gate.snapshot() == loaded.final
    assert any(circuit.open_until > 0 for circuit in gate.circuits.values())
    _assert_forgeries_are_found(loaded)


def _assert_forgeries_are_found(loaded: Loaded) -> None:
    """A log that was changed anywhere does not replay: an answer, a usage, a time, an action, an order, an omission."""
    steps = loaded.steps
    granted = next(n for n, step in enumerate(steps) if isinstance(step.event, e.Granted))
    replied = next(n for n, s in enumerate(steps) if isinstance(s.event, e.Replied) and s.event.reply.usage is not None)
    woken = next(n for n, s in enumerate(steps) if isinstance(s.event, e.Woke) and s.event.deployment is not None)
    refusal = e.Refused(steps[granted].now + 1.0)
    answered = steps[replied].event
    assert isinstance(answered, e.Replied)
    dearer = msgspec.structs.replace(answered.reply, usage=Usage(5_000, 2_000))
    sooner = msgspec.structs.replace(steps[woken], now=steps[woken].now - 0.05)
    forged = {
        "an inline answer": _with(steps, granted, event=refusal),
        "a usage": _with(steps, replied, event=msgspec.structs.replace(answered, reply=dearer)),
        "who was woken": _with(steps, woken, event=e.Woke(None, Amounts(0, 0))),
        "when somebody was woken": [*steps[:woken], sooner, *steps[woken + 1 :]],
        "an action": _with(steps, replied, actions=steps[replied].actions[1:]),
        "a step left out": steps[:granted] + steps[granted + 1 :],
    }
    for what, log in forged.items():
        assert _diverges(loaded, log), f"nobody noticed: {what}"


def _diverges(loaded: Loaded, log: list[Step]) -> bool:
    try:
        replayed(loaded, log)
    except (Diverged, AssertionError):
        return True
    return False


def _with(steps: list[Step], at: int, **changes: Any) -> list[Step]:
    """The log with one step changed."""
    return [*steps[:at], msgspec.structs.replace(steps[at], **changes), *steps[at + 1 :]]


async def test_log_that_was_cut_short_replays_to_its_end(tmp_path: Path) -> None:
    """A process that died while it wrote leaves half a record: what is before it is whole."""
    path = tmp_path / "steps.log"
    async with open_house(pretend(), models=()) as house:
        house.gateway.driver.recorder = StepLog(path, house.gate)
        for n in range(5):
            await house.ask(chat(str(n)))
        house.gateway.driver.recorder.close()
    path.write_bytes(path.read_bytes()[:-7])
    snapshot, steps = read_log(path)
    assert len(steps) == 14
    gate = fresh_gate(house.settings, snapshot)
    assert Replay(gate).run(steps) == 14

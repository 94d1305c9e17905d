"""Simulated worlds: a small set of seeds, every seed that ever failed, sameness, and that each invariant can fail."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.circuit import Circuit
from headgate.decide.journey import OpenCall, Plan
from headgate.domain.answer import Source
from headgate.domain.fact import RequestFinished
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Amounts, Deployment, SeenLimits
from headgate.domain.request import Check
from headgate.domain.time import Instant
from headgate.quota.correction import Note
from headgate.simulator.invariants import Invariant, Violation, every_invariant
from headgate.simulator.play import Broke, Played, Player, play, play_seed
from headgate.simulator.script import Ending, Part, Script
from headgate.simulator.virtual_run import Run
from headgate.simulator.world_draw import draw
from headgate.simulator.worlds import Tally, main

ONCE_FAILED = [
    int(line.split()[0])
    for line in (Path(__file__).parent / "seeds.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
SMALL_SET = range(10_000, 10_040)
HERE = Deployment.of("groq", "org", "openai/gpt-oss-20b")
NOW: Instant = 100.0


@pytest.mark.parametrize("seed", [*ONCE_FAILED, *SMALL_SET])
def test_world(seed: int) -> None:
    """Ten virtual minutes, and no invariant is broken."""
    found = play_seed(seed)
    assert isinstance(found, Played), found.text


def test_same_seed_in_other_processes() -> None:
    """The trace has the same hash whatever the hash seed of the process is: no order of a set decides anything."""
    here = play_seed(10_001)
    assert isinstance(here, Played)
    for hash_seed in ("1", "2"):
        code = "from headgate.simulator.play import play_seed; print(play_seed(10_001).digest)"
        told = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == here.digest


def test_wall_clock_jumps_by_ten_years() -> None:
    """Invariant 36: the same trace to the last byte, because no decision looks at the wall clock."""
    world = draw(10_002)
    steady, jumping = (play(msgspec.structs.replace(world, wall_jumps=jumps)) for jumps in (False, True))
    assert isinstance(steady, Played)
    assert isinstance(jumping, Played)
    assert steady.digest == jumping.digest


def test_other_seed_is_another_world() -> None:
    """The hash tells worlds apart."""
    found = {found.digest for seed in (10_003, 10_004) if isinstance(found := play_seed(seed), Played)}
    assert len(found) == 2


def test_command_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts of everything, and a status that says whether all was well."""
    assert main(["--seeds", "2", "--first", "10000"]) == 0
    table = capsys.readouterr().out
    assert all(word in table for word in ("worlds      2", "requests", "remedies", "faults", "violations  0"))


def test_full_set_misses_remedies_that_were_not_taken() -> None:
    """A set in which a remedy was taken less than 100 times says which."""
    tally = Tally()
    tally.add(Played(seed=0, digest="", remedies={"wait": 100, "shrink": 99}))
    missing = tally.missing()
    assert "shrink: 99" in missing
    assert not [each for each in missing if each.startswith("wait")]


def test_defect_of_the_core_is_reported_with_its_seed() -> None:
    """An assertion of the core's own is invariant 0, with the steps before it."""
    world = draw(10_005)
    found = play(
        msgspec.structs.replace(world, habits=msgspec.structs.replace(world.habits, models=("no-such-model",)))
    )
    assert isinstance(found, Broke)
    assert (found.seed, found.number) == (10_005, 0)
    assert "no-such-model" in found.text


# Each invariant can fail ------------------------------------------------------------------------------------------


class Forged(NamedTuple):
    """A scene in which nothing happened yet, and one request in it."""

    player: Player
    run: Run

    def invariant(self, kind: type[Invariant]) -> Invariant:
        return next(each for each in self.player.checks.invariants if type(each) is kind)

    def call(self, number: int = 1, *, key: str = "k1", repeat: bool = False, cap: int = 100) -> a.Call:
        name = f"{self.run.request.id}#{number}"
        deadline = self.run.request.deadline_at
        return a.Call(number, HERE, key, 0, name, cap, 5.0, deadline, is_repeat=repeat)

    def finished(self, ending: a.Ending = a.Ending.ANSWER, source: Source | None = Source.UPSTREAM) -> RequestFinished:
        return RequestFinished(
            NOW, self.run.request.id, "t", "m", "m", source, "groq", "", 0, 0, 0.0, 1.0, refusal=str(ending)
        )


def forged() -> Forged:
    player = Player(draw(10_000))
    ask = player.load.plain(NOW, local=False)
    request = msgspec.structs.replace(ask.request, max_attempts=1, max_calls=2)
    run = Run(request, ask.chat, None)
    player.scene.runs[request.id] = run
    player.scene.driver = player.driver
    return Forged(player, run)


def script(status: int = 200, body: bytes = b"{}", headers: tuple[tuple[str, str], ...] = ()) -> Script:
    return Script(1, NOW, status, headers, (Part(0.0, body),), Ending.CLEAN, 0.0)


def answered(scene: Forged, *received: bytes, ending: a.Ending = a.Ending.ANSWER, committed: int = 0) -> None:
    scene.run.finish = a.Finish(ending, Source.UPSTREAM, "", call=1)
    scene.run.received = [(NOW, data) for data in received]
    scene.run.committed = committed


def over_admission(scene: Forged, invariant: Invariant) -> None:
    huge = a.Reserve(HERE, f"{scene.run.request.id}#1", Amounts(10**9, 1))
    meter_note = Note(NOW, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)
    scene.player.gate.ledger.reserve(HERE, "x", Amounts(100, 100), NOW)
    for _ in range(100):
        scene.player.gate.ledger.settle("x", Amounts(10**6, 1), NOW)
        scene.player.gate.ledger.reserve(HERE, "x", Amounts(0, 0, requests=0), NOW)
    invariant.acted(huge, e.Granted(huge.reservation, meter_note), NOW)


def two_ends(_: Forged, invariant: Invariant) -> None:
    invariant.acted(a.Settle("r#1", None), None, NOW)


def lost_row(_: Forged, invariant: Invariant) -> None:
    invariant.acted(a.Settle("r#1", Amounts(10, 10)), None, NOW)
    invariant.at_rest(NOW)


def zero(scene: Forged, invariant: Invariant) -> None:
    scene.player.groq.limiter.calls[1] = None  # type: ignore[assignment]
    scene.run.journey.open = open_call(scene)
    invariant.heard(scene.run, script(), NOW)
    invariant.acted(a.Release(open_call(scene).reservation, keep_request=True), None, NOW)


def unrecorded_overrun(_: Forged, invariant: Invariant) -> None:
    granted = e.Granted("r#1", Note(NOW, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0))
    invariant.acted(a.Reserve(HERE, "r#1", Amounts(10, 10)), granted, NOW)
    invariant.acted(a.Settle("r#1", Amounts(100, 10)), None, NOW)
    invariant.at_rest(NOW)


def unheard_header(scene: Forged, invariant: Invariant) -> None:
    scene.player.gate.ledger.view(HERE, NOW)
    note = Note(NOW, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)
    invariant.acted(a.Absorb(HERE, SeenLimits(1000, 999, None, 8000, 1), note, at_stream_start=False), None, NOW)


def rejected_key(scene: Forged, invariant: Invariant) -> None:
    scene.run.journey.open = open_call(scene)
    invariant.call_ended(scene.run, e.Failed(1, Failure(FailureKind.INVALID_KEY, status=401)), script(401), NOW)
    invariant.calling(scene.run, scene.call(), NOW)


def too_early(scene: Forged, invariant: Invariant) -> None:
    scene.run.journey.open = open_call(scene)
    failure = Failure(FailureKind.TOKENS_PER_MINUTE, status=429, wait_s=9.5)
    invariant.call_ended(scene.run, e.Failed(1, failure), script(429, headers=(("retry-after", "10"),)), NOW)
    invariant.calling(scene.run, scene.call(), NOW + 9.0)


def late(scene: Forged, invariant: Invariant) -> None:
    invariant.audit(scene.run.request.deadline_at + 1.0)


def after_the_deadline(scene: Forged, invariant: Invariant) -> None:
    invariant.calling(scene.run, scene.call(), scene.run.request.deadline_at)


def many_repeats(scene: Forged, invariant: Invariant) -> None:
    for number in range(1, 6):
        invariant.calling(scene.run, scene.call(number, repeat=number > 1), NOW)


def spliced(scene: Forged, invariant: Invariant) -> None:
    scene.run.committed = 1
    invariant.calling(scene.run, scene.call(2), NOW)


def altered(scene: Forged, invariant: Invariant) -> None:
    scene.run.request = msgspec.structs.replace(scene.run.request, stream=False)
    scene.run.scripts[1] = script(body=b"upstream")
    answered(scene, b"other")
    invariant.finished(scene.run, NOW)


def falsely_complete(scene: Forged, invariant: Invariant) -> None:
    scene.run.request = msgspec.structs.replace(scene.run.request, stream=True)
    scene.run.scripts[1] = script(body=b'data: {"delta":1}\n\n')
    answered(scene, b'data: {"delta":1}\n\n', b"data: [DONE]\n\n", committed=1)
    invariant.finished(scene.run, NOW)


def unlabelled(scene: Forged, invariant: Invariant) -> None:
    invariant.told(scene.finished(source=None))
    answered(scene, b"x")
    invariant.finished(scene.run, NOW)


def passed_over(scene: Forged, invariant: Invariant) -> None:
    scene.run.journey.calls = 1
    scene.player.gate.room._counts[HERE.id] = 2
    invariant.calling(scene.run, scene.call(), NOW)


def over_a_cap(scene: Forged, invariant: Invariant) -> None:
    scene.player.gate.learned.outputs.update({str(n): None for n in range(3000)})  # type: ignore[misc]
    invariant.audit(NOW)


def left_behind(scene: Forged, invariant: Invariant) -> None:
    scene.player.driver.live["x"] = scene.run
    invariant.at_rest(NOW)


def freed_twice(_: Forged, invariant: Invariant) -> None:
    invariant.acted(a.Release("r#1", keep_request=False), None, NOW)


def second_probe(scene: Forged, invariant: Invariant) -> None:
    scene.player.gate.circuits[HERE.id] = Circuit(open_until=NOW - 1, open_s=5.0)
    invariant.calling(scene.run, scene.call(), NOW)
    invariant.calling(scene.run, scene.call(2), NOW)


def not_recovered(scene: Forged, invariant: Invariant) -> None:
    scene.player.scene.must_answer.add(scene.run.request.id)
    answered(scene, ending=a.Ending.REFUSAL)
    invariant.finished(scene.run, NOW)


def open_call(scene: Forged) -> OpenCall:
    plan = Plan(HERE, 10, 10, 10)
    return OpenCall(1, plan, "k1", f"{scene.run.request.id}#1", Note(NOW, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0), NOW, 0)


def prose_for_json(scene: Forged, invariant: Invariant) -> None:
    scene.run.chat.check = Check.JSON
    answered(scene, b'{"choices":[{"message":{"content":"Well, no."}}]}')
    scene.run.request = msgspec.structs.replace(scene.run.request, stream=False)
    invariant.finished(scene.run, NOW)


def trimmed_unasked(scene: Forged, invariant: Invariant) -> None:
    invariant.calling(scene.run, msgspec.structs.replace(scene.call(), trim_to=5.0), NOW)


FORGERIES: dict[int, Callable[[Forged, Invariant], None]] = {
    1: over_admission,
    2: two_ends,
    3: lost_row,
    4: zero,
    5: unrecorded_overrun,
    8: unheard_header,
    9: rejected_key,
    10: too_early,
    11: late,
    12: after_the_deadline,
    13: many_repeats,
    14: spliced,
    15: altered,
    16: falsely_complete,
    18: unlabelled,
    24: passed_over,
    26: over_a_cap,
    27: left_behind,
    28: freed_twice,
    37: second_probe,
    39: not_recovered,
    41: prose_for_json,
    42: trimmed_unasked,
}


@pytest.mark.parametrize("kind", every_invariant(), ids=lambda kind: str(kind.number))
def test_invariant_notices_a_forged_history(kind: type[Invariant]) -> None:
    """Every invariant has a history in which it does not hold, and says so with its number."""
    scene = forged()
    with pytest.raises(Violation, match=f"invariant {kind.number}: "):
        FORGERIES[kind.number](scene, scene.invariant(kind))

"""Reports on a schedule: when they are due, each due time once, what they hold."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.running_gateway import KEYS, QUICK, SHORT

from headgate.assembly import make_gateway
from headgate.batch.due import Rhythm, rhythm_of
from headgate.batch.scheduling import MOST_TOLD_S, Scheduler
from headgate.runtime.clock import MonotonicClock
from headgate.runtime.settings import InvalidSettings, load_settings
from headgate.runtime.settings_background import ScheduleTable
from headgate.server.gateway import Gateway
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import SimulatorSettings
from headgate.store.job_rows import JobRow, JobStatus
from headgate.store.rows import UsageRow
from headgate.store.sqlite import SqliteStore

DAY_S = 86_400.0
HOUR_S = 3_600.0
AT = 20_000 * DAY_S + 10.5 * HOUR_S
"""Half past ten in the morning, UTC."""
HOURLY = '[background]\nkeep_days = 365\n[schedules.hourly]\nevery = "1h"\n'


class SetClock:
    """The real clock, but for the time of the day, which the test sets."""

    now = staticmethod(MonotonicClock.now)

    def __init__(self, at: float = AT) -> None:
        self.at = at

    def wall(self) -> float:
        return self.at


@pytest.mark.parametrize(
    "words, last, following",
    [
        ({"every": "1h"}, 10 * HOUR_S, 11 * HOUR_S),
        ({"every": "15m"}, 10.5 * HOUR_S, 10.75 * HOUR_S),
        ({"every": "1d"}, 0.0, DAY_S),
        ({"daily": "06:00"}, 6 * HOUR_S, DAY_S + 6 * HOUR_S),
        ({"daily": "10:30"}, 10.5 * HOUR_S, DAY_S + 10.5 * HOUR_S),
        ({"daily": "23:59"}, 23 * HOUR_S + 59 * 60 - DAY_S, 23 * HOUR_S + 59 * 60),
    ],
)
def test_when_it_is_due(words: Mapping[str, str], last: float, following: float) -> None:
    """By the words of the settings, in UTC; a due time is its own last one."""
    rhythm = rhythm_of(ScheduleTable(**words))  # type: ignore[arg-type]
    day = 20_000 * DAY_S
    assert (rhythm.last_due(AT) - day, rhythm.next_due(AT) - day) == (last, following)


@given(st.integers(1, 9_999), st.sampled_from([60.0, HOUR_S, DAY_S]), st.integers(0, 86_399), st.floats(1e9, 4e9))
def test_due_times_leave_no_gap(count: int, unit_s: float, offset_s: int, at: float) -> None:
    """Any time lies between its last due time and the next, which is one period later and is due itself."""
    rhythm = Rhythm(count * unit_s, float(offset_s))
    last, following = rhythm.last_due(at), rhythm.next_due(at)
    assert last <= at < following
    assert following - last == rhythm.period_s
    assert rhythm.last_due(following) == following


@asynccontextmanager
async def gateway_at(folder: Path, clock: SetClock, settings: str) -> AsyncIterator[tuple[Gateway, SqliteStore]]:
    """A gateway that runs at that time, over the store of the folder."""
    config = folder / "headgate.toml"
    config.write_text(settings, encoding="utf-8")
    pretend = await serve_simulator(SimulatorSettings(pace=QUICK, lengths=SHORT))
    store = SqliteStore.open(folder / "s.sqlite3")
    loaded = load_settings(config, {"GROQ_BASE_URL": pretend.base_url, **KEYS})
    gateway = make_gateway(loaded, clock=clock, environment={}, store=store)
    await gateway.start()
    try:
        yield gateway, store
    finally:
        await gateway.stop()
        await pretend.close()


async def reports(gateway: Gateway, store: SqliteStore) -> list[JobRow]:
    """The reports so far, oldest first, each once it has ended."""
    assert gateway.jobs is not None
    found = []
    for row in reversed((await store.jobs.page("local")).rows):
        ended = await gateway.jobs.ended("local", row.id)
        assert ended is not None
        found.append(ended)
    return found


def scheduler_of(gateway: Gateway, settings: Mapping[str, ScheduleTable], clock: SetClock) -> Scheduler:
    assert gateway.jobs is not None
    return Scheduler(gateway.jobs, settings, clock)


def period(row: JobRow) -> tuple[float, float]:
    told = json.loads(row.result or b"{}")
    return told["since"] - 20_000 * DAY_S, told["until"] - 20_000 * DAY_S


async def test_each_due_time_once(tmp_path: Path) -> None:
    """None for what was due before it was first seen; then one at each due time, however often one looks."""
    clock, hourly = SetClock(), {"hourly": ScheduleTable(every="1h")}
    async with gateway_at(tmp_path, clock, "") as (gateway, store):
        scheduler = scheduler_of(gateway, hourly, clock)
        assert await scheduler.tick() == 20_000 * DAY_S + 11 * HOUR_S
        for hours in (10.9, 11.0, 11.0, 11.2, 12.0):
            clock.at = 20_000 * DAY_S + hours * HOUR_S
            await scheduler.tick()
            await scheduler_of(gateway, hourly, clock).tick()
        rows = await reports(gateway, store)
    assert [period(row) for row in rows] == [(10 * HOUR_S, 11 * HOUR_S), (11 * HOUR_S, 12 * HOUR_S)]


async def test_due_times_while_it_was_down(tmp_path: Path) -> None:
    """They have one run together at the next start, about all of that time, and a long absence about no more than a
    bound; a restart in between runs nothing again."""
    clock = SetClock()
    ends = []
    for hours, expected in ((10.5, 0), (11.1, 1), (11.2, 1), (15.3, 2), (24 * 50 + 1.0, 3)):
        clock.at = 20_000 * DAY_S + hours * HOUR_S
        async with gateway_at(tmp_path, clock, HOURLY) as (gateway, store):
            await scheduler_of(gateway, {"hourly": ScheduleTable(every="1h")}, clock).tick()
            rows = await reports(gateway, store)
            assert len(rows) == expected
            ends = [period(row) for row in rows]
    assert ends[:2] == [(10 * HOUR_S, 11 * HOUR_S), (11 * HOUR_S, 15 * HOUR_S)]
    assert ends[2] == ((24 * 50 + 1) * HOUR_S - MOST_TOLD_S, (24 * 50 + 1) * HOUR_S)


async def test_what_a_report_holds(tmp_path: Path) -> None:
    """Usage by model and outcome and the results of jobs, of its tenant and its time alone; without a prompt the
    figures are the result and no model is asked."""
    clock = SetClock()
    async with gateway_at(tmp_path, clock, "") as (gateway, store):
        for number, (tenant, at) in enumerate([("local", AT + 60), ("local", AT - 7 * HOUR_S), ("other", AT + 60)]):
            used = UsageRow(at, f"req_{number}", tenant, "answered", model_served="m", prompt_tokens=10)
            await store.usage.write(used)
        scheduler = scheduler_of(gateway, {"hourly": ScheduleTable(every="1h")}, clock)
        await scheduler.tick()
        clock.at += HOUR_S
        await scheduler.tick()
        (row,) = await reports(gateway, store)
    told = json.loads(row.result or b"")
    assert row.status is JobStatus.DONE
    assert [(each["model"], each["outcome"], each["requests"]) for each in told["usage"]] == [("m", "answered", 1)]
    assert told["jobs"] == {}
    assert "answer" not in told


async def test_report_by_a_model(tmp_path: Path) -> None:
    """With a prompt a model is asked about the figures, and what it said stands beside them."""
    clock = SetClock()
    table = ScheduleTable(every="1h", prompt="Say what happened.", over="usage")  # type: ignore[arg-type]
    table = msgspec.convert(msgspec.to_builtins(table), ScheduleTable)
    async with gateway_at(tmp_path, clock, "") as (gateway, store):
        scheduler = scheduler_of(gateway, {"told": table}, clock)
        await scheduler.tick()
        clock.at += HOUR_S
        await scheduler.tick()
        (row,) = await reports(gateway, store)
    told = json.loads(row.result or b"")
    assert (row.kind, row.status, row.problem) == ("report", JobStatus.DONE, "")
    assert told["text"]
    assert told["answer"]["choices"][0]["message"]["content"] == told["text"]
    assert "jobs" not in told


WRONG: Mapping[str, tuple[str, str]] = {
    "no time": ("", "either `every` or `daily`"),
    "two times": ('every = "1h"\ndaily = "06:00"\n', "either `every` or `daily`"),
    "no such time": ('daily = "25:00"\n', "daily"),
    "no such rhythm": ('every = "1 hour"\n', "every"),
    "no model": ('every = "1h"\nmodel = "gpt-oss-20"\n', "line 3: schedules.x.model: there is no model 'gpt-oss-20'"),
    "no tier": ('every = "1h"\nmodel = "headgate/fats"\n', "write headgate/fast"),
    "no model of chats": ('every = "1h"\nmodel = "whisper-large-v3"\n', "answers no chats"),
    "no webhook": ('every = "1h"\nwebhook = "ops"\n', "[webhooks.ops]"),
}


@pytest.mark.parametrize("name", WRONG)
def test_schedule_that_cannot_be(tmp_path: Path, name: str) -> None:
    """The start is refused with the key."""
    text, part = WRONG[name]
    path = tmp_path / "headgate.toml"
    path.write_text(f"[schedules.x]\n{text}", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        load_settings(path, {})
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "model", ["headgate/fast", "gpt-oss-20b", "llama3-8b-8192", "mistral/mistral-large-latest", "mine/m"]
)
def test_model_of_a_schedule(tmp_path: Path, model: str) -> None:
    """A tier, a short name, a retired model with a successor, another provider's and one of an own server all stand for
    something."""
    path = tmp_path / "headgate.toml"
    own = '[[providers]]\nname = "mine"\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\n'
    path.write_text(f'{own}[schedules.x]\nevery = "1h"\nmodel = "{model}"\n', encoding="utf-8")
    assert load_settings(path, {}).schedules["x"].model == model


async def test_scheduler_that_runs_by_itself(tmp_path: Path) -> None:
    """A gateway with a schedule looks at the time from its start on, and forgets nothing at its stop."""
    clock = SetClock()
    async with gateway_at(tmp_path, clock, HOURLY) as (gateway, store):
        assert gateway.jobs is not None
        while await store.jobs.last_due("hourly") is None:  # the scheduler's own first look
            await store.flush()
    clock.at += HOUR_S
    async with gateway_at(tmp_path, clock, HOURLY) as (gateway, store):
        while not (await store.jobs.page("local")).rows:
            await store.flush()
        (row,) = await reports(gateway, store)
    assert period(row) == (10 * HOUR_S, 11 * HOUR_S)

"""The runner by itself: a store, a clock that can be moved, and a line door that a test writes as a function."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from tests.batch.batch_house import CHAT, jsonl, line, results_of

from headgate.batch.asking import MOST_TRIES, Ask, LineAnswer
from headgate.batch.runner import BatchRunner
from headgate.runtime.settings import BatchSettings
from headgate.store.batch_rows import BatchRow, BatchStatus, NewBatch
from headgate.store.rows import NewFile
from headgate.store.sqlite import SqliteStore

DAY_S = 86_400
OK = b'{"object":"chat.completion","usage":{"prompt_tokens":3,"completion_tokens":2}}'
QUICK = BatchSettings(cancel_grace_s=0.05)


class MovedClock:
    """The real one, whose wall somebody may move."""

    moved_s = 0.0

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time() + self.moved_s


class House:
    """A runner with its store."""

    def __init__(self, store: SqliteStore, runner: BatchRunner, clock: MovedClock) -> None:
        self.store = store
        self.runner = runner
        self.clock = clock

    async def create(self, lines: Sequence[object] | bytes, tenant: str = "acme") -> BatchRow:
        """Upload and begin a batch."""
        content = lines if isinstance(lines, bytes) else jsonl(lines)
        count = len((await self.store.batches.page(tenant)).rows)
        at = int(self.clock.wall())
        new = NewFile(f"file_{tenant}_{count}", tenant, "batch", "in.jsonl", at)
        await self.store.files.create(new, _chunks(content), most_bytes=1 << 30)
        row = await self.store.batches.create(
            NewBatch(f"batch_{tenant}_{count}", tenant, CHAT, new.id, "24h", at, at + DAY_S)
        )
        self.runner.begin(row)
        return row

    async def until(self, row: BatchRow, question: Callable[[BatchRow], bool]) -> BatchRow:
        """The batch once it is so."""
        async with asyncio.timeout(20):
            while not question(row):
                await asyncio.sleep(0.002)
                found = await self.store.batches.find(row.tenant, row.id)
                assert found is not None
                row = found
        return row

    async def ended(self, row: BatchRow) -> BatchRow:
        ended = {BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED, BatchStatus.CANCELLED}
        return await self.until(row, lambda found: found.status in ended)

    async def read(self, tenant: str, file_id: str | None) -> dict[str, dict[str, object]]:
        """The results in a file."""
        assert file_id is not None
        chunks = await self.store.files.read(tenant, file_id)
        assert chunks is not None
        return results_of(b"".join([chunk async for chunk in chunks]))


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content


@asynccontextmanager
async def house(store: SqliteStore, ask: Ask, settings: BatchSettings = QUICK) -> AsyncIterator[House]:
    """A runner from its start to its stop; afterwards nothing of it runs any more."""
    clock = MovedClock()
    runner = BatchRunner(store, ask, clock, settings, max_line_bytes=1 << 20)
    before = asyncio.all_tasks()
    await runner.start()
    try:
        yield House(store, runner, clock)
    finally:
        await runner.stop()
        assert asyncio.all_tasks() <= before


async def answers(_tenant: str, _url: str, _body: bytes) -> LineAnswer:
    """What a healthy door says."""
    return LineAnswer(200, "req_1", OK)


async def test_places_bound_what_is_asked_for(store: SqliteStore) -> None:
    """Over all batches no more lines are under way than there are places, and both batches get their turns."""
    inside = most = 0
    order: list[str] = []

    async def ask(tenant: str, _url: str, _body: bytes) -> LineAnswer:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        order.append(tenant)
        await asyncio.sleep(0.001)
        inside -= 1
        return LineAnswer(200, "req_1", OK)

    async with house(store, ask, BatchSettings(concurrency=4)) as running:
        first = await running.create([line(n) for n in range(100)], "one")
        second = await running.create([line(n) for n in range(100)], "two")
        done = [await running.ended(row) for row in (first, second)]
    assert [row.completed for row in done] == [100, 100]
    assert most == 4
    middle = Counter(order[60:140])
    assert min(middle["one"], middle["two"]) > 20, "one batch had to wait for the other"


async def test_want_of_quota_is_waited_for(store: SqliteStore) -> None:
    """A line that is refused for want of quota is asked for again when it was told to, as often as it takes."""
    asked: Counter[bytes] = Counter()

    async def ask(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        asked[body] += 1
        if asked[body] <= 2 * MOST_TRIES:
            return LineAnswer(503, "req_1", b"{}", 0.0, lacks_room=True)
        return LineAnswer(200, "req_1", OK)

    async with house(store, ask) as running:
        done = await running.ended(await running.create([line(n) for n in range(3)]))
    assert (done.status, done.completed) == (BatchStatus.COMPLETED, 3)
    assert set(asked.values()) == {2 * MOST_TRIES + 1}


async def test_broken_answers_are_tried_some_times(store: SqliteStore) -> None:
    """A line over which the other side breaks down every time fails with the last answer; a refused one at once."""
    asked: Counter[bytes] = Counter()

    async def ask(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        asked[body] += 1
        if b"Say 0" in body:
            return LineAnswer(502, "req_1", b"no json", 0.0)
        return LineAnswer(400, "req_1", b'{"error":\n{}}')

    async with house(store, ask) as running:
        row = await running.create([line(0), line(1)])
        done = await running.ended(row)
        failed = await running.read("acme", done.error_file_id)
    assert (done.status, done.completed, done.failed, done.output_file_id) == (BatchStatus.COMPLETED, 0, 2, None)
    assert sorted(asked.values()) == [1, MOST_TRIES]
    assert failed["line-0"]["response"] == {"status_code": 502, "request_id": "req_1", "body": "no json"}
    assert failed["line-1"]["response"] == {"status_code": 400, "request_id": "req_1", "body": {"error": {}}}


async def test_what_was_done_to_an_answer_is_told(store: SqliteStore) -> None:
    """A mended answer carries its label into the output file."""

    async def ask(_tenant: str, _url: str, _body: bytes) -> LineAnswer:
        return LineAnswer(200, "req_1", OK, label={"reason": "mended"})

    async with house(store, ask) as running:
        done = await running.ended(await running.create([line(0)]))
        results = await running.read("acme", done.output_file_id)
    response = results["line-0"]["response"]
    assert isinstance(response, dict)
    assert response["headgate"] == {"reason": "mended"}


async def test_cancelling_lets_running_lines_end(store: SqliteStore) -> None:
    """No further line is begun; those that end within the grace are in the output, the others have no result."""
    begun: list[bytes] = []
    go_on = asyncio.Event()

    async def ask(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        begun.append(body)
        if b"Say 0" not in body:
            await asyncio.get_running_loop().create_future()
        await go_on.wait()
        return LineAnswer(200, "req_1", OK)

    async with house(store, ask, BatchSettings(concurrency=2, cancel_grace_s=0.2)) as running:
        row = await running.create([line(n) for n in range(10)])
        await running.until(row, lambda _: len(begun) == 2)
        cancelling = await running.runner.cancel("acme", row.id)
        assert cancelling is not None
        assert cancelling.status is BatchStatus.CANCELLING
        go_on.set()
        done = await running.ended(row)
        results = await running.read("acme", done.output_file_id)
    assert done.status is BatchStatus.CANCELLED
    assert (done.total, done.completed, done.failed, done.error_file_id) == (10, 1, 0, None)
    assert set(results) == {"line-0"}
    assert len(begun) == 2


async def test_window_that_is_over(store: SqliteStore) -> None:
    """Lines that were not answered in time are in the error file and say so; every line has exactly one result."""

    async def ask(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        if b"Say 0" in body:
            return LineAnswer(200, "req_1", OK)
        return LineAnswer(429, "req_1", b"{}", 0.02)

    async with house(store, ask) as running:
        row = await running.create([line(n) for n in range(150)])
        await running.until(row, lambda found: found.completed == 1)
        running.clock.moved_s = DAY_S + 1.0
        done = await running.ended(row)
        left = await running.read("acme", done.error_file_id)
        answered = await running.read("acme", done.output_file_id)
    assert (done.status, done.completed, done.failed) == (BatchStatus.EXPIRED, 1, 149)
    assert set(answered) == {"line-0"}
    assert set(left) == {f"line-{n}" for n in range(1, 150)}
    assert all(result["error"]["code"] == "batch_expired" for result in left.values())  # type: ignore[index]


async def test_runner_that_stops_in_the_middle(store: SqliteStore) -> None:
    """Another one goes on; what was recorded is not asked for again, what was under way is."""
    asked: Counter[bytes] = Counter()
    stuck = asyncio.Event()

    async def half(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        asked[body] += 1
        if sum(asked.values()) > 20:
            stuck.set()
            await asyncio.get_running_loop().create_future()
        return LineAnswer(200, "req_1", OK)

    async with house(store, half, BatchSettings(concurrency=4)) as running:
        row = await running.create([line(n) for n in range(40)])
        await stuck.wait()
        await running.until(row, lambda found: found.completed == 20)
    await store.batches.release(row.id, range(1, 41))  # as the store does when it is opened

    async def rest(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        asked[body] += 1
        return LineAnswer(200, "req_1", OK)

    async with house(store, rest) as running:
        done = await running.ended(row)
        results = await running.read("acme", done.output_file_id)
    assert (done.status, done.completed, len(results)) == (BatchStatus.COMPLETED, 40, 40)
    assert len(asked) == 40
    assert 1 <= Counter(asked.values())[2] <= 4
    assert max(asked.values()) == 2


async def test_input_file_that_was_deleted(store: SqliteStore) -> None:
    """Lines that were not read yet fail and say why; the batch ends all the same."""
    may_go, begun = asyncio.Event(), asyncio.Event()

    async def ask(_tenant: str, _url: str, _body: bytes) -> LineAnswer:
        begun.set()
        await may_go.wait()
        return LineAnswer(200, "req_1", OK)

    async with house(store, ask, BatchSettings(concurrency=1)) as running:
        row = await running.create([line(n) for n in range(5)])
        await begun.wait()
        await store.files.delete("acme", row.input_file_id)
        may_go.set()
        done = await running.ended(row)
        failed = await running.read("acme", done.error_file_id)
    assert (done.completed, done.failed) == (1, 4)
    assert {result["error"]["code"] for result in failed.values()} == {"input_file_gone"}  # type: ignore[index]


@pytest.mark.parametrize(
    "content, code, number",
    [
        (b"", "empty_file", None),
        (b"\n \n", "empty_file", None),
        (jsonl([line(n) for n in range(5)]), "too_many_lines", None),
        (jsonl([line(1)]) + b"\n" + b"\xff\n", "invalid_json_line", 3),
        (jsonl([line(1), line(2) | {"pad": "x" * 5000}]), "line_too_large", 2),
    ],
)
async def test_input_that_is_no_batch(store: SqliteStore, content: bytes, code: str, number: int | None) -> None:
    """The batch fails and says what is wrong with which line."""
    clock = MovedClock()
    runner = BatchRunner(store, answers, clock, BatchSettings(max_lines=4), max_line_bytes=4096)
    await runner.start()
    try:
        running = House(store, runner, clock)
        done = await running.ended(await running.create(content))
    finally:
        await runner.stop()
    assert done.status is BatchStatus.FAILED
    assert [(problem.code, problem.line) for problem in done.problems] == [(code, number)]
    assert done.total == 0


async def test_odd_but_readable_input(store: SqliteStore) -> None:
    """A byte order mark, Windows line ends, blank lines, a last line without an end, and pieces that cut lines."""
    pad = {"messages": [{"role": "user", "content": "ü" * 70_000}], "model": "m"}
    lines = [msgspec.json.encode(line(n) | {"body": pad}) for n in range(6)]
    content = b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines)
    bodies: list[bytes] = []

    async def ask(_tenant: str, _url: str, body: bytes) -> LineAnswer:
        bodies.append(body)
        return LineAnswer(200, "req_1", OK)

    async with house(store, ask) as running:
        done = await running.ended(await running.create(content))
    assert (done.status, done.completed, done.model) == (BatchStatus.COMPLETED, 6, "m")
    assert bodies == [msgspec.json.encode(pad)] * 6
    assert done.usage.input_tokens == 18


async def test_others_get_their_turns_while_a_file_is_checked(store: SqliteStore) -> None:
    """Fifty thousand lines are checked in many slices: the loop turns between them."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def never(_tenant: str, _url: str, _body: bytes) -> LineAnswer:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async with house(store, never) as running:
        row = await running.create([line(n) for n in range(50_000)])
        turning = asyncio.create_task(turn())
        row = await running.until(row, lambda found: found.status is BatchStatus.IN_PROGRESS)
        turning.cancel()
    assert row.total == 50_000
    assert turns > 100

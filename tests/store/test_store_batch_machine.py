"""A batch driven by chance beside a plain model of it: claims, results, releases and restarts in any order."""

import asyncio
import tempfile
from pathlib import Path

import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.store.stored import new_batch, new_lines

from headgate.store.batch_rows import BatchChange, BatchStatus, LineCounts, LineResult
from headgate.store.sqlite import SqliteStore

MOST_LINES = 30
LINE = st.integers(0, MOST_LINES)


class BatchBesideTheModel(RuleBasedStateMachine):
    """The model is three containers: pending lines, running lines, and the first result of each line."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.store = self.opened()
        self.is_running = False
        self.total = 0
        self.pending: set[int] = set()
        self.running: set[int] = set()
        self.results: dict[int, LineResult] = {}

    def opened(self) -> SqliteStore:
        return SqliteStore.open(Path(self.folder.name) / "headgate.sqlite3")

    @initialize()
    def create(self) -> None:
        self.runner.run(self.store.batches.create(new_batch()))

    @rule(count=LINE)
    def add(self, count: int) -> None:
        added = self.runner.run(self.store.batches.add_lines("batch_1", new_lines(count)))
        new = set() if self.is_running else set(range(self.total, count))
        assert added == len(new)
        self.pending |= new
        self.total += len(new)

    @precondition(lambda self: not self.is_running and self.total > 0)
    @rule()
    def start(self) -> None:
        self.runner.run(self.store.batches.change("acme", "batch_1", BatchChange(1, BatchStatus.IN_PROGRESS)))
        self.is_running = True

    @rule(most=st.integers(0, 7))
    def claim(self, most: int) -> None:
        claimed = [line.line for line in self.runner.run(self.store.batches.claim("batch_1", most))]
        assert claimed == (sorted(self.pending)[:most] if self.is_running else [])
        self.pending -= set(claimed)
        self.running |= set(claimed)

    @rule(lines=st.lists(LINE, max_size=4), is_done=st.booleans(), body=st.binary(max_size=3))
    def record(self, lines: list[int], *, is_done: bool, body: bytes) -> None:
        given = [LineResult(line, is_done, body) for line in lines]
        expected = []
        for result in given:
            is_new = result.line in self.pending | self.running
            expected.append(is_new)
            if is_new:
                self.results[result.line] = result
                self.pending.discard(result.line)
                self.running.discard(result.line)
        assert self.runner.run(self.store.batches.record("batch_1", given)) == tuple(expected)

    @rule(lines=st.lists(LINE, max_size=4, unique=True))
    def release(self, lines: list[int]) -> None:
        back = self.running & set(lines)
        assert self.runner.run(self.store.batches.release("batch_1", lines)) == len(back)
        self.running -= back
        self.pending |= back

    @rule()
    def restart(self) -> None:
        self.runner.run(self.store.close())
        self.store = self.opened()
        assert self.store.opened.released_lines == len(self.running)
        self.pending |= self.running
        self.running.clear()

    @invariant()
    def counts_agree(self) -> None:
        if not self.total:
            return
        done = sum(result.is_done for result in self.results.values())
        expected = LineCounts(len(self.pending), len(self.running), done, len(self.results) - done)
        assert self.runner.run(self.store.batches.count("batch_1")) == expected
        row = self.runner.run(self.store.batches.find("acme", "batch_1"))
        assert row is not None
        assert (row.total, row.completed, row.failed) == (self.total, done, len(self.results) - done)
        found = self.runner.run(self.store.batches.results("batch_1"))
        assert found == tuple(self.results[line] for line in sorted(self.results))

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()


BatchBesideTheModel.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestBatchBesideTheModel = BatchBesideTheModel.TestCase

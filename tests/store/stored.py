"""Short ways for tests to say rows, to give a content, and to run a program that writes through the store."""

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from headgate.store.batch_rows import NewBatch, NewLine
from headgate.store.rows import NewFile, UsageFields, UsageRow
from headgate.store.sqlite import SqliteStore
from headgate.store.sqlite_opening import Opened

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "writing_process.py"
DAY_S = 86_400.0


def usage(number: int, **more: Any) -> UsageRow:
    """One row, ten seconds after the one before."""
    given: dict[str, Any] = {
        "at": 20_000 * DAY_S + 10.0 * number,
        "request_id": f"req_{number}",
        "tenant": "acme",
        "outcome": "answered",
        "model_served": "openai/gpt-oss-20b",
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "cost_nanousd": 7,
    }
    return UsageRow(**given | more)


def fields(number: int, **more: Any) -> UsageFields:
    """The same as its fields."""
    given: UsageFields = msgspec.structs.astuple(usage(number, **more))
    return given


def new_file(number: int, **more: Any) -> NewFile:
    """What is known of a file before its content."""
    given: dict[str, Any] = {
        "id": f"file_{number}",
        "tenant": "acme",
        "purpose": "batch",
        "filename": f"{number}.jsonl",
        "created_at": 1_700_000_000 + number,
    }
    return NewFile(**given | more)


def new_batch(number: int = 1, **more: Any) -> NewBatch:
    """A batch as it is created."""
    given: dict[str, Any] = {
        "id": f"batch_{number}",
        "tenant": "acme",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file_1",
        "completion_window": "24h",
        "created_at": 1_700_000_000 + number,
    }
    return NewBatch(**given | more)


def new_lines(count: int) -> list[NewLine]:
    """Lines of a hundred bytes each."""
    return [NewLine(line, f"custom-{line}", line * 100, 100) for line in range(count)]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """A content as it comes from a socket."""
    for part in parts:
        yield part


def reopened(path: Path) -> Opened:
    """What a store finds that is opened, and closed at once."""
    store = SqliteStore.open(path)
    store.close_now()
    return store.opened


def asked(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the database itself answers, past the store."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def writing(job: str, path: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A process that does one job of `writing_process.py`, and the lines that it prints. It is killed in the end."""
    command = [sys.executable, "-I", str(PROGRAM), str(ROOT / "src"), job, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        finally:
            process.kill()


def killed_after(job: str, path: Path, lines: int) -> list[str]:
    """What a process had printed when kill -9 hit it, some time after this many lines."""
    with writing(job, path) as (process, printed):
        said = [line for line in (printed.readline().strip() for _ in range(lines)) if line]
        process.kill()
        rest = printed.read().split("\n")
        said += [line for line in rest[:-1] if line]
        assert len(said) >= lines, f"the process ended by itself after {len(said)} lines"
    return said

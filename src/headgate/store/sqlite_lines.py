"""The lines of batches in SQLite: claimed in order, each with exactly one result. Statements of one transaction each.

    pending --claim--> running --record--> done | failed
       ^                  |
       +--release, restart+

A line that has a result never changes again: it changes to done or failed only together with its result, and
`batch_results` has the line as its key.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from headgate.store.batch_rows import ENDS, BatchStatus, ClaimedLine, LineCounts, LineResult, LineState, NewLine

_CLAIM: Final = """
UPDATE batch_lines SET state = 1, claims = claims + 1
WHERE batch = ?1 AND line IN (SELECT line FROM batch_lines WHERE batch = ?1 AND state = 0 ORDER BY line LIMIT ?2)
RETURNING line, custom_id, start_byte, length_bytes, claims
"""
_RESULTS: Final = """
SELECT line, is_done, body FROM batch_results
WHERE batch = (SELECT seq FROM batches WHERE id = ?) AND line > ? AND is_done = coalesce(?, is_done)
ORDER BY line LIMIT ?
"""
_COUNT: Final = """
SELECT state, count(*) FROM batch_lines WHERE batch = (SELECT seq FROM batches WHERE id = ?) GROUP BY state
"""


def add_lines(connection: sqlite3.Connection, batch_id: str, lines: Sequence[NewLine]) -> int:
    """Insert those that are not there; how many."""
    seq, status = _batch(connection, batch_id)
    if status is not BatchStatus.VALIDATING:
        return 0
    before = connection.total_changes
    connection.executemany(
        "INSERT INTO batch_lines VALUES (?, ?, 0, 0, ?, ?, ?) ON CONFLICT (batch, line) DO NOTHING",
        [(seq, line.line, line.start_byte, line.length_bytes, line.custom_id) for line in lines],
    )
    added = connection.total_changes - before
    connection.execute("UPDATE batches SET total = total + ? WHERE seq = ?", (added, seq))
    return added


def claim(connection: sqlite3.Connection, batch_id: str, most: int) -> tuple[ClaimedLine, ...]:
    """The next pending lines."""
    seq, status = _batch(connection, batch_id)
    if status is not BatchStatus.IN_PROGRESS:
        return ()
    claimed = [ClaimedLine(*row) for row in connection.execute(_CLAIM, (seq, max(0, most)))]
    return tuple(sorted(claimed, key=lambda line: line.line))


def release(connection: sqlite3.Connection, batch_id: str, lines: Sequence[int]) -> int:
    """Running lines back to pending; how many."""
    seq, _ = _batch(connection, batch_id)
    before = connection.total_changes
    connection.executemany(
        "UPDATE batch_lines SET state = 0 WHERE batch = ? AND line = ? AND state = 1", [(seq, line) for line in lines]
    )
    return connection.total_changes - before


def release_all(connection: sqlite3.Connection) -> int:
    """At the start: nobody runs the lines that a dead process ran."""
    return connection.execute("UPDATE batch_lines SET state = 0 WHERE state = 1").rowcount


def record(connection: sqlite3.Connection, batch_id: str, results: Sequence[LineResult]) -> tuple[bool, ...]:
    """Insert results; which of them were taken."""
    seq, status = _batch(connection, batch_id)
    if status is None or status in ENDS:
        return (False,) * len(results)
    taken = tuple(_record(connection, seq, result) for result in results)
    done = sum(result.is_done for result, is_taken in zip(results, taken, strict=True) if is_taken)
    connection.execute(
        "UPDATE batches SET completed = completed + ?, failed = failed + ? WHERE seq = ?",
        (done, sum(taken) - done, seq),
    )
    return taken


def results(
    connection: sqlite3.Connection, batch_id: str, is_done: bool | None, after_line: int, most: int
) -> tuple[LineResult, ...]:
    """Results in order."""
    found = connection.execute(_RESULTS, (batch_id, after_line, is_done, most))
    return tuple(LineResult(line, bool(done), body) for line, done, body in found)


def count(connection: sqlite3.Connection, batch_id: str) -> LineCounts:
    """Count the lines themselves."""
    found = dict(connection.execute(_COUNT, (batch_id,)).fetchall())
    return LineCounts(*(found.get(state.value, 0) for state in LineState))


def _record(connection: sqlite3.Connection, seq: int, result: LineResult) -> bool:
    state = LineState.DONE if result.is_done else LineState.FAILED
    changed = connection.execute(
        "UPDATE batch_lines SET state = ? WHERE batch = ? AND line = ? AND state < 2", (state.value, seq, result.line)
    )
    if changed.rowcount == 0:
        return False
    connection.execute("INSERT INTO batch_results VALUES (?, ?, ?, ?)", (seq, result.line, result.is_done, result.body))
    return True


def _batch(connection: sqlite3.Connection, batch_id: str) -> tuple[int, BatchStatus | None]:
    found = connection.execute("SELECT seq, status FROM batches WHERE id = ?", (batch_id,)).fetchone()
    return (0, None) if found is None else (found[0], BatchStatus(found[1]))

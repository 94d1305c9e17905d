"""What is to be told of ended jobs, in SQLite. Statements of one transaction each; `sqlite_jobs` calls them.

pending --delivered--> delivered
pending --put off--> pending, later    pending --given up--> failed
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from headgate.store.job_rows import DeliveryRow, DeliveryState, NewDelivery

_COLUMNS: Final = tuple(f"deliveries.{name}" for name in DeliveryRow.__struct_fields__)
_SELECT: Final = " ".join(("SELECT job,", ", ".join(_COLUMNS), "FROM deliveries"))
_OF_JOB: Final = f"{_SELECT} WHERE job = (SELECT seq FROM jobs WHERE id = ?) ORDER BY seq"  # noqa: S608
_ADD: Final = """
INSERT INTO deliveries (id, job, target, event, state, created_at, next_at, tries, last_status)
VALUES (?, ?, ?, ?, 'pending', ?, ?, 0, 0)
"""
_END: Final = """
UPDATE deliveries SET state = ?, tries = tries + 1, last_status = ?, ended_at = ? WHERE id = ? AND state = 'pending'
"""
_PUT_OFF: Final = """
UPDATE deliveries SET tries = tries + 1, last_status = ?, next_at = ? WHERE id = ? AND state = 'pending'
"""


def add(connection: sqlite3.Connection, job: int, at: float, new: Sequence[NewDelivery]) -> None:
    """Tell these of a job from now on."""
    connection.executemany(_ADD, [(each.id, job, each.target, each.event, at, at) for each in new])


def of_job(job_id: str, connection: sqlite3.Connection) -> tuple[DeliveryRow, ...]:
    """All that is told of a job."""
    return tuple(_row(found) for found in connection.execute(_OF_JOB, (job_id,)))


def due(connection: sqlite3.Connection, now: float, most: int, without: Sequence[str]) -> list[tuple[int, DeliveryRow]]:
    """Those to be made now, longest due first, each with the place of its job; none for targets `without`."""
    marks = ", ".join("?" * len(without))
    text = f"{_SELECT} WHERE state = 'pending' AND next_at <= ? AND target NOT IN ({marks}) ORDER BY next_at LIMIT ?"
    return [(found[0], _row(found)) for found in connection.execute(text, (now, *without, most))]


def end(delivery_id: str, at: float, status: int, connection: sqlite3.Connection, *, is_delivered: bool) -> None:
    """It arrived, or is given up."""
    state = DeliveryState.DELIVERED if is_delivered else DeliveryState.FAILED
    connection.execute(_END, (state.value, status, at, delivery_id))


def put_off(delivery_id: str, status: int, next_at: float, connection: sqlite3.Connection) -> None:
    """It did not arrive and is tried again."""
    connection.execute(_PUT_OFF, (status, next_at, delivery_id))


def _row(found: tuple[Any, ...]) -> DeliveryRow:
    values = dict(zip(DeliveryRow.__struct_fields__, found[1:], strict=True))
    values["state"] = DeliveryState(values["state"])
    return DeliveryRow(**values)

"""One statement that writes many rows at once: an INSERT whose VALUES repeat.

`executemany` gives up and retakes the interpreter's lock for every row, and beside a busy event loop each retaking can
take milliseconds. A statement of 256 rows does it once. So that few statements have to be prepared there are four for
each doubling of their size, and what is missing to the next is filled with the last row again.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

Parameter = str | int | float | bytes | None
Parameters = tuple[Parameter, ...]

MOST_AT_ONCE: Final = 256
"""Rows of one statement: of 27 columns they stay under SQLite's 32,766 parameters."""


def size_for(rows: int) -> int:
    """How many rows the smallest statement takes that takes so many: a fourth more at most, on average a tenth."""
    power = max(0, (rows - 1).bit_length() - 3)
    return -(-rows >> power) << power


SIZES: Final = tuple(sorted({size_for(rows) for rows in range(1, MOST_AT_ONCE + 1)}))


class ManyRows:
    """An INSERT, split into what stands before the rows and what stands behind them: what to do with one that is there.

    Writing a row twice has to be the same as writing it once.
    """

    def __init__(self, table: str, columns: Sequence[str], behind: str) -> None:
        before = " ".join(("INSERT INTO", table, "(", ", ".join(columns), ") VALUES "))
        row = "".join(("(", ", ".join("?" * len(columns)), ")"))
        self._texts = {size: "".join((before, ", ".join([row] * size), " ", behind)) for size in SIZES}

    def execute(self, connection: sqlite3.Connection, rows: Sequence[Parameters]) -> None:
        """Write the rows, in order, in as few statements as there may be: one, up to MOST_AT_ONCE."""
        for start in range(0, len(rows), MOST_AT_ONCE):
            some = rows[start : start + MOST_AT_ONCE]
            size = size_for(len(some))
            values: list[Parameter] = []
            for row in some:
                values += row
            values += some[-1] * (size - len(some))
            connection.execute(self._texts[size], values)

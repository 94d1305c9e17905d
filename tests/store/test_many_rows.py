import sqlite3

from headgate.store.sqlite_statement import MOST_AT_ONCE, SIZES, ManyRows, size_for


def test_sizes_of_statements() -> None:
    """For any number of rows there is a statement that is at most a fourth too large, and there are few of them."""
    for rows in range(1, MOST_AT_ONCE + 1):
        assert rows <= size_for(rows) <= rows * 1.25
        assert size_for(rows) in SIZES
    assert max(SIZES) == MOST_AT_ONCE
    assert len(SIZES) < 32


def test_any_number_of_rows() -> None:
    """As many as were given are there, each once and in their order, however the last statement was filled."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    insert = ManyRows("kept", ("name", "number"), "ON CONFLICT (name) DO NOTHING")
    for count in (0, 1, 2, 3, 9, 100, 129, 255, 256, 257, 600):
        connection.execute("CREATE TABLE kept (seq INTEGER PRIMARY KEY, name TEXT UNIQUE, number INTEGER)")
        insert.execute(connection, [(f"row {number}", number) for number in range(count)])
        found = connection.execute("SELECT number FROM kept ORDER BY seq").fetchall()
        assert found == [(number,) for number in range(count)]
        connection.execute("DROP TABLE kept")
    connection.close()

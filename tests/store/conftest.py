"""A store of its own for each test, on the loop that we serve on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from headgate.store.contract import Store
from headgate.store.sqlite import SqliteStore


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:  # noqa: ARG001
    """One loop for every test here."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be, in a folder that is not there yet."""
    return tmp_path / "state" / "headgate.sqlite3"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """An empty store, as callers know it."""
    opened = SqliteStore.open(path)
    yield opened
    await opened.close()

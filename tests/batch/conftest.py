"""A store of its own for each test, on the loop that we serve on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from headgate.store.sqlite import SqliteStore


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:  # noqa: ARG001
    """One loop for every test here."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    opened = SqliteStore.open(tmp_path / "store" / "headgate.sqlite3")
    yield opened
    await opened.close()

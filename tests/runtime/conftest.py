"""Which event loops a test runs on: what touches sockets must hold on both."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

BOTH: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
ONE = {"uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops for the upstream client, the one that we serve on for everything else."""
    return BOTH if item.path.name.startswith("test_upstream") else ONE

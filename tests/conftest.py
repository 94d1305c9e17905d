"""What any room of tests may use."""

from collections.abc import Iterator

import pytest
from tests.running_gateway import RunningGateway, running_gateway


@pytest.fixture
def gateway() -> Iterator[RunningGateway]:
    """A gateway with two keys over a quick pretend Groq, on a thread of its own; the door is open."""
    with running_gateway() as running:
        yield running

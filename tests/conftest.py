"""What any room of tests may use."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.running_gateway import RunningGateway, running_gateway

# How long an example takes says how busy the machine is: no test may depend on it.
settings.register_profile("headgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headgate")


def pytest_collection_finish() -> None:
    """Spare the garbage collector from going over ten thousand tests and all SDKs again and again: a tenth of the
    CPU."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def gateway() -> Iterator[RunningGateway]:
    """A gateway with two keys over a quick pretend Groq, on a thread of its own; the door is open."""
    with running_gateway() as running:
        yield running

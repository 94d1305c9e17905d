"""A stale answer for every row that names it: asked once when all is well, and again, in the other form, when not.

The first answer is kept for no time at all, so that it is stale at once and nobody need wait.
"""

from typing import Any, Final

from tests.remedies.house import chat, pretend
from tests.remedies.scenarios import SLOW, Ask, Expect, Scenario

from headgate.decide.remedies import Remedy
from headgate.domain.failure import FailureKind as K
from headgate.simulator.faults import Fault
from headgate.simulator.faults import FaultKind as F
from headgate.simulator.settings import SimulatorSettings

AT_ONCE_STALE: Final = {"x_headgate_cache_ttl_s": "0"}


def again(*, stream: bool) -> tuple[Ask, Ask]:
    """The same question twice: first in the form in which all goes well."""
    return tuple(Ask(chat(temperature=0, stream=form), AT_ONCE_STALE) for form in (not stream, stream))  # type: ignore[return-value]


def stale(kind: K, world: SimulatorSettings, calls: int, *, stream: bool, **more: Any) -> Scenario:
    body_has = b"data: [DONE]" if stream else b'"finish_reason":"stop"'
    expect = Expect(status=200, source="cache", reason="stale", calls=str(calls), body_has=body_has)
    return Scenario(kind, Remedy.STALE_CACHE, expect, world, asks=again(stream=stream), **more)


CACHED: Final = (
    stale(K.NETWORK, pretend(Fault(F.RESET_BEFORE_HEADERS, stream=True)), 2, stream=True),
    stale(K.MALFORMED_BODY, pretend(Fault(F.HTML, stream=False)), 2, stream=False),
    stale(K.STREAM_BROKE_EARLY, pretend(Fault(F.CUT, stream=True, at=10)), 2, stream=True),
    stale(K.TOO_SLOW, pretend(Fault(F.SLOW, stream=False, delay_s=5.0)), 1, stream=False, route=SLOW),
    stale(
        K.NO_KEY_LEFT,
        pretend(),
        0,
        stream=True,
        toml='[organisations.org_a.limits."*"]\nRPM = 1',
    ),
)

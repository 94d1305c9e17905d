"""The remedy `other_provider` in every row that has it: Groq fails over real sockets, and Mistral answers instead.

Nothing at Groq can help, since no model of its own stands in for the big one and there is one key. So with the remedy
taken out of the row the client gets a local answer, or what Groq said.
"""

from typing import Any, Final

from tests.remedies.house import ALONE, BIG, Said, elsewhere, pretend
from tests.remedies.scenarios import (
    BLOCKED,
    GONE,
    LONG_PROMPT,
    ONE,
    OVERFLOW,
    SLOW,
    STREAM,
    WELL,
    Ask,
    Expect,
    Scenario,
    limited,
    spent,
    tight,
)

from headgate.decide.remedies import Remedy
from headgate.domain.failure import FailureKind as K
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import SimulatorSettings

F = FaultKind
INSTEAD: Final = "mistral/mistral-small-latest"
"""Mistral's first model of a tier of Groq's big one."""


def goes_to_mistral(
    kind: K,
    groq: SimulatorSettings = WELL,
    *,
    said: tuple[Said, ...] = (),
    asks: tuple[Ask, ...] = ONE,
    route: str = "",
) -> Scenario:
    """Groq is called once, then Mistral, with its own key; the label says why."""
    return Scenario(
        kind,
        Remedy.OTHER_PROVIDER,
        Expect(status=200, source="upstream", served=INSTEAD, calls="2", keys="am", models=(BIG, BIG), reason=kind),
        (groq, elsewhere("mistral")),
        said=said,
        models=(),
        asks=asks,
        route=f"substitute = true\n{route}",
        toml=ALONE,
    )


def wrong(kind: FaultKind, **more: Any) -> SimulatorSettings:
    """Groq with this one thing wrong."""
    return pretend(Fault(kind, **more))


ELSEWHERE: Final = (
    goes_to_mistral(K.REQUESTS_PER_MINUTE, pretend(limited("RPM"))),
    goes_to_mistral(K.TOKENS_PER_MINUTE, pretend(limited("TPM"))),
    goes_to_mistral(K.DAILY_LIMIT, pretend(limited("RPD"))),
    goes_to_mistral(K.REQUEST_TOO_LARGE, tight(100), asks=(Ask(LONG_PROMPT),)),
    goes_to_mistral(K.CONTEXT_OVERFLOW, said=(OVERFLOW,)),
    goes_to_mistral(K.INVALID_KEY, pretend(BLOCKED)),
    goes_to_mistral(K.ACCESS_DENIED, wrong(F.ACCESS_DENIED)),
    goes_to_mistral(K.SPEND_LIMIT, spent("a")),
    goes_to_mistral(K.MODEL_GONE, said=GONE),
    goes_to_mistral(K.OVER_CAPACITY, wrong(F.OVER_CAPACITY)),
    goes_to_mistral(K.MALFORMED_BODY, wrong(F.HTML)),
    goes_to_mistral(K.NETWORK, wrong(F.RESET_BEFORE_HEADERS)),
    goes_to_mistral(K.STREAM_BROKE_EARLY, wrong(F.CUT, at=10), asks=STREAM),
    goes_to_mistral(K.TOO_SLOW, wrong(F.SLOW, delay_s=5.0), route=SLOW),
)

"""From the fact that a request is over to its usage row."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from headgate.decide.giving_up import CLIENT_GONE
from headgate.domain.answer import RefusalCode, Source, Usage
from headgate.domain.fact import CallEnded, RequestFinished
from headgate.domain.limits import Deployment
from headgate.observe.usage import UsageRows, fields_of
from headgate.store.rows import UsageFields, UsageRow
from headgate.store.window import Window

FACT = RequestFinished(
    at=500.0,
    request_id="req_1",
    tenant="acme",
    model_asked="headgate/fast",
    model_served="openai/gpt-oss-20b",
    source=Source.UPSTREAM,
    provider="groq",
    reason="",
    attempts=1,
    calls=2,
    waited_s=0.1,
    duration_s=0.5,
    cost_nanousd=1_234,
    usage=Usage(100, 20, 30, 5, audio_s=7, characters=9),
    agent="writer",
    task="summary",
    route="cheap",
    session="s1",
    organisation="org_x",
)


def row(fact: RequestFinished, provider: str | None = None) -> UsageRow:
    return UsageRow(*fields_of(fact, 1_000_000.0, provider))


def test_everything_of_an_answer() -> None:
    """What was asked, who answered, what it used and cost; its time is the wall clock's."""
    assert row(FACT) == UsageRow(
        at=1_000_500.0,
        request_id="req_1",
        tenant="acme",
        outcome="answered",
        session="s1",
        agent="writer",
        task="summary",
        route="cheap",
        provider="groq",
        organisation="org_x",
        model_asked="headgate/fast",
        model_served="openai/gpt-oss-20b",
        source="upstream",
        prompt_tokens=100,
        completion_tokens=20,
        cached_tokens=30,
        reasoning_tokens=5,
        audio_s=7,
        characters=9,
        cost_nanousd=1_234,
        duration_s=0.5,
        calls=2,
        attempts=1,
    )


def test_an_answer_of_the_cache_used_nothing_and_saved_what_it_would_have() -> None:
    """Its row has its source, no tokens, no cost, and the tokens that were spared."""
    again = msgspec.structs.replace(
        FACT, source=Source.CACHE, usage=None, cost_nanousd=0, calls=0, attempts=0, cache="hit-memory", saved_tokens=120
    )
    told = row(again)
    assert (told.outcome, told.source, told.model_served) == ("answered", "cache", "openai/gpt-oss-20b")
    assert (told.prompt_tokens, told.completion_tokens, told.cost_nanousd, told.calls) == (0, 0, 0, 0)
    assert told.saved_tokens == 120


@pytest.mark.parametrize(
    "source, reason, refusal, outcome",
    [
        (Source.UPSTREAM, "mended", None, "answered"),
        (Source.LOCAL, "network", None, "answered"),
        (None, "no_key_left", RefusalCode.NO_CAPACITY, "refused"),
        (None, "bad_request", None, "refused"),
        (None, CLIENT_GONE, None, "cancelled"),
    ],
)
def test_outcome(source: Source | None, reason: str, refusal: str | None, outcome: str) -> None:
    """An answer from anywhere, a refusal of ours or the provider's own, or a client who left."""
    fact = msgspec.structs.replace(FACT, source=source, reason=reason, refusal=refusal, usage=None)
    assert row(fact).outcome == outcome


def test_pretend_provider() -> None:
    """What the built-in simulator answered is told apart; what nobody answered has no provider."""
    assert row(FACT, "simulator").provider == "simulator"
    assert row(msgspec.structs.replace(FACT, provider=""), "simulator").provider == ""


class Taken:
    """A place for rows that can be looked into."""

    def __init__(self) -> None:
        self.rows: list[UsageRow] = []

    def append_all(self, rows: Sequence[UsageFields]) -> None:
        self.rows += [UsageRow(*row) for row in rows]


async def test_rows_are_given_by_themselves() -> None:
    """Requests that are over reach the store within a window, in order, and nothing else does."""
    taken = Taken()
    rows = UsageRows(taken, Window(), now=lambda: 500.0, wall=lambda: 2_000.0)
    rows.tell(CallEnded(499.0, "req_1", 1, Deployment.of("groq", "org_x", "m"), "GROQ_API_KEY", 0.4))
    rows.tell(FACT)
    rows.tell(msgspec.structs.replace(FACT, request_id="req_2"))
    assert taken.rows == []
    async with asyncio.timeout(10):
        while not taken.rows:  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.01)
    assert [(row.request_id, row.at) for row in taken.rows] == [("req_1", 2_000.0), ("req_2", 2_000.0)]

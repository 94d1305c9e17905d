"""The table of dialects against the page it was made from, and limit headers in every provider's style."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.catalog.providers import DialectName
from headgate.domain.limits import Dimension, SeenBucket, SeenLimits
from headgate.protocol.dialect_fields import DIALECT_NAMES, FIELDS, INSTEAD, RENAMED, Treatment
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.limits_elsewhere import mistral_buckets, openai_buckets, proven_buckets
from headgate.simulator.validation import KNOWN_FIELDS, MESSAGE_FIELDS, REFUSED_FIELDS

D = Dimension
FACTS = Path(__file__).parents[2].parent / "shared" / "groq-api.md"
FIELD_NAMES = (
    "messages model max_completion_tokens max_tokens temperature top_p n stop seed stream stream_options tools "
    "tool_choice parallel_tool_calls disable_tool_validation response_format reasoning_effort reasoning_format "
    "include_reasoning service_tier user citation_options documents search_settings include_domains exclude_domains "
    "compound_custom functions function_call metadata store frequency_penalty presence_penalty logprobs "
    "top_logprobs logit_bias debug"
)
SECTION_1_1 = FIELD_NAMES.split()
WITHOUT_FACTS = pytest.mark.skipif(not FACTS.exists(), reason="the fact sheet ../shared/groq-api.md is not here")


@WITHOUT_FACTS
def test_the_page_and_the_list_name_the_same_fields() -> None:
    """Section 1.1 of the fact sheet has not grown a field that the list below does not know."""
    section = FACTS.read_text(encoding="utf-8").partition("### 1.1")[2].partition("### 1.2")[0]
    cells = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    named = [cell for cell in cells if not cell.startswith(("unknown", "messages[]"))]
    found = [name for cell in named for name in re.findall(r"[a-z_]+", re.sub(r"\([^)]*\)", "", cell))]
    assert found == SECTION_1_1


def test_every_field_has_a_row_and_every_row_every_dialect() -> None:
    """Nothing of section 1.1 is left to chance at any provider."""
    assert set(SECTION_1_1) <= FIELDS.keys()
    assert all(tuple(row) == DIALECT_NAMES for row in FIELDS.values())
    assert tuple(DIALECTS) == DIALECT_NAMES == tuple(DialectName)


def test_the_row_of_groq_agrees_with_the_pretend_groq() -> None:
    """What its validation refuses is refused or left out before the call; what is sent, it knows (written apart)."""
    groq = {name: row["groq"] for name, row in FIELDS.items()}
    assert {name for name, treatment in groq.items() if treatment is Treatment.REFUSE} > set(REFUSED_FIELDS)
    sent = {name for name, treatment in groq.items() if treatment in {Treatment.SEND, Treatment.WRITTEN}}
    assert sent - KNOWN_FIELDS == {"debug", "headgate"}
    roles = DIALECTS["groq"].message_fields
    assert {role: fields | {"name"} for role, fields in roles.items()} == MESSAGE_FIELDS


def test_a_refusal_says_what_to_do_instead() -> None:
    """Each field that any dialect refuses has its advice, each renamed one its name."""
    refused = {name for name, row in FIELDS.items() if Treatment.REFUSE in row.values()}
    assert refused == INSTEAD.keys()
    assert {name for name, row in FIELDS.items() if Treatment.RENAME in row.values()} == RENAMED.keys()


@pytest.mark.parametrize(
    "dialect, field, usage",
    [
        ("groq", "max_completion_tokens", True),
        ("openai", "max_completion_tokens", True),
        ("mistral", "max_tokens", False),
        ("gemini", "max_tokens", True),
        ("openrouter", "max_tokens", True),
        ("compatible", "max_tokens", True),
    ],
)
def test_the_maximum_and_the_usage_of_streams(dialect: str, field: str, *, usage: bool) -> None:
    """Each provider's own name for the maximum, and whether it may be asked for usage in streams."""
    assert (DIALECTS[dialect].max_tokens_field, DIALECTS[dialect].sends_stream_usage) == (field, usage)


@pytest.mark.parametrize(
    "dialect, asked, sent",
    [
        ("groq", "flex", "flex"),
        ("groq", "default", None),
        ("openai", "on_demand", "default"),
        ("openai", "performance", "priority"),
        ("openai", "flex", "flex"),
        ("mistral", "flex", None),
        ("compatible", "auto", None),
        ("groq", None, None),
    ],
)
def test_a_service_tier_in_each_providers_word(dialect: str, asked: str | None, sent: str | None) -> None:
    """A tier that a provider does not have is not sent to it."""
    assert DIALECTS[dialect].service_tier(asked) == sent


def openai_headers(requests: tuple[str, str, str], tokens: tuple[str, str, str]) -> dict[str, str]:
    pairs = zip(("limit", "remaining", "reset"), zip(requests, tokens, strict=True), strict=True)
    return {
        f"x-ratelimit-{part}-{name}": value
        for part, values in pairs
        for name, value in zip(("requests", "tokens"), values, strict=True)
    }


@pytest.mark.parametrize(
    "requests, dimension",
    [
        (("3500", "3499", "17ms"), D.RPM),
        (("60", "59", "1s"), D.RPM),
        (("10000", "9999", "8.64s"), D.RPD),
        (("200", "199", "7m12s"), D.RPD),
        (("500", "0", "1m0s"), D.RPM),
        (("500", "500", "0s"), None),
        (("500", "499", "10s"), None),
        (("500", "", "10s"), None),
    ],
)
def test_openais_requests_are_of_the_window_their_numbers_prove(
    requests: tuple[str, str, str], dimension: Dimension | None
) -> None:
    """The product reset × limit ÷ used is the window: a minute, a day, or nothing that may be claimed."""
    headers = openai_headers(requests, ("40000", "39900", "150ms"))
    buckets = openai_buckets(headers)
    assert buckets[0] == SeenBucket(D.TPM, 40_000, 39_900)
    assert [bucket.dimension for bucket in buckets[1:]] == ([] if dimension is None else [dimension])
    seen = DIALECTS["openai"].read_limits(headers)
    assert seen is not None
    assert (seen.limit_tokens, seen.remaining_tokens) == (40_000, 39_900)
    assert seen.limit_requests == (int(requests[0]) if dimension is D.RPD else None)
    assert [bucket.dimension for bucket in seen.others] == ([D.RPM] if dimension is D.RPM else [])


def test_a_spent_bucket_says_when_it_is_full_again() -> None:
    """Resets are read only where nothing remains, as at Groq."""
    spent = openai_buckets(openai_headers(("500", "0", "1m0s"), ("40000", "0", "59s")))
    assert [(bucket.dimension, bucket.reset_s) for bucket in spent] == [(D.TPM, 59.0), (D.RPM, 60.0)]


def test_a_projects_own_limit_counts_where_it_is_tighter() -> None:
    """OpenAI shows a project's tokens beside the organisation's."""
    headers = openai_headers(("60", "59", "1s"), ("40000", "39900", "150ms"))
    project = {"x-ratelimit-limit-project-tokens": "1000", "x-ratelimit-remaining-project-tokens": "10"}
    assert openai_buckets(headers | project)[0] == SeenBucket(D.TPM, 1000, 10)
    roomy = project | {"x-ratelimit-remaining-project-tokens": "90000"}
    assert openai_buckets(headers | roomy)[0] == SeenBucket(D.TPM, 40_000, 39_900)


def test_mistral_names_its_windows() -> None:
    """Requests and tokens are the minute's, the month is no dimension, and the names of 2025 are still read."""
    headers = {
        "x-ratelimit-limit-tokens-minute": "5000000",
        "x-ratelimit-remaining-tokens-minute": "4999911",
        "x-ratelimit-limit-tokens-month": "1000000000",
        "x-ratelimit-limit-req-minute": "720",
        "x-ratelimit-remaining-req-minute": "717",
    }
    tokens, requests = mistral_buckets(headers)
    assert tokens == SeenBucket(D.TPM, 5_000_000, 4_999_911)
    assert requests == SeenBucket(D.RPM, 720, 717)
    seen = SeenLimits(limit_tokens=5_000_000, remaining_tokens=4_999_911, others=(requests,))
    assert DIALECTS["mistral"].read_limits(headers) == seen
    former = {"ratelimitbysize-limit": "500000", "ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "23"}
    assert mistral_buckets(former) == (SeenBucket(D.TPM, 500_000, 0, 23.0),)
    in_between = {"x-ratelimitbysize-limit-minute": "500000", "x-ratelimitbysize-remaining-minute": "499000"}
    assert mistral_buckets(in_between) == (SeenBucket(D.TPM, 500_000, 499_000),)


def test_a_stranger_is_believed_only_what_it_proves() -> None:
    """An unknown server's headers may mean anything: without use nothing is claimed, not even tokens."""
    assert proven_buckets(openai_headers(("60", "60", "0s"), ("40000", "40000", "0s"))) == ()
    proven = proven_buckets(openai_headers(("60", "59", "1s"), ("40000", "39900", "150ms")))
    assert [bucket.dimension for bucket in proven] == [D.TPM, D.RPM]
    assert DIALECTS["compatible"].read_limits({"x-ratelimit-limit-requests": "5"}) is None


def test_groqs_headers_keep_their_own_meaning() -> None:
    """At Groq the requests are the day's without any proof (groq-api.md 2.2)."""
    seen = DIALECTS["groq"].read_limits(openai_headers(("1000", "999", "1m26.4s"), ("8000", "7925", "562ms")))
    assert seen is not None
    assert (seen.limit_requests, seen.limit_tokens) == (1000, 8000)


@pytest.mark.parametrize("dialect", ["gemini", "openrouter"])
def test_who_shows_no_limits_still_announces_waits(dialect: str) -> None:
    """Only retry-after is read, and headers of another provider's naming say nothing."""
    headers = openai_headers(("60", "59", "1s"), ("40000", "39900", "150ms"))
    assert DIALECTS[dialect].read_limits(headers) is None
    assert DIALECTS[dialect].read_limits(headers | {"retry-after": "9"}) == SeenLimits(retry_after_s=9.0)


@given(
    st.sampled_from(DIALECT_NAMES),
    st.dictionaries(
        st.sampled_from(
            [
                *openai_headers(("", "", ""), ("", "", "")),
                "x-ratelimit-remaining-project-tokens",
                "x-ratelimit-limit-req-minute",
                "x-ratelimit-remaining-tokens-minute",
                "ratelimitbysize-limit",
                "ratelimitbysize-reset",
                "retry-after",
            ]
        ),
        st.text(max_size=12) | st.integers().map(str) | st.floats().map(str) | st.sampled_from(["0", "1m0s", "1e400"]),
    ),
)
def test_no_header_breaks_a_reader(dialect: str, headers: dict[str, str]) -> None:
    """Whatever a server writes, counts are whole and waits are within a day."""
    seen = DIALECTS[dialect].read_limits(headers)
    if seen is not None:
        assert all(value is None or value >= 0 for value in (seen.limit_requests, seen.remaining_tokens))
        assert all(wait is None or 0 <= wait <= 86_400 for wait in (seen.reset_requests_s, seen.reset_tokens_s))

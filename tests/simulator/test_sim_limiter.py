"""The pretend limiter against the waits that Groq announced, and against itself."""

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.asking import MODEL, ORG, body, decoded, error, groq, post, rich, sent

from headgate.domain.limits import WINDOW_S, Dimension
from headgate.simulator.errors import rate_limited
from headgate.simulator.limiter import SLACK, Account, Charge, Limiter, Stranger
from headgate.simulator.settings import Admission, Organisation

ANNOUNCED = [
    (Dimension.TPD, 200000, 197494, 4035, "11m0.528s", 661),
    (Dimension.TPD, 100000, 99996, 484, "6m54.72s", 415),
    (Dimension.TPM, 12000, 8560, 4177, "3.685s", 4),
    (Dimension.TPM, 8000, 6670, 5883, "34.1475s", 35),
    (Dimension.ASH, 7200, 5956, 2336, "9m6s", 546),
    (Dimension.ASH, 7200, 6445, 1601, "7m3s", 423),
    (Dimension.ASH, 7200, 7169.476000001, 230, "1m39.738s", 100),
    (Dimension.OTPM, 1000, 528, 600, "7.68s", 8),
    (Dimension.OTPM, 1000, 753, 311, "3.84s", 4),
    (Dimension.OTPM, 1000, 72, 981, "3.179999999s", 4),
    (Dimension.RPD, 1000, 1000, 1, "1m26.4s", 87),
    (Dimension.RPM, 30, 30, 1, "2s", 2),
]
"""Live 429s (groq-api 2.3). Where the display rounded Used (ASPH 7170), the level that was meant."""


@pytest.mark.parametrize("dimension, limit, used, requested, text, retry_after", ANNOUNCED)
def test_announced_wait(
    dimension: Dimension, limit: int, used: float, requested: int, text: str, retry_after: int
) -> None:
    """A level and an ask that were seen live give the wait that was announced, to the nanosecond."""
    account = Account({dimension: limit}, now=0.0)
    account.levels[0] = used
    shortage = account.shortage(Charge(requested, requested, requested, requested, requested))
    assert shortage is not None
    refusal = rate_limited(shortage, "m", "org_x", "on_demand", free=True)
    message = refusal.body.decode()
    assert f"Limit {limit}, Used {ceil(used)}, Requested {requested}. Please try again in {text}. Need more" in message
    assert refusal.retry_after_s == retry_after


def test_who_waits_the_announced_time_is_let_in() -> None:
    """The wait of a 429 is enough, and a hundredth of a second less is not."""
    for early_s, status in ((0.0, 200), (0.01, 429)):
        pretend = groq()
        pretend.limiter.set_level(ORG, MODEL, Dimension.TPM, 7990.0, 0.0)
        ask = body(max_completion_tokens=500)
        message = error(post(pretend, ask))["message"]
        wait_s = float(message.partition("try again in ")[2].partition("s.")[0])
        assert post(pretend, ask, now=wait_s - early_s).status == status


def test_rejected_request_costs_nothing_unless_told() -> None:
    """A 429 leaves every level as it was; with the switch it costs a request."""
    for costs in (False, True):
        pretend = groq(rejections_cost_requests=costs)
        pretend.limiter.set_level(ORG, MODEL, Dimension.TPM, 8000.0, 0.0)
        assert post(pretend, body()).status == 429
        assert pretend.level(ORG, MODEL, Dimension.RPD, 0.0) == (1.0 if costs else 0.0)
        assert pretend.level(ORG, MODEL, Dimension.TPM, 0.0) == 8000.0


@pytest.mark.parametrize(
    "mode, ask, output",
    [
        (Admission.PROMPT_PLUS_MAX, 5000, 5000),
        (Admission.PROMPT_PLUS_MAX, None, 2048),
        (Admission.PROMPT_ONLY, 5000, 0),
        (Admission.PROMPT_ONLY, None, 0),
        (Admission.PROMPT_PLUS_CAPPED, 5000, 2048),
        (Admission.PROMPT_PLUS_CAPPED, 100, 100),
    ],
)
def test_admission_mode_decides_what_is_reserved(mode: Admission, ask: int | None, output: int) -> None:
    """Each mode of groq-api 2.4 reserves what it says until the call ends."""
    pretend = groq(admission=mode)
    script = post(pretend, body(max_completion_tokens=ask))
    prompt = decoded(script)["usage"]["prompt_tokens"]
    assert pretend.level(ORG, MODEL, Dimension.TPM, 0.0) == prompt + output


def test_settlement_replaces_the_reservation_by_the_usage() -> None:
    """When the reply is sent, its headers show what it used, not what it asked for; a stream's show the reservation."""
    pretend = groq()
    whole = post(pretend, body(max_completion_tokens=4000))
    used = decoded(whole)["usage"]["total_tokens"]
    drained = whole.ends_at_s * 8000 / 60
    level = max(0.0, pretend.level(ORG, MODEL, Dimension.TPM, 0.0) - drained)
    expected = max(0.0, level + used - 4000 - decoded(whole)["usage"]["prompt_tokens"])
    assert int(sent(pretend, whole)["x-ratelimit-remaining-tokens"]) == int(8000 - expected)
    stream = post(groq(), body(max_completion_tokens=4000, stream=True))
    assert int(dict(stream.headers)["x-ratelimit-remaining-tokens"]) == 4000 - decoded(whole)["usage"]["prompt_tokens"]


def test_limit_headers_have_the_live_forms() -> None:
    """Six headers: requests are the day, tokens the minute; resets are Go durations cut to milliseconds."""
    pretend = groq()
    pretend.limiter.set_level(ORG, MODEL, Dimension.TPM, 344.0, 0.0)
    pretend.limiter.set_level(ORG, MODEL, Dimension.RPD, 177.0, 0.0)
    headers = dict(post(pretend, body(max_completion_tokens=60000)).headers)
    assert {name: value for name, value in headers.items() if "ratelimit" in name} == {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "823",
        "x-ratelimit-reset-requests": "4h14m52.8s",
        "x-ratelimit-limit-tokens": "8000",
        "x-ratelimit-remaining-tokens": "7656",
        "x-ratelimit-reset-tokens": "2.579s",
    }
    assert "retry-after" not in headers


@pytest.mark.parametrize("stream", [False, True])
def test_client_who_leaves_pays_for_what_was_generated(stream: bool) -> None:
    """Hanging up half way meters the prompt and half of the answer; before the first token only the prompt."""
    for share, least, most in ((0.0, 0, 0), (0.5, 95, 105), (2.0, 200, 200)):
        pretend = groq(organisation=rich())
        script = post(pretend, body("x [[tokens=200]]", stream=stream))
        call = pretend.limiter.calls[script.id]
        leaves_at = call.output_from + share * (call.output_until - call.output_from)
        written = call.used_by(leaves_at).output
        pretend.abandon(script.id, leaves_at)
        assert least <= written <= most
        assert not pretend.limiter.calls
        pretend.abandon(script.id, leaves_at)


def test_models_and_organisations_have_buckets_of_their_own() -> None:
    """Spending at one model leaves another full; two keys of an organisation share."""
    pretend = groq(keys={"a": ORG, "b": ORG, "c": "org_other"})
    ask = body(max_completion_tokens=7000)
    assert post(pretend, ask, key="a").status == 200
    assert post(pretend, ask, key="b").status == 429
    assert post(pretend, ask, key="c").status == 200
    assert post(pretend, ask | {"model": "openai/gpt-oss-20b"}, key="b").status == 200


def test_cached_prompt_tokens_are_credited_when_the_call_ends() -> None:
    """The same long prompt again reports cached tokens in whole blocks, and meters only the rest."""
    pretend = groq(organisation=rich(), cache_hit_probability=1.0)
    ask = body("A sentence that is repeated. " * 200)
    first = decoded(post(pretend, ask, now=0.0))["usage"]
    assert "prompt_tokens_details" not in first
    script = post(pretend, ask, now=10.0)
    second = decoded(script)["usage"]
    cached = second["prompt_tokens_details"]["cached_tokens"]
    assert cached > 0
    assert cached % 128 == 0
    assert pretend.limiter.calls[script.id].used_by(1e9).input == second["prompt_tokens"] - cached
    assert "prompt_tokens_details" not in decoded(post(pretend, ask, now=10.0 + 7201))["usage"]


def test_stranger_takes_its_share_of_every_bucket() -> None:
    """Over a minute a stranger with 30 % takes 30 % of the refill, in each dimension, at its own instants."""
    limits = {Dimension.RPM: 30, Dimension.RPD: 1000, Dimension.TPM: 8000, Dimension.TPD: 200000}
    looked, unseen = (Limiter(lambda *_: limits, (Stranger(ORG, 0.3, chunk_tokens=400),)) for _ in range(2))
    for second in range(61):
        looked.account(ORG, MODEL, float(second))
    assert looked.account(ORG, MODEL, 60.0).levels == pytest.approx(unseen.account(ORG, MODEL, 60.0).levels)
    account = looked.account(ORG, MODEL, 60.0)
    account.levels = [0.0] * 4
    account.rates = [0.0] * 4
    account.touch(180.0)
    levels = zip(limits.items(), account.levels, strict=True)
    taken = [level / limit * WINDOW_S[dimension] / 120 for (dimension, limit), level in levels]
    assert taken == pytest.approx([0.3] * 4, abs=0.02)


def test_stranger_is_refused_when_the_bucket_is_full() -> None:
    """Strangers who want more than the refill never lift a level above its limit."""
    limits = {Dimension.TPM: 1000}
    limiter = Limiter(lambda *_: limits, [Stranger(ORG, 0.9, chunk_tokens=400)] * 2)
    limiter.set_level(ORG, MODEL, Dimension.TPM, 1000.0, 0.0)
    levels = [limiter.level(ORG, MODEL, Dimension.TPM, at / 10) for at in range(1, 2000)]
    assert max(levels) <= 1000 + SLACK


STEPS = st.lists(
    st.tuples(st.floats(0, 20), st.integers(1, 3000), st.integers(1, 900), st.booleans()), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, share=st.sampled_from([0.0, 0.3]))
def test_no_level_ever_passes_its_limit(steps: list[tuple[float, int, int, bool]], share: float) -> None:
    """Whatever is asked, whenever, with strangers and clients who leave: levels stay within [0, limit]."""
    strangers = (Stranger(ORG, share),) if share else ()
    pretend = groq(strangers=strangers)
    now = 0.0
    for wait_s, ask, natural, leaves in steps:
        now += wait_s
        script = post(pretend, body(f"n [[tokens={natural}]]", max_completion_tokens=ask), now)
        account = pretend.limiter.account(ORG, MODEL, now)
        assert all(0 <= lv <= lim + SLACK for lv, lim in zip(account.levels, account.limits, strict=True))
        if leaves and script.status == 200:
            pretend.abandon(script.id, now)
    pretend.advance(now + 1000)
    assert not pretend.limiter.calls


def test_single_request_above_the_bucket_is_too_large() -> None:
    """More than an empty bucket holds is a 413 with Limit and Requested, and without retry-after."""
    script = post(groq(), body(max_completion_tokens=10000))
    assert script.status == 413
    found = error(script)
    assert found["type"] == "tokens"
    assert found["code"] == "rate_limit_exceeded"
    assert "on tokens per minute (TPM): Limit 8000, Requested 100" in found["message"]
    assert "retry-after" not in dict(script.headers)


def test_too_large_is_told_before_too_early() -> None:
    """A request that can never fit is a 413 even while another bucket would only make it wait."""
    pretend = groq()
    pretend.limiter.set_level(ORG, MODEL, Dimension.RPM, 30.0, 0.0)
    assert post(pretend, body()).status == 429
    assert post(pretend, body(max_completion_tokens=10000)).status == 413


def test_output_dimension_has_its_own_words_and_switch() -> None:
    """Where OTPM is what is too small, the text speaks of expected output; the status follows the switch."""
    ask = body(model="qwen/qwen3.8-27b", max_completion_tokens=4096)
    organisation = Organisation(limits={"*": {Dimension.TPM: 100000, Dimension.ITPM: 100000, Dimension.OTPM: 1000}})
    for status in (413, 429):
        script = post(groq(organisation=organisation, output_too_large_status=status), ask)
        assert script.status == status
        assert "(OTPM): Limit 1000, Requested 4096. The request's expected output tokens" in error(script)["message"]


def test_paid_organisation_gets_no_upgrade_tail() -> None:
    """Only free organisations are told to upgrade."""
    for plan, told in (("free", True), ("developer", False)):
        organisation = Organisation(plan=plan, limits={"*": {Dimension.TPM: 100}})
        message = error(post(groq(organisation=organisation), body()))["message"]
        assert ("Upgrade to Dev Tier today" in message) is told

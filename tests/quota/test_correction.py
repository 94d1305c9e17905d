"""What headers and error bodies teach the ledger."""

import msgspec
import pytest

from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Amounts, Deployment, Dimension, SeenLimits
from headgate.quota.answers import ChangeKind, Held, Short
from headgate.quota.correction import Note
from headgate.quota.ledger import Ledger

FREE = {Dimension.RPM: 30, Dimension.RPD: 1000, Dimension.TPM: 8000, Dimension.TPD: 200_000}
DEVELOPER = {Dimension.RPM: 1000, Dimension.RPD: 500_000, Dimension.TPM: 250_000}
HERE = Deployment.of("groq", "one", "openai/gpt-oss-20b")


def plan_for(_: Deployment, requests: int, tokens: int) -> dict[Dimension, int] | None:
    return {(1000, 8000): FREE, (500_000, 250_000): DEVELOPER}.get((requests, tokens))


def ledger() -> Ledger:
    return Ledger(lambda _: FREE, plan_for)


def seen(tokens_used: float, requests_used: int = 1, limits: tuple[int, int] = (1000, 8000)) -> SeenLimits:
    requests, tokens = limits
    return SeenLimits(
        limit_requests=requests,
        remaining_requests=requests - requests_used,
        limit_tokens=tokens,
        remaining_tokens=tokens - int(tokens_used),
    )


def level(books: Ledger, dimension: Dimension, now: float) -> float:
    row = next(row for row in books.view(HERE, now).rows if row.dimension is dimension)
    return row.limit - row.free


def limits(books: Ledger) -> dict[Dimension, int]:
    return {row.dimension: row.limit for row in books.view(HERE, 0.0).rows}


def send(books: Ledger, name: str, amounts: Amounts, now: float) -> Note:
    answer = books.reserve(HERE, name, amounts, now)
    assert isinstance(answer, Held)
    return answer.note


def buffered(books: Ledger, used: float, now: float, requests: int = 1) -> None:
    """One quiet call of 100 tokens whose reply shows this level."""
    amounts = Amounts(100, 0)
    note = send(books, f"r{now}", amounts, now)
    books.settle(f"r{now}", amounts, now)
    books.absorb_headers(HERE, seen(used, requests), note, at_stream_start=False, now=now)


def test_honest_header_changes_nothing() -> None:
    """What agrees within rounding leaves level and limits alone."""
    books = ledger()
    note = send(books, "a", Amounts(400, 600), 0.0)
    assert books.absorb_headers(HERE, seen(1000), note, at_stream_start=True, now=0.0) == []
    books.settle("a", Amounts(400, 100), 2.0)
    assert books.absorb_headers(HERE, seen(233), note, at_stream_start=False, now=2.0) == []


def test_upward_surprise_applies_at_once() -> None:
    """Someone else has spent 3,000: the next decision knows it."""
    books = ledger()
    note = send(books, "a", Amounts(400, 600), 0.0)
    changes = books.absorb_headers(HERE, seen(4000), note, at_stream_start=True, now=0.0)
    assert [(c.kind, c.dimension, c.after) for c in changes] == [(ChangeKind.LEVEL, Dimension.TPM, 4000.0)]
    assert isinstance(books.reserve(HERE, "b", Amounts(4100, 0), 0.0), Short)


def test_surprise_that_two_replies_show_is_applied_once() -> None:
    """A second reply to a call sent before the correction does not raise the level again."""
    books = ledger()
    first = send(books, "a", Amounts(100, 100), 0.0)
    second = send(books, "b", Amounts(100, 100), 0.0)
    books.absorb_headers(HERE, seen(1200), first, at_stream_start=True, now=0.0)
    books.absorb_headers(HERE, seen(1400, 2), second, at_stream_start=True, now=0.0)
    assert level(books, Dimension.TPM, 0.0) == 1400.0


def test_header_of_a_buffered_reply_may_be_from_admission() -> None:
    """It still holds the whole ask then, so it is no surprise although the settlement has lowered the level."""
    books = ledger()
    note = send(books, "a", Amounts(400, 4000), 0.0)
    books.settle("a", Amounts(400, 100), 0.0)
    assert books.absorb_headers(HERE, seen(4400), note, at_stream_start=False, now=0.0) == []
    assert level(books, Dimension.TPM, 0.0) == 500.0


def test_downward_surprise_applies_when_quiet() -> None:
    """Nobody else was in flight: the header is right and the ledger too high."""
    books = ledger()
    send(books, "lost", Amounts(100, 4000), 0.0)
    books.settle("lost", None, 0.0)
    buffered(books, 300, 0.0)
    assert level(books, Dimension.TPM, 0.0) == pytest.approx(325, abs=1)


def test_downward_surprise_waits_for_three_replies_in_traffic() -> None:
    """Two are not enough; the third applies the smallest of them."""
    books = ledger()
    send(books, "lost", Amounts(100, 4000), 0.0)
    books.settle("lost", None, 0.0)
    send(books, "open", Amounts(100, 0), 0.0)
    notes = [send(books, f"r{i}", Amounts(100, 0), 0.0) for i in range(3)]
    for i, note in enumerate(notes):
        now = 0.1 * i
        assert level(books, Dimension.TPM, now) == pytest.approx(4500.0, abs=30)
        books.absorb_headers(HERE, seen(1000 - 200 * i, 2 + i), note, at_stream_start=True, now=now)
    assert level(books, Dimension.TPM, 0.2) == pytest.approx(1250.0, abs=50)


def test_replies_of_one_burst_are_one_witness() -> None:
    """Three that come together saw the same moment: they do not agree with each other, they are the same word."""
    books = ledger()
    send(books, "lost", Amounts(100, 4000), 0.0)
    books.settle("lost", None, 0.0)
    send(books, "open", Amounts(100, 0), 0.0)
    for i, note in enumerate([send(books, f"r{i}", Amounts(100, 0), 0.0) for i in range(3)]):
        books.absorb_headers(HERE, seen(1000, 2 + i), note, at_stream_start=True, now=0.0)
    assert level(books, Dimension.TPM, 0.0) == 4500.0


def test_one_agreeing_reply_breaks_a_row_of_lower_ones() -> None:
    """Three must come in a row."""
    books = ledger()
    send(books, "open", Amounts(100, 0), 0.0)
    for i, used in enumerate((100, 100, None, 100, 100)):
        note = send(books, f"r{i}", Amounts(1000, 0), 0.0)
        shown = level(books, Dimension.TPM, 0.0) if used is None else used
        books.absorb_headers(HERE, seen(shown, 2 + i), note, at_stream_start=True, now=0.0)
    assert level(books, Dimension.TPM, 0.0) == 5100.0


@pytest.mark.parametrize(
    "lie",
    [
        SeenLimits(limit_tokens=8000, remaining_tokens=9000),
        SeenLimits(limit_tokens=8000, remaining_tokens=-5),
        SeenLimits(limit_tokens=-1, remaining_tokens=0),
        SeenLimits(limit_tokens=0, remaining_tokens=0),
        SeenLimits(limit_requests=1000, remaining_requests=1001),
        SeenLimits(limit_requests=10, remaining_requests=-3),
        SeenLimits(limit_requests=10, remaining_requests=11, limit_tokens=10, remaining_tokens=11),
        SeenLimits(),
    ],
)
def test_header_that_cannot_be_true_is_ignored(lie: SeenLimits) -> None:
    """More left than the limit, less than nothing, or nothing at all changes neither limit nor level."""
    books = ledger()
    note = send(books, "a", Amounts(400, 600), 0.0)
    assert books.absorb_headers(HERE, lie, note, at_stream_start=True, now=0.0) == []
    assert limits(books) == FREE
    assert level(books, Dimension.TPM, 0.0) == 1000.0


def test_pair_of_limits_selects_the_plan() -> None:
    """The limits that no header shows come with the plan; TPD is not limited on this one."""
    books = ledger()
    note = send(books, "a", Amounts(400, 600), 0.0)
    books.absorb_headers(HERE, seen(1000, 1, (500_000, 250_000)), note, at_stream_start=True, now=0.0)
    assert limits(books) == DEVELOPER
    assert level(books, Dimension.TPM, 0.0) == 1000.0


def test_unknown_pair_leaves_hidden_dimensions_unlimited_until_a_body_states_one() -> None:
    """Nothing is assumed of what no header shows; a 429 teaches limit and level, and later headers keep it."""
    books = ledger()
    pair = (777, 9000)
    note = send(books, "a", Amounts(400, 600), 0.0)
    books.absorb_headers(HERE, seen(1000, 1, pair), note, at_stream_start=True, now=0.0)
    assert limits(books) == {Dimension.RPD: 777, Dimension.TPM: 9000}
    books.settle("a", None, 0.0)
    body = Failure(FailureKind.REQUESTS_PER_MINUTE, 429, dimension=Dimension.RPM, limit=20, used=20, requested=1)
    books.absorb_failure(HERE, body, 0.0)
    assert limits(books)[Dimension.RPM] == 20
    assert books.wait_s(HERE, Amounts(1, 1), 0.0) == pytest.approx(3.0, abs=1e-4)
    note = send(books, "b", Amounts(400, 600), 5.0)
    books.absorb_headers(HERE, seen(1900, 2, pair), note, at_stream_start=True, now=5.0)
    assert limits(books)[Dimension.RPM] == 20


def test_limit_from_a_body_only_tightens_until_a_header_says_otherwise() -> None:
    """A larger limit in a body is not believed; a smaller one is, until the next header."""
    books = ledger()
    note = send(books, "a", Amounts(400, 600), 0.0)
    books.absorb_headers(HERE, seen(1000), note, at_stream_start=True, now=0.0)
    body = Failure(FailureKind.TOKENS_PER_MINUTE, 429, dimension=Dimension.TPM, limit=12_000, used=7000, requested=9000)
    books.absorb_failure(HERE, body, 0.0)
    assert limits(books)[Dimension.TPM] == 8000
    books.absorb_failure(HERE, msgspec.structs.replace(body, limit=6000, requested=100), 0.0)
    assert limits(books)[Dimension.TPM] == 6000
    books.absorb_headers(HERE, seen(7000), note, at_stream_start=True, now=0.0)
    assert limits(books) == FREE


def test_body_sets_the_level_at_once() -> None:
    """A 429 says how full the bucket is: the wait that follows is the announced one."""
    books = ledger()
    note = send(books, "a", Amounts(883, 5000), 0.0)
    books.release("a", 0.1, keep_request=False)
    body = Failure(
        FailureKind.TOKENS_PER_MINUTE,
        429,
        dimension=Dimension.TPM,
        limit=8000,
        used=6670,
        requested=5883,
        wait_s=34.1475,
    )
    books.absorb_failure(HERE, body, 0.1, note)
    assert books.wait_s(HERE, Amounts(883, 5000), 0.1) == pytest.approx(34.1475, abs=0.01)


def test_body_counts_what_was_sent_after_the_refused_call() -> None:
    """`used` is exact at the refusal; a call sent since is on top of it."""
    books = ledger()
    note = send(books, "a", Amounts(1000, 1000), 0.0)
    send(books, "later", Amounts(500, 500), 0.0)
    books.release("a", 0.0, keep_request=False)
    body = Failure(FailureKind.TOKENS_PER_MINUTE, 429, dimension=Dimension.TPM, limit=8000, used=6500, requested=2000)
    books.absorb_failure(HERE, body, 0.0, note)
    assert level(books, Dimension.TPM, 0.0) == 7500.0


def test_too_large_request_cools_nothing() -> None:
    """A 413 is about one request: limits may tighten, everybody else goes on."""
    books = ledger()
    body = Failure(
        FailureKind.REQUEST_TOO_LARGE, 413, dimension=Dimension.OTPM, limit=1000, requested=4096, wait_s=19.0
    )
    books.absorb_failure(HERE, body, 0.0)
    assert limits(books)[Dimension.OTPM] == 1000
    assert isinstance(books.reserve(HERE, "a", Amounts(10, 900), 0.0), Held)
    assert isinstance(books.reserve(HERE, "b", Amounts(10, 1001), 0.0), Short)


def test_no_request_left_today_cools_until_one_is_back() -> None:
    """RPD at 0: one of 1,000 requests comes back after 86.4 s, as the announced reset of the whole says."""
    books = ledger()
    note = send(books, "a", Amounts(10, 10), 0.0)
    shown = msgspec.structs.replace(seen(20, 1000), reset_requests_s=86_400.0)
    changes = books.absorb_headers(HERE, shown, note, at_stream_start=True, now=0.0)
    assert ChangeKind.COOLED in [change.kind for change in changes]
    assert isinstance(books.reserve(HERE, "b", Amounts(1, 1), 86.3), Short)
    assert isinstance(books.reserve(HERE, "b", Amounts(1, 1), 86.5), Held)


def test_requests_of_others_fill_the_minute_too() -> None:
    """RPM has no header: what the day's count shows of others counts there."""
    books = ledger()
    buffered(books, 100, 0.0)
    buffered(books, 100, 60.0, requests=22)
    assert level(books, Dimension.RPM, 60.0) >= 20.0


def test_learned_outside_rate_slows_decisions_and_decays() -> None:
    """While others spend the ledger waits longer than the refill alone says; when they stop it forgets them."""
    books = ledger()
    own, stranger = 100.0, 60.0
    total, now = 0.0, 0.0
    for _ in range(30):
        now += 4.0
        total = max(0.0, total - 4.0 * 8000 / 60) + 4.0 * stranger + own
        total = max(total, 4.0 * stranger + own)
        buffered(books, total, now)
    assert 0.0 < books.outside_tokens_per_s(HERE) <= 80.0
    room = books.room(HERE, 0, now)
    assert books.wait_s(HERE, Amounts(room + 1000, 0), now) > 1000 / (8000 / 60) * 1.2
    for _ in range(40):
        now += 4.0
        buffered(books, own, now)
    assert books.outside_tokens_per_s(HERE) == 0.0


def test_first_header_teaches_the_level_but_no_rate() -> None:
    """What was spent before we came is not spending beside us."""
    books = ledger()
    buffered(books, 5000, 100.0)
    assert books.outside_tokens_per_s(HERE) == 0.0
    assert level(books, Dimension.TPM, 100.0) >= 5000.0


def test_audio_header_corrects_the_hour() -> None:
    """Audio seconds are shown by a header of their own."""
    books = Ledger(lambda _: {Dimension.ASH: 7200, Dimension.RPM: 20})
    answer = books.reserve(HERE, "a", Amounts(audio_s=60), 0.0)
    assert isinstance(answer, Held)
    shown = SeenLimits(limit_audio_s=3600, remaining_audio_s=3000)
    books.absorb_headers(HERE, shown, answer.note, at_stream_start=True, now=0.0)
    assert limits(books)[Dimension.ASH] == 3600
    assert level(books, Dimension.ASH, 0.0) == 600.0


def test_header_that_shows_less_than_a_call_held_is_from_after_its_settlement() -> None:
    """However often replies showed the level before settlement: one that shows less than the call's own reservation
    cannot hold it, so the level is lowered to what is shown and not below."""
    books = ledger()
    now = 0.0
    for turn in range(12):  # an upstream that settles late: each reply still holds its whole reservation
        now += 30.0
        amounts = Amounts(100, 900)
        note = send(books, f"late{turn}", amounts, now)
        held = level(books, Dimension.TPM, now)
        books.settle(f"late{turn}", Amounts(100, 20), now)
        books.absorb_headers(HERE, seen(held), note, at_stream_start=False, now=now)
    now += 30.0
    send(books, "unknown", Amounts(1000, 1500), now)
    books.settle("unknown", None, now)
    now += 7.0
    note = send(books, "known", Amounts(2000, 4000), now)
    books.settle("known", Amounts(200, 200), now)
    assert level(books, Dimension.TPM, now) > 1900
    books.absorb_headers(HERE, seen(600), note, at_stream_start=False, now=now)
    assert level(books, Dimension.TPM, now) >= 590

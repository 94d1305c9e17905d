"""Reserve, settle, release, room, merge, snapshot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.limits import Amounts, Deployment, Dimension, SeenLimits
from headgate.domain.time import NEVER
from headgate.quota.answers import Held, Short
from headgate.quota.cooldown import CooldownSource
from headgate.quota.correction import AGREEING_REPLIES
from headgate.quota.ledger import Ledger
from headgate.quota.meter import UNLIMITED_TOKENS

FREE = {Dimension.RPM: 30, Dimension.RPD: 1000, Dimension.TPM: 8000, Dimension.TPD: 200_000}
QWEN = {**FREE, Dimension.ITPM: 7000, Dimension.OTPM: 1000}
HERE = Deployment.of("groq", "one", "openai/gpt-oss-20b")
THERE = Deployment.of("groq", "two", "openai/gpt-oss-20b")


def ledger(limits: dict[Dimension, int] | None = None) -> Ledger:
    return Ledger(lambda _: FREE if limits is None else limits)


def free(books: Ledger, dimension: Dimension, now: float, at: Deployment = HERE) -> float:
    return next(row.free for row in books.view(at, now).rows if row.dimension is dimension)


def held(answer: Held | Short) -> Held:
    assert isinstance(answer, Held), answer
    return answer


def test_reservation_is_all_dimensions_or_nothing() -> None:
    """What is short in one dimension takes nothing from the others, and says which and until when."""
    books = ledger()
    held(books.reserve(HERE, "a", Amounts(3000, 4000), 0.0))
    short = books.reserve(HERE, "b", Amounts(500, 1500), 0.0)
    assert isinstance(short, Short)
    assert short.dimension is Dimension.TPM
    assert short.until == pytest.approx(7.5, abs=1e-5)
    assert free(books, Dimension.RPM, 0.0) == 29
    assert free(books, Dimension.TPM, 0.0) == 1000


def test_note_shows_the_visible_levels_with_this_reservation() -> None:
    """The note carries TPM and RPD as a header would show them, and who else was open."""
    books = ledger()
    held(books.reserve(HERE, "a", Amounts(100, 200), 0.0))
    note = held(books.reserve(HERE, "b", Amounts(10, 20), 0.0)).note
    assert (note.tokens, note.requests, note.others, note.input_in_flight) == (330.0, 2.0, 1, 110)


def test_same_reservation_id_gets_the_first_answer() -> None:
    """A repeated reserve books nothing twice."""
    books = ledger()
    first = books.reserve(HERE, "a", Amounts(100, 200), 0.0)
    assert books.reserve(HERE, "a", Amounts(100, 200), 5.0) == first
    assert books.open_count(HERE) == 1
    assert free(books, Dimension.TPM, 0.0) == 7700


def test_more_than_a_limit_fits_never() -> None:
    """Such a request is told so at once instead of waiting."""
    answer = ledger().reserve(HERE, "a", Amounts(4000, 4001), 0.0)
    assert answer == Short(NEVER, Dimension.TPM, fits_never=True)


def test_settlement_gives_back_what_was_not_used() -> None:
    """The difference is free again; cached prompt tokens that were not metered too."""
    books = ledger()
    books.reserve(HERE, "a", Amounts(1000, 4000), 0.0)
    assert books.settle("a", Amounts(400, 100), 0.0) == 0
    assert free(books, Dimension.TPM, 0.0) == 7500
    assert free(books, Dimension.RPM, 0.0) == 29
    assert books.open_count(HERE) == 0


def test_unknown_usage_keeps_the_whole_reservation_booked() -> None:
    """What nobody reported is taken for spent."""
    books = ledger()
    books.reserve(HERE, "a", Amounts(1000, 4000), 0.0)
    books.settle("a", None, 0.0)
    assert free(books, Dimension.TPM, 0.0) == 3000


def test_overrun_is_booked_and_counted() -> None:
    """Tokens above the reservation come out of the next window."""
    books = ledger()
    books.reserve(HERE, "a", Amounts(1000, 6000), 0.0)
    assert books.settle("a", Amounts(2500, 6000), 0.0) == 1500
    assert books.overruns(HERE) == (1, 1500)
    assert free(books, Dimension.TPM, 0.0) == -500
    assert books.wait_s(HERE, Amounts(1, 0), 0.0) == pytest.approx(501 * 60 / 8000, abs=1e-5)


@pytest.mark.parametrize("keep_request, requests_left", [(True, 29), (False, 30)])
def test_release_returns_tokens_and_perhaps_the_request(keep_request: bool, requests_left: int) -> None:
    """A call refused before generation used no token; whether it used a request is the caller's to say."""
    books = ledger()
    books.reserve(HERE, "a", Amounts(1000, 4000), 0.0)
    books.release("a", 0.0, keep_request=keep_request)
    assert free(books, Dimension.TPM, 0.0) == 8000
    assert free(books, Dimension.RPM, 0.0) == requests_left


def test_second_end_of_a_reservation_is_a_defect() -> None:
    """Nothing is settled twice, nor what was never reserved."""
    books = ledger()
    books.reserve(HERE, "a", Amounts(10, 10), 0.0)
    books.settle("a", None, 0.0)
    with pytest.raises(AssertionError):
        books.settle("a", None, 0.0)
    with pytest.raises(AssertionError):
        books.release("b", 0.0, keep_request=False)


def test_dimension_without_a_limit_is_unlimited() -> None:
    """Without token limits any output fits; requests still count."""
    books = ledger({Dimension.RPM: 1})
    assert books.room(HERE, 10**9, 0.0) == UNLIMITED_TOKENS
    held(books.reserve(HERE, "a", Amounts(10**9, 10**9), 0.0))
    assert books.room(HERE, 1, 0.0) == -1


@pytest.mark.parametrize(
    "input_tokens, room, ceiling",
    [(0, 900, 1000), (6000, 900, 1000), (6500, 701, 900), (6901, 300, 499), (6902, -1, 498), (7001, -1, -1)],
)
def test_room_looks_at_every_token_dimension(input_tokens: int, room: int, ceiling: int) -> None:
    """Input, output and both together each have their limit; the ceiling is the same on empty buckets."""
    books = ledger({**QWEN, Dimension.TPM: 7400})
    books.reserve(HERE, "a", Amounts(99, 100), 0.0)
    books.settle("a", None, 0.0)
    assert books.room(HERE, input_tokens, 0.0) == room
    assert books.ceiling(HERE, input_tokens) == ceiling


@given(
    spent=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 900)), max_size=6),
    later=st.floats(0.0, 100.0),
    ask=st.integers(0, 7500),
)
def test_room_is_exactly_what_can_be_reserved(spent: list[tuple[int, int]], later: float, ask: int) -> None:
    """A request of the room's size is granted, one token more is not."""
    books = ledger(QWEN)
    for i, (taken, made) in enumerate(spent):
        books.reserve(HERE, f"s{i}", Amounts(taken, made), 0.0)
    room = books.room(HERE, ask, later)
    assert isinstance(books.reserve(HERE, "more", Amounts(ask, room + 1), later), Short)
    if room >= 0:
        held(books.reserve(HERE, "fits", Amounts(ask, room), later))


@given(
    spent=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 900)), max_size=6),
    later=st.floats(-10.0, 100.0),
    ask=st.tuples(st.integers(0, 7500), st.integers(0, 1000)),
)
def test_what_surely_fits_is_granted(spent: list[tuple[int, int]], later: float, ask: tuple[int, int]) -> None:
    """The quick look says yes only to what the ledger grants, and never while a deployment cools; where nothing has
    drained it says all that `room` says."""
    books = ledger(QWEN)
    for i, (taken, made) in enumerate(spent):
        books.reserve(HERE, f"s{i}", Amounts(taken, made), 0.0)
    assert books.surely_fits(HERE, *ask, 0.0) == (books.room(HERE, ask[0], 0.0) >= ask[1])
    fits = books.surely_fits(HERE, *ask, later)
    assert not fits or books.room(HERE, ask[0], later) >= ask[1]
    if fits:
        held(books.reserve(HERE, "more", Amounts(*ask), later))
    books.cool(HERE, later + 1.0, CooldownSource.GUESSED, later, "test")
    assert not books.surely_fits(HERE, 1, 1, later)


@given(
    spent=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 900)), max_size=8),
    ask=st.tuples(st.integers(0, 7000), st.integers(0, 1000)),
    origin=st.sampled_from([0.0, 1e6, 1.8e9]),
)
def test_wait_ends_in_a_grant(spent: list[tuple[int, int]], ask: tuple[int, int], origin: float) -> None:
    """After the wait that was told the same amounts are granted, also on a scale of large numbers."""
    books = ledger(QWEN)
    for i, (taken, made) in enumerate(spent):
        books.reserve(HERE, f"s{i}", Amounts(taken, made), origin)
    wait_s = books.wait_s(HERE, Amounts(*ask), origin)
    if wait_s == NEVER:
        assert sum(ask) > 8000
        return
    held(books.reserve(HERE, "ask", Amounts(*ask), origin + wait_s))
    books.check(origin + wait_s)


def test_questions_change_nothing() -> None:
    """Views, waits and rooms may be asked any number of times between two changes."""
    books = ledger()
    books.reserve(HERE, "a", Amounts(100, 5000), 0.0)
    before = books.snapshot()
    for now in (1.0, 7.3, 2.0):
        books.wait_s(HERE, Amounts(5000, 100), now)
        books.room(HERE, 10, now)
        books.surely_fits(HERE, 10, 10, now)
        books.cooldown(HERE, now)
        books.view(HERE, now)
    assert books.snapshot() == before


def test_merged_organisations_share_the_higher_level() -> None:
    """Two keys turn out to be one organisation: one bucket, reservations of both stay open and end there."""
    books = ledger()
    held(books.reserve(HERE, "a", Amounts(1000, 2000), 0.0))
    held(books.reserve(THERE, "b", Amounts(1000, 4000), 0.0))
    books.merge("groq", "two", "one", 0.0)
    assert books.canonical(THERE) == HERE
    assert books.open_count(HERE) == books.open_count(THERE) == 2
    assert free(books, Dimension.TPM, 0.0) == free(books, Dimension.TPM, 0.0, THERE) == 3000
    books.check(0.0)
    books.settle("b", Amounts(1000, 0), 0.0)
    books.settle("a", None, 0.0)
    assert books.open_count(HERE) == 0
    assert free(books, Dimension.TPM, 0.0, THERE) == 7000
    books.check(0.0)


def test_merge_holds_for_models_seen_later_and_through_chains() -> None:
    """A third name that leads to the second ends at the first; new models follow; a cooldown comes along."""
    books = ledger()
    third = Deployment.of("groq", "three", HERE.model)
    books.cool(third, 50.0, CooldownSource.ANNOUNCED, 0.0, "429")
    books.merge("groq", "three", "two", 0.0)
    books.merge("groq", "two", "one", 0.0)
    books.merge("groq", "one", "three", 0.0)
    assert books.reserve(HERE, "a", Amounts(1, 1), 0.0) == Short(50.0)
    new = Deployment.of("groq", "three", "qwen/qwen3.8-27b")
    held(books.reserve(new, "b", Amounts(1, 1), 0.0))
    assert books.open_count(Deployment.of("groq", "one", "qwen/qwen3.8-27b")) == 1
    assert books.canonical(new).organisation == "one"
    restored = ledger()
    restored.restore(books.snapshot())
    assert restored.open_count(new) == 1
    restored.check(0.0)


def test_idle_deployments_are_forgotten_beyond_the_cap() -> None:
    """The map of deployments has a bound; what has something open stays."""
    books = Ledger(lambda _: FREE, max_deployments=10)
    held(books.reserve(HERE, "a", Amounts(1, 1), 0.0))
    for i in range(50):
        books.wait_s(Deployment.of("groq", f"o{i}", "m"), Amounts(1, 1), 0.0)
    assert len(books._books.meters) <= 10
    assert books.open_count(HERE) == 1
    books.settle("a", None, 0.0)
    books.check(0.0)


def test_release_after_headers_had_corrected_the_call_away_gives_nothing_back_twice() -> None:
    """A call that never reached the provider is missing in its headers: what they lowered is not given back again."""
    books = Ledger(lambda _: FREE, lambda *_: FREE)
    held(books.reserve(HERE, "stuck", Amounts(500, 1500), 0.0))
    for number in range(AGREEING_REPLIES):
        now = 0.1 * number
        note = held(books.reserve(HERE, f"ok{number}", Amounts(100, 100), now)).note
        books.settle(f"ok{number}", Amounts(100, 100), now + 0.05)
        left = 8000 - 200 * (number + 1) + int(now * 8000 / 60)
        seen = SeenLimits(1000, 999, None, 8000, left)
        books.absorb_headers(HERE, seen, note, at_stream_start=False, now=now + 0.05)
    known = free(books, Dimension.TPM, 0.25)
    assert 7100 < known < 7500
    books.release("stuck", 0.25, keep_request=False)
    assert known <= free(books, Dimension.TPM, 0.25) < 7500
    assert free(books, Dimension.TPD, 0.25) == pytest.approx(200_000 - 600, abs=1)

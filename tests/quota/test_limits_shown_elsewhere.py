"""Dimensions that only other providers' headers show: metered from the first reply on, without any plan."""

import pytest

from headgate.domain.limits import Amounts, Deployment, Dimension, SeenBucket, SeenLimits
from headgate.domain.time import NEVER
from headgate.quota.answers import Held
from headgate.quota.bucket import REQUESTS
from headgate.quota.correction import Note
from headgate.quota.ledger import Ledger

D = Dimension
HERE = Deployment.of("mistral", "key-m", "mistral/mistral-small-latest")
CALL = Amounts(100, 50)


def unlimited() -> Ledger:
    """No plan and no limits are known, as of any provider but Groq."""
    return Ledger(lambda _: {})


def sent(books: Ledger, name: str, now: float = 0.0) -> Note:
    answer = books.reserve(HERE, name, CALL, now)
    assert isinstance(answer, Held)
    return answer.note


def replied(books: Ledger, name: str, note: Note, left: int, now: float, limit: int = 60) -> None:
    """The reply of a call that shows this many requests left in the minute."""
    books.settle(name, CALL, now)
    shown = SeenLimits(others=(SeenBucket(D.RPM, limit, left),))
    books.absorb_headers(HERE, shown, note, at_stream_start=False, now=now)


def level(books: Ledger, now: float) -> float:
    (row,) = (row for row in books.view(HERE, now).rows if row.dimension is D.RPM)
    return row.limit - row.free


def test_unlimited_until_the_first_reply_and_metered_after_it() -> None:
    """The first reply makes the bucket, at the level it shows and with what is on its way."""
    books = unlimited()
    first, second = sent(books, "a"), sent(books, "b")
    assert books.view(HERE, 0.0).rows == ()
    replied(books, "a", first, 58, 0.0)
    (row,) = books.view(HERE, 0.0).rows
    assert (row.dimension, row.limit, row.selector) == (D.RPM, 60, REQUESTS)
    assert level(books, 0.0) == 2.0
    replied(books, "b", second, 58, 0.0)
    assert level(books, 0.0) == 2.0
    books.check(0.0)


def test_a_spent_minute_is_waited_for() -> None:
    """Whatever spent it, the next call waits until one request has come back."""
    books = unlimited()
    replied(books, "a", sent(books, "a"), 0, 0.0)
    assert books.wait_s(HERE, CALL, 0.0) == pytest.approx(1.0, abs=0.01)
    assert books.wait_s(HERE, CALL, 1.1) == 0.0


def test_others_spending_counts_at_once_and_rest_is_believed_when_quiet() -> None:
    """Upward whoever is in flight; downward only when nobody is, as for the other buckets."""
    books = unlimited()
    replied(books, "a", sent(books, "a"), 59, 0.0)
    note = sent(books, "b")
    replied(books, "b", note, 20, 0.0)
    assert level(books, 0.0) == 40.0
    note, other = sent(books, "c"), sent(books, "d")
    replied(books, "c", note, 50, 0.0)
    assert level(books, 0.0) == 42.0, "another call was in flight"
    replied(books, "d", other, 50, 0.0)
    assert level(books, 0.0) == 42.0, "there was one when it was sent"
    replied(books, "e", sent(books, "e"), 50, 0.0)
    assert level(books, 0.0) == 10.0


def test_a_limit_that_changes_is_taken() -> None:
    """A larger account has a larger bucket, without a word from the operator."""
    books = unlimited()
    replied(books, "a", sent(books, "a"), 59, 0.0)
    replied(books, "b", sent(books, "b"), 598, 0.0, limit=600)
    (row,) = books.view(HERE, 0.0).rows
    assert row.limit == 600


@pytest.mark.parametrize(
    "shown",
    [
        SeenBucket(D.RPM),
        SeenBucket(D.RPM, 60, 61),
        SeenBucket(D.RPM, 0, 0),
        SeenBucket(D.RPM, -5, -6),
        SeenBucket(D.RPM, None, 3),
    ],
)
def test_what_makes_no_sense_makes_no_bucket(shown: SeenBucket) -> None:
    """A limit of nothing, more left than there is, half a pair: the deployment stays unlimited."""
    books = unlimited()
    note = sent(books, "a")
    books.settle("a", CALL, 0.0)
    books.absorb_headers(HERE, SeenLimits(others=(shown,)), note, at_stream_start=False, now=0.0)
    assert books.view(HERE, 0.0).rows == ()
    assert books.wait_s(HERE, CALL, 0.0) < NEVER


def test_tokens_beside_them_keep_their_own_bucket() -> None:
    """What `SeenLimits` could always say goes on as before, and the books come back from their snapshot equal."""
    books = unlimited()
    note = sent(books, "a")
    books.settle("a", CALL, 0.0)
    shown = SeenLimits(limit_tokens=8000, remaining_tokens=7850, others=(SeenBucket(D.RPM, 60, 59),))
    books.absorb_headers(HERE, shown, note, at_stream_start=False, now=0.0)
    assert {row.dimension: row.limit for row in books.view(HERE, 0.0).rows} == {D.RPM: 60, D.TPM: 8000}
    again = unlimited()
    again.restore(books.snapshot())
    assert again.view(HERE, 0.0) == books.view(HERE, 0.0)

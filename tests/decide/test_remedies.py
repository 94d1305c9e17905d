"""The remedy table is total, ends every row, and says what is not built yet."""

import itertools

import pytest

from headgate.decide.remedies import NEEDS, NOT_YET, ROWS, Remedy, Situation, choose, not_available_yet
from headgate.decide.remedying import _FLAGS, _METHODS
from headgate.domain.failure import FailureKind

FINAL = {Remedy.REFUSE, Remedy.ERROR_EVENT, Remedy.ABANDON}


def every_relevant_situation(kind: FailureKind) -> list[Situation]:
    """All combinations of the flags that the row's remedies ask about."""
    asked = Situation.NONE
    for remedy in ROWS[kind].remedies:
        asked |= NEEDS.get(remedy, Situation.NONE)
    flags = list(asked)
    return [
        Situation(sum(flag.value for flag in chosen))
        for count in range(len(flags) + 1)
        for chosen in itertools.combinations(flags, count)
    ]


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_failure_in_every_situation(kind: FailureKind) -> None:
    """Exactly one remedy comes out: the first of the row whose needs are met; and it has a method in the machine."""
    for situation in every_relevant_situation(kind):
        remedy = choose(kind, situation)
        assert remedy in ROWS[kind].remedies
        assert NEEDS[remedy] in situation
        earlier = ROWS[kind].remedies[: ROWS[kind].remedies.index(remedy)]
        assert all(r in NOT_YET or NEEDS[r] not in situation for r in earlier)
        assert remedy in _METHODS


@pytest.mark.parametrize("kind", list(FailureKind))
def test_nothing_is_possible(kind: FailureKind) -> None:
    """With no flag at all the row still ends, without a call."""
    assert choose(kind, Situation.NONE) in FINAL


def test_each_remedy_is_either_built_or_named_as_later_work() -> None:
    """No remedy is both, none is neither, and every flag that a remedy needs is computed by the machine."""
    assert NEEDS.keys() | NOT_YET.keys() == set(Remedy)
    assert not NEEDS.keys() & NOT_YET.keys()
    computed = Situation.NONE
    for flag, _ in _FLAGS:
        computed |= flag
    assert all(needs in computed for needs in NEEDS.values())


def test_places_that_are_not_built() -> None:
    """The count of places not available yet, by the issue of their row in design 6; it must only ever go down."""
    assert not_available_yet() == {"foundation": 1}


@pytest.mark.parametrize("kind", [FailureKind.BAD_REQUEST, FailureKind.STREAM_BROKE_LATE, FailureKind.NO_KEY_LEFT])
def test_rows_without_another_call(kind: FailureKind) -> None:
    """Bad requests, streams that broke after a token, and an empty pool are never called again, whatever is free."""
    everything = Situation(sum(flag.value for flag in Situation))
    for situation in (*every_relevant_situation(kind), everything):
        remedy = choose(kind, situation)
        assert Situation.CALLS_LEFT not in NEEDS[remedy]

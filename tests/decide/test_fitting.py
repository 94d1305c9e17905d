"""What is kept of pieces that do not all fit: whole ones first, then shares, and never more than there is room for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.decide.fitting import Piece, most, share_out
from headgate.decide.learned import Learned, PromptLine

P = Piece


@pytest.mark.parametrize(
    "pieces, room, in_a_row, expected",
    [
        ((P(10, 10), P(20, 20)), 30, False, (10, 20)),
        ((P(10, 10, rank=2), P(20, 20, rank=1)), 25, False, (0, 20)),
        ((P(10, 2), P(90, 5), P(90, 5)), 60, False, (10, 25, 25)),
        ((P(10, 2), P(90, 30), P(90, 30)), 60, False, (10, 50, 0)),
        ((P(90, 5), P(10, 2)), 15, False, (5, 10)),
        ((P(90, 90), P(10, 10)), 15, False, (0, 10)),
        ((P(50, 50, rank=0, required=True), P(30, 5, rank=1)), 60, False, (50, 10)),
        ((P(50, 10, required=True), P(30, 5, rank=1)), 40, False, (40, 0)),
        ((P(50, 45, required=True), P(50, 5, required=True)), 60, False, (50, 10)),
        ((P(50, 45, required=True), P(50, 5, required=True)), 52, False, (45, 7)),
        ((P(50, 45, required=True),), 40, False, None),
        # a conversation: the newest has the lowest rank, and nothing before the first that does not fit is kept
        ((P(5, 5, rank=3), P(40, 40, rank=2), P(10, 10, rank=1)), 20, True, (0, 0, 10)),
        ((P(5, 5, rank=3), P(40, 4, rank=2), P(10, 10, rank=1)), 20, True, (0, 10, 10)),
        ((), 5, False, ()),
    ],
)
def test_shares(pieces: tuple[Piece, ...], room: float, *, in_a_row: bool, expected: tuple[float, ...] | None) -> None:
    """Required pieces, then whole ones by rank, then what is left is shared."""
    assert share_out(pieces, room, in_a_row=in_a_row) == expected


weights = st.floats(0, 1000, allow_nan=False)


@st.composite
def some_pieces(draw: st.DrawFn) -> list[Piece]:
    found = []
    for _ in range(draw(st.integers(0, 8))):
        whole = draw(weights)
        least = draw(st.floats(0, 1)) * whole
        found.append(P(whole, least, draw(st.integers(0, 5)), draw(st.booleans())))
    return found


@given(some_pieces(), st.floats(0, 3000), st.booleans())
def test_room_is_kept(pieces: list[Piece], room: float, in_a_row: bool) -> None:
    """Nobody gets more than the whole, none that is cut less than its least, no required one nothing, and all together
    no more than the room; None only where the least of what is required is more."""
    given_ = share_out(pieces, room, in_a_row=in_a_row)
    least = sum(piece.least for piece in pieces if piece.required)
    if given_ is None:
        assert least > room - 1e-6
        return
    assert sum(given_) <= room + 1e-6
    for piece, share in zip(pieces, given_, strict=True):
        assert share <= piece.weight
        if piece.required or share > 0:
            assert share >= piece.least - 1e-6


@given(some_pieces(), st.booleans())
def test_what_fits_is_left_alone(pieces: list[Piece], in_a_row: bool) -> None:
    """With room for everything every piece is whole."""
    assert share_out(pieces, sum(piece.weight for piece in pieces) + 1, in_a_row=in_a_row) == tuple(
        piece.weight for piece in pieces
    )


@given(
    st.lists(st.tuples(st.floats(1, 50_000), st.integers(1, 60_000)), max_size=30),
    st.integers(0, 200_000),
)
def test_weight_within_turns_the_estimate_round(seen: list[tuple[float, int]], tokens: int) -> None:
    """The heaviest prompt within a number of tokens is estimated at no more, and one a little heavier at more."""
    learned = Learned()
    line = learned.prompts["m"] = PromptLine()
    for at, had in seen:
        line.learn(at, had)
    weight = learned.weight_within("m", tokens)
    if weight > 0:
        assert learned.prompt_tokens("m", weight) <= tokens
    assert learned.prompt_tokens("m", weight * 1.001 + 3.0) > tokens


@pytest.mark.parametrize("highest, true_up_to, expected", [(10, 4, 4), (10, 0, 0), (10, 99, 10), (0, 5, 0)])
def test_most(highest: int, true_up_to: int, expected: int) -> None:
    """The largest number for which it holds."""
    assert most(lambda number: number <= true_up_to, highest) == expected

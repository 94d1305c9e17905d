"""What of a prompt is kept when not all of it fits: sizes in, sizes out. Knows no text.

Pieces are weighed as `headgate.decide.learned.weight` weighs a prompt. Whoever has the words makes them fit what each
piece is given here.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from headgate.catalog import Model
from headgate.domain.answer import Usage

SHARE: Final = 0.9
"""How much of a window is filled: the rest forgives an estimate that was too low."""
_SAME: Final = 1e-9


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A part of a prompt. `least` is what it may be cut to (its whole weight where it may not be cut); a lower `rank`
    is kept longer; what is `required` is never dropped."""

    weight: float
    least: float
    rank: int = 0
    required: bool = False


def share_out(pieces: Sequence[Piece], room: float, *, in_a_row: bool = False) -> tuple[float, ...] | None:
    """What each piece gets of the room: all of its weight, less (it is cut), or 0.0 (it is dropped).

    What is required comes first; then whole pieces by rank; then those that do not fit whole share what is left, each
    at least its `least`. `in_a_row`: what comes after the first piece that does not fit whole is dropped, so that no
    gap opens in a conversation. None where even what is required does not fit when cut as far as it may be.
    """
    order = sorted(range(len(pieces)), key=lambda at: pieces[at].rank)
    given = [0.0] * len(pieces)
    required = [at for at in order if pieces[at].required]
    for at in required:
        given[at] = pieces[at].least
    left = room - sum(given)
    if left < -_SAME:
        return None
    left, cut = _take_whole(pieces, required, given, left)
    if cut:
        _fill(pieces, cut, given, left + sum(given[at] for at in cut))
        return tuple(given)
    optional = [at for at in order if not pieces[at].required]
    if in_a_row:
        left, cut = _take_in_a_row(pieces, optional, given, left)
    else:
        left, cut = _take_whole(pieces, optional, given, left)
    while cut and _level([pieces[at].weight for at in cut], left) < max(pieces[at].least for at in cut) - _SAME:
        cut.pop()  # the least important goes, so that the others hold something worth reading
    _fill(pieces, cut, given, left)
    return tuple(given)


def _take_whole(
    pieces: Sequence[Piece], order: Sequence[int], given: list[float], left: float
) -> tuple[float, list[int]]:
    """Give whole pieces their place, in order; what is left, and which did not fit whole."""
    cut = []
    for at in order:
        more = pieces[at].weight - given[at]
        if more <= left + _SAME:
            given[at] = pieces[at].weight
            left -= more
        else:
            cut.append(at)
    return left, cut


def _take_in_a_row(
    pieces: Sequence[Piece], order: Sequence[int], given: list[float], left: float
) -> tuple[float, list[int]]:
    for at in order:
        if pieces[at].weight > left + _SAME:
            return left, [at] if pieces[at].least < pieces[at].weight else []
        given[at] = pieces[at].weight
        left -= pieces[at].weight
    return left, []


def _fill(pieces: Sequence[Piece], cut: Sequence[int], given: list[float], left: float) -> None:
    """Share what is left evenly between those that are cut; nobody gets less than the least or more than the whole."""
    while cut:
        level = _level([pieces[at].weight for at in cut], left)
        low = [at for at in cut if pieces[at].least > level]
        for at in low or cut:
            given[at] = pieces[at].least if low else min(level, pieces[at].weight)
        left -= sum(given[at] for at in low)
        cut = [at for at in cut if at not in low] if low else []


def _level(weights: Sequence[float], left: float) -> float:
    """How high the room stands when it is poured over all of them."""
    rest = len(weights)
    for weight in sorted(weights):
        if weight * rest >= left:
            return left / rest
        left -= weight
        rest -= 1
    return max(weights, default=0.0)


def most(fits: Callable[[int], bool], highest: int) -> int:
    """The largest whole number up to `highest` for which `fits` holds, if it holds below any for which it does; 0 if
    for none."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


class Larger(StrEnum):
    """When a model with a larger window reads a prompt that its own model could only read cut."""

    CHEAPER = "cheaper"
    ALWAYS = "always"
    NEVER = "never"


class Reader(msgspec.Struct, frozen=True):
    """A model that may read a prompt: what the whole of it is estimated at there, and how much it may be at most."""

    model: Model
    prompt_tokens: int
    limit_tokens: int

    @property
    def holds(self) -> bool:
        return self.prompt_tokens <= self.limit_tokens

    @property
    def cost_nanousd(self) -> int | None:
        """What reading it costs there, cut if need be; None where the catalogue has no price."""
        if self.model.input_nanousd_per_mtok is None:
            return None
        return self.model.cost_nanousd(Usage(min(self.prompt_tokens, self.limit_tokens), 0))


def reader(readers: Sequence[Reader], larger: Larger = Larger.CHEAPER) -> Reader:
    """Who is to read the prompt: the first, who was asked for, where that one holds it whole or nobody does; else the
    cheapest who does, if the policy allows. `cheaper`: if reading the whole costs no more there than what is left of it
    costs here."""
    first = readers[0]
    if first.holds or larger is Larger.NEVER:
        return first
    priced = [(each.cost_nanousd, each) for each in readers[1:] if each.holds]
    if larger is Larger.CHEAPER:
        most_nanousd = first.cost_nanousd
        priced = [(cost, each) for cost, each in priced if None not in (cost, most_nanousd) and cost <= most_nanousd]  # type: ignore[operator]
    if not priced:
        return first
    return min(priced, key=lambda row: (row[0] is None, row[0] or 0))[1]

"""Owns partial results: how far an answer can be trusted, and the best that can be had from one that is off schema.

It never calls a partial result a whole one: what it returns says which fields are missing and how many are there. What
is done with each level is for the remedies to say (`decide/`).
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from headgate.local.check import Problem, Violation, violations
from headgate.local.coerce import coerced
from headgate.local.mend import mend_json
from headgate.local.plain import plain_fields
from headgate.local.schema_walk import Path, counted_fields

PARTIAL_SHARE: Final = 0.5
"""From here up a result is `partial`."""
LOW_SHARE: Final = 0.25
"""From here up a result is `low`; under it, it is to be discarded."""
TEXT_CHARS_MAX: Final = 300_000
"""JSON in a longer text is not read: naming all that is wrong with a value costs up to 30 µs a character."""
PRUNINGS_MAX: Final = 4
"""Rounds of dropping what is invalid; a drop can make its parent invalid, which the next round drops."""


class Level(StrEnum):
    """How far a result can be trusted."""

    FULL = "full"
    """All counted fields are there, and the whole value satisfies the schema."""
    PARTIAL = "partial"
    LOW = "low"
    DISCARD = "discard"


class Trust(msgspec.Struct, frozen=True):
    """`share` (0 to 1) of the counted fields that are present and valid; `missing` are the others, as `a.b`.

    Which fields count: `schema_walk.counted_fields`.
    """

    share: float
    level: Level
    missing: tuple[str, ...]


class Partial(msgspec.Struct, frozen=True):
    """The best that can be had: a value without what is invalid, and how far to trust it."""

    value: Any
    missing: tuple[str, ...]
    share: float
    level: Level


def trust(value: Any, schema: dict[str, Any]) -> Trust:
    """How far a decoded value can be trusted against `schema`. A schema that is not valid trusts nothing."""
    return _judged(value, schema, violations(value, schema))


def _judged(value: Any, schema: dict[str, Any], broken: list[Violation] | Problem) -> Trust:
    fields = counted_fields(schema)
    if isinstance(broken, Problem):
        return Trust(0.0, Level.DISCARD, tuple(".".join(path) for path in fields))
    wrong = {violation.path for violation in broken if violation.path or violation.keyword != "required"}
    missing = [path for path in fields if not _is_present(value, path) or _is_broken(path, wrong, broken)]
    share = 1 - len(missing) / len(fields)
    return Trust(share, _level(share, is_valid=not broken), tuple(".".join(path) for path in missing))


def extract_partial(text: str, schema: dict[str, Any]) -> Partial | None:
    """What `text` holds of `schema`, or None if nothing. Never raises; linear in the length of the text.

    JSON in any notation that can be mended is converted where that is obvious and stripped of what is invalid; a text
    whose JSON holds less than half is also read as labelled lines, tables and known patterns: the better one counts.
    """
    mended = mend_json(text, max_chars=TEXT_CHARS_MAX)
    from_json = None if mended is None else fitted(mended.value, schema)
    if from_json is not None and from_json.share >= PARTIAL_SHARE:
        return from_json
    found = plain_fields(text, schema)
    from_text = fitted(found, schema) if found else None
    best = max((one for one in (from_json, from_text) if one), key=lambda one: one.share, default=None)
    return best if best is not None and best.share > 0 else None


def fitted(value: Any, schema: dict[str, Any], *, named: bool = False) -> Partial:
    """A value converted where that is obvious and stripped of what is invalid, and how much of the schema is there.

    `named`: its members have the schema's own names, so that one which satisfies the schema needs no look.
    """
    broken = violations(value, schema)
    if broken or not named:
        value = coerced(value, schema)
        broken = violations(value, schema)
    for _ in range(PRUNINGS_MAX):
        pruned = value if isinstance(broken, Problem) else _pruned(value, broken)
        if pruned is value:
            break
        value, broken = pruned, violations(pruned, schema)
    judged = _judged(value, schema, broken)
    return Partial(value, judged.missing, judged.share, judged.level)


def _level(share: float, *, is_valid: bool) -> Level:
    if share == 1 and is_valid:
        return Level.FULL
    if share >= PARTIAL_SHARE:
        return Level.PARTIAL
    return Level.LOW if share >= LOW_SHARE else Level.DISCARD


def _is_present(value: Any, path: Path) -> bool:
    """There; or below a null in place of an object, which is broken itself where null is not allowed."""
    for name in path:
        if value is None:
            return True
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _is_broken(path: Path, wrong: Iterable[tuple[str | int, ...]], broken: Sequence[Violation]) -> bool:
    """Something is wrong with it, in it, or with the type of what holds it."""
    if any(place[: len(path)] == path for place in wrong):
        return True
    return any(one.keyword == "type" and one.path == path[: len(one.path)] for one in broken)


def _pruned(value: Any, broken: Sequence[Violation]) -> Any:
    """The value without the innermost invalid members and items; the same object if there is nothing to drop."""
    drops: set[tuple[str | int, ...]] = set()
    for one in broken:
        if one.names:
            drops.update((*one.path, name) for name in one.names)
        elif one.keyword == "required":
            drops.update(_item_around(one.path))
        elif one.path:
            drops.add(one.path)
    return _without(value, (), drops, _holders(drops)) if drops else value


def _item_around(path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    """An incomplete item of a list is dropped; an incomplete member stays, so that its other fields count."""
    ends = [at + 1 for at, step in enumerate(path) if isinstance(step, int)]
    return [path[: ends[-1]]] if ends else []


def _holders(drops: set[tuple[str | int, ...]]) -> set[tuple[str | int, ...]]:
    return {path[:end] for path in drops for end in range(len(path))}


def _without(
    value: Any, at: tuple[str | int, ...], drops: set[tuple[str | int, ...]], holders: set[tuple[str | int, ...]]
) -> Any:
    if at not in holders:
        return value
    if isinstance(value, dict):
        kept = ((name, member, (*at, name)) for name, member in value.items())
        return {name: _without(member, path, drops, holders) for name, member, path in kept if path not in drops}
    if isinstance(value, list):
        items = ((item, (*at, n)) for n, item in enumerate(value))
        return [_without(item, path, drops, holders) for item, path in items if path not in drops]
    return value

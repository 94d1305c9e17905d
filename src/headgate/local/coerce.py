"""Owns the conversion of values that are off their schema in an obvious way: "42" where an integer is asked for.

A value that satisfies its schema is never touched, and what has no obvious conversion stays as it is: whether the
result is right is for `check.py` to say. Pure functions over decoded JSON; arguments are never changed in place.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from headgate.local.check import satisfies
from headgate.local.mend import mend_json
from headgate.local.schema_walk import DEPTH_MAX, branches_of, properties_of, resolved, types_of

NUMBER_CHARS_MAX: Final = 40
"""Longer texts are not taken for numbers."""
BRANCHES_MAX: Final = 8
"""Alternatives of one `anyOf` that are tried."""
BRANCH_DEPTH: Final = 4
"""Levels that an alternative counts for, of `DEPTH_MAX`: alternatives within alternatives multiply."""
TRIALS_MAX: Final = 2_000
"""Alternatives that are tried for one value in all."""

_NUMBER = re.compile(r"[$€£¥₹]?\s?([+-]?)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?\s?[$€£¥₹%]?")
_TRUE: Final = frozenset({"true", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "off", "0"})
_NULL: Final = frozenset({"", "null", "none", "n/a", "nil", "undefined"})
_TYPES: Final[dict[str, Any]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": int | float,
}
_SEPARATORS = re.compile(r"[\W_]+")


def coerced(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value with obvious conversions to what `schema` asks for, nested members and items included."""
    return _Coercion(schema).value(value, schema, 0)


def plain_name(name: str) -> str:
    """A name without case and separators: `Full Name`, `full_name` and `fullName` are one."""
    return _SEPARATORS.sub("", name).lower()


class _Coercion:
    """One conversion: the root schema that references lead into, and how many alternatives may still be tried."""

    __slots__ = ("definitions", "root", "trials_left")

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.definitions = {word: root[word] for word in ("$defs", "definitions") if word in root}
        self.trials_left = TRIALS_MAX

    def value(self, value: Any, schema: Any, depth: int) -> Any:
        wanted = resolved(schema, self.root)
        if depth > DEPTH_MAX or not wanted:
            return value
        if branches := branches_of(wanted):
            return self.branch(value, branches, depth)
        value = _listed_value(value, wanted)
        kinds = types_of(wanted) or (("object",) if properties_of(wanted) else ())
        if kinds and not any(_is_of(value, kind) for kind in kinds):
            value = _converted(value, kinds)
        if isinstance(value, dict):
            return self.members(value, wanted, depth)
        if isinstance(value, list) and isinstance(wanted.get("items"), Mapping):
            return [self.value(item, wanted["items"], depth + 1) for item in value]
        return value

    def branch(self, value: Any, branches: list[Any], depth: int) -> Any:
        """What fits an alternative as it is, else the first conversion that fits one."""
        for converts in (False, True):
            for branch in branches[:BRANCHES_MAX]:
                self.trials_left -= 1
                if self.trials_left < 0:
                    return value
                candidate = self.value(value, branch, depth + BRANCH_DEPTH) if converts else value
                if isinstance(branch, Mapping) and self.fits(candidate, branch):
                    return candidate
        return value

    def fits(self, value: Any, schema: Mapping[str, Any]) -> bool:
        return satisfies(value, {**self.definitions, **schema})

    def members(self, value: dict[str, Any], wanted: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Members converted, and named as the schema names them where only case and separators differ."""
        properties = properties_of(wanted)
        names = {plain_name(name): name for name in properties if name not in value}
        extra = wanted.get("additionalProperties")
        members = {}
        for written, member in value.items():
            name = written if written in properties else names.pop(plain_name(written), written)
            members[name] = self.value(member, properties.get(name, extra), depth + 1)
        return members


def _listed_value(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value of an `enum` or `const` that was written in another case or with other separators."""
    options = schema.get("enum") if isinstance(schema.get("enum"), list) else None
    if options is None:
        options = [schema["const"]] if "const" in schema else []
    if not isinstance(value, str) or value in options:
        return value
    name = plain_name(value)
    alike = [option for option in options if isinstance(option, str | int | float) and plain_name(str(option)) == name]
    return alike[0] if len(alike) == 1 and name else value


def _is_of(value: Any, kind: str) -> bool:
    is_whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or (kind == "integer" and is_whole):
        return (kind == "boolean") is isinstance(value, bool)
    return isinstance(value, _TYPES.get(kind, object))


def _converted(value: Any, kinds: tuple[str, ...]) -> Any:
    for kind, convert in _CONVERSIONS.items():
        if kind in kinds:
            found = convert(value)
            if _is_of(found, kind):
                return found
    return value


def _to_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str) or len(value) > NUMBER_CHARS_MAX:
        return value
    match = _NUMBER.fullmatch(value.strip())
    if match is None:
        try:
            number = float(value)  # an exponent
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    sign, whole, fraction = match.groups()
    digits = sign + whole.replace(",", "")
    return float(digits + fraction) if fraction else int(digits)


def _to_integer(value: Any) -> Any:
    number = _to_number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _to_boolean(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    return bool(value) if value in (0, 1) and isinstance(value, int) else value


def _to_null(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in _NULL else value


def _to_object(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1:
        return value[0]
    return _decoded(value)


def _to_list(value: Any) -> Any:
    found = _decoded(value)
    if isinstance(found, list):
        return found
    return [] if value is None or value == "" else [value]


def _decoded(value: Any) -> Any:
    """JSON that was written into a string."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    mended = mend_json(value)
    return value if mended is None else mended.value


def _to_string(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "null": _to_null,
    "integer": _to_integer,
    "number": _to_number,
    "boolean": _to_boolean,
    "object": _to_object,
    "string": _to_string,
    "array": _to_list,
}
"""In the order in which they are tried; `array` last, because anything can be an item of a list."""

"""Owns the way from plain values to typed sections, with an error that names the exact key, line and fix.

msgspec judges the single values; the walk over tables and lists is here, because its paths leave out names and its
unknown keys come without the known ones.
"""

import datetime
import types
import typing
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from headgate.runtime.settings_bounds import bounds_of, form_of
from headgate.runtime.settings_secret import Secret
from headgate.runtime.settings_source import KeyPath, Tree, nearest

SECRET_CHARS_MAX: Final = 4_096

T = TypeVar("T", bound=msgspec.Struct)

_FIXES: Final[dict[object, str]] = {
    bool: "write true or false, without quotes",
    int: "write a whole number, without quotes",
    float: "write a number, without quotes",
    str: "write a text, in quotes",
    datetime.datetime: "write a time with its zone, as 2027-01-31T00:00:00Z",
}


def convert(tree: Tree, kind: type[T], path: KeyPath = ()) -> T:
    """The table at `path` as a struct. Raises InvalidSettings."""
    found: T = _value(tree, tree.get(path) if path else tree.values, kind, path)
    return found


@cache
def fields_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The keys of a section and their types."""
    return typing.get_type_hints(kind, include_extras=True)


def members(kind: Any) -> Iterator[Any]:
    """The plain types that a type is made of: unions and annotations are opened."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from members(get_args(kind)[0])
    elif origin in {Union, types.UnionType}:
        for part in get_args(kind):
            yield from members(part)
    else:
        yield kind


def is_section(kind: Any) -> bool:
    """Whether a type is a table of keys."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _value(tree: Tree, value: Any, kind: Any, path: KeyPath) -> Any:
    parts = tuple(members(kind))
    if value is None and type(None) in parts:
        return None
    for part in parts:
        if is_section(part) and not (isinstance(value, str) and str in parts):
            return _section(tree, value, part, path)
        if part is Secret:
            return _secret(tree, value, path)
        if get_origin(part) is tuple:
            return _list(tree, value, kind, part, path)
        if get_origin(part) is dict:
            return _table(tree, value, part, path)
    return value if Any in parts else _leaf(tree, value, kind, path)


def _section(tree: Tree, value: Any, kind: type[msgspec.Struct], path: KeyPath) -> Any:
    known = fields_of(kind)
    if not isinstance(value, dict):
        raise tree.error(path, f"expected a table of keys, got {_kind_of(value)}", "write the keys below its heading")
    for key in value:
        if key not in known:
            raise tree.error((*path, str(key)), "there is no such key", nearest(str(key), known))
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in value:
            raise tree.error((*path, field.name), "is missing", "add it")
    return kind(**{key: _value(tree, inner, known[key], (*path, key)) for key, inner in value.items()})


def _secret(tree: Tree, value: Any, path: KeyPath) -> Secret:
    if not isinstance(value, str):
        raise tree.error(path, f"expected a text, got {_kind_of(value)}", "write the secret in quotes")
    if not is_sendable(value):
        what = "is empty, too long, or has blanks or characters that no key has"
        raise tree.error(path, what, "write the secret alone, as the provider shows it")
    return Secret(value)


def is_sendable(text: str) -> bool:
    """Whether a secret can stand in a header line."""
    return 0 < len(text) <= SECRET_CHARS_MAX and text.isascii() and text.isprintable() and " " not in text


def _list(tree: Tree, value: Any, kind: Any, part: Any, path: KeyPath) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise tree.error(path, f"expected a list, got {_kind_of(value)}", "write it in brackets, as [ ... ]")
    most = _max_length(kind)
    if most is not None and len(value) > most:
        raise tree.error(path, f"has {len(value)} entries, at most {most} are allowed", "shorten the list")
    inner = get_args(part)[0]
    return tuple(_value(tree, item, inner, (*path, index)) for index, item in enumerate(value))


def _table(tree: Tree, value: Any, part: Any, path: KeyPath) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise tree.error(path, f"expected a table, got {_kind_of(value)}", "write its keys below a heading of its own")
    of_key, of_value = get_args(part)
    return {
        _leaf(tree, key, of_key, (*path, str(key))): _value(tree, inner, of_value, (*path, str(key)))
        for key, inner in value.items()
    }


def _leaf(tree: Tree, value: Any, kind: Any, path: KeyPath) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what = str(error).partition(" - at ")[0]
        if what.startswith("Invalid"):  # "Invalid enum value 'gold'": the value may be a secret in the wrong place
            what = "is none of the values that are allowed"
        elif " regex " in what:
            if form := form_of(kind):
                raise tree.error(path, "has not the form that is needed", form) from None
            fix = "use letters, digits, dots, dashes and underscores"
            raise tree.error(path, "is empty, too long, or has characters that cannot stand there", fix) from None
        elif fix := bounds_of(kind, what):
            raise tree.error(path, what[:1].lower() + what[1:], fix) from None
    except (ValueError, OverflowError, RecursionError):
        what = "is not a value that can be used"
    raise tree.error(path, what[:1].lower() + what[1:], _fix(kind))


def _fix(kind: Any) -> str:
    words: list[str] = []
    for part in members(kind):
        if isinstance(part, type) and issubclass(part, Enum):
            words.append(f"use one of {', '.join(str(member.value) for member in part)}")
        elif get_origin(part) is Literal:
            words.append(f"use one of {', '.join(str(word) for word in get_args(part))}")
        elif part in _FIXES:
            words.append(_FIXES[part])
    return " or ".join(words) or "correct the value"


def _max_length(kind: Any) -> int | None:
    if get_origin(kind) is Annotated:
        for meta in get_args(kind)[1:]:
            if isinstance(meta, msgspec.Meta) and meta.max_length is not None:
                return meta.max_length
    return None


def _kind_of(value: Any) -> str:
    names = {dict: "a table", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "another kind of value")

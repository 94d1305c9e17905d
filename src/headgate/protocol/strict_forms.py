"""Owns the forms between a client's JSON Schema and its strict rewriting: what an answer may look like, as values.

`strict_reading.py` makes them, `strict_unions.py` settles what needs all of them, `strict_writing.py` and
`strict_restore.py` use them. Forms refer to each other by name, so that recursion is a look-up and never a cycle.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

DEPTH_MAX: Final = 32
"""Schemas inside each other; a reference starts anew."""
NODES_MAX: Final = 2_000
"""Schemas that are looked at in all, those that allOf brings together again included."""
PROPERTIES_MAX: Final = 1_000
"""Named properties in all."""
ENUM_VALUES_MAX: Final = 1_000
"""Values of enums in all."""
BRANCHES_MAX: Final = 50
"""Alternatives of one union, those of unions inside it included."""
VALUE_DEPTH_MAX: Final = 128
"""Objects and arrays inside each other in an answer; what lies deeper is not mapped."""

ROOT: Final = "#"
"""The name of the whole schema."""
KEY: Final = "key"
VALUE: Final = "value"
"""The two properties of an entry, which is how strict mode writes one item of a map."""


class NotPossible(Exception):
    """The schema cannot be written under the strict rules. `reason` says where and why."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(reason)
        self.reason = f"Strict mode is not used: {place} {reason}."


class Kind(StrEnum):
    """The types of values without parts."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    NULL = "null"


class Presence(StrEnum):
    """How a property says that it is absent, where strict mode wants every property to be there."""

    REQUIRED = "required"
    """It never is."""
    OPTIONAL = "optional"
    """Not settled yet: it depends on whether the property may be null itself."""
    NULL_IS_ABSENT = "null_is_absent"
    """By null, which the client's schema does not allow."""
    NULL_IS_DEFAULT = "null_is_default"
    """By null, and null is kept: the client's schema says itself that an absent one means null."""
    BOXED = "boxed"
    """By null; a present one is `{"value": ...}`, because null is a value of its own."""


class About(msgspec.Struct, frozen=True):
    """What a schema says to its reader."""

    title: str = ""
    description: str = ""


class Scalar(msgspec.Struct, frozen=True):
    """A value without parts; one of `values` where they are given."""

    kind: Kind
    values: tuple[object, ...] | None = None
    about: About = About()


class Array(msgspec.Struct, frozen=True):
    """Items of one form."""

    items: "Form"
    about: About = About()


class Map(msgspec.Struct, frozen=True):
    """An object with any keys: in strict mode an array of entries."""

    values: "Form"
    about: About = About()


class Field(msgspec.Struct, frozen=True):
    """A named property of an object."""

    name: str
    form: "Form"
    presence: Presence


class Object(msgspec.Struct, frozen=True):
    """Named properties; what has other names is kept as entries under `extra_name` where `extra` says what it is."""

    fields: tuple[Field, ...]
    extra: "Form | None" = None
    extra_name: str = ""
    about: About = About()

    def keys(self) -> tuple[str, ...]:
        """The properties of the strict form."""
        names = tuple(field.name for field in self.fields)
        return names if self.extra is None else (*names, self.extra_name)


class Ref(msgspec.Struct, frozen=True):
    """Another form, by its name; `in_place` when the client wrote it where it is used."""

    name: str
    in_place: bool = False


class Union(msgspec.Struct, frozen=True):
    """Alternatives as they were read; branches with parts are always a `Ref`."""

    branches: tuple["Form", ...]
    about: About = About()


class Option(msgspec.Struct, frozen=True):
    """An alternative with parts; with a tag it stands inside an object with that one key."""

    form: Ref
    tag: str = ""


class Choice(msgspec.Struct, frozen=True):
    """A settled union: the JSON type of a value, and an object's first key, say which alternative it is."""

    scalars: tuple[Scalar, ...]
    options: tuple[Option, ...]
    by_key: dict[str, int]
    """Which option a key of an object belongs to."""
    array: int = -1
    """The option that is an array in strict form and has no tag."""
    empty: int = -1
    """The option that is an object without any key and has no tag."""
    about: About = About()


Form: TypeAlias = Scalar | Array | Map | Object | Ref | Union | Choice
Forms: TypeAlias = Mapping[str, Form]

"""Owns what can be settled only when all forms are read: which alternative of a union a value is, and what null means.

Strict mode wants alternatives that can be told apart by their keys alone (groq-api 5; live: a required key of one may
not be a property of another). Where the client's cannot, each gets a key of its own around it: its tag.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from headgate.protocol.strict_forms import (
    BRANCHES_MAX,
    About,
    Array,
    Choice,
    Field,
    Form,
    Forms,
    Kind,
    Map,
    NotPossible,
    Object,
    Option,
    Presence,
    Ref,
    Scalar,
    Union,
)
from headgate.protocol.strict_merging import text_of

TAG_CHARS_MAX: Final = 40
_NOT_IN_TAGS: Final = re.compile(r"[^A-Za-z0-9_]+")


def settled(forms: Forms) -> dict[str, Form]:
    """The same forms without `Union` and without a presence that is open. Raises `NotPossible`."""
    settler = _Settler(forms)
    return {name: settler.settle(form) for name, form in forms.items()}


class _Settler:
    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._nullable: dict[str, bool] = {}

    def settle(self, form: Form) -> Form:
        match form:
            case Array():
                return Array(self.settle(form.items), form.about)
            case Map():
                return Map(self.settle(form.values), form.about)
            case Object():
                fields = tuple(self._field(field) for field in form.fields)
                extra = None if form.extra is None else self.settle(form.extra)
                return msgspec.structs.replace(form, fields=fields, extra=extra)
            case Union():
                return self._choice(form)
            case Ref():
                self._leaves(form)  # a reference that leads to nothing but itself is refused
                return form
            case _:
                return form

    def _field(self, field: Field) -> Field:
        presence, nullable = field.presence, self._is_nullable(field.form)
        if presence is Presence.NULL_IS_DEFAULT and not nullable:
            presence = Presence.OPTIONAL
        if presence is Presence.OPTIONAL:
            presence = Presence.BOXED if nullable else Presence.NULL_IS_ABSENT
        return Field(field.name, self.settle(field.form), presence)

    def _is_nullable(self, form: Form) -> bool:
        if not isinstance(form, Ref):
            return any(isinstance(leaf, Scalar) and leaf.kind is Kind.NULL for leaf in self._leaves(form))
        if form.name not in self._nullable:
            self._nullable[form.name] = any(
                isinstance(leaf, Scalar) and leaf.kind is Kind.NULL for leaf in self._leaves(form)
            )
        return self._nullable[form.name]

    def _leaves(self, form: Form) -> list[Form]:
        """The alternatives of a form, unions inside unions opened: scalars, and references to what has parts."""
        if not isinstance(form, Union | Ref):
            return [form]
        found: list[Form] = []
        for leaf in self._opened(form, set()):
            found.append(leaf)
            if len(found) > BRANCHES_MAX:
                raise NotPossible("a union", f"has more than {BRANCHES_MAX} alternatives")
        if not found:
            raise NotPossible("a reference", "refers to itself and to nothing else")
        return found

    def _opened(self, form: Form, seen: set[str]) -> Iterator[Form]:
        waiting: list[Form] = [form]
        while waiting:
            form = waiting.pop()
            match form:
                case Union():
                    waiting.extend(reversed(form.branches))
                case Ref() if form.name not in seen:
                    seen.add(form.name)
                    target = self._forms[form.name]
                    if isinstance(target, Union | Ref | Scalar):
                        waiting.append(target)
                    else:
                        yield form
                case Ref():
                    pass
                case _:
                    yield form

    def _choice(self, union: Union) -> Form:
        leaves = self._leaves(union)
        scalars = _merged_scalars([leaf for leaf in leaves if isinstance(leaf, Scalar)], union.about)
        refs = [leaf for leaf in leaves if isinstance(leaf, Ref)]
        if not refs and len(scalars) == 1:
            return scalars[0]
        if not scalars and len(refs) == 1:
            return refs[0]
        if self._are_apart(refs):
            return self._untagged(scalars, refs, union.about)
        tags = self._tags(refs)
        options = tuple(Option(ref, tag) for ref, tag in zip(refs, tags, strict=True))
        return Choice(scalars, options, {tag: n for n, tag in enumerate(tags)}, about=union.about)

    def _untagged(self, scalars: tuple[Scalar, ...], refs: list[Ref], about: About) -> Choice:
        by_key: dict[str, int] = {}
        array = empty = -1
        for n, ref in enumerate(refs):
            form = self._forms[ref.name]
            if not isinstance(form, Object):
                array = n
            elif not form.keys():
                empty = n
            else:
                by_key.update(dict.fromkeys(form.keys(), n))
        return Choice(scalars, tuple(Option(ref) for ref in refs), by_key, array, empty, about)

    def _are_apart(self, refs: Sequence[Ref]) -> bool:
        """At most one array in strict form, and no key (nor no key at all) in two objects."""
        keys: set[str] = set()
        arrays = empties = 0
        for ref in refs:
            form = self._forms[ref.name]
            if not isinstance(form, Object):
                arrays += 1
            elif not form.keys():
                empties += 1
            elif not keys.isdisjoint(form.keys()):
                return False
            else:
                keys.update(form.keys())
        return arrays <= 1 and empties <= 1

    def _tags(self, refs: Sequence[Ref]) -> list[str]:
        """A key for each alternative: its discriminating value, its name, its title, or its number."""
        tags: list[str] = []
        for n, ref in enumerate(refs):
            form = self._forms[ref.name]
            tag = _sole_value(form) or _own_name(ref) or _title(form)
            tag = _NOT_IN_TAGS.sub("_", tag).strip("_")[:TAG_CHARS_MAX] or f"option_{n + 1}"
            while tag in tags:
                tag += f"_{n + 1}"
            tags.append(tag)
        return tags


def _merged_scalars(scalars: Sequence[Scalar], about: About) -> tuple[Scalar, ...]:
    """One scalar for each type; an integer beside a number is a number."""
    has_number = any(scalar.kind is Kind.NUMBER for scalar in scalars)
    found: dict[Kind, Scalar] = {}
    for scalar in scalars:
        kind = Kind.NUMBER if has_number and scalar.kind is Kind.INTEGER else scalar.kind
        before = found.get(kind)
        values = scalar.values
        if before is not None:
            values = None if values is None or before.values is None else (*before.values, *values)
        if values is not None:
            values = tuple({text_of(value): value for value in values}.values())
        found[kind] = Scalar(kind, values, scalar.about if before is None else before.about)
    if len(found) == 1:
        return tuple(msgspec.structs.replace(scalar, about=_either(about, scalar.about)) for scalar in found.values())
    return tuple(found.values())


def _either(first: About, second: About) -> About:
    return About(first.title or second.title, first.description or second.description)


def _sole_value(form: Form) -> str:
    """The value of the first property that can have only one, which is how clients tell alternatives apart."""
    if isinstance(form, Object):
        for field in form.fields:
            if isinstance(field.form, Scalar) and field.form.kind is Kind.STRING and len(field.form.values or ()) == 1:
                return str((field.form.values or ("",))[0])
    return ""


def _own_name(ref: Ref) -> str:
    """The name under `$defs`; alternatives that were written in place have none."""
    named = ref.name.startswith(("#/$defs/", "#/definitions/")) and not ref.in_place
    return ref.name.rpartition("/")[2] if named else ""


def _title(form: Form) -> str:
    return form.about.title if isinstance(form, Object | Array | Map) else ""

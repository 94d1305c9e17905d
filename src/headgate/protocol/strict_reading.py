"""Owns the reading of a client's JSON Schema into forms: what its keywords mean for the shape of an answer.

What only narrows is dropped and told in the description. An object that names its properties and says nothing of others
is read as having no others; a schema without `type` has the type whose keywords it uses. Reading takes bounded steps
whatever the schema is, and refuses with `NotPossible` what the strict rules cannot say.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from headgate.protocol.strict_forms import (
    BRANCHES_MAX,
    DEPTH_MAX,
    ENUM_VALUES_MAX,
    NODES_MAX,
    PROPERTIES_MAX,
    ROOT,
    About,
    Array,
    Field,
    Form,
    Kind,
    Map,
    NotPossible,
    Object,
    Presence,
    Ref,
    Scalar,
    Union,
)
from headgate.protocol.strict_merging import (
    ASSERTING,
    CONDITIONAL,
    NARROWING,
    NOTED,
    SHAPING,
    as_enum,
    merged,
    text_of,
    types_of,
)

NOTE_CHARS_MAX: Final = 200
"""The longest bound that is told in words."""

_OLD_DRAFTS: Final = ("draft-03", "draft-04", "draft-06", "draft-07")
"""In these, what stands beside a `$ref` is ignored."""
_TYPE_BY_KEYWORD: Final = {
    "properties": "object", "additionalProperties": "object", "patternProperties": "object", "required": "object",
    "items": "array", "prefixItems": "array", "minItems": "array", "maxItems": "array", "uniqueItems": "array",
    "pattern": "string", "format": "string", "minLength": "string", "maxLength": "string",
    "minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number",
    "multipleOf": "number",
}  # fmt: skip
_FREE_FORM: Final = "is free-form, and strict mode needs every property and type named"


def read_forms(schema: Mapping[str, Any]) -> dict[str, Form]:
    """The forms of a schema by name, `ROOT` the whole. Raises `NotPossible`."""
    return _Reader(schema).read()


class _Reader:
    """Reads one schema. References are queued, so depth is bounded by what is written inside each other."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._ref_alone = any(draft in str(root.get("$schema", "")) for draft in _OLD_DRAFTS)
        self._forms: dict[str, Form] = {}
        self._waiting = [ROOT]
        self._nodes = self._properties = self._values = 0

    def read(self) -> dict[str, Form]:
        while self._waiting:
            name = self._waiting.pop()
            if name not in self._forms:
                self._forms[name] = self._form(self._at(name), name, 0)
        return self._forms

    def _form(self, schema: Any, place: str, depth: int) -> Form:
        schema = self._looked_at(schema, place, depth)
        target = self._plain_reference(schema, place)
        if target:
            self._waiting.append(target)
            return Ref(target)
        schema = as_enum(self._flat(schema, place, depth))
        if "enum" in schema:
            return self._enumerated(schema, place)
        if "anyOf" in schema or "oneOf" in schema:
            return self._united(schema, place, depth)
        kinds = types_of(schema, place) or _implied_type(schema, place)
        forms = [self._of_type(kind, schema, place, depth) for kind in kinds]
        return forms[0] if len(forms) == 1 else self._union(forms, place, About())

    def _of_type(self, kind: str, schema: Mapping[str, Any], place: str, depth: int) -> Form:
        match kind:
            case "object":
                return self._object(schema, place, depth)
            case "array":
                return self._array(schema, place, depth)
            case "string" | "number" | "integer" | "boolean" | "null":
                return Scalar(Kind(kind), about=_about(schema))
            case _:
                raise NotPossible(place, f"has the unknown type {kind[:40]!r}")

    # ------------------------------------------------------------------------------------------- references and allOf

    def _looked_at(self, schema: Any, place: str, depth: int) -> Mapping[str, Any]:
        """Counts, and refuses what is not a schema with something in it."""
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise NotPossible(ROOT, f"has more than {NODES_MAX} schemas in it, or allOf that never end")
        if depth > DEPTH_MAX:
            raise NotPossible(_short(place), f"is nested more than {DEPTH_MAX} levels deep")
        if schema is True:
            raise NotPossible(_short(place), _FREE_FORM)
        if schema is False:
            raise NotPossible(_short(place), "allows no value at all")
        if not isinstance(schema, Mapping):
            raise NotPossible(_short(place), "is not a JSON Schema")
        if schema is not self._root and "$id" in schema:
            raise NotPossible(_short(place), "has an address of its own ($id), and references are not followed there")
        return schema

    def _plain_reference(self, schema: Mapping[str, Any], place: str) -> str:
        """What a schema that is only a reference refers to, also when it is an allOf of one; else nothing."""
        asserted = ASSERTING & schema.keys()
        if asserted == {"$ref"} or ("$ref" in asserted and self._ref_alone):
            return self._target(schema, place)
        parts = schema.get("allOf")
        if asserted == {"allOf"} and isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping):
            only = parts[0]
            return self._target(only, place) if ASSERTING & only.keys() == {"$ref"} else ""
        return ""

    def _flat(self, schema: Mapping[str, Any], place: str, depth: int) -> Mapping[str, Any]:
        """The same without `$ref` and `allOf`: what they bring is merged in."""
        if {"$dynamicRef", "$recursiveRef"} & schema.keys():
            raise NotPossible(_short(place), "uses a dynamic reference")
        if "$ref" not in schema and "allOf" not in schema:
            return schema
        parts = schema.get("allOf", [])
        if not isinstance(parts, list):
            raise NotPossible(_short(place), "has an allOf that is not a list")
        if "$ref" in schema:
            parts = [self._at(self._target(schema, place)), *parts]
        whole = as_enum({keyword: value for keyword, value in schema.items() if keyword not in ("$ref", "allOf")})
        for part in parts:
            if part is True:
                continue
            part = self._flat(self._looked_at(part, place, depth + 1), place, depth + 1)  # noqa: PLW2901
            whole = merged(whole, as_enum(part), _short(place))
        return whole

    def _target(self, schema: Mapping[str, Any], place: str) -> str:
        target = schema["$ref"]
        if not isinstance(target, str) or not (target == ROOT or target.startswith("#/")):
            raise NotPossible(_short(place), f"refers to {str(target)[:80]!r}, which is not a place in the schema")
        return target

    def _at(self, name: str) -> Any:
        found: Any = self._root
        for step in name.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isascii() and key.isdigit() and len(key) < 6 and int(key) < len(found):
                found = found[int(key)]
            else:
                raise NotPossible(_short(name), "is referred to and is not there")
        return found

    # ----------------------------------------------------------------------------------------------- enums and unions

    def _enumerated(self, schema: Mapping[str, Any], place: str) -> Form:
        values, kinds = schema["enum"], types_of(schema, place)
        if not isinstance(values, list):
            raise NotPossible(_short(place), "has an enum that is not a list")
        self._values += len(values)
        if self._values > ENUM_VALUES_MAX:
            raise NotPossible(ROOT, f"has more than {ENUM_VALUES_MAX} enum values in it")
        found: dict[Kind, dict[str, object]] = {}
        for value in values:
            kind = _kind_of(value)
            if kind is None:
                raise NotPossible(_short(place), "has an enum with objects or arrays in it")
            if kinds is None or kind in kinds or (kind in _NUMERIC and "number" in kinds):
                found.setdefault(kind, {})[text_of(value)] = value
        if not found:
            raise NotPossible(_short(place), "has an enum that no value fits")
        about = _about(schema)
        return self._union([_of_values(kind, tuple(of.values()), about) for kind, of in found.items()], place, about)

    def _united(self, schema: Mapping[str, Any], place: str, depth: int) -> Form:
        keyword = "anyOf" if "anyOf" in schema else "oneOf"
        branches = schema[keyword]
        rest = {name: value for name, value in schema.items() if name != keyword}
        if "oneOf" in rest:
            raise NotPossible(_short(place), "asks for anyOf and oneOf at once")
        if not isinstance(branches, list) or not branches or len(branches) > BRANCHES_MAX:
            raise NotPossible(_short(place), f"has {keyword} that is not a list of 1 to {BRANCHES_MAX} schemas")
        if rest.keys() & SHAPING and all(_only_narrows(branch) for branch in branches):
            return self._form(rest, place, depth + 1)
        shared = {name: value for name, value in rest.items() if name in SHAPING | CONDITIONAL | {"required"}}
        forms: list[Form] = []
        for n, branch in enumerate(branches):
            if branch is not False:
                whole = branch if _stands_alone(branch, shared) else {"allOf": [branch, shared]}
                forms.append(self._form(whole, f"{place}/{keyword}/{n}", depth + 1))
        return self._union(forms, place, _about(schema))

    def _union(self, forms: list[Form], place: str, about: About) -> Form:
        """Branches with parts get names, so that a union inside a union can be opened without copying them."""
        if not forms:
            raise NotPossible(_short(place), "allows no value at all")
        if len(forms) == 1:
            return forms[0]
        branches: list[Form] = []
        for form in forms:
            if isinstance(form, Scalar | Ref):
                branches.append(form)
            else:
                name = f"{place} {len(self._forms)}"
                self._forms[name] = form
                branches.append(Ref(name, in_place=True))
        return Union(tuple(branches), about)

    # --------------------------------------------------------------------------------------------- objects and arrays

    def _object(self, schema: Mapping[str, Any], place: str, depth: int) -> Form:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, Mapping) or not _are_names(required):
            raise NotPossible(_short(place), "is not a JSON Schema: properties is no object, or required no list")
        _check_conditions(schema, properties, place)
        extra = self._extra(schema, properties, place, depth)
        if extra is None and any(name not in properties for name in required):
            raise NotPossible(_short(place), "requires a property without saying what it is")
        self._properties += len(properties)
        if self._properties > PROPERTIES_MAX:
            raise NotPossible(ROOT, f"has more than {PROPERTIES_MAX} properties in it")
        if extra is not None and not properties:
            return Map(extra, _about(schema))
        needed = frozenset(required)
        fields = tuple(
            self._field(name, inner, f"{place}/properties/{name}", depth, required=name in needed)
            for name, inner in properties.items()
            if inner is not False or name in needed
        )
        return Object(fields, extra, _unused_name(properties), _about(schema))

    def _field(self, name: Any, schema: Any, place: str, depth: int, *, required: bool) -> Field:
        if not isinstance(name, str):
            raise NotPossible(_short(place), "is a property whose name is no text")
        form = self._form(schema, place, depth + 1)
        if required:
            return Field(name, form, Presence.REQUIRED)
        defaults_to_null = "default" in schema and schema["default"] is None
        return Field(name, form, Presence.NULL_IS_DEFAULT if defaults_to_null else Presence.OPTIONAL)

    def _extra(self, schema: Mapping[str, Any], properties: Mapping[str, Any], place: str, depth: int) -> Form | None:
        """What properties without a name of their own are; None when there are none."""
        rest, patterns = schema.get("additionalProperties"), schema.get("patternProperties")
        if patterns:
            if properties or rest not in (None, False) or not isinstance(patterns, Mapping) or len(patterns) > 1:
                raise NotPossible(_short(place), "mixes patternProperties with other properties")
            return self._form(next(iter(patterns.values())), f"{place}/patternProperties", depth + 1)
        if rest is False:
            return None
        if rest is None and properties and not isinstance(schema.get("unevaluatedProperties"), Mapping):
            return None
        if rest is None or rest is True:
            raise NotPossible(_short(place), _FREE_FORM)
        return self._form(rest, f"{place}/additionalProperties", depth + 1)

    def _array(self, schema: Mapping[str, Any], place: str, depth: int) -> Form:
        items = schema.get("items", True)
        if "prefixItems" in schema or isinstance(items, list):
            raise NotPossible(_short(place), "is a tuple, whose items differ by position")
        return Array(self._form(items, f"{place}/items", depth + 1), _about(schema))


_NUMERIC: Final = (Kind.INTEGER, Kind.NUMBER)


def _kind_of(value: object) -> Kind | None:
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int():
            return Kind.INTEGER
        case float():
            return Kind.NUMBER
        case str():
            return Kind.STRING
        case _:
            return None


def _of_values(kind: Kind, values: tuple[object, ...], about: About) -> Scalar:
    """Null is its own only value; whether booleans may be enumerated is not documented, so a sole one is told."""
    if kind is Kind.BOOLEAN and len(values) == 1:
        about = About(about.title, f"{about.description} (always {_note(values[0])})".lstrip())
    return Scalar(kind, None if kind in (Kind.NULL, Kind.BOOLEAN) else values, about)


def _implied_type(schema: Mapping[str, Any], place: str) -> list[str]:
    for keyword, kind in _TYPE_BY_KEYWORD.items():
        if keyword in schema:
            return [kind]
    raise NotPossible(_short(place), _FREE_FORM)


def _about(schema: Mapping[str, Any]) -> About:
    """Title and description, and in words what strict mode cannot say."""
    title, description = (
        text if isinstance(text := schema.get(name), str) else "" for name in ("title", "description")
    )
    notes = [
        f"{name}: {text}" for name in NOTED if name in schema and len(text := _note(schema[name])) < NOTE_CHARS_MAX
    ]
    if notes:
        description = f"{description} ({'; '.join(notes)})".lstrip()
    return About(title, description)


def _note(value: object) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _only_narrows(branch: Any) -> bool:
    return isinstance(branch, Mapping) and ASSERTING & branch.keys() <= NARROWING


def _stands_alone(branch: Any, shared: Mapping[str, Any]) -> bool:
    """Nothing beside the union is needed to read the branch: at most the type stands there, which it says itself."""
    said = isinstance(branch, Mapping) and not {"$ref", "type", "enum", "const"}.isdisjoint(branch.keys())
    return not shared or (shared.keys() == {"type"} and said)


def _check_conditions(schema: Mapping[str, Any], properties: Mapping[str, Any], place: str) -> None:
    """A condition that names properties of its own would lose them: the strict object has only the named ones."""
    for keyword in CONDITIONAL & schema.keys():
        part = schema[keyword]
        parts = part.values() if keyword.startswith("depend") and isinstance(part, Mapping) else [part]
        for condition in parts:
            if isinstance(condition, Mapping) and not _adds_nothing(condition, properties):
                raise NotPossible(_short(place), f"has {keyword} that brings properties of its own")


def _adds_nothing(condition: Mapping[str, Any], properties: Mapping[str, Any]) -> bool:
    named, required = condition.get("properties", {}), condition.get("required", [])
    return (
        SHAPING & condition.keys() <= {"properties", "type"}
        and not CONDITIONAL & condition.keys()
        and isinstance(named, Mapping)
        and named.keys() <= properties.keys()
        and _are_names(required)
        and all(name in properties for name in required)
    )


def _are_names(required: Any) -> bool:
    return isinstance(required, list) and all(isinstance(name, str) for name in required)


def _unused_name(properties: Mapping[Any, Any]) -> str:
    name = "other_entries"
    while name in properties:
        name += "_"
    return name


def _short(place: str) -> str:
    return place if len(place) <= 120 else f"{place[:60]}...{place[-57:]}"

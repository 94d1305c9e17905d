"""Draws client schemas of every kind that is rewritten for strict mode, and instances of a schema."""

import json
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

Schema = dict[str, Any]

NAMES = ("a", "b", "c", "value", "key", "other_entries", "a b", "é/~", "$ref", "type", "properties")
texts = st.text(alphabet='xyzß "\\', max_size=5)
"""No text is the name of a property, so that no entry of a map can be one."""
DEFINITIONS = ("A", "B", "C~/ d")


class Drawing:
    """Draws schemas of every kind that is rewritten. References lead on, or back where an instance can end there."""

    def __init__(self, data: st.DataObject, *, bounds: bool) -> None:
        self.draw = data.draw
        self.bounds = bounds
        self.at = 0
        """The definition that is drawn; only later ones may be referred to where a value has to be."""

    def schema(self, kind: str) -> Schema:
        """A whole schema with something of this kind in it."""
        definitions = {}
        for self.at, name in enumerate(DEFINITIONS):
            definitions[name] = self.object(2)
        self.at = -1
        it = self.of_kind(kind, 2)
        if self.draw(st.booleans()):
            return {**it, "$defs": definitions}
        whole = {"type": "object", "properties": {"it": it, "more": self.node(2)}, "required": ["it"]}
        return {**whole, "$defs": definitions, "title": "Whole"}

    def of_kind(self, kind: str, depth: int) -> Schema:
        match kind:
            case "optional":
                return self.object(depth)
            case "union":
                return self.union(depth)
            case "definition":
                return self.reference(back=False)
            case "recursion":
                own = {"$ref": "#"} if self.at < 0 else self.reference(back=True)
                children = {"type": "array", "items": own} if self.draw(st.booleans()) else own
                properties = {"own": children, "name": self.scalar(), "nulled": {"anyOf": [own, {"type": "null"}]}}
                return {"type": "object", "properties": properties, "required": ["name", "nulled"]}
            case "map":
                return self.map(depth)
            case _:
                return self.node(depth)

    def node(self, depth: int) -> Schema:
        plain = ("scalar", "scalar", "enum", "nullable", "definition")
        deep = ("optional", "array", "union", "map", "both", "recursion", "tuple of types")
        kind = self.draw(st.sampled_from(plain if depth <= 0 else plain + deep))
        match kind:
            case "scalar":
                return self.scalar()
            case "enum":
                return self.enum()
            case "nullable":
                return self.nullable(depth)
            case "array":
                return {"type": "array", "items": self.node(depth - 1)}
            case "both":
                first, second = self.object(depth - 1), self.object(depth - 1)
                second["properties"] = {f"2{name}": part for name, part in second["properties"].items()}
                second["required"] = [f"2{name}" for name in second["required"]]
                for part in (first, second):
                    part.pop("additionalProperties", None)
                return {"allOf": [first, second]}
            case "tuple of types":
                return {"type": ["string", "array", "null"], "items": self.node(depth - 1)}
            case "recursion" if self.at >= 0:
                return self.of_kind("recursion", depth)
            case _:
                return self.of_kind(kind, depth) if kind != "recursion" else self.scalar()

    def scalar(self) -> Schema:
        schema: Schema = {"type": self.draw(st.sampled_from(("string", "integer", "number", "boolean")))}
        if self.bounds and self.draw(st.booleans()):
            bounds = {"string": {"minLength": 1, "pattern": "^x"}, "integer": {"minimum": 3, "not": {"const": 5}}}
            schema |= bounds.get(schema["type"], {})
        return schema

    def enum(self) -> Schema:
        values = self.draw(st.lists(st.sampled_from(["x", "y", 1, 2.5, None, True, False]), min_size=1, max_size=4))
        if not self.bounds and (True in values or False in values):
            values += [True, False]  # one of them alone is a bound: it cannot be said
        unique = list({json.dumps(value): value for value in values}.values())
        return {"const": unique[0]} if len(unique) == 1 else {"enum": unique}

    def nullable(self, depth: int) -> Schema:
        scalar = self.scalar()
        if self.draw(st.booleans()):
            return {**scalar, "type": [scalar["type"], "null"]}
        return {"anyOf": [self.node(depth - 1), {"type": "null"}]}

    def object(self, depth: int) -> Schema:
        names = self.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
        properties: Schema = {}
        required = []
        for name in names:
            how = self.draw(st.sampled_from(("required", "optional", "back", "default")))
            if how == "default":
                properties[f"d_{name}"] = {**self.nullable(depth - 1), "default": None}
                continue
            properties[name] = self.reference(back=True) if how == "back" else self.node(depth - 1)
            if how == "required":
                required.append(name)
        schema = {"type": "object", "properties": properties, "required": required}
        return {**schema, "additionalProperties": False} if self.draw(st.booleans()) else schema

    def map(self, depth: int) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self.node(depth - 1)}
        if self.draw(st.booleans()):
            return schema
        part = self.object(depth - 1)
        return {**part, **schema}

    def union(self, depth: int) -> Schema:
        if self.draw(st.booleans()):
            branches = self.draw(st.integers(1, 3))
            return {"anyOf": [self.node(depth - 1) for _ in range(branches)]}
        tagged = []
        for n in range(self.draw(st.integers(2, 3))):
            branch = self.object(depth - 1)
            branch["properties"]["kind"] = {"const": f"kind {n}"}
            branch["required"].append("kind")
            tagged.append(branch)
        return {"oneOf": tagged}

    def reference(self, *, back: bool) -> Schema:
        later = DEFINITIONS if back else DEFINITIONS[self.at + 1 :]
        if not later:
            return self.scalar()
        name = self.draw(st.sampled_from(later)).replace("~", "~0").replace("/", "~1").replace(" ", "%20")
        reference = {"$ref": f"#/$defs/{name}"}
        return {"allOf": [reference], "description": "told"} if self.draw(st.booleans()) else reference


class Instances:
    """Draws instances of a schema, the client's or the strict one. Out of fuel it takes what ends soonest."""

    def __init__(self, data: st.DataObject, root: Schema) -> None:
        self.draw = data.draw
        self.root = root

    def of(self, schema: Schema, fuel: int = 5) -> Any:
        schema = self.flat(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.draw(st.sampled_from(schema["enum"]))
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            return self.of(self.draw(st.sampled_from(branches)) if fuel > 0 else min(branches, key=self.size), fuel - 1)
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        kind = self.draw(st.sampled_from(kinds)) if fuel > 0 else ("null" if "null" in kinds else kinds[0])
        return self.of_type(kind, schema, fuel)

    def of_type(self, kind: str, schema: Schema, fuel: int) -> Any:
        match kind:
            case "string":
                return self.draw(texts.map(lambda text: f"x{text}") if "pattern" in schema else texts)
            case "integer":
                return self.draw(st.integers(3, 9).filter(lambda n: n != 5) if "minimum" in schema else st.integers())
            case "number":
                return self.draw(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
            case "boolean":
                return self.draw(st.booleans())
            case "null":
                return None
            case "array":
                return [self.of(schema["items"], fuel - 1) for _ in range(self.count(fuel))]
            case _:
                return self.object(schema, fuel)

    def object(self, schema: Schema, fuel: int) -> Schema:
        required = schema.get("required", [])
        made = {}
        for name, part in schema.get("properties", {}).items():
            if name in required or (fuel > 0 and self.draw(st.booleans())):
                made[name] = self.of(part, fuel - 1)
        if schema.get("additionalProperties"):
            for _ in range(self.count(fuel)):
                made[self.draw(texts)] = self.of(schema["additionalProperties"], fuel - 1)
        return made

    def count(self, fuel: int) -> int:
        return self.draw(st.integers(0, 2)) if fuel > 0 else 0

    def flat(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            place = self.root
            for step in schema["$ref"].split("/")[1:]:
                place = place[step.replace("%20", " ").replace("~1", "/").replace("~0", "~")]
            return self.flat(place)
        if "allOf" not in schema:
            return schema
        parts = [self.flat(part) for part in schema["allOf"]]
        properties = {name: part for whole in parts for name, part in whole["properties"].items()}
        required = [name for whole in parts for name in whole.get("required", [])]
        return {**parts[0], "properties": properties, "required": required}

    def size(self, schema: Schema) -> int:
        schema = self.flat(schema)
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            return 5
        kind = schema.get("type", "null")
        return {"null": 0, "array": 2, "object": 4}.get(kind, 1) if isinstance(kind, str) else 0


def is_valid(schema: Schema, value: object) -> bool:
    return jsonschema_rs.validator_for(schema, offline=True).is_valid(value)


def told(value: object) -> str:
    """A value as text, without what an absent property with the default null comes back as."""

    def bare(part: object) -> object:
        if isinstance(part, dict):
            return {k: bare(v) for k, v in part.items() if not (v is None and k.lstrip("2").startswith("d_"))}
        return [bare(item) for item in part] if isinstance(part, list) else part

    return json.dumps(bare(value), sort_keys=True)

"""Owns the filling of a JSON Schema from a text: what the local skills found, where the schema asks for it.

It invents nothing: what the text does not hold is left out, named where it is required, and null where that is allowed.
Two values of a kind are not chosen between where the schema asks for several of it and the text does not say which.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import msgspec

from headgate.local.classification import Label, Labels, classify
from headgate.local.evidence import Evidence
from headgate.local.extract_types import Entity, Extraction, Kind
from headgate.local.extraction import extract
from headgate.local.feeds import NO_FEEDS, Feeds
from headgate.local.filling_table import Asked, Whole, asked_by, words_of_name
from headgate.local.language import guess_language
from headgate.local.language_tables import NAMES
from headgate.local.partial import Level, fitted
from headgate.local.plain import plain_fields
from headgate.local.risk import HIGH_FROM, score
from headgate.local.risk import Level as Risk
from headgate.local.schema_walk import DEPTH_MAX, branches_of, counted_fields, properties_of, resolved, types_of
from headgate.local.spans import sentences_of
from headgate.local.summary import summarize

TEXT_CHARS_MAX: Final = 20_000
"""Of a longer text only so much is read."""
ITEMS_MAX: Final = 200
"""Items of one list, and properties of one object, that are filled."""
VALUES_MAX: Final = 2_000
"""Places of a schema that are looked at in all: alternatives and references within each other multiply."""
_RIVALS_MAX: Final = 50
"""Entities, and other properties, that one property is weighed against."""
EVIDENCE_MAX: Final = 50
LABELLED: Final = 0.8
"""How sure a value is that the text itself names (`Order: 4711`)."""
NOTHING_THERE: Final = 0.5
"""How sure it is that there is nothing, where nothing was found: an empty list, a null."""
STATED: Final = 1.0
"""Of a `const`: the schema says it itself."""
_NEAR_CHARS: Final = 40
"""How far before a value the word may stand that says whose it is."""
_PERCENTS: Final = 100
_LEVELS: Final = {
    Risk.LOW: frozenset({"low", "none", "safe", "benign", "no"}),
    Risk.SUSPECT: frozenset({"medium", "moderate", "suspect", "suspicious", "unsure"}),
    Risk.HIGH: frozenset({"high", "critical", "severe", "scam", "phishing", "fraud", "yes"}),
}
"""What options that mean a level of risk are called."""
_TYPE_NAMES: Final = frozenset({"type", "kind", "category", "label"})
_VALUE_NAMES: Final = frozenset({"value", "text", "raw"})


class Filled(msgspec.Struct, frozen=True):
    """A value for a schema. It satisfies the schema where `partial` is false; otherwise but for `missing`, the paths of
    required fields that the text did not give (`a.b`). `confidence` is the mean over the fields that count, those that
    are missing as 0; `level` is "full", or says how many are there ("partial" from half, "low" from a quarter)."""

    value: Any
    partial: bool
    missing: tuple[str, ...]
    level: Level
    confidence: float
    evidence: tuple[Evidence, ...] = ()


def fill(
    text: str,
    schema: dict[str, Any],
    labels: Labels | None = None,
    found: Extraction | None = None,
    feeds: Feeds = NO_FEEDS,
) -> Filled:
    """What a text gives of a schema. `labels` tell the values of an `enum` apart, by their names; `found` spares the
    extraction, where it was done; `feeds` raise the risk. Never raises; a schema that is not valid gets nothing."""
    text = text[:TEXT_CHARS_MAX]
    entities = (extract(text) if found is None else found).entities
    known = {label.name: label for label in labels or () if isinstance(label, Label)}
    filling = _Filling(text, schema, known, feeds)
    value = filling.value("", schema, _Scope(0, len(text), entities), 0, ())
    best = fitted(value if value is not _NOTHING else {}, schema, named=True)
    fields = counted_fields(schema)
    sure = [filling.sure_of(path) for path in fields if ".".join(path) not in best.missing]
    confidence = round(sum(sure) / len(fields), 3) if best.level is not Level.DISCARD else 0.0
    return Filled(
        best.value,
        best.level is not Level.FULL,
        best.missing,
        best.level,
        confidence,
        tuple(filling.evidence[:EVIDENCE_MAX]),
    )


class _Nothing:
    """Stands for what was not found; null is a value."""


_NOTHING: Final = _Nothing()


class _Scope(msgspec.Struct, frozen=True):
    """The stretch of the text that a part of the schema is filled from, and what was found in it."""

    start: int
    end: int
    entities: tuple[Entity, ...]


class _Filling:
    """One filling: what is known of the text, and how sure each filled path is."""

    __slots__ = ("evidence", "feeds", "known", "labelled", "left", "root", "sure", "text")

    def __init__(
        self,
        text: str,
        root: Mapping[str, Any],
        known: Mapping[str, Label],
        feeds: Feeds,
    ) -> None:
        self.text, self.root, self.known, self.feeds = text, root, known, feeds
        self.labelled: Mapping[str, Any] | None = None
        self.left = VALUES_MAX
        self.sure: dict[tuple[str, ...], float] = {}
        self.evidence: list[Evidence] = []

    def sure_of(self, path: tuple[str, ...]) -> float:
        """The least sure part of a field."""
        return min((sure for place, sure in self.sure.items() if place[: len(path)] == path), default=0.0)

    def value(self, name: str, declared: Any, scope: _Scope, depth: int, path: tuple[str, ...]) -> Any:
        """What a property of this name gets; _NOTHING where the text has nothing for it."""
        schema = resolved(declared, self.root)
        self.left -= 1
        if depth > DEPTH_MAX or not schema or self.left < 0:
            return _NOTHING
        for branch in branches_of(schema):
            found = self.value(name, {**branch, "title": schema.get("title")}, scope, depth + 1, path)
            if found is not _NOTHING and found is not None:
                return found
        kinds = types_of(schema)
        if "const" in schema:
            return self.told(path, schema["const"], STATED)
        if properties_of(schema):
            return self.members(schema, scope, depth, path)
        if "array" in kinds:
            return self.items(name, resolved(schema.get("items"), self.root), scope, depth, path)
        found = self.leaf(name, schema, scope, path)
        if found is _NOTHING and ("null" in kinds or _is_nullable(schema)):
            return self.told(path, None, NOTHING_THERE)
        return found

    def told(self, path: tuple[str, ...], value: Any, sure: float, *entities: Entity) -> Any:
        """A value that was found: how surely, and where."""
        self.sure[path] = round(sure, 3)
        place = ".".join(path) or "the value"
        self.evidence += [Evidence(each.start, each.end, f"{place}: {each.reason}") for each in entities]
        return value

    def members(self, schema: Mapping[str, Any], scope: _Scope, depth: int, path: tuple[str, ...]) -> Any:
        found = {}
        for name, declared in list(properties_of(schema).items())[:ITEMS_MAX]:
            value = self.value(name, declared, self.rivals(name, schema, scope), depth + 1, (*path, name))
            if value is not _NOTHING:
                found[name] = value
        return found or _NOTHING

    def rivals(self, name: str, schema: Mapping[str, Any], scope: _Scope) -> _Scope:
        """The scope of one member: without entities that other members of the same kind are as likely to mean."""
        own = asked_by(name, properties_of(schema)[name] if isinstance(properties_of(schema)[name], Mapping) else {})
        if not own.kinds:
            return scope
        alike = [entity for entity in scope.entities if entity.kind in own.kinds][:_RIVALS_MAX]
        if own.who and (near := [each for each in alike if self.is_said_of(each, own.who)]):
            return msgspec.structs.replace(scope, entities=tuple(near))
        others = [
            other
            for other, declared in islice(properties_of(schema).items(), ITEMS_MAX)
            if other != name and isinstance(declared, Mapping) and _same(own, asked_by(other, declared))
        ][:_RIVALS_MAX]
        if not others:
            return scope
        claimed = {
            id(entity)
            for other in others
            for entity in alike
            if (who := asked_by(other, properties_of(schema)[other]).who) and self.is_said_of(entity, who)
        }
        left = tuple(entity for entity in alike if id(entity) not in claimed)
        is_clear = not own.who and len({each.value for each in left}) == 1
        return msgspec.structs.replace(scope, entities=left if is_clear else ())

    def is_said_of(self, entity: Entity, who: tuple[str, ...]) -> bool:
        """Whether one of these words stands shortly before an entity, with no other entity's end between."""
        before = self.text[max(0, entity.start - _NEAR_CHARS) : entity.start].lower()
        return any(word[:5] in before for word in who)

    def items(self, name: str, item: Mapping[str, Any], scope: _Scope, depth: int, path: tuple[str, ...]) -> Any:
        properties = properties_of(item)
        if properties:
            return self.rows(item, scope, depth, path)
        asked = asked_by(name, item)
        if asked.kinds:
            entities = [each for each in scope.entities if each.kind in asked.kinds]
            values = dict.fromkeys(_written(entity, asked, item) for entity in entities)
            sure = min((each.confidence for each in entities), default=NOTHING_THERE)
            return self.told(path, [value for value in values if value is not None][:ITEMS_MAX], sure, *entities)
        if isinstance(item.get("enum"), list):
            return self.several(item["enum"], scope, path)
        labelled = self.of_label(path)
        return self.told(path, labelled, LABELLED) if isinstance(labelled, list) else _NOTHING

    def rows(self, item: Mapping[str, Any], scope: _Scope, depth: int, path: tuple[str, ...]) -> Any:
        """A list of objects: one for each entity where the object is a kind and a value, else one for each sentence
        that holds all that is required."""
        names = {word: name for name in properties_of(item) for word in (words_of_name(name)[-1:] or ("",))}
        kind = next((names[word] for word in _TYPE_NAMES if word in names), None)
        value = next((names[word] for word in _VALUE_NAMES if word in names), None)
        if kind and value:
            made = [self.row(item, kind, value, entity) for entity in scope.entities]
            rows = [row for row in made if row is not None][:ITEMS_MAX]
            sure = min((each.confidence for each in scope.entities), default=NOTHING_THERE)
            return self.told(path, rows, sure, *scope.entities)
        found: list[dict[str, Any]] = []
        sures = [NOTHING_THERE]
        for start, end in sentences_of(self.text[scope.start : scope.end]):
            part = _within(scope, scope.start + start, scope.start + end)
            if not part.entities:
                continue
            row = self.value("", item, part, depth + 1, (*path, str(len(found))))
            if isinstance(row, dict) and set(row) >= set(item.get("required") or row):
                found.append(row)
                sures.append(self.sure_of((*path, str(len(found) - 1))))
        return self.told(path, found[:ITEMS_MAX], min(sures[1:] or sures))

    def row(self, item: Mapping[str, Any], kind: str, value: str, entity: Entity) -> dict[str, Any] | None:
        """An entity as an object that says what kind it is; None for a kind that the schema does not list."""
        options = resolved(properties_of(item)[kind], self.root).get("enum")
        word = entity.kind.value
        if isinstance(options, list):
            words = {option: words_of_name(str(option)) for option in options}
            match = [option for option in options if _means(words[option], entity.kind)]
            if not match:
                return None
            word = match[0]
        more = {"confidence": entity.confidence, "start": entity.start, "end": entity.end, "raw": entity.raw}
        extra = {name: more[name] for name in properties_of(item) if name in more and name not in {kind, value}}
        return {kind: word, value: entity.raw if value == "raw" else entity.value, **extra}

    def leaf(self, name: str, schema: Mapping[str, Any], scope: _Scope, path: tuple[str, ...]) -> Any:
        asked = asked_by(name, schema)
        if isinstance(schema.get("enum"), list) and asked.whole is not Whole.RISK:
            return self.one_of(schema["enum"], scope, path)
        if asked.kinds:
            return self.entity(asked, schema, scope, path)
        if asked.whole is Whole.RISK:
            return self.of_risk(schema, scope, path)
        if asked.whole is not None and "boolean" not in types_of(schema):
            return self.of_whole(asked.whole, scope, path)
        labelled = self.of_label(path)
        return self.told(path, labelled, LABELLED) if isinstance(labelled, str) else _NOTHING

    def entity(self, asked: Asked, schema: Mapping[str, Any], scope: _Scope, path: tuple[str, ...]) -> Any:
        """The surest of its kind; less sure where there are others."""
        alike = [each for each in scope.entities if each.kind in asked.kinds]
        if not alike:
            return _NOTHING
        best = max(alike, key=lambda each: each.confidence)
        value = _written(best, asked, schema)
        count = len({each.value for each in alike})
        return _NOTHING if value is None else self.told(path, value, best.confidence * (0.5 + 0.5 / count), best)

    def of_whole(self, whole: Whole, scope: _Scope, path: tuple[str, ...]) -> Any:
        text = self.text[scope.start : scope.end]
        if whole is Whole.SUMMARY:
            summary = summarize(text)
            return self.told(path, summary.text, summary.confidence) if summary.text else _NOTHING
        language = guess_language(text)
        return _NOTHING if language.code is None else self.told(path, language.code, language.confidence)

    def of_risk(self, schema: Mapping[str, Any], scope: _Scope, path: tuple[str, ...]) -> Any:
        """The verdict of the risk skill: yes or no, a share, percents where the schema counts to 100, or a level."""
        risk = score(self.text[scope.start : scope.end], feeds=self.feeds)
        kinds = types_of(schema)
        self.evidence += risk.evidence
        value: Any = risk.level.value
        if "boolean" in kinds:
            value = risk.score >= HIGH_FROM
        elif "number" in kinds or "integer" in kinds:
            value = round(100 * risk.score) if schema.get("maximum") == _PERCENTS else round(risk.score, 3)
        elif isinstance(options := schema.get("enum"), list):
            words = _LEVELS[risk.level]
            value = next((each for each in options if words.intersection(words_of_name(str(each)))), _NOTHING)
        return value if value is _NOTHING else self.told(path, value, risk.confidence)

    def one_of(self, options: list[Any], scope: _Scope, path: tuple[str, ...]) -> Any:
        """The option that the text is about; a language by its code or name."""
        named = [option for option in options if isinstance(option, str) and option]
        if not named:
            return _NOTHING
        text = self.text[scope.start : scope.end]
        if path and asked_by(path[-1], {}).whole is Whole.LANGUAGE:
            language = guess_language(text)
            known = {language.code, NAMES.get(language.code or "")}
            match = next((each for each in named if each in known or each.title() in known), None)
            return _NOTHING if match is None else self.told(path, match, language.confidence)
        chosen = classify(text, tuple(self.known.get(name, Label(name[:200])) for name in dict.fromkeys(named[:100])))
        if chosen.label is None:
            return None if None in options else _NOTHING
        self.evidence += chosen.evidence
        return self.told(path, chosen.label, chosen.confidence)

    def several(self, options: list[Any], scope: _Scope, path: tuple[str, ...]) -> Any:
        """Every option that the text speaks of."""
        text, sures = self.text[scope.start : scope.end], [NOTHING_THERE]
        found: list[str] = []
        for option in options[:ITEMS_MAX]:
            if isinstance(option, str) and option:
                chosen = classify(text, (self.known.get(option, Label(option[:200])),))
                if chosen.label is not None:
                    found.append(option)
                    sures.append(chosen.confidence)
        return self.told(path, found, min(sures[1:] or sures))

    def of_label(self, path: tuple[str, ...]) -> Any:
        """What the text itself names so, on a line of its own."""
        if self.labelled is None:
            self.labelled = plain_fields(self.text, self.root)
        found: Any = self.labelled
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found


def _is_nullable(schema: Mapping[str, Any]) -> bool:
    options = schema.get("enum")
    branches = [branch for branch in branches_of(schema) if isinstance(branch, Mapping)]
    return (isinstance(options, list) and None in options) or any("null" in types_of(branch) for branch in branches)


def _same(one: Asked, other: Asked) -> bool:
    return one.part == other.part and bool(set(one.kinds) & set(other.kinds))


def _means(words: tuple[str, ...], kind: Kind) -> bool:
    """Whether an option's words name a kind."""
    return kind.value in words or kind in asked_by("_".join(words), {}).kinds


def _within(scope: _Scope, start: int, end: int) -> _Scope:
    return _Scope(start, end, tuple(each for each in scope.entities if start <= each.start and each.end <= end))


def _written(entity: Entity, asked: Asked, schema: Mapping[str, Any]) -> Any:
    """An entity's value in the type of its property; None where that loses something."""
    if asked.part == "currency":
        return entity.currency or None
    if asked.part == "minor":
        return entity.minor_units
    kinds = set(types_of(schema))
    if entity.kind is not Kind.AMOUNT or "string" in kinds:
        return entity.value
    number = Decimal(next(_numbers(entity.value), "0"))
    if number == number.to_integral_value():
        return int(number)
    return float(number) if "number" in kinds or not kinds else None


def _numbers(value: str) -> Iterator[str]:
    yield value.rpartition(" ")[2]

"""Owns what plain text says of a schema's fields: labelled lines, table rows, and patterns that everybody knows.

`Name: Ann`, `- **Name:** Ann`, `| Name | Ann |`; an e-mail address where a field is called so and the text holds one
only. It refuses to choose between two, and to read sentences: what is not labelled and no known pattern is not found.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headgate.local.coerce import plain_name
from headgate.local.schema_walk import DEPTH_MAX, properties_of, resolved, types_of

TEXT_CHARS_MAX: Final = 100_000
"""Of a longer text only so much is read."""
FIELDS_MAX: Final = 200
"""Fields of one object that are looked for."""
PLACES_MAX: Final = 1_000
"""Properties that are looked at in all: references within each other multiply."""

_BULLET: Final = r"[ \t]{0,8}(?:[-*+•]|\d{1,3}[.)])?[ \t]{0,4}"
_MARK: Final = r"(?:\*\*|__|[*_`\"'])?"
_LABELLED = re.compile(
    rf"^{_BULLET}{_MARK}(?P<label>[^\W_][\w /()-]{{0,48}}?){_MARK}[ \t]{{0,4}}[:=：]{_MARK}[ \t]*(?P<value>\S[^\n]*)$",
    re.MULTILINE,
)
_ROW = re.compile(r"^[ \t]{0,8}\|([^\n]*)\|[ \t]*$", re.MULTILINE)
_RULE = re.compile(r"[\s|:-]+")
_EMAIL_FORMATS: Final = ("email", "idn-email")
_URL_FORMATS: Final = ("uri", "url", "iri")
_MARKS: Final = " \t*_`\"'“”"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}+@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_URL = re.compile(r"(?<!\w)https?://[^\s<>\"'()\[\]{}]{1,2000}+")
_PHONE = re.compile(
    r"(?<![\w+.,/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,5}\)[ .-]?)?\d{2,5}(?:[ .-]?\d{2,5}){1,4}(?![\w.,/-]?\w)"
)
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = rf"(?:{'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_DATE = re.compile(
    rf"(?<![\w/-])(?:(?P<iso>\d{{4}}-\d\d-\d\d)(?![\d-])"
    rf"|(?P<d1>{_DAY})(?:st|nd|rd|th)? (?P<m1>{_MONTH}),? (?P<y1>\d{{4}})"
    rf"|(?P<m2>{_MONTH}) (?P<d2>{_DAY})(?:st|nd|rd|th)?,? (?P<y2>\d{{4}}))(?!\w)",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"(?:[$€£¥₹]|(?:USD|EUR|GBP|INR|JPY|CHF)\s)\s?(\d[\d,]{0,20}(?:\.\d{1,4})?)(?![\d.]*\d)"
    r"|(?<![\w.,])(\d[\d,]{0,20}(?:\.\d{1,4})?)\s?(?:[€£¥₹]|(?:USD|EUR|GBP|INR|JPY|CHF)\b)"
)


def plain_fields(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an object schema that plain text gives, as strings, nested as the schema is; {} if none.

    Linear in the length of the text, of which `TEXT_CHARS_MAX` are read.
    """
    text = text[:TEXT_CHARS_MAX]
    labelled = _labelled(text)
    found: dict[str, Any] = {}
    for path, field in _fields(resolved(schema, schema), schema, (), 0, iter(range(PLACES_MAX))):
        value = _value(path, field, labelled, text)
        if value is not None:
            _put(found, path, value)
    return found


def _fields(
    schema: Mapping[str, Any], root: Mapping[str, Any], path: tuple[str, ...], depth: int, left: Iterator[int]
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The fields that are no objects themselves, outer ones first."""
    nested = []
    for name, declared in list(properties_of(schema).items())[:FIELDS_MAX]:
        if next(left, None) is None:
            return
        field = resolved(declared, root)
        if properties_of(field):
            nested.append((name, field))
        else:
            yield (*path, name), field
    if depth < min(DEPTH_MAX, 3):
        for name, field in nested:
            yield from _fields(field, root, (*path, name), depth + 1, left)


def _labelled(text: str) -> dict[str, str]:
    """Values by label, the first one of each label."""
    found: dict[str, str] = {}
    for match in _LABELLED.finditer(text):
        _remember(found, match["label"], match["value"])
    rows = [[cell.strip(_MARKS) for cell in row.split("|")] for row in _ROW.findall(text) if not _RULE.fullmatch(row)]
    for row in rows:
        if len(row) == 2:
            _remember(found, *row)
    if len(rows) == 2 and len(rows[0]) == len(rows[1]) > 2:
        for label, value in zip(*rows, strict=True):
            _remember(found, label, value)
    return found


def _remember(found: dict[str, str], label: str, value: str) -> None:
    value = value.strip(_MARKS).rstrip(",;").strip(_MARKS)
    if value and plain_name(label):
        found.setdefault(plain_name(label), value)


def _value(path: tuple[str, ...], field: Mapping[str, Any], labelled: Mapping[str, str], text: str) -> Any:
    title = field.get("title")
    for label in ("".join(path), path[-1], title if isinstance(title, str) else ""):
        value = labelled.get(plain_name(label))
        if value is not None:
            break
    else:
        return _known(path[-1], field, text)
    if "array" in types_of(field):
        return [part.strip(_MARKS) for part in value.split(",") if part.strip(_MARKS)]
    return _known(path[-1], field, value) or value


def _known(name: str, field: Mapping[str, Any], text: str) -> str | None:
    """What the pattern for a field of this name, format or type finds, if it finds one thing only."""
    words = set(re.split(r"[\W_]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()))
    is_number = not {"integer", "number"}.isdisjoint(types_of(field))
    kind = field.get("format")
    if kind in _EMAIL_FORMATS or words & {"email", "mail"}:
        return _only(_EMAIL.findall(text))
    if kind in _URL_FORMATS or words & {"url", "uri", "link", "website", "homepage"}:
        return _only([url.rstrip(".,;:!?") for url in _URL.findall(text)])
    if kind == "date" or (words & {"date", "day", "birthday"} and not is_number):
        return _only([_iso(match) for match in _DATE.finditer(text)])
    if words & {"phone", "telephone", "mobile", "tel"} and not is_number:
        return _only([phone for phone in _PHONE.findall(text) if 7 <= sum(map(str.isdigit, phone)) <= 15])
    if words & {"amount", "price", "total", "cost", "sum", "fee"}:
        return _only([(before or after).replace(",", "") for before, after in _AMOUNT.findall(text)])
    return None


def _only(found: list[str]) -> str | None:
    return found[0] if len(set(found)) == 1 else None


def _iso(match: re.Match[str]) -> str:
    if match["iso"]:
        return match["iso"]
    month = _MONTHS.index((match["m1"] or match["m2"])[:3].lower()) + 1
    return f"{match['y1'] or match['y2']}-{month:02d}-{int(match['d1'] or match['d2']):02d}"


def _put(found: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        found = found.setdefault(name, {})
    found[path[-1]] = value

"""Owns the mending of JSON that a model wrote almost right: fences, prose around it, quotes, commas, a missing end.

Three readers, each asked only when the one before gave up: strict, lenient (`lenient.py`: other notations, nothing
guessed) and json-repair, which guesses. It never raises and never runs long: what costs more than a fixed number of
steps per character is given up. It refuses to invent: prose without JSON is not mended, and a mended answer must still
satisfy the client's schema. What two libraries mend differently, and which one is followed: docs/mending.md.
"""

import json
import re
from enum import StrEnum
from typing import Any, Final, Self, SupportsIndex

import msgspec

from headgate.domain.request import Check
from headgate.local.check import check_value
from headgate.local.lenient import TooDeepError, read_lenient

MEND_CHARS_MAX: Final = 1_000_000
"""Longer texts are not mended. The longest answer of any current model is about 260,000 characters."""
STEPS_PER_CHAR_MAX: Final = 6
"""Characters that the tolerant parser may look at per character of text; long answers need 1 to 3."""
STEPS_FREE: Final = 3_000
"""Looks on top of that, so that tiny texts are not refused."""
REPAIR_CHARS_MAX: Final = 120_000
"""Longer texts are only read strictly and leniently. The tolerant parser copies a string for each of its characters:
120,000 take up to a second (mend long texts in a thread), 1,000,000 would take 15."""

_FENCED = re.compile(r"```[ \t]*+[A-Za-z0-9_+-]*+[ \t]*+\r?\n(.*?)(?:```|\Z)", re.DOTALL)
# What JSON looks like in the middle of prose: `{"a`, `{a:`, `["a`, `[[`, `[{`, `[1,`; but not `[1]` or `[see there]`.
_JSON_IN_PROSE = re.compile(r"""\{\s*(?:["'“]|[\w-]+\s*:|\})|\[\s*(?:["'“{\[\]]|-?\d[\d.]*\s*,)""")

_BARE_QUOTE = re.compile(r'(?<!\\)"')


class How(StrEnum):
    """What it took."""

    STRICT = "strict"
    FENCE = "fence"
    PROSE = "prose"
    LENIENT = "lenient"
    REPAIR = "repair"


class Mended(msgspec.Struct, frozen=True):
    """An object or array and its JSON text, compact, keys in the order of the original."""

    text: str
    value: dict[str, Any] | list[Any]
    how: How


def mend_json(text: str, *, max_chars: int = MEND_CHARS_MAX) -> Mended | None:
    """The JSON object or array that `text` was meant to be, or None. Linear in the length of the text."""
    if not text or len(text) > max_chars:
        return None
    try:
        return _mended(text) if _is_meant_as_json(text) else None
    except (TooDeepError, RecursionError):  # also where the caller stands deep in the stack
        return None


def mend_answer(text: str, check: Check, schema: dict[str, Any] | None) -> Mended | None:
    """The mended text, if it also satisfies the client's schema."""
    mended = mend_json(text)
    if mended is None or check_value(mended.value, check, schema) is not None:
        return None
    return mended


def _mended(text: str) -> Mended | None:
    for candidate, how in ((text, How.STRICT), (_fenced(text), How.FENCE), (_outermost(text), How.PROSE)):
        if candidate and (mended := _strict(candidate, how)):
            return mended
    return _lenient(text) or _repaired(text) or _lenient(text, takes_rest=True)


def _is_meant_as_json(text: str) -> bool:
    """Begins like JSON (or like an object that lost its first brace), or has a fence or JSON in its prose."""
    begins = text.lstrip().startswith(("{", "[", "(", '"', "/*"))
    return begins or "```" in text or _JSON_IN_PROSE.search(text) is not None


def _strict(text: str, how: How) -> Mended | None:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return _canonical(value, how)


def _canonical(value: Any, how: How) -> Mended | None:
    if not isinstance(value, dict | list):
        return None
    try:
        # A tolerant parser lets NaN and the like through: what is handed out is what the text says, so decode it again.
        raw = msgspec.json.encode(value)
        value = msgspec.json.decode(raw)
    except (TypeError, ValueError, RecursionError):
        return None
    return Mended(raw.decode(), value, how)


def _fenced(text: str) -> str | None:
    """What stands in the only code fence; None where there is none, or more than one to choose from."""
    if "```" not in text:
        return None
    blocks = _FENCED.findall(text)
    return blocks[0] if len(blocks) == 1 else None


def _outermost(text: str) -> str | None:
    """From the first opening brace or bracket to the last closing one."""
    opens = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    end = max(text.rfind("}"), text.rfind("]"))
    return text[min(opens) : end + 1] if opens and end > min(opens) else None


def _lenient(text: str, *, takes_rest: bool = False) -> Mended | None:
    """Another notation of JSON: the text itself, the only fenced block, or what follows a few words of prose."""
    start = _JSON_IN_PROSE.search(text)
    prose = text[start.start() :] if start and text[: start.start()].strip() else None
    for candidate in (text, _fenced(text), prose, _written_out(text)):
        read = read_lenient(candidate, takes_rest=takes_rest) if candidate else None
        if read is not None:
            return _canonical(read.value, How.LENIENT)
    read = read_lenient(_outermost(prose or text) or "")
    return _canonical(read.value, How.LENIENT) if read is not None and not read.is_cut else None


def _written_out(text: str) -> str | None:
    r"""JSON that was put into a string once or twice and lost the quotes around it: `{\"a\": 1}`."""
    for _ in range(2):
        if '\\"' not in text or _BARE_QUOTE.search(text):
            return None
        try:
            text = json.loads(f'"{text}"', strict=False)
        except (ValueError, RecursionError):
            return None
        if '\\"' not in text:
            return text
    return None


def _repaired(text: str) -> Mended | None:
    if len(text) > REPAIR_CHARS_MAX:
        return None
    import json_repair

    steps = STEPS_FREE + STEPS_PER_CHAR_MAX * len(text)
    try:
        value = json_repair.repair_json(_MeteredText(text, [steps]), return_objects=True, skip_json_loads=True)
    except Exception:  # noqa: BLE001 - a foreign parser on hostile text: whatever it raises means "no"
        return None
    # An empty container out of prose is an invention; out of a text that begins with its bracket it is what is left.
    return _canonical(value, How.REPAIR) if value or text.lstrip().startswith(("{", "[")) else None


class _OutOfStepsError(Exception):
    """The tolerant parser goes over the same characters again and again."""


class _MeteredText(str):
    """A text that counts how often it is looked at, because json-repair takes quadratic time on some texts.

    (Found by search, version 0.64: `["1"a"1"a"...` of 8,000 characters takes 1.8 s.) Every look at a character takes a
    step from `steps`, a one-item list that copies share; at zero the look raises.
    """

    __slots__ = ("steps",)
    steps: list[int]

    def __new__(cls, text: str, steps: list[int]) -> Self:
        self = super().__new__(cls, text)
        self.steps = steps
        return self

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        found = str.__getitem__(self, at)
        self.steps[0] -= len(found)
        if self.steps[0] < 0:
            raise _OutOfStepsError
        # The parser replaces its text by `text[:n] + inserted + text[n:]`: the new text must go on counting.
        if isinstance(at, slice) and at.start is None:
            return _MeteredText(found, self.steps)
        return found

    def __add__(self, other: str) -> "_MeteredText":
        return _MeteredText(str.__add__(self, other), self.steps)

"""Owns the watching of a JSON answer while it streams: whether it can still become one, and whether it did.

One pass with a state that is a method: each reads as much of the delta as is its own and names the next. No text is
read twice before the end, where the whole is checked as any answer is. Prose or fences around the JSON are not JSON.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.domain.request import Check
from headgate.local.check import check_answer

WATCHED_CHARS_MAX: Final = 1_000_000
"""The longest answer that is watched. The longest of any current model is about 260,000 characters."""
DEPTH_MAX: Final = 256
"""Objects and arrays inside each other."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]*')
_DIGITS: Final = re.compile(r"[0-9]*")
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_ESCAPED: Final = frozenset('"\\/bfnrt')
_WORDS: Final = {"t": "true", "f": "false", "n": "null"}
_NUMBER_STARTS: Final = frozenset("-0123456789")
_STARTS: Final = {
    "object": frozenset("{"),
    "array": frozenset("["),
    "string": frozenset('"'),
    "number": _NUMBER_STARTS,
    "integer": _NUMBER_STARTS,
    "boolean": frozenset("tf"),
    "null": frozenset("n"),
}
_ANY_START: Final = frozenset().union(*_STARTS.values())

_NUMBER: Final[dict[str, dict[str, str]]] = {
    "sign": {"0": "zero", "9": "whole"},
    "zero": {".": "point", "e": "e"},
    "whole": {"9": "whole", "0": "whole", ".": "point", "e": "e"},
    "point": {"9": "fraction", "0": "fraction"},
    "fraction": {"9": "fraction", "0": "fraction", "e": "e"},
    "e": {"9": "power", "0": "power", "+": "e sign"},
    "e sign": {"9": "power", "0": "power"},
    "power": {"9": "power", "0": "power"},
}
"""Where a number stands, and what may come: 9 for any digit but 0, e for both, + for both."""
_NUMBER_CLASSES: Final = {**dict.fromkeys("123456789", "9"), "0": "0", ".": ".", "e": "e", "E": "e", "+": "+", "-": "+"}
_WHOLE_NUMBERS: Final = frozenset({"zero", "whole", "fraction", "power"})
_ENDLESS_DIGITS: Final = frozenset({"whole", "fraction", "power"})

_Read = Callable[[str, int], int]
_SPOILED: Final = -1


class JsonWatch:
    """One streamed answer. `feed` costs about a microsecond for a token; memory is the text."""

    def __init__(self, check: Check, schema: dict[str, Any] | None, *, max_chars: int = WATCHED_CHARS_MAX) -> None:
        self._check = check
        self._schema = schema
        self._max_chars = max_chars
        self._parts: list[str] = []
        self._chars = 0
        self._problem = ""
        self._open: list[str] = []
        self._read: _Read = self._first
        self._starts = _first_characters(check, schema)
        self._known = _known_keys(check, schema)
        self._is_key = False
        self._key: list[str] | None = None
        self._hex_digits = 0
        self._number = ""
        self._word = ""

    @property
    def text(self) -> str:
        """What came so far, up to the limit."""
        return "".join(self._parts)

    def feed(self, text: str) -> bool:
        """Takes the next piece; False from the moment on at which nothing that follows can make it right."""
        if self._problem:
            return False
        self._chars += len(text)
        if self._chars > self._max_chars:
            self._spoil(f"The answer is longer than {self._max_chars} characters.")
            return False
        self._parts.append(text)
        at, end = 0, len(text)
        while at < end:
            at = self._read(text, at)
            if at < 0:
                return False
        return True

    def close(self) -> str:
        """What keeps the whole answer from being given out; empty when nothing does. May be called again."""
        if not self._problem and not self._is_complete():
            self._problem = (
                "The answer ends in the middle of its JSON." if self.text.strip() else "The answer is empty."
            )
        if not self._problem:
            problem = check_answer(self.text, self._check, self._schema)
            if problem is not None:
                self._problem = f"{problem.message} (at {problem.path})" if problem.path else problem.message
        return self._problem

    def _is_complete(self) -> bool:
        if self._read == self._in_number:
            return not self._open and self._number in _WHOLE_NUMBERS
        return self._read == self._past_end

    def _spoil(self, problem: str) -> int:
        self._problem = problem
        return _SPOILED

    def _unexpected(self, text: str, at: int, wanted: str) -> int:
        return self._spoil(f"The answer is not JSON: {text[at]!r} where {wanted} should be.")

    # ------------------------------------------------------------------------------------------------ between values

    def _first(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at == len(text):
            return at
        if text[at] in _ANY_START and text[at] not in self._starts:
            return self._spoil(f"The answer is of the wrong type: it begins with {text[at]!r}.")
        return self._value(text, at)

    def _value(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at == len(text):
            return at
        start = text[at]
        if start == '"':
            self._is_key, self._read = False, self._in_string
        elif start in ("{", "["):
            if len(self._open) == DEPTH_MAX:
                return self._spoil(f"The answer is nested more than {DEPTH_MAX} levels deep.")
            self._open.append(start)
            self._read = self._first_key if start == "{" else self._first_item
        elif start in _NUMBER_STARTS:
            self._number = "sign" if start == "-" else "zero" if start == "0" else "whole"
            self._read = self._in_number
        elif start in _WORDS:
            self._word, self._read = _WORDS[start][1:], self._in_word
        else:
            return self._unexpected(text, at, "a value")
        return at + 1

    def _first_item(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at < len(text) and text[at] == "]":
            return self._closed(at)
        return self._value_from(text, at)

    def _value_from(self, text: str, at: int) -> int:
        return at if at == len(text) else self._value(text, at)

    def _first_key(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at < len(text) and text[at] == "}":
            return self._closed(at)
        return self._before_key(text, at)

    def _before_key(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at == len(text):
            return at
        if text[at] != '"':
            return self._unexpected(text, at, "a key")
        self._is_key, self._read = True, self._in_string
        self._key = [] if self._known is not None and len(self._open) == 1 else None
        return at + 1

    def _before_colon(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at == len(text):
            return at
        if text[at] != ":":
            return self._unexpected(text, at, "a colon")
        self._read = self._value
        return at + 1

    def _after_value(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        if at == len(text):
            return at
        inside = self._open[-1]
        if text[at] == ",":
            self._read = self._before_key if inside == "{" else self._value
            return at + 1
        if text[at] == ("}" if inside == "{" else "]"):
            return self._closed(at)
        return self._unexpected(text, at, "a comma or the end")

    def _past_end(self, text: str, at: int) -> int:
        at = _skipped(text, at)
        return at if at == len(text) else self._unexpected(text, at, "nothing more")

    def _closed(self, at: int) -> int:
        self._open.pop()
        self._ended()
        return at + 1

    def _ended(self) -> None:
        self._read = self._after_value if self._open else self._past_end

    # ------------------------------------------------------------------------------------------------- inside values

    def _in_string(self, text: str, at: int) -> int:
        end = _end(_PLAIN, text, at)
        if self._is_key and self._key is not None:
            self._key.append(text[at:end])
        if end == len(text):
            return end
        if text[end] == "\\":
            self._read = self._in_escape
        elif text[end] != '"':
            return self._unexpected(text, end, "a character of a string")
        elif not self._is_key:
            self._ended()
        elif self._key is not None and (unknown := self._unknown_key(self._key)):
            return self._spoil(f"The answer has the property {unknown}, which its schema forbids.")
        else:
            self._read = self._before_colon
        return end + 1

    def _in_escape(self, text: str, at: int) -> int:
        if self._is_key and self._key is not None:
            self._key.append("\\" + text[at])
        if text[at] == "u":
            self._hex_digits, self._read = 4, self._in_hex
        elif text[at] in _ESCAPED:
            self._read = self._in_string
        else:
            return self._unexpected(text, at, "an escape")
        return at + 1

    def _in_hex(self, text: str, at: int) -> int:
        if text[at] not in _HEX:
            return self._unexpected(text, at, "a hexadecimal digit")
        if self._is_key and self._key is not None:
            self._key.append(text[at])
        self._hex_digits -= 1
        if not self._hex_digits:
            self._read = self._in_string
        return at + 1

    def _in_number(self, text: str, at: int) -> int:
        if self._number in _ENDLESS_DIGITS:
            at = _end(_DIGITS, text, at)
        while at < len(text):
            following = _NUMBER[self._number].get(_NUMBER_CLASSES.get(text[at], ""))
            if following is None:
                if self._number not in _WHOLE_NUMBERS:
                    return self._unexpected(text, at, "a digit")
                self._ended()
                return at
            self._number = following
            at += 1
        return at

    def _in_word(self, text: str, at: int) -> int:
        if text[at] != self._word[0]:
            return self._unexpected(text, at, "true, false or null")
        self._word = self._word[1:]
        if not self._word:
            self._ended()
        return at + 1

    def _unknown_key(self, raw: list[str]) -> str:
        """The key, quoted, if the schema does not know it. One that cannot be read is left to the end."""
        quoted = f'"{"".join(raw)}"'
        try:
            name = msgspec.json.decode(quoted, type=str)
        except (msgspec.DecodeError, UnicodeError):
            return ""
        return "" if self._known is None or name in self._known else quoted[:80]


def _skipped(text: str, at: int) -> int:
    return _end(_SPACE, text, at)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    assert found is not None  # all three patterns match nothing as well
    return found.end()


def _first_characters(check: Check, schema: dict[str, Any] | None) -> frozenset[str]:
    """What the answer may begin with; any value where the schema does not say."""
    if check is Check.NONE:
        return _ANY_START
    if check is not Check.SCHEMA or schema is None:
        return frozenset("{[")
    named = schema.get("type")
    names = [str(name) for name in named] if isinstance(named, list) else [str(named)]
    if "$ref" in schema or not _STARTS.keys() >= set(names):
        return _ANY_START
    return frozenset().union(*(_STARTS[name] for name in names))


def _known_keys(check: Check, schema: dict[str, Any] | None) -> frozenset[str] | None:
    """The only keys that the whole answer may have; None where the schema leaves it open."""
    if check is not Check.SCHEMA or schema is None or schema.get("additionalProperties") is not False:
        return None
    properties = schema.get("properties", {})
    if "$ref" in schema or "patternProperties" in schema or not isinstance(properties, Mapping):
        return None
    return frozenset(str(name) for name in properties)

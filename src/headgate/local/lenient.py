"""Owns the reading of JSON in another notation: comments, other quotes, bare words, calls, ellipses, a lost end.

One pass over the text, every character looked at a bounded number of times. It refuses to guess: wherever a quote, a
brace or a colon could be meant in two ways it gives up, and another reader may try (`mend.py`). So what it returns is
either what every tolerant reader returns, or one of the choices of our own that docs/mending.md lists.
"""

import re
from typing import Any, Final

import msgspec

NESTING_MAX: Final = 150
"""Objects and arrays within each other; deeper texts are not read. No schema of a provider nests deeper than 10."""
NUMBER_CHARS_MAX: Final = 300
"""A longer number is not read: Python refuses to convert it, or takes quadratic time."""

_GAP: Final = r"[\s\ufeff\u200b\u180e]"
_BLANK = re.compile(rf"(?:{_GAP}++|/\*(?:[^*]|\*(?!/))*+\*/|(?://|\#)[^\n}}\]]*+(?:\n|\Z))*+")
_STRINGS: Final = {
    '"': re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL),
    # An apostrophe between two letters is one: 'it's' is a string.
    "'": re.compile(r"'((?:[^'\\]++|\\.|(?<=\w)'(?=\w))*+)'", re.DOTALL),
    "`": re.compile(r"`((?:[^`´'\"\\]++|\\.)*+)[`´']", re.DOTALL),
    "´": re.compile(r"´((?:[^`´'\"\\]++|\\.)*+)[`´']", re.DOTALL),
    "“": re.compile(r'“((?:[^”"\\]++|\\.)*+)”', re.DOTALL),
    "‘": re.compile(r"‘((?:[^’'\\]++|\\.)*+)’", re.DOTALL),
}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED: Final = {'"': '"', "'": "'", "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CUT_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\u[0-9a-fA-F]{0,3})\Z")
_ENDS_HERE: Final = rf"(?={_GAP}|[,\]}})/\#]|\Z)"
_NUMBER = re.compile(rf"(-?\d++)(\.\d*+)?([eE][+-]?(\d*+))?{_ENDS_HERE}")
_WORD = re.compile(r"[^\W\d][\w$]*+|\$[\w$]*+")
_CALL = re.compile(r"(?:new\s{1,9})?(?:[^\W\d]|\$)[\w$.]*+\(")
_PATTERN = re.compile(rf"/(?:[^/\\\n]|\\.){{1,1000}}+/[a-z]{{0,8}}{_ENDS_HERE}")
_BARE_KEY = re.compile(r"(?:[^\W\d]|\$)[\w$-]*+")
_ELLIPSIS = re.compile(rf"\.\.\.{_ENDS_HERE}")
_NEXT_KEY = re.compile(r'[\w $-]{1,80}"\s{0,20}:')
_WORDS: Final = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_QUOTES: Final = frozenset('"“”')
_AFTER_A_STRING: Final = _QUOTES | frozenset("]}`'‘’:\n")
"""What lets one doubt that a string without an end goes on to the end of the text."""
_UNDEFINED: Final = "undefined"
_NOTHING: Final = object()
"""In place of the value of a member that the end of the text cut off before its colon."""
_EMPTY: Final[tuple[Any, ...]] = ({}, [], "")
"""An item that was cut off when nothing of it was written yet is left out."""


class Read(msgspec.Struct, frozen=True):
    """What a text says. `is_cut`: it ended before its last object, array or string did."""

    value: Any
    is_cut: bool


class TooDeepError(Exception):
    """Objects and arrays are nested deeper than `NESTING_MAX`: no reader may try."""


class _DoubtError(Exception):
    """It could be meant in two ways, or is no notation that we know."""


def read_lenient(text: str, *, takes_rest: bool = False) -> Read | None:
    """The value of a text that is nothing but JSON in some notation; documents on lines of their own are a list.

    None where that is in doubt; `takes_rest` says that a string without an end takes the rest of the text, if there is
    no quote in it. Raises `TooDeepError`, or `RecursionError` where the caller stands deep in the stack already.
    """
    reader = _Reader(text, takes_rest=takes_rest)
    try:
        value = reader.documents()
    except _DoubtError:
        return None
    return Read(value, reader.is_cut)


class _Reader:
    """A place in a text, and what was learned on the way there."""

    __slots__ = ("at", "depth", "end", "is_cut", "name_is_cut", "takes_rest", "text")

    def __init__(self, text: str, *, takes_rest: bool) -> None:
        self.text = text
        self.takes_rest = takes_rest
        self.at = 0
        self.end = len(text)
        self.depth = 0
        self.is_cut = False
        self.name_is_cut = False

    def documents(self) -> Any:
        found = []
        self.blank()
        while self.next() in {"{", "["}:
            found.append(self.value())
            after = self.at
            self.blank()
            if self.next() == ",":
                self.at += 1
                self.blank()
            if self.at < self.end and "\n" not in self.text[after : self.at]:
                raise _DoubtError
        if not found or self.at < self.end:
            raise _DoubtError
        return found[0] if len(found) == 1 else found

    def blank(self) -> None:
        """Go over white space and comments."""
        match = _BLANK.match(self.text, self.at)
        assert match is not None  # it can match nothing at all
        self.at = match.end()

    def next(self) -> str:
        """The next character; "" at the end."""
        return self.text[self.at : self.at + 1]

    def value(self) -> Any:
        match self.next():
            case "{":
                return self.nested_object()
            case "[":
                return self.nested_array()
            case quote if quote in _STRINGS:
                return self.strings()
            case _:
                return self.bare()

    def enter(self) -> None:
        self.at += 1
        self.depth += 1
        if self.depth > NESTING_MAX:
            raise TooDeepError

    def is_over(self, closing: str) -> bool:
        """Leave an object or array at its closing mark, or at the end of the text."""
        following = self.next()
        if following == closing:
            self.at += 1
        elif following:
            return False
        else:
            self.is_cut = True
        self.depth -= 1
        return True

    def nested_object(self) -> dict[str, Any]:
        self.enter()
        members: dict[str, Any] = {}
        comma_is_missing = False
        while True:
            self.blank()
            if self.ellipsis():
                continue
            if self.is_over("}"):
                return members
            name, value = self.member(comma_is_missing=comma_is_missing)
            if name in members:
                raise _DoubtError
            if value is not _NOTHING:
                members[name] = value
            elif not self.name_is_cut or (name and not members):
                members[name] = None
            comma_is_missing = self.comma(value, closing="}")

    def member(self, *, comma_is_missing: bool) -> tuple[str, Any]:
        name = self.name()
        after = self.at
        self.blank()
        following = self.next()
        if not following and (name or self.name_is_cut):
            return name, _NOTHING
        if following == ":":
            self.at += 1
            self.blank()
            if self.next() in {"", ",", "}", "]"}:
                raise _DoubtError
            return name, self.value()
        if comma_is_missing or self.at == after:
            raise _DoubtError
        return name, self.value_without_colon()

    def value_without_colon(self) -> Any:
        """Only what cannot be a part of the name."""
        if self.next() not in _STRINGS and not self.text.startswith(("true", "false", "null"), self.at):
            raise _DoubtError
        value = self.value()
        self.blank()
        if self.is_cut or self.next() not in {",", "}"}:
            raise _DoubtError
        return value

    def name(self) -> str:
        if self.next() in _STRINGS:
            name = self.string(is_name=True)
            self.name_is_cut = self.is_cut
            return name
        match = _BARE_KEY.match(self.text, self.at)
        if match is None or match.end() == self.end:
            raise _DoubtError
        self.at = match.end()
        return match[0]

    def comma(self, before: Any, *, closing: str) -> bool:
        """Go over the comma after a value; True if there is none where one is clearly missing."""
        after = self.at
        self.blank()
        following = self.next()
        if following == ",":
            self.at += 1
            return False
        if following in {"", closing}:
            return False
        if not self.is_comma_missing(before, following, closing, self.text[after : self.at]):
            raise _DoubtError
        return True

    def is_comma_missing(self, before: Any, following: str, closing: str, gap: str) -> bool:
        """After a string nothing is clear: its end may be a quote within it."""
        if closing == "}" and following in {'"', "'"}:
            return not isinstance(before, str)
        if closing == "]" and isinstance(before, dict | list):
            return following in {"{", "["}
        is_word = _WORD.match(self.text, self.at) is not None
        return is_word and "\n" in gap and self.text[self.at - len(gap) - 1] not in "\"'”’`´)}]"

    def nested_array(self) -> list[Any]:
        self.enter()
        items: list[Any] = []
        while True:
            self.blank()
            if self.ellipsis():
                continue
            if self.is_over("]"):
                return items
            item = self.value()
            if not self.is_cut or item not in _EMPTY:
                items.append(item)
            self.comma(item, closing="]")

    def ellipsis(self) -> bool:
        """Go over `...` and its comma."""
        match = _ELLIPSIS.match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        self.blank()
        if self.next() == ",":
            self.at += 1
        elif self.next() not in {"", "]", "}"}:
            raise _DoubtError
        return True

    def strings(self) -> str:
        """A string, or several with a plus between them."""
        parts = [self.string()]
        while True:
            after = self.at
            self.blank()
            if self.next() != "+":
                self.at = after
                return "".join(parts)
            self.at += 1
            self.blank()
            if self.next() not in _STRINGS:
                raise _DoubtError
            parts.append(self.string())

    def string(self, *, is_name: bool = False) -> str:
        match = _STRINGS[self.next()].match(self.text, self.at)
        if match is None:
            return self.unclosed()
        following = self.text[match.end() : match.end() + 1]
        if following.isalnum() or following == "_":
            if is_name:
                raise _DoubtError
            return self.closed_too_late(match)
        self.at = match.end()
        body = match[1]
        return _unescaped(body.rstrip() if body.endswith("\n") else body)

    def closed_too_late(self, match: re.Match[str]) -> str:
        """A string that lost its closing quote: the one found opens the next string, after a comma or on a new line."""
        line, newline, indent = match[1].partition("\n")
        if newline and not indent.strip():
            line = line.rstrip()
            body = line.removesuffix(",")
            self.at = match.start(1) + len(body)
            return _unescaped(body.rstrip())
        body = match[1].rstrip()
        if not body.endswith(",") or "\n" in body or _NEXT_KEY.match(self.text, match.end()) is None:
            raise _DoubtError
        self.at = match.start(1) + len(body) - 1
        return _unescaped(body[:-1].rstrip())

    def unclosed(self) -> str:
        """A string that the end of the text cuts off, if nothing in it looks like what would follow a string."""
        body = self.text[self.at + 1 :]
        self.at = self.end
        self.is_cut = True
        cut_escape = _CUT_ESCAPE.search(body, max(0, len(body) - 200))
        if cut_escape is not None:
            body = body[: cut_escape.start(1)]
        body = body.rstrip()
        doubtful = _QUOTES if self.takes_rest else _AFTER_A_STRING
        if not set(body).isdisjoint(doubtful) or (body.endswith(",") and not self.takes_rest):
            raise _DoubtError
        return _unescaped(body)

    def bare(self) -> Any:
        """A number, a word, or a call with one simple argument, as `ObjectId("1")`."""
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            self.at = number.end()
            return _number(number)
        call = _CALL.match(self.text, self.at)
        if call is not None:
            self.at = call.end()
            return self.argument()
        word = _PATTERN.match(self.text, self.at) or _WORD.match(self.text, self.at)
        if word is None or word.end() == self.end:
            raise _DoubtError
        self.at = word.end()
        if self.next() not in {",", "]", "}", "\n", "\r", " ", "\t", "/"}:
            raise _DoubtError
        return _word(word[0])

    def argument(self) -> Any:
        self.blank()
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            self.at = number.end()
            value = _number(number)
        elif self.next() in _STRINGS:
            value = self.string()
        else:
            raise _DoubtError
        self.blank()
        if self.next() != ")" or self.is_cut:
            raise _DoubtError
        self.at += 1
        return value


def _number(match: re.Match[str]) -> Any:
    whole, fraction, exponent, power = match.groups()
    if len(match[0]) > NUMBER_CHARS_MAX:
        raise _DoubtError
    if whole.lstrip("-").startswith("0") and len(whole.lstrip("-")) > 1:
        if whole.startswith("-") or fraction or exponent:
            raise _DoubtError
        return whole  # a postcode, a telephone number: as a number it would lose its zero
    if fraction is None and exponent is None:
        return int(whole)
    return float(whole + (fraction or "") + (exponent if exponent and power else ""))


def _word(word: str) -> Any:
    if word in _WORDS:
        return _WORDS[word]
    if word == _UNDEFINED:
        return None
    if word.lower() in {"true", "false", "null", "none", "nan", "infinity", _UNDEFINED}:
        raise _DoubtError
    return word


def _unescaped(body: str) -> str:
    if "\\" not in body:
        return body
    text = _ESCAPE.sub(_character, body)
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError:
        raise _DoubtError from None


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 16))
    if match[2] not in _ESCAPED:
        raise _DoubtError
    return _ESCAPED[match[2]]

"""Owns the question on which line of a TOML text each key stands. Knows nothing of the values.

The text was accepted by tomllib before, so this only follows its outline: headings, keys, and how far a value goes.
"""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from typing import Final

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
_SCALAR: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[^,\]}#\n]*",
    re.DOTALL,
)

Path = tuple[str | int, ...]


def toml_lines(text: str) -> dict[Path, int]:
    """The line (from 1) of every key path of a valid TOML text, entries of arrays by index (from 0)."""
    outline = _Outline(text)
    with suppress(ValueError, IndexError, RecursionError):  # an odd text costs only the lines behind this point
        outline.follow()
    return outline.lines


class _Outline:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.entries: dict[Path, int] = {}
        self.starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def follow(self) -> None:
        table: Path = ()
        while self.space() < len(self.text):
            before = self.at
            if self.text[self.at] == "[":
                table = self.heading()
            else:
                self.pair(table)
            if self.at == before:
                raise ValueError("no progress")

    def heading(self) -> Path:
        """`[a.b]` or `[[a.b]]`; a name that stands for a list of tables means its last entry."""
        line = self.line()
        doubled = self.text.startswith("[[", self.at)
        self.at += 2 if doubled else 1
        names = self.dotted_key()
        self.at += 2 if doubled else 1
        path: Path = ()
        for index, name in enumerate(names):
            path = (*path, name)
            self.lines.setdefault(path, line)
            is_last = index == len(names) - 1
            if doubled and is_last:
                self.entries[path] = self.entries.get(path, 0) + 1
            if path in self.entries and (doubled or not is_last):
                path = (*path, self.entries[path] - 1)
                self.lines.setdefault(path, line)
        return path

    def pair(self, table: Path) -> None:
        line = self.line()
        path = table
        for name in self.dotted_key():
            path = (*path, name)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.value(path)

    def value(self, path: Path) -> None:
        self.space()
        opener = self.text[self.at]
        if opener not in "[{":
            found = _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else len(self.text)
            return
        self.at += 1
        index = 0
        while self.text[self.space()] not in "]}":
            if opener == "[":
                self.lines[(*path, index)] = self.line()
                self.value((*path, index))
                index += 1
            else:
                self.pair(path)
            if self.text[self.space()] == ",":
                self.at += 1
        self.at += 1

    def dotted_key(self) -> list[str]:
        names = []
        while True:
            found = _KEY.match(self.text, self.at)
            if found is None:
                raise ValueError("no key")
            self.at = found.end()
            word = found[1]
            names.append(next(iter(tomllib.loads(f"{word} = 0"))) if word[0] in "\"'" else word)
            if self.text[self.at] != ".":
                return names
            self.at += 1

    def space(self) -> int:
        """Skip blanks and comments; where that leads."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def line(self) -> int:
        return bisect_right(self.starts, self.at)

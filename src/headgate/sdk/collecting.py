"""Owns the reading of files that are to be packed: folders in a stable order, text only, within limits.

What is left out is told with its reason, so that nothing goes missing silently.
"""

import fnmatch
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from headgate.runtime.packing import Source

MOST_FILES: Final = 5_000
MOST_FILE_BYTES: Final = 4 * 1024 * 1024
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of all files together."""
LOOKED_AT_BYTES: Final = 8_192
"""A file with a NUL in its first bytes is taken for a binary one."""
LEFT_ALONE: Final = frozenset({"__pycache__", "node_modules", "venv"})
"""Folders that are not gone into, besides those whose names begin with a dot."""


class Left(msgspec.Struct, frozen=True):
    """A file that is not packed, and why."""

    name: str
    why: str


class Collected(msgspec.Struct, frozen=True):
    """Texts in order, and what was left out of them."""

    sources: tuple[Source, ...]
    left: tuple[Left, ...] = ()


def collect(paths: Iterable[str | os.PathLike[str]], priorities: Mapping[str, int] | None = None) -> Collected:
    """The files in the order given; those of a folder by name, its own before those of its folders. The first of
    `priorities` whose pattern a name matches is its priority. Raises OSError for a path that is not there."""
    sources: list[Source] = []
    left: list[Left] = []
    total = 0
    for path in dict.fromkeys(each for given in paths for each in _walk(Path(given))):
        name = path.as_posix()
        if len(sources) >= MOST_FILES:
            left.append(Left(name, f"more than {MOST_FILES:,} files"))
            continue
        read = _read(path, MOST_BYTES - total)
        if isinstance(read, Left):
            left.append(read)
            continue
        total += len(read)
        sources.append(Source(name, read.decode(), _priority(name, priorities or {})))
    return Collected(tuple(sources), tuple(left))


def _walk(path: Path) -> Iterator[Path]:
    """A file, or the files of a folder. Links to folders are not followed: they may lead round in a ring."""
    if not path.is_dir():
        path.stat()
        yield path
        return
    entries = sorted(path.iterdir(), key=lambda entry: entry.name)
    yield from (entry for entry in entries if entry.is_file() and not entry.name.startswith("."))
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink() and entry.name not in LEFT_ALONE and entry.name[0] != ".":
            yield from _walk(entry)


def _read(path: Path, most_bytes: int) -> bytes | Left:
    """A text file's bytes, valid UTF-8 without a mark at the beginning."""
    name = path.as_posix()
    try:
        return _text_of(path, name, most_bytes)
    except OSError as error:
        return Left(name, error.strerror or "cannot be read")


def _text_of(path: Path, name: str, most_bytes: int) -> bytes | Left:
    if not path.is_file():
        return Left(name, "no regular file")
    size = path.stat().st_size
    if size > MOST_FILE_BYTES:
        return Left(name, f"larger than {MOST_FILE_BYTES:,} bytes")
    if size > most_bytes:
        return Left(name, f"more than {MOST_BYTES:,} bytes together")
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content[:LOOKED_AT_BYTES]:
        return Left(name, "binary")
    try:
        content.decode()
    except UnicodeDecodeError:
        return Left(name, "not UTF-8")
    return content


def _priority(name: str, priorities: Mapping[str, int]) -> int:
    return next((value for pattern, value in priorities.items() if fnmatch.fnmatchcase(name, pattern)), 0)

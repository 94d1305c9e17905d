"""Owns how commands speak: exit codes, errors on stderr, colours only where somebody looks."""

import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

FAILURE: Final = 1
TRY_LATER: Final = 75
BAD_CONFIGURATION: Final = 78
INTERRUPTED: Final = 130

WIDE: Final = 400
"""Columns of a table that no terminal shows: nothing is wrapped or cut."""


class Failed(Exception):
    """A command cannot do what was asked; the message says why and what to do."""

    def __init__(self, message: str, exit_code: int = FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def complaint(status: int, body: bytes) -> str:
    """What a gateway said of an error, for a person."""
    import msgspec

    try:
        return f"{status}: {msgspec.json.decode(body)['error']['message']}"
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError):
        return f"{status} without an explanation"


def say(text: str) -> None:
    """A line for the person, not for the pipe."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def put(text: str) -> None:
    """Data."""
    sys.stdout.write(text)
    sys.stdout.flush()


def put_json(value: object) -> None:
    """Data as one indented JSON value."""
    import msgspec

    put(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def console() -> "Console":
    """For tables on stdout: as wide as the terminal, or as the data where there is none; NO_COLOR is heeded."""
    from rich.console import Console

    options: dict[str, Any] = {"highlight": False, "no_color": bool(os.environ.get("NO_COLOR"))}
    return Console(**options) if sys.stdout.isatty() else Console(**options, width=WIDE)

"""Reply header names in lower case, each made once."""

from typing import Final

MAX_REMEMBERED_NAMES: Final = 1024
"""Names whose lower-case form is kept; beyond it they are made anew each time."""


class LowerNames(dict[bytes, str]):
    """Header name as sent -> lower-case text."""

    def __missing__(self, name: bytes) -> str:
        lower = name.decode("latin-1").lower()
        if len(self) < MAX_REMEMBERED_NAMES:
            self[name] = lower
        return lower


LOWER: Final = LowerNames()

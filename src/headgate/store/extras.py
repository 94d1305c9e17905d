"""Owns what is said where an optional part is not installed."""

from typing import Final

PACKAGES: Final = {"redis": "'redis[hiredis]'", "object": "obstore"}
"""What to install for each part, as a shell reads it: the package's own name, which is right however Headgate came."""


class MissingExtra(Exception):
    """Something was switched on that needs a part that is not installed; `fix` says how to install it."""

    def __init__(self, extra: str, purpose: str) -> None:
        self.extra = extra
        self.fix = f"pip install {PACKAGES[extra]}"
        super().__init__(
            f"{purpose} needs the optional part `{extra}`, which is not installed: {self.fix} (`./run` has it)"
        )

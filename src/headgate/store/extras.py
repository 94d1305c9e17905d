"""Owns what is said where an optional part is not installed."""


class MissingExtra(Exception):
    """Something was switched on that needs a part that is not installed; the text says how to install it."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the optional part `{extra}`, which is not installed: pip install 'headgate[{extra}]'"
        )
        self.extra = extra

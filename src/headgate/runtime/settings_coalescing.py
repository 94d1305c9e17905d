"""Owns `coalesce` of a route: how long, and how many, small like requests are gathered to be asked in one call."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

LONGEST_WINDOW_MS: Final = 30_000
MOST_ITEMS: Final = 100
MOST_ITEM_CHARS: Final = 100_000


class CoalesceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routes.NAME] coalesce = { window_ms = 50, max_items = 20 }`: requests of one tenant that differ in the user's
    text alone are gathered, asked in one call and taken apart again."""

    window_ms: Annotated[int, Meta(ge=1, le=LONGEST_WINDOW_MS)] = 50
    """How long the first of them waits for others; one whose deadline or latency target is too near does not wait."""
    max_items: Annotated[int, Meta(ge=2, le=MOST_ITEMS)] = 20
    """So many are asked at once, without waiting for the end of the window."""
    max_item_chars: Annotated[int, Meta(ge=1, le=MOST_ITEM_CHARS)] = 4_000
    """A longer text is asked alone."""

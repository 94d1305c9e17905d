"""How time is written: numbers of seconds on one scale that never goes back.

The pure packages are given the time; only `headgate.runtime.clock` asks for it.
"""

from typing import TypeAlias

Instant: TypeAlias = float
"""Seconds since an arbitrary origin, on a scale that never decreases."""

Seconds: TypeAlias = float
"""A length of time."""

NEVER: Instant = float("inf")
"""An instant that does not come."""

"""How a call is written: as usual, or otherwise after a failure that another wording may avoid."""

from enum import StrEnum


class Manner(StrEnum):
    """What a call does differently from the client's own words. Decided by the machine, done by whoever writes."""

    USUAL = "usual"
    SIMPLE = "simple"
    """Structure is asked for in words only, at temperature 0."""
    COOLER = "cooler"
    """The same at a lower temperature."""
    REPHRASED = "rephrased"
    """What the user said last stands in a frame that asks for a safe answer."""

"""Owns the last answer of all: a short, honest text that says no model could be reached, and why.

It never pretends to be a model's answer, and never stands in for JSON or a tool call.
"""

import random
from enum import StrEnum
from typing import Final

import msgspec

from headgate.domain.request import Check
from headgate.domain.time import Seconds

TEMPLATE_SKILL: Final = "template"
TEMPLATE_CONFIDENCE: Final = 0.0
"""The text answers nothing that was asked, so nobody may trust it as an answer."""


class Shortage(StrEnum):
    """Why no model answered."""

    BUSY = "busy"
    """Every model that could answer is out of quota."""
    OUTAGE = "outage"
    """Every model that was tried failed."""
    DEADLINE = "deadline"
    """The time that the request had is over."""


class LocalAnswer(msgspec.Struct, frozen=True):
    """An answer made without any model. `confidence` from 0 to 1: how far it answers what was asked.

    `missing` are the required fields that a filled schema has not, and `level` says how many are there.
    """

    text: str
    skill: str
    confidence: float
    level: str = "full"
    missing: tuple[str, ...] = ()

    @property
    def label(self) -> dict[str, object]:
        """What the `headgate` object of the answer says."""
        label: dict[str, object] = {"source": "local", "skill": self.skill, "confidence": self.confidence}
        if self.missing:
            label |= {"partial": True, "level": self.level, "missing": list(self.missing)}
        return label


_OPENINGS: Final[dict[Shortage, tuple[str, ...]]] = {
    Shortage.BUSY: (
        "Sorry, I cannot answer this right now: every language model I can reach is at its usage limit.",
        "I am sorry, all the language models available to me are busy at the moment, so I have no answer for you yet.",
        "No language model has free capacity for this request just now. Sorry about that.",
    ),
    Shortage.OUTAGE: (
        "Sorry, I cannot answer this right now: the language models I tried are not working at the moment.",
        "I am sorry, the language model service is having trouble, so I have no answer for you yet.",
        "None of the language models I tried gave a usable answer. Sorry about that.",
    ),
    Shortage.DEADLINE: (
        "Sorry, no language model answered in the time that this request had.",
        "I am sorry, the answer did not arrive in time, so I have nothing to show you yet.",
        "The time for this request ran out before a language model could answer. Sorry about that.",
    ),
}


def local_answer(
    reason: Shortage,
    dice: random.Random,
    *,
    check: Check = Check.NONE,
    tool_required: bool = False,
    retry_after_s: Seconds | None = None,
) -> LocalAnswer | None:
    """A labelled text for `reason`; None where only a refusal is honest: JSON was asked for, or a tool call."""
    if tool_required or check is not Check.NONE:
        return None
    text = f"{dice.choice(_OPENINGS[reason])} {_advice(retry_after_s)}"
    return LocalAnswer(text, TEMPLATE_SKILL, TEMPLATE_CONFIDENCE)


def _advice(retry_after_s: Seconds | None) -> str:
    if retry_after_s is None or not 0 <= retry_after_s < 86_400:
        return "Please try again later."
    if retry_after_s <= 1:
        return "Please try again in a moment."
    if retry_after_s < 90:
        return f"Please try again in about {_up(retry_after_s)} seconds."
    if retry_after_s < 5_400:
        return f"Please try again in about {_up(retry_after_s / 60)} minutes."
    return f"Please try again in about {_up(retry_after_s / 3_600)} hours."


def _up(number: float) -> int:
    return -int(-number // 1)

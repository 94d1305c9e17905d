"""What a pretend safeguard model says of a text: a plain reading of words, in the JSON that policies ask for.

A policy names its categories one to a line, `- NAME: meaning`. Nothing here knows what harm is; words stand for it.
"""

import re
from typing import Final

import msgspec

from headgate.catalog import Kind, Model

_CATEGORY: Final = re.compile(r"^- ([\w/-]+): ", re.MULTILINE)
_WORD: Final = re.compile(r"[a-z]+")
_TOLD_BY: Final = {
    "harassment": frozenset({"idiot", "loser", "pathetic"}),
    "hate": frozenset({"hate", "vermin", "subhuman"}),
    "illicit": frozenset({"bomb", "counterfeit", "steal", "hack"}),
    "self-harm": frozenset({"suicide", "suicidal", "overdose"}),
    "sexual": frozenset({"porn", "nude"}),
    "violence": frozenset({"kill", "murder", "stab", "bomb"}),
}
_SURE: Final = 0.97
_NOT_AT_ALL: Final = 0.01


def only_scores(model: Model) -> bool:
    """Whether a model answers nothing but one number: a guard that cannot reason. One that can follows a policy."""
    return model.kind is Kind.GUARD and not model.reasoning_efforts


def verdict(policy: str, judged: str) -> str:
    """The verdict of a policy on a text, as JSON. A policy without categories gets one flag alone."""
    words = set(_WORD.findall(judged.lower()))
    found = {name for name, tellers in _TOLD_BY.items() if words & tellers}
    scores = {name: _SURE if name in found else _NOT_AT_ALL for name in _CATEGORY.findall(policy)}
    flagged = bool(found) if not scores else _SURE in scores.values()
    told: dict[str, object] = {"flagged": flagged} | ({"scores": scores} if scores else {})
    return msgspec.json.encode(told).decode()

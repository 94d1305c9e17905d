"""What can be answered without any model: checking, mending, local skills, and the labelled last word. Pure.

The skills can be used alone: `from headgate.local import classify, summarize, run`. Each is loaded when asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headgate.local.classification import Classification, Label, classify
    from headgate.local.evidence import Evidence
    from headgate.local.extract_types import Entity, Extraction, Kind
    from headgate.local.extraction import extract
    from headgate.local.filling import Filled, fill
    from headgate.local.language import Language, guess_language
    from headgate.local.personas import Persona, Reply, persona_of, reply
    from headgate.local.repetition import Repetition, Window, find_repetition, window_of
    from headgate.local.risk import Risk, score
    from headgate.local.safety import Blocklist, Safety, Term, screen
    from headgate.local.shipped_library import shipped_personas
    from headgate.local.skills import SKILLS, Misused, Skill, Supplies, run
    from headgate.local.summary import Summary, summarize

__all__ = [
    "SKILLS",
    "Blocklist",
    "Classification",
    "Entity",
    "Evidence",
    "Extraction",
    "Filled",
    "Kind",
    "Label",
    "Language",
    "Misused",
    "Persona",
    "Repetition",
    "Reply",
    "Risk",
    "Safety",
    "Skill",
    "Summary",
    "Supplies",
    "Term",
    "Window",
    "classify",
    "extract",
    "fill",
    "find_repetition",
    "guess_language",
    "persona_of",
    "reply",
    "run",
    "score",
    "screen",
    "shipped_personas",
    "summarize",
    "window_of",
]

_OWNERS = {
    "classification": ("Classification", "Label", "classify"),
    "evidence": ("Evidence",),
    "extract_types": ("Entity", "Extraction", "Kind"),
    "extraction": ("extract",),
    "filling": ("Filled", "fill"),
    "language": ("Language", "guess_language"),
    "personas": ("Persona", "Reply", "persona_of", "reply"),
    "repetition": ("Repetition", "Window", "find_repetition", "window_of"),
    "risk": ("Risk", "score"),
    "safety": ("Blocklist", "Safety", "Term", "screen"),
    "shipped_library": ("shipped_personas",),
    "skills": ("SKILLS", "Misused", "Skill", "Supplies", "run"),
    "summary": ("Summary", "summarize"),
}
_LAZY = {name: f"headgate.local.{owner}" for owner, names in _OWNERS.items() for name in names}
"""Public names and the modules that own them."""


def __getattr__(name: str) -> Any:
    owner = _LAZY.get(name)
    if owner is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(owner), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})

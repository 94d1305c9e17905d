"""Headgate: a Groq-first LLM gateway, and the same gate in process: `from headgate import Headgate`.

Importing this package takes no network, no thread and no file but Python modules; the gate is loaded when asked for.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "BatchResult",
    "Conversation",
    "ConversationSync",
    "Done",
    "Embeddings",
    "Error",
    "Extracted",
    "ExtractedLong",
    "Extraction",
    "ExtractionSync",
    "Headgate",
    "HeadgateError",
    "HeadgateSync",
    "InvalidRequest",
    "JobFailed",
    "JobHandle",
    "JobHandleSync",
    "JobResult",
    "Model",
    "Moderation",
    "Packed",
    "Progress",
    "Refused",
    "Route",
    "Segment",
    "Speech",
    "StreamBroke",
    "Summary",
    "Token",
    "ToolCall",
    "Transcript",
    "UpstreamRefused",
    "Verdict",
    "Word",
]

_LAZY = dict.fromkeys(__all__, "headgate.sdk")
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

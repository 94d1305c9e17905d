"""The /models answers: live-shaped entries made from the catalogue (groq-api 1.5)."""

from typing import Any, Final

import msgspec

from headgate.catalog import Catalog, Kind, Model
from headgate.domain.request import Need

_FEATURES: Final = (
    (Need.TOOLS, "tools"),
    (Need.JSON_OBJECT, "json_mode"),
    (Need.JSON_SCHEMA, "structured_outputs"),
    (Need.REASONING, "reasoning"),
)


def listed(catalog: Catalog) -> bytes:
    """The list of running models."""
    return msgspec.json.encode(
        {"object": "list", "data": [_entry(m) for m in catalog.current() if m.provider == "groq"]}
    )


def single(catalog: Catalog, model_id: str) -> bytes | None:
    """One entry; None where the model does not run or does not exist."""
    model = catalog.model(model_id)
    if model is None or model.id != model_id or not model.is_running or model.provider != "groq":
        return None
    return msgspec.json.encode(_entry(model))


def _entry(model: Model) -> dict[str, Any]:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "active": True,
        "context_window": model.context_window_tokens,
        "public_apps": None,
        "max_completion_tokens": model.max_output_tokens,
        "name": model.id.rpartition("/")[2],
        "input_modalities": _inputs(model),
        "output_modalities": ["audio"] if model.kind is Kind.SPEECH else ["text"],
        "supported_features": [name for need, name in _FEATURES if need in model.can],
        "pricing": {
            "prompt": _usd_per_token(model.input_nanousd_per_mtok),
            "completion": _usd_per_token(model.output_nanousd_per_mtok),
            "image": "0",
            "request": "0",
            "input_cache_read": _usd_per_token(model.cached_input_nanousd_per_mtok),
        },
    }


def _inputs(model: Model) -> list[str]:
    if model.kind is Kind.TRANSCRIPTION:
        return ["audio"]
    return ["text", "image"] if Need.VISION in model.can else ["text"]


def _usd_per_token(nanousd_per_mtok: int | None) -> str:
    """A price as the decimal text of dollars per token."""
    if not nanousd_per_mtok:
        return "0"
    return f"{nanousd_per_mtok:016d}".rjust(16, "0")[:-15] + "." + f"{nanousd_per_mtok:015d}"[-15:].rstrip("0")

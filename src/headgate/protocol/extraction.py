"""How a model is asked to take values out of a text: the same words for whoever asks, in code, over HTTP or later.

The static part stands first (the task, the schema, the examples) and the text last, so that a provider's prompt cache
serves all but the text of the next one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

INSTRUCTION: Final = (
    "Extract what the schema asks for from the user's text, and answer with one JSON object that fits it. "
    "Take values from the text only; where the text does not say, use null if the schema allows it."
)
NAME_CHARS: Final = 64
USUAL_NAME: Final = "extract"


def extraction_messages(
    text: str, schema: Mapping[str, object], instructions: str | None, examples: Sequence[tuple[str, object]] = ()
) -> list[dict[str, object]]:
    """The messages. `examples` are texts with the values that they should give, as plain JSON values."""
    lines = [INSTRUCTION, *([instructions] if instructions else [])]
    lines.append(f"Schema:\n{msgspec.json.encode(schema, order='sorted').decode()}")
    messages: list[dict[str, object]] = [{"role": "system", "content": "\n\n".join(lines)}]
    for said, value in examples:
        messages.append({"role": "user", "content": said})
        messages.append({"role": "assistant", "content": msgspec.json.encode(value).decode()})
    messages.append({"role": "user", "content": text})
    return messages


def schema_format(name: str, schema: Mapping[str, object]) -> dict[str, object]:
    """The `response_format` that goes with it."""
    safe = "".join(sign if sign.isalnum() else "_" for sign in name)[:NAME_CHARS] or USUAL_NAME
    return {"type": "json_schema", "json_schema": {"name": safe, "schema": dict(schema)}}

"""Embeddings: vectors in which texts that share words lie near each other, the same for ever.

The model stands in Groq's SDK and nowhere else (groq-api 1), so it exists only by a switch. Its rules are those that
the SDK states.
"""

import re
import struct
from base64 import b64encode
from functools import partial
from hashlib import blake2b
from math import sqrt
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.limiter import Charge
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.tokens import count_text
from headgate.simulator.visit import Visit, Work

MODEL: Final = "nomic-embed-text-v1_5"
DIMENSIONS: Final = 768
MOST_INPUTS: Final = 2048
MOST_TOKENS: Final = 8192
TOKENS_PER_S: Final = 50_000.0
_FIELDS: Final = frozenset({"model", "input", "encoding_format", "user"})
_WORD: Final = re.compile(r"\w+|[^\w\s]")
_PLACES_PER_WORD: Final = 8


def read(visit: Visit, catalog: Catalog, settings: SimulatorSettings) -> Work | Rejection:
    """The work of a request; every other model is a 404, whatever it can do."""
    try:
        raw = msgspec.json.decode(visit.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return errors.NOT_JSON
    if not isinstance(raw, dict):
        return errors.NOT_JSON
    name = raw.get("model")
    if not isinstance(name, str) or not name:
        return errors.invalid("'model' : property 'model' is missing", "model")
    if name != MODEL or not settings.offer.embeddings:
        known = catalog.model(name)
        if known is not None and known.id == name and known.provider == "groq" and known.is_running:
            return errors.invalid(f"The model `{name}` does not support embeddings")
        return errors.model_not_found(name)
    texts = _texts(raw)
    if isinstance(texts, Rejection):
        return texts
    counts = [count_text(text) for text in texts]
    if max(counts) > MOST_TOKENS:
        return errors.invalid(f"input must be {MOST_TOKENS} tokens or fewer", "input", "context_length_exceeded")
    tokens = sum(counts)
    return Work(
        name,
        "\x1e".join(texts),
        Charge(1, tokens, tokens, 0),
        0.005 + tokens / TOKENS_PER_S,
        partial(_body, texts, tokens, raw.get("encoding_format") == "base64"),
    )


def _texts(raw: dict[str, Any]) -> list[str] | Rejection:
    unknown = next((name for name in raw if name not in _FIELDS), None)
    if unknown is not None:
        return errors.invalid(f"property '{unknown}' is unsupported")
    if raw.get("encoding_format") not in (None, "float", "base64"):
        return errors.invalid("encoding_format must be one of [float base64]", "encoding_format")
    given = raw.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        return errors.invalid("'input' : value must be a string or an array of strings", "input")
    if len(texts) > MOST_INPUTS:
        return errors.invalid(f"'input' : maximum number of items is {MOST_INPUTS}", "input")
    if not all(isinstance(text, str) and text for text in texts):
        return errors.invalid("'input' : values must be strings that are not empty", "input")
    return texts


def _body(texts: list[str], tokens: int, as_base64: bool) -> bytes:
    data = []
    for index, text in enumerate(texts):
        values = vector(text)
        shown = b64encode(struct.pack(f"<{DIMENSIONS}f", *values)).decode() if as_base64 else values
        data.append({"object": "embedding", "index": index, "embedding": shown})
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": MODEL, "usage": usage})


def vector(text: str) -> list[float]:
    """A unit vector: every word adds to a few places that its digest picks."""
    made = [0.0] * DIMENSIONS
    for word in _WORD.findall(text.lower()) or [text]:
        drawn = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=3 * _PLACES_PER_WORD).digest()
        for at in range(0, len(drawn), 3):
            made[int.from_bytes(drawn[at : at + 2], "big") % DIMENSIONS] += 1.0 if drawn[at + 2] & 1 else -1.0
    length = sqrt(sum(value * value for value in made)) or 1.0
    return [value / length for value in made]

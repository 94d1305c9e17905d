"""Owns the vectors that need no model: signed hashed character 4-grams, which tell similar texts from different ones.

They see spelling, not meaning. The same text has the same vector in every process and release: the hash is written out
here, and a change of it must change the name of the model that serves it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_DIMENSIONS: Final = 256
MAX_DIMENSIONS: Final = 1024

_GRAM: Final = 4
_EDGE: Final = "  "
"""Stands before and behind a text, so that its beginning and end count and the shortest has a 4-gram."""
_BASE: Final = 0x9E3779B97F4A7C15
_MIX: Final = 0xFF51AFD7ED558CCD
_SHIFT: Final = 33
_SIGN_SHIFT: Final = 63


def embed(texts: Sequence[str], dimensions: int = 512) -> list[list[float]]:
    """A vector of length 1 per text, in order. Raises `ValueError` outside of 256 to 1024 dimensions."""
    if not MIN_DIMENSIONS <= dimensions <= MAX_DIMENSIONS:
        raise ValueError(f"dimensions must be from {MIN_DIMENSIONS} to {MAX_DIMENSIONS}, not {dimensions}")
    return [_vector(text, dimensions).tolist() for text in texts]


def embedded(texts: Sequence[str], dimensions: int = 512) -> "NDArray[np.float32]":
    """The same as rows of one array, for those who go on counting. At least one text."""
    import numpy as np

    return np.stack([_vector(text, dimensions) for text in texts])


def _vector(text: str, dimensions: int) -> "NDArray[np.float32]":
    import numpy as np

    folded = _EDGE + " ".join(text.lower().split()) + _EDGE
    points = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    base, mix, shift = np.uint64(_BASE), np.uint64(_MIX), np.uint64(_SHIFT)
    count = len(points) - _GRAM + 1
    # A polynomial of the four code points, modulo 2**64, then mixed so that its high and low bits depend on all.
    hashes = points[:count]
    for place in range(1, _GRAM):
        hashes = hashes * base + points[place : place + count]
    hashes ^= hashes >> shift
    hashes *= mix
    hashes ^= hashes >> shift
    buckets = (hashes % np.uint64(dimensions)).astype(np.intp)
    signs = 1.0 - 2.0 * (hashes >> np.uint64(_SIGN_SHIFT)).astype(np.float64)
    vector = np.bincount(buckets, weights=signs, minlength=dimensions)
    length = float(np.sqrt(vector @ vector))
    if not length:  # every 4-gram met its opposite
        vector[buckets[0]] = length = 1.0
    return (vector / length).astype(np.float32)

"""Owns `[routes.NAME.similar]`: whether and how earlier requests that ask the same may answer."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

CHARACTERS_THRESHOLD: Final = 0.8
"""Chosen on the pairs of `bench/quality_similar.py`: below it nothing more is recognised, above it slips are lost."""
EMBEDDINGS_THRESHOLD: Final = 0.92


class SimilarBy(StrEnum):
    """What the vectors are made of: the characters, here, by no model; or a provider's embeddings, by a call each."""

    CHARACTERS = "characters"
    EMBEDDINGS = "embeddings"


class SimilarTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[routes.NAME.similar]`: answer with what an earlier request got that differs in its last message only and asks
    the same. Off where it is left out; never across tenants."""

    enabled: bool = True
    """False: switches it off for a route where `[routes.default.similar]` has it on."""
    by: SimilarBy = SimilarBy.CHARACTERS
    threshold: Annotated[float, Meta(ge=0.5, le=1.0)] | None = None
    """The least cosine of the two. Left out: 0.8 by characters, 0.92 by embeddings."""
    model: Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,200}$")] | None = None
    """The embedding model, by embeddings only; each request then costs one of its calls more."""

    @property
    def sees_meaning(self) -> bool:
        """Whether its vectors are of what is meant, or of how it is written."""
        return self.by is SimilarBy.EMBEDDINGS

    @property
    def least_similarity(self) -> float:
        """The threshold that holds."""
        if self.threshold is not None:
            return self.threshold
        return CHARACTERS_THRESHOLD if self.by is SimilarBy.CHARACTERS else EMBEDDINGS_THRESHOLD


def decided_similar(told: SimilarTable | None, wrong: Callable[[str, str, str], Exception]) -> SimilarTable | None:
    """Whether similar requests may answer on a route, None for no. Raises what `wrong` makes of a key, what is wrong
    with it, and the fix."""
    if told is None or not told.enabled:
        return None
    if told.sees_meaning and told.model is None:
        raise wrong("similar", "goes by embeddings and names no model for them", 'add model = "PROVIDER/MODEL"')
    if told.model is not None and not told.sees_meaning:
        raise wrong("similar", "names a model, and goes by characters", 'add by = "embeddings", or take the model out')
    return told

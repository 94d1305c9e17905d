"""Owns the way from a request to an earlier one that asks the same: its vector, the search, the answer of that one.

What may be answered so is decided where the vectors are (`headgate.cache.similar`); what is found there is only a key,
and the answer comes out of the cache under it like any other: with its time, its marks and its proof.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from headgate.cache.likeness import Likeness
from headgate.domain.time import Instant, Seconds
from headgate.local.embedding import MIN_DIMENSIONS, embedded
from headgate.runtime.cache import Cache, Found, Ticket

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

Fetch = Callable[[str], Awaitable["list[float] | None"]]
"""The vector that a provider makes of a text; None where it makes none in time."""
DIMENSIONS: Final = MIN_DIMENSIONS


class SimilarWish(msgspec.Struct, frozen=True, gc=False):
    """What a request asks of earlier ones. `context` is the key of all of it but `text`, its last user message.
    `fetch` is None where the vectors are made here, of the characters."""

    context: str
    text: str
    least_similarity: float
    fetch: Fetch | None = None


class Sought(msgspec.Struct):
    """What came of a search, and the vector for when this request's own answer is kept."""

    vector: "Vector"
    likeness: Likeness
    found: Found | None = None


class Similar:
    """The earlier requests of all tenants, over a cache."""

    def __init__(self, cache: Cache, per_tenant: int) -> None:
        """What the first search needs is imported now, so that no request waits for it, and no gate without similar
        requests at all."""
        from headgate.cache.similar import SimilarRequests
        from headgate.catalog.english import english_words

        self.requests = SimilarRequests(per_tenant)
        self._cache = cache
        english_words()
        embedded(["so that it is there"], DIMENSIONS)

    async def seek(self, wish: SimilarWish, ticket: Ticket, *, looks: bool) -> Sought | None:
        """The answer to an earlier request that asks the same; None where there is no vector. `looks` is False for a
        request that wants no earlier answer, and leaves its own."""
        vector = await self._vector(wish)
        if vector is None:
            return None
        if not looks:
            return Sought(vector, Likeness())
        space, now = ticket.space.name, self._cache.clock.now()
        looked = self.requests.look_up(
            space,
            wish.context,
            wish.text,
            vector,
            threshold=wish.least_similarity,
            meaning=wish.fetch is not None,
            now=now,
        )
        if looked.near is None:
            return Sought(vector, Likeness(looked.best, looked.kept_apart))
        found = await self._answer(Ticket(looked.near.key, ticket.space, ticket.models))
        if found is None:
            self.requests.forget(space, looked.near.key)
            return Sought(vector, Likeness(looked.near.similarity))
        return Sought(vector, Likeness(looked.near.similarity, key=looked.near.key), found)

    def remember(self, wish: SimilarWish, ticket: Ticket, vector: "Vector", ttl_s: Seconds) -> None:
        """An answer to this request was kept."""
        expires_at = Instant(self._cache.clock.now() + ttl_s)
        self.requests.add(ticket.space.name, wish.context, wish.text, vector, key=ticket.key, expires_at=expires_at)

    async def _answer(self, ticket: Ticket) -> Found | None:
        found = self._cache.look_near(ticket)
        if found is None and self._cache.waits:
            found = await self._cache.look_far(ticket)
        return found

    async def _vector(self, wish: SimilarWish) -> "Vector | None":
        if wish.fetch is None:
            from headgate.cache.wording import words_of

            vector: Vector = embedded([words_of(wish.text)], DIMENSIONS)[0]
            return vector
        import numpy as np

        made = await wish.fetch(wish.text)
        if not made:
            return None
        raw = np.asarray(made, dtype=np.float32)
        length = float(np.linalg.norm(raw))
        return raw / length if np.isfinite(length) and length > 0 else None

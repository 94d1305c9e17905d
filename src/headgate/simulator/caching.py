"""The pretend Groq's prompt cache: exact prefixes in blocks of 128 tokens, per organisation and model, kept while used.

A block is measured in characters of the prompt (tokens × the prompt's own characters per token), which is as exact as a
pretend tokenizer can be. Hits are probabilistic at Groq (groq-api 6), so the caller draws.
"""

import zlib
from typing import Final

from headgate.domain.time import Instant, Seconds

BLOCK_TOKENS: Final = 128
BLOCK_CHARACTERS: Final = 560
MOST_BLOCKS: Final = 20_000
"""Blocks remembered in all; the longest unused are forgotten first."""


class PromptCache:
    """When each prefix was last used. A prefix is a chained checksum of whole blocks."""

    __slots__ = ("_idle_s", "_used_at")

    def __init__(self, idle_s: Seconds) -> None:
        self._idle_s = idle_s
        self._used_at: dict[tuple[str, str, int, int], Instant] = {}

    def cached_tokens(self, organisation: str, model: str, text: str, prompt_tokens: int, now: Instant) -> int:
        """Tokens of the longest remembered prefix, in whole blocks and less than the prompt; remembers this prompt."""
        hit = 0
        checksum = 0
        whole = min(len(text) // BLOCK_CHARACTERS, (prompt_tokens - 1) // BLOCK_TOKENS)
        for block in range(whole):
            part = text[block * BLOCK_CHARACTERS : (block + 1) * BLOCK_CHARACTERS]
            checksum = zlib.crc32(part.encode("utf-8", "surrogatepass"), checksum)
            place = (organisation, model, block, checksum)
            used_at = self._used_at.pop(place, None)
            if used_at is not None and hit == block and now - used_at <= self._idle_s:
                hit = block + 1
            self._used_at[place] = now
        self._forget()
        return hit * BLOCK_TOKENS

    def _forget(self) -> None:
        while len(self._used_at) > MOST_BLOCKS:
            self._used_at.pop(next(iter(self._used_at)))

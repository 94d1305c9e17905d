"""Putting what was generated into replies: names, usage and times, in the words of the endpoint that was asked.

A `Voice` is the way an endpoint talks: chat has one here, the Responses API has its own. Knows no limits and no faults.
"""

from collections.abc import Callable, Iterator
from math import exp
from statistics import NormalDist
from typing import Final, NamedTuple

from headgate.domain.time import Instant
from headgate.simulator import chunks
from headgate.simulator.chunks import Consumed, Identity, StreamShape
from headgate.simulator.generate import Written
from headgate.simulator.identity import fingerprint, identity
from headgate.simulator.requests import Asked
from headgate.simulator.settings import SimulatorSettings

_NORMAL: Final = NormalDist()


class Told(NamedTuple):
    """All that a reply tells of: the request, what was written, what it used and how it is named."""

    asked: Asked
    written: Written
    used: Consumed
    names: Identity


class Voice(NamedTuple):
    """How an endpoint words a reply. `streamed` gives each event with the tokens that must have been generated."""

    buffered: Callable[[Told], bytes]
    streamed: Callable[[Told], Iterator[tuple[int, bytes]]]


class Scribe:
    """Draws what varies from reply to reply, and knows the fingerprints."""

    __slots__ = ("_fingerprints", "_settings", "_unix_origin_s", "chat")

    def __init__(self, settings: SimulatorSettings, unix_origin_s: float) -> None:
        self._settings = settings
        self._fingerprints: dict[str, str] = {}
        self._unix_origin_s = unix_origin_s
        self.chat = Voice(_chat_body, self._chat_events)

    def consumed(self, asked: Asked, written: Written, cached: int, drawn: bytes) -> Consumed:
        """The usage of a reply and its times."""
        pace = self._settings.pace
        speed = (asked.model.tokens_per_s or pace.fallback_tokens_per_s) * pace.output_speed_factor
        speed *= 0.9 + drawn[24] / 1280
        queue_s = pace.queue_median_s * exp(pace.queue_sigma * _NORMAL.inv_cdf((drawn[25] + 0.5) / 256))
        return Consumed(
            prompt_tokens=asked.prompt_tokens,
            completion_tokens=written.completion_tokens,
            cached_tokens=cached,
            reasoning_tokens=written.reasoning_tokens,
            queue_s=queue_s,
            prompt_s=(asked.prompt_tokens - cached) / pace.prompt_tokens_per_s + 0.001,
            completion_s=max(0.001, written.completion_tokens / speed),
        )

    def names(self, asked: Asked, drawn: bytes, now: Instant) -> Identity:
        """The ids and stamps of a reply."""
        model = asked.model.id
        known = self._fingerprints.get(model)
        if known is None:
            known = self._fingerprints[model] = fingerprint(model, self._settings.seed)
        tier = served_tier(asked.tier, self._settings)
        return identity(drawn, self._unix_origin_s + now, model, known, tier, asked.seed)

    def _chat_events(self, told: Told) -> Iterator[tuple[int, bytes]]:
        shape = StreamShape(
            tokens_per_chunk=self._settings.tokens_per_chunk,
            include_usage=told.asked.include_usage,
            top_level_usage=self._settings.top_level_usage_in_streams,
            reasoning_shown=told.asked.reasoning_shown,
            reasoning_channel=told.asked.model.id.startswith("openai/"),
        )
        return chunks.events(told.names, told.written, told.used, shape)


def served_tier(tier: str | None, settings: SimulatorSettings) -> str:
    """The service tier that serves a request of some tier."""
    return tier if tier in ("flex", "performance") else settings.service_tier


def _chat_body(told: Told) -> bytes:
    asked = told.asked
    return chunks.buffered(
        told.names, told.written, told.used, raw_reasoning=asked.reasoning_raw, shown=asked.reasoning_shown
    )

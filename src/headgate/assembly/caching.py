"""Settings to the cache: which tiers there are, and the secret that keys are made with."""

from collections.abc import Callable
from typing import Final

from headgate.assembly.tiers import far_tiers
from headgate.domain.fact import Fact
from headgate.runtime.answers import Answers
from headgate.runtime.cache import Cache
from headgate.runtime.clock import Clock
from headgate.runtime.memory_tier import MemoryTier
from headgate.runtime.settings import Settings
from headgate.runtime.similar import Similar

ROOT_DOMAIN: Final = b"headgate cache root v1"
"""What the keys of entries are made with where no pepper is set: tenants are kept apart all the same, but whoever can
write to a shared tier could make entries that pass for ours."""


def make_cache(settings: Settings, clock: Clock, observe: Callable[[Fact], None]) -> Cache | None:
    """The cache; None where it is switched off. It is ready once `start` was awaited."""
    asked = settings.cache
    if not asked.enabled:
        return None
    return Cache(
        memory=MemoryTier(asked.memory_bytes, clock),
        memory_ttl_s=asked.memory_ttl_s,
        far=far_tiers(settings, clock),
        stale_s=asked.stale_s,
        clock=clock,
        observe=observe,
        root=root_of(settings),
    )


def add_similar(answers: Answers | None, settings: Settings) -> None:
    """What finds similar requests, where a route asks for them: nobody else loads what it needs."""
    if answers is not None and any(route.similar for route in settings.routes.values()):
        answers.similar = Similar(answers.cache, settings.cache.similar_per_tenant)


def root_of(settings: Settings) -> bytes:
    """What is secret of this installation: all that share a tier must have the same."""
    pepper = settings.auth.pepper
    return ROOT_DOMAIN if pepper is None else ROOT_DOMAIN + pepper.reveal().encode()

"""Owns `[cache]` of headgate.toml: how much is kept, for how long, and who shares it."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headgate.cache.likeness import MAX_VECTORS_PER_TENANT, MOST_VECTORS_PER_TENANT
from headgate.cache.rules import CacheScope
from headgate.runtime.settings_secret import Secret

KIB: Final = 1024
MIB: Final = 1024 * KIB
DAY_S: Final = 86_400.0
LONGEST_S: Final = 30 * DAY_S

OFF: Final = "off"
REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")

TierSeconds = Annotated[float, Meta(gt=0, le=LONGEST_S)]

TimeoutMs = Annotated[int, Meta(ge=1, le=60_000)]


class RouteCache(StrEnum):
    """What a route says of the cache: `auto` for requests at temperature 0, `on` for all, `off` for none."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class CacheSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[cache]`: answers that are given again. Only whole, checked answers are kept, to requests at temperature 0 or
    where the request (`x-headgate-cache: on`) or its route (`cache = "on"`) asks for it."""

    enabled: bool = True
    """False: nothing is looked for and nothing is kept, whatever a request says."""
    memory_bytes: Annotated[int, Meta(ge=64 * KIB, le=16 * 1024 * MIB)] = 64 * MIB
    """Of all entries in memory; those that were not asked for the longest go first."""
    memory_ttl_s: TierSeconds = 600.0
    max_entry_bytes: Annotated[int, Meta(ge=KIB, le=64 * MIB)] = MIB
    """A longer answer is not kept; of a streamed one no more than this is held for its followers."""
    stale_s: Annotated[float, Meta(ge=0, le=LONGEST_S)] = 3_600.0
    """How long after its time an answer may still stand in, labelled, where no other can be had. 0: never."""
    scope: CacheScope = CacheScope.TENANT
    """Who shares an answer where the request does not say: `user`, `tenant`, or `shared` by all who say so too."""
    single_flight: bool = True
    """Equal requests at the same time share one call."""
    similar_per_tenant: Annotated[int, Meta(ge=1, le=MOST_VECTORS_PER_TENANT)] = MAX_VECTORS_PER_TENANT
    """Vectors of earlier requests that a tenant may have, for routes with `similar`: 1 kB each by characters."""
    redis: Secret | None = None
    """A Redis or Valkey to keep answers in as well: `redis://host:6379/0`, `rediss://` for TLS, or `unix:///socket`,
    with `user:password@` before the host. The same as `REDIS_URL`. Needs the package `redis[hiredis]`,
    which `./run` has."""
    redis_ttl_s: TierSeconds = 3_600.0
    redis_timeout_ms: TimeoutMs = 50
    """What a request waits for it at most; one that is down, slow or coming and going is asked ever more rarely."""
    object: Secret | None = None
    """Object storage to keep answers in as well: a folder, `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`
    or `az://container/prefix`; `?endpoint=http://host:9000&region=...` for other servers that speak S3; or `off`. Needs
    the package `obstore`, which `./run` has. Unsaid: a folder beside the store, where there is one and that package is
    installed."""
    object_ttl_s: TierSeconds = 7 * DAY_S
    object_timeout_ms: TimeoutMs = 300
    object_max_bytes: Annotated[int, Meta(ge=MIB, le=1024 * 1024 * MIB)] = 1024 * MIB
    """Of a folder; the oldest answers go first. A bucket is bounded by a lifecycle rule of its own."""

    @property
    def object_place(self) -> str | None:
        """Where the object tier lies; None for nowhere."""
        place = None if self.object is None else self.object.reveal()
        return None if place == OFF else place

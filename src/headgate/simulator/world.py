"""One world from a seed: who asks what of which pretend Groq with which keys, and what goes wrong when.

Three phases in ten virtual minutes: safety (faults strike), healing (they have stopped), liveness (a load that fits
what is left must be answered). Everything is drawn from the seed: the same seed gives the same world and trace.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog, default_catalog
from headgate.decide.gate import Gate
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.domain.limits import DAILY, Deployment, Dimension
from headgate.domain.time import NEVER, Instant
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom
from headgate.simulator.groq import PretendGroq
from headgate.simulator.limiter import Account
from headgate.simulator.settings import Admission, SimulatorSettings
from headgate.simulator.virtual_run import Trouble
from headgate.simulator.world_load import Habits

START: Final[Instant] = 50.0
SAFETY_S: Final = 360.0
HEALING_S: Final = 60.0
LIVENESS_S: Final = 180.0

LARGE, SMALL, QWEN, TINY = "openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3.8-27b", "allam-2-7b"
CHATTERS: Final = (LARGE, SMALL, QWEN)


class World(msgspec.Struct, frozen=True):
    """Everything that a seed decides. `keys` are (name, secret, configured organisation, known plan or None)."""

    seed: int
    settings: SimulatorSettings
    keys: tuple[tuple[str, str, str], ...]
    known_limits: dict[str, str]
    habits: Habits
    per_s: float
    bursts: bool
    troubles: tuple[Trouble, ...]
    endpoints: int
    latency_s: float
    jitter_s: float
    wall_jumps: bool
    is_honest: bool
    ours: str = "shipped"
    theirs: str = "shipped"

    @property
    def charges_as_known(self) -> bool:
        """Whether the provider's quota is what we know of it: nobody else spends it, nothing lies, asks are charged."""
        return self.is_honest and self.settings.admission is Admission.PROMPT_PLUS_MAX

    @property
    def healed_at(self) -> Instant:
        return START + SAFETY_S

    @property
    def live_at(self) -> Instant:
        return self.healed_at + HEALING_S

    @property
    def ends_at(self) -> Instant:
        return self.live_at + LIVENESS_S


_CATALOGS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "shipped": {},
    "small_window": {SMALL: {"context_window_tokens": 8192, "max_output_tokens": 4096}},
    "tiny_window": {SMALL: {"context_window_tokens": 1500, "max_output_tokens": 1400}},
    "retired_small": {SMALL: {"lifecycle": "retired", "successor": LARGE}},
    "retired_large": {LARGE: {"lifecycle": "retired", "successor": SMALL}},
    "named_successor": {SMALL: {"successor": LARGE}},
}


@lru_cache(maxsize=len(_CATALOGS))
def catalog_of(name: str) -> Catalog:
    """One of the few catalogues that worlds differ by."""
    changes = _CATALOGS[name]
    return default_catalog().with_overrides(changes) if changes else default_catalog()


def make_gate(world: World, make: Callable[..., Gate]) -> Gate:
    """The gate of a world: the same parts as a live process puts together."""
    catalog = catalog_of(world.ours)

    def limits_of(deployment: Deployment) -> Mapping[Dimension, int]:
        return catalog.limits(deployment.model, world.known_limits.get(deployment.organisation, "free"))

    def plan_for(deployment: Deployment, requests: int, tokens: int) -> Mapping[Dimension, int] | None:
        name = catalog.plan_for(deployment.model, requests, tokens)
        return None if name is None else catalog.limits(deployment.model, name)

    keys = [Key(name, "groq", organisation) for name, _, organisation in world.keys]
    return make(
        catalog=catalog,
        policy=Policy(endpoints={"groq": world.endpoints}),
        pool=pool_of(keys, catalog),
        ledger=Ledger(limits_of, plan_for),
        room=WaitingRoom(),
        learned=Learned(),
        dice=Random(f"gate {world.seed}"),
    )


def capacity_tokens_per_s(world: World, gate: Gate, groq: PretendGroq, now: Instant, until: Instant) -> float:
    """What a liveness load may count on, in tokens a second of usual requests: every deployment whose key,
    organisation and model are in use and whose day is not spent, as the provider knows its limits, each real one once.

    0.0, so that nothing is asked, where an organisation has a limit so small that a usual request runs into it.
    """
    secrets = {name: secret for name, secret, _ in world.keys}
    real: dict[tuple[str, str], float] = {}
    for model in CHATTERS:
        for deployment in gate.pool.deployments(model):
            key = gate.pool.key_for(deployment, None, None)
            organisation = None if key is None else groq.organisation_of(secrets[key], now)
            if organisation is None or not gate.pool.is_up(deployment, now):
                continue
            account = groq.limiter.account(organisation, model, now)
            minute = {d: limit for d, limit in zip(account.dimensions, account.limits, strict=True) if d in PER_UNIT}
            if any(limit < LEAST_LIMITS.get(dimension, 0) for dimension, limit in minute.items()):
                return 0.0
            real[organisation, model] = min(
                min((limit / 60.0 * PER_UNIT[dimension] for dimension, limit in minute.items()), default=0.0),
                _of_the_day(gate, deployment, account, now, until),
                real.get((organisation, model), NEVER),
            )
    return sum(real.values())


def _of_the_day(gate: Gate, deployment: Deployment, account: Account, now: Instant, until: Instant) -> float:
    """What the day's limits let through until then, as we believe and as it is; nothing where it is nearly spent."""
    cooldown = gate.ledger.cooldown(deployment, now)
    if cooldown is not None and cooldown.reason != "circuit":
        return 0.0
    believed = {row.dimension: row.free for row in gate.ledger.view(deployment, now).rows}
    least = NEVER
    for dimension, limit, level in zip(account.dimensions, account.limits, account.levels, strict=True):
        if dimension in DAILY:
            free = min(limit - level, believed.get(dimension, NEVER))
            if free < 0.1 * limit:
                return 0.0
            least = min(least, free / (until - now) * (600.0 if dimension is Dimension.RPD else 1.0))
    return least


PER_UNIT: Final = {Dimension.TPM: 1.0, Dimension.OTPM: 1.5, Dimension.ITPM: 3.0, Dimension.RPM: 600.0}
"""Tokens of usual requests that one unit of a limit lets through."""

LEAST_LIMITS: Final = {Dimension.TPM: 4_000, Dimension.RPM: 10}
"""Below these a usual request may well be refused twice before it is known where there is room."""

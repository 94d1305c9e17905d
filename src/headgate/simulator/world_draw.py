"""Draws the world of a seed: organisations, keys, habits and faults, a handful of each (a swarm of unlike worlds)."""

from collections.abc import Mapping
from random import Random
from typing import Final

import msgspec

from headgate.domain.limits import Dimension
from headgate.domain.request import Priority
from headgate.domain.time import Instant
from headgate.runtime.upstream import UpstreamErrorKind
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.limiter import Stranger
from headgate.simulator.settings import Admission, Lengths, Organisation, Pace, SimulatorSettings, SpendBlock
from headgate.simulator.virtual_run import Trouble
from headgate.simulator.world import CHATTERS, LARGE, SAFETY_S, SMALL, START, World
from headgate.simulator.world_load import Habits

LIES: Final = (
    FaultKind.LIMITS_TOO_HIGH, FaultKind.LIMITS_TOO_LOW, FaultKind.LIMITS_GARBAGE, FaultKind.LIMITS_ABSENT,
)  # fmt: skip
EVERYDAY: Final = (
    FaultKind.OVER_CAPACITY, FaultKind.SERVER_ERROR, FaultKind.BAD_GATEWAY, FaultKind.EMPTY_CHOICES,
    FaultKind.EMPTY_BODY, FaultKind.USAGE_NEGATIVE, FaultKind.USAGE_STRING, FaultKind.USAGE_HUGE,
    FaultKind.USAGE_MISSING, FaultKind.MALFORMED_JSON, FaultKind.TRUNCATED_JSON, FaultKind.HTML, FaultKind.SLOW,
    FaultKind.STALLED, FaultKind.CUT, FaultKind.RESET_BEFORE_HEADERS, FaultKind.RESET_AFTER_HEADERS,
    FaultKind.RESET_MIDWAY, FaultKind.STREAM_ERROR_EVENT, FaultKind.X_GROQ_ERROR, FaultKind.NO_DONE, FaultKind.CRLF,
    FaultKind.FOREIGN_CHUNK_ID, FaultKind.REFUSED, FaultKind.SAFETY, FaultKind.NO_RETRY_AFTER,
)  # fmt: skip
OF_JSON: Final = (
    FaultKind.JSON_VALIDATE_FAILED, FaultKind.OUTPUT_PARSE_FAILED, FaultKind.INVALID_JSON_CONTENT,
    FaultKind.OFF_SCHEMA_JSON,
)  # fmt: skip

HALF_OF_IT: Final = '{"name":"cedar"}'
"""Of the two fields that the schema of these worlds wants."""


def draw(seed: int) -> World:
    """The world of a seed."""
    dice = Random(f"world {seed}")
    is_honest = dice.random() < 0.4
    organisations = _organisations(dice, is_honest)
    keys, secrets = _keys(dice, tuple(organisations), is_honest)
    plans = {keys_org: organisations[real].plan for _, _, keys_org, real in keys if is_honest or dice.random() < 0.5}
    ours, theirs = _catalogs(dice)
    habits = _habits(dice, is_honest)
    own = _own_keys(dice, secrets, organisations) if habits.own_key else ()
    faults = (*_faults(dice, is_honest), *_outages(dice, tuple(organisations)))
    one_way = dice.random() < 0.7
    settings = SimulatorSettings(
        seed=seed,
        keys=secrets,
        organisations=organisations,
        revoked_keys=_revoked(dice, secrets),
        any_key_organisation=False,
        admission=Admission.PROMPT_PLUS_MAX if dice.random() < 0.6 else dice.choice(tuple(Admission)),
        rejections_cost_requests=dice.random() < 0.2,
        output_too_large_status=dice.choice((413, 429)),
        retired_as=dice.choice(("model_decommissioned", "model_not_found")),
        cache_hit_probability=dice.choice((0.0, 0.5, 1.0)),
        lengths=Lengths(
            median_tokens=dice.choice((20.0, 60.0, 150.0)), sigma=dice.choice((0.4, 0.9)), longest_tokens=900
        ),
        pace=Pace(network_s=0.005, output_speed_factor=dice.choice((0.3, 1.0, 1.0))),
        tokens_per_chunk=dice.choice((24, 60)),
        top_level_usage_in_streams=dice.random() < 0.7,
        faults=faults,
        strangers=() if is_honest else _strangers(dice, tuple(organisations)),
    )
    return World(
        seed=seed,
        settings=settings,
        keys=tuple((name, secret, organisation) for name, secret, organisation, _ in keys),
        known_limits=plans,
        habits=msgspec.structs.replace(
            habits,
            own_secrets=own,
            trims=Random(f"trims {seed}").choice((0, 0, 2)),
            softens=Random(f"softens {seed}").choice((0, 0, 2)),
        ),
        per_s=_rate(dice, organisations),
        bursts=dice.random() < 0.3,
        troubles=_troubles(dice),
        endpoints=1 if one_way else 2,
        latency_s=dice.choice((0.002, 0.02, 0.1)),
        jitter_s=0.0 if is_honest else dice.choice((0.0, 0.02, 0.3)),
        wall_jumps=dice.random() < 0.3,
        is_honest=is_honest,
        ours=ours,
        theirs=theirs,
    )


def _organisations(dice: Random, is_honest: bool) -> dict[str, Organisation]:
    found: dict[str, Organisation] = {}
    for _ in range(dice.choice((1, 1, 2, 2, 3, 4, 5))):
        name = "org_" + "".join(dice.choice("0123456789abcdefghjkmnpqrstvwxyz") for _ in range(20))
        plan = dice.choice(("free", "free", "free", "developer"))
        limits: dict[str, dict[Dimension, int]] = {}
        if not is_honest and dice.random() < 0.4:
            limits[dice.choice(("*", LARGE, SMALL))] = {
                Dimension.TPM: dice.choice((600, 1500, 3000, 20_000)),
                **({Dimension.RPM: dice.choice((3, 10, 60))} if dice.random() < 0.5 else {}),
                **({Dimension.RPD: dice.choice((15, 60, 2000))} if dice.random() < 0.3 else {}),
                **({Dimension.TPD: dice.choice((5_000, 40_000))} if dice.random() < 0.3 else {}),
            }
        block = None
        if dice.random() < 0.06:
            from_at = START + dice.uniform(0, SAFETY_S)
            block = SpendBlock(from_at, from_at + 60.0, dice.choice(("blocked_api_access", "spend_limit_reached")))
        found[name] = Organisation(plan=plan, limits=limits, spend_block=block)
    return found


def _keys(
    dice: Random, organisations: tuple[str, ...], is_honest: bool
) -> tuple[list[tuple[str, str, str, str]], dict[str, str]]:
    """(name, secret, configured organisation, real organisation) of every key, and secrets to organisations."""
    keys: list[tuple[str, str, str, str]] = []
    secrets: dict[str, str] = {}
    for number, organisation in enumerate(organisations):
        disclosed = is_honest or dice.random() < 0.5
        told = organisation if dice.random() < 0.5 else f"acme-{number}"
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            name = f"k{len(keys) + 1}"
            secret = f"gsk_{dice.getrandbits(64):016x}"
            keys.append((name, secret, told if disclosed else f"key-{name}", organisation))
            secrets[secret] = organisation
    return keys, secrets


def _own_keys(
    dice: Random, secrets: dict[str, str], organisations: dict[str, Organisation]
) -> tuple[tuple[str, str], ...]:
    """Keys that callers bring: some good, some not."""
    own = []
    for number in range(dice.choice((1, 3))):
        secret = f"gsk_own{dice.getrandbits(48):012x}"
        if dice.random() < 0.6:
            name = f"org_own{number}{dice.getrandbits(40):010x}"
            organisations[name] = Organisation()
            secrets[secret] = name
        own.append((f"h{number}", secret))
    return tuple(own)


def _revoked(dice: Random, secrets: dict[str, str]) -> dict[str, Instant]:
    return {secret: START + dice.uniform(0, SAFETY_S) for secret in secrets if dice.random() < 0.05}


def _catalogs(dice: Random) -> tuple[str, str]:
    """What we know and what is so: usually the same."""
    return dice.choice(
        (("shipped", "shipped"),) * 8
        + (
            ("small_window", "small_window"),
            ("small_window", "tiny_window"),
            ("small_window", "tiny_window"),
            ("shipped", "retired_small"),
            ("shipped", "retired_large"),
            ("named_successor", "retired_small"),
        )
    )


def _habits(dice: Random, is_honest: bool) -> Habits:
    def sometimes(chance: float, *values: float) -> float:
        return dice.choice(values) if dice.random() < chance else 0.0

    return Habits(
        models=dice.choice(((LARGE, SMALL), (SMALL,), (LARGE,), CHATTERS, (LARGE, "llama-3.1-8b-instant", SMALL))),
        stream=dice.choice((0.0, 0.3, 0.6, 1.0)),
        json_mode=sometimes(0.35, 0.2, 0.6),
        schema=sometimes(0.3, 0.2, 0.4),
        tools=sometimes(0.2, 0.5),
        nonsense=sometimes(0.3, 0.05, 0.1),
        oversize=sometimes(0.2, 0.01, 0.05),
        long_prompts=sometimes(0.3, 0.05, 0.2),
        huge_ask=sometimes(0.4, 0.2, 1.0),
        unset_ask=dice.choice((0.0, 0.3, 1.0)),
        one_model_only=dice.choice((0.0, 0.3, 1.0)),
        hangs_up=sometimes(0.5, 0.05, 0.3),
        hurried=sometimes(0.4, 0.1, 0.5),
        flex=sometimes(0.25, 0.2, 0.6),
        own_key=0.0 if is_honest else sometimes(0.25, 0.1, 0.4),
        no_local=dice.choice((0.0, 0.3, 1.0)),
        sessions=dice.choice((0, 3, 50)),
        tenants=dice.choice((("local",), ("a", "b", "c"))),
        tasks=dice.choice(((None,), ("sum", "chat"))),
        priorities=dice.choice(((Priority.STANDARD,), (Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH))),
        median_words=dice.choice((10.0, 40.0, 120.0)),
    )


def _window(dice: Random) -> tuple[Instant, Instant]:
    """A part of the safety phase, sometimes all of it."""
    if dice.random() < 0.4:
        return START, START + SAFETY_S
    from_at = START + dice.uniform(0, SAFETY_S * 0.8)
    return from_at, min(START + SAFETY_S, from_at + dice.uniform(10, 150))


def _faults(dice: Random, is_honest: bool) -> tuple[Fault, ...]:
    kinds = dice.sample(EVERYDAY, dice.choice((0, 1, 2, 4, 8)))
    kinds += dice.sample(OF_JSON, dice.choice((0, 0, 1, 2, 3)))
    if dice.random() < 0.25:
        kinds.append(FaultKind.FLEX_FULL)
    if dice.random() < 0.2:
        kinds.append(FaultKind.TOOL_USE_FAILED)
    if not is_honest and dice.random() < 0.4:
        kinds += dice.sample(LIES, dice.choice((1, 2)))
    if not is_honest and dice.random() < 0.4:
        kinds += [FaultKind.RATE_LIMITED] * dice.choice((1, 2))
    found = [_fault(dice, kind) for kind in kinds]
    if dice.random() < 0.1:
        found.append(Fault(FaultKind.INVALID_KEY, 1.0, START + dice.uniform(0, SAFETY_S), START + SAFETY_S, times=1))
    if dice.random() < 0.06:
        from_at = START + dice.uniform(0, SAFETY_S - 60)
        found.append(Fault(FaultKind.ACCESS_DENIED, 1.0, from_at, from_at + dice.uniform(1, 30)))
    return tuple(found)


def _fault(dice: Random, kind: FaultKind) -> Fault:
    from_at, until = _window(dice)
    value, delay_s, at = "", 0.0, dice.choice((0.0, 0.1, 0.5, 0.9, 0.99, 1.0, 40.0))
    if kind is FaultKind.RATE_LIMITED:
        value, delay_s = dice.choice(("RPM", "TPM", "TPM", "RPD", "TPD", "OTPM")), dice.choice((0.0, 4.0, 25.0))
    elif kind is FaultKind.SLOW:
        delay_s = dice.choice((1.0, 6.0, 20.0, 70.0))
    elif kind is FaultKind.STALLED:
        delay_s = dice.choice((0.0, 0.0, 5.0, 20.0))
    elif kind is FaultKind.TOOL_USE_FAILED:
        value = dice.choice(("call", "undeclared", "schema", "required", "none", "arguments"))
    elif kind is FaultKind.OFF_SCHEMA_JSON:
        value = HALF_OF_IT if at < 1.0 else ""
    elif kind is FaultKind.SAFETY:
        value = dice.choice(("", "content"))
    probability = dice.choice((0.03, 0.1, 0.3, 0.6))
    return Fault(
        kind,
        probability,
        from_at,
        until,
        model=dice.choice((LARGE, SMALL)) if dice.random() < 0.3 else None,
        delay_s=delay_s,
        at=at,
        value=value,
    )


def _outages(dice: Random, organisations: tuple[str, ...]) -> tuple[Fault, ...]:
    """Times when a model, an organisation or everything fails, every call of it."""
    found = []
    for _ in range(dice.choice((0, 0, 1, 2))):
        from_at, until = _window(dice)
        kind = dice.choice((FaultKind.OVER_CAPACITY, FaultKind.SERVER_ERROR, FaultKind.REFUSED, FaultKind.STALLED))
        everywhere = kind is FaultKind.REFUSED or dice.random() < 0.3
        found.append(
            Fault(
                kind,
                1.0,
                from_at,
                until,
                model=None if everywhere or dice.random() < 0.4 else dice.choice((LARGE, SMALL)),
                organisation=None if everywhere or dice.random() < 0.6 else dice.choice(organisations),
                at=0.0,
            )
        )
    return tuple(found)


def _strangers(dice: Random, organisations: tuple[str, ...]) -> tuple[Stranger, ...]:
    return tuple(
        Stranger(
            name,
            dice.choice((0.1, 0.3, 0.7, 1.0)),
            chunk_tokens=dice.choice((400, 1500)),
            start_at=START,
            until=START + SAFETY_S,
        )
        for name in organisations
        if dice.random() < 0.4
    )


def _troubles(dice: Random) -> tuple[Trouble, ...]:
    kinds = (
        UpstreamErrorKind.CONNECT_TIMEOUT,
        UpstreamErrorKind.DNS,
        UpstreamErrorKind.TLS_TIMEOUT,
        UpstreamErrorKind.RESET,
        UpstreamErrorKind.POOL_FULL,
    )
    found = []
    for _ in range(dice.choice((0, 0, 1, 2))):
        from_at, until = _window(dice)
        found.append(
            Trouble(dice.choice(kinds), dice.choice((0.05, 0.3, 1.0)), from_at, until, dice.choice((None, 0, 0, 1)))
        )
    return tuple(found)


def _rate(dice: Random, organisations: Mapping[str, Organisation]) -> float:
    """Requests a second in the safety phase."""
    del organisations
    return dice.choice((0.6, 0.9, 0.9, 1.2, 1.6))

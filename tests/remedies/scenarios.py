"""One situation for every remedy and effect of the table that is built: what is wrong, what is asked, what must come.

An expectation holds with the whole table and must break when the scenario's part is taken out of its row.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from typing import Any, Final

import msgspec
from tests.remedies.house import BIG, SMALL, Answer, House, Said, chat, one_after_another, pretend

from headgate.decide.remedies import Effect, Remedy
from headgate.domain.fact import RequestFinished
from headgate.domain.failure import FailureKind as K
from headgate.domain.limits import Dimension
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Organisation, SimulatorSettings, SpendBlock

R, E, F = Remedy, Effect, FaultKind


WELL: Final = pretend()
"""A pretend Groq with nothing wrong."""


@dataclass(frozen=True)
class Ask:
    """One request. `own` brings a provider key of the caller's beside the gateway's; `leaves_s` hangs up after that."""

    body: Mapping[str, Any] = dataclass_field(default_factory=chat)
    headers: Mapping[str, str] = dataclass_field(default_factory=dict)
    leaves_s: float | None = None


@dataclass(frozen=True)
class Expect:
    """What must be true of the last answer, of the pretend Groq's view, and of the gate. None: it does not matter.

    `keys` and `models` are those of all calls that the pretend Groq saw, in order.
    """

    status: int | None = None
    source: str | None = None
    served: str | None = None
    calls: str | None = None
    reason: str | None = None
    code: str | None = None
    retry_after: bool | None = None
    body_has: bytes | None = None
    body_lacks: bytes | None = None
    keys: str | None = None
    models: tuple[str, ...] | None = None
    alert: str | None = None
    removed: frozenset[str] | None = None
    out: str | None = None
    tiers: tuple[str | None, ...] | None = None
    open_reservations: int | None = None
    waited: bool | None = None

    def misses(self, house: House, last: Answer | None) -> list[str]:
        """What is otherwise, in words."""
        found = _found(house, last)
        wanted = {each.name: getattr(self, each.name) for each in fields(self)}
        return [
            f"{name}: wanted {want!r}, found {found[name]!r}"
            for name, want in wanted.items()
            if want is not None and not _agrees(name, want, found[name])
        ]


def _agrees(name: str, want: Any, found: Any) -> bool:
    match name:
        case "body_has":
            return want in found
        case "body_lacks":
            return want not in found
        case "alert" | "out":
            return want in found
        case _:
            return bool(want == found)


def _found(house: House, last: Answer | None) -> dict[str, Any]:
    pool = house.gate.pool
    now = house.gateway.clock.now()
    seen: dict[str, Any] = {
        "keys": "".join(seen.key for seen in house.seen),
        "models": tuple(seen.model for seen in house.seen),
        "tiers": tuple(seen.body.get("service_tier") for seen in house.seen),
        "alert": house.alerts,
        "removed": frozenset(pool.removed),
        "out": [name for name, until in pool.out.items() if until > now],
        "waited": any(isinstance(fact, RequestFinished) and fact.waited_s > 0 for fact in house.facts),
        "open_reservations": sum(
            house.gate.ledger.open_count(deployment) for model in (BIG, SMALL) for deployment in pool.deployments(model)
        ),
    }
    if last is None:
        return (
            seen
            | dict.fromkeys(("status", "source", "served", "calls", "reason", "code", "retry_after"))
            | {
                "body_has": b"",
                "body_lacks": b"",
            }
        )
    return seen | {
        "status": last.status,
        "source": last.label("source"),
        "served": last.label("model-served"),
        "calls": last.label("calls"),
        "reason": last.label("reason"),
        "code": last.error.get("code"),
        "retry_after": "retry-after" in last.headers,
        "body_has": last.body,
        "body_lacks": last.body,
    }


@dataclass(frozen=True)
class Scenario:
    """A row, the part of it that is shown, and the world that shows it. `keys` are the gateway's, one organisation
    each; `models` are the route's candidates in order; a `simulated` pair is two endpoints of the provider."""

    kind: K
    part: Remedy | Effect
    expect: Expect
    simulated: SimulatorSettings | tuple[SimulatorSettings, ...] = WELL
    said: tuple[Said, ...] = ()
    keys: str = "a"
    models: tuple[str, ...] = (BIG,)
    asks: tuple[Ask, ...] = (Ask(),)
    route: str = ""
    toml: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.part}"


# Words for the tables below ------------------------------------------------------------------------------------------

OFF: Final = {"x_headgate_local": "off"}
ONE: Final = (Ask(),)
ONE_OFF: Final = (Ask(headers=OFF),)
STREAM: Final = (Ask(chat(stream=True)),)
STREAM_OFF: Final = (Ask(chat(stream=True), OFF),)
BOTH: Final = (BIG, SMALL)
ANSWERED: Final = Expect(status=200, source="upstream")
LOCAL: Final = Expect(status=200, source="local", served="headgate/local")
WAIT_A_LITTLE: Final = {"x_headgate_patience_ms": "400"}


def fault(kind: FaultKind, **more: Any) -> SimulatorSettings:
    """A pretend Groq with this one thing wrong."""
    return pretend(Fault(kind, **more))


def by(model: str, calls: int, *, keys: str | None = None, reason: str | None = None) -> Expect:
    """A model answered, after so many calls, which the far side saw with those keys."""
    return Expect(status=200, source="upstream", served=model, calls=str(calls), keys=keys, reason=reason)


def local(reason: K) -> Expect:
    """A labelled local answer that says why."""
    return Expect(status=200, source="local", served="headgate/local", reason=reason)


def refused(status: int, code: str, *, retry_after: bool | None = None) -> Expect:
    """An honest refusal of our own."""
    return Expect(status=status, code=code, retry_after=retry_after)


def error_in_200(code: str) -> tuple[Said, ...]:
    """An error that comes inside a 200: there is no client error to relay."""
    return (Said(200, msgspec.json.encode({"error": {"message": "No.", "code": code}})),)


def error(status: int, code: str, message: str = "No.", **more: Any) -> Said:
    """An upstream error of our choice."""
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    return Said(status, msgspec.json.encode(body), **more)


# Quota ---------------------------------------------------------------------------------------------------------------


def limited(dimension: str, wait_s: float = 5.0, **more: Any) -> Fault:
    """A 429 although there is room."""
    return Fault(F.RATE_LIMITED, value=dimension, delay_s=wait_s, **more)


def quota(kind: K, dimension: str, cools: Effect) -> tuple[Scenario, ...]:
    """What the rows of the three 429s have in common. Nobody waits, unless an ask says so."""
    once = pretend(limited(dimension, times=1))
    always = pretend(limited(dimension))
    return (
        Scenario(
            kind,
            R.OTHER_ORGANISATION,
            by(BIG, 2, keys="ab", reason=kind),
            pretend(limited(dimension, organisation="org_a")),
            keys="ab",
            models=BOTH,
        ),
        Scenario(
            kind, R.OTHER_MODEL, by(SMALL, 2, keys="aa", reason=kind), pretend(limited(dimension, model=BIG)),
            models=BOTH,
        ),
        Scenario(kind, R.ANSWER_LOCALLY, local(kind), always),
        Scenario(kind, R.REFUSE, refused(429, "no_capacity", retry_after=True), always, asks=ONE_OFF),
        Scenario(
            kind,
            cools,  # the bucket alone, filled to its limit by the body, has room again long before
            Expect(status=429, code="no_capacity", calls="0", keys="a"),
            once,
            asks=(Ask(headers=OFF), Ask(headers=OFF | WAIT_A_LITTLE)),
        ),
    )  # fmt: skip


def waiting(kind: K, dimension: str) -> Scenario:
    """The wait that is announced is short enough to be sat out."""
    world = pretend(limited(dimension, 0.3, times=1), Fault(F.NO_RETRY_AFTER))
    return Scenario(kind, R.WAIT, by(BIG, 2, keys="aa", reason=kind), world, route="patience_s = 1.5")


QUOTA: Final = (
    *quota(K.REQUESTS_PER_MINUTE, "RPM", E.COOL),
    waiting(K.REQUESTS_PER_MINUTE, "RPM"),
    *quota(K.TOKENS_PER_MINUTE, "TPM", E.COOL),
    waiting(K.TOKENS_PER_MINUTE, "TPM"),
    *quota(K.DAILY_LIMIT, "RPD", E.COOL_DAY),
    Scenario(K.DAILY_LIMIT, E.ALERT, Expect(status=200, alert="daily_limit"), pretend(limited("RPD"))),
)

# Too much ------------------------------------------------------------------------------------------------------------


def tight(tokens: int, model: str = "*") -> SimulatorSettings:
    """An organisation whose bucket is much smaller than the gateway thinks."""
    return pretend(organisations={"org_a": Organisation("developer", limits={model: {Dimension.TPM: tokens}})})


LONG_PROMPT: Final = chat("word " * 400)
LONGER_PROMPT: Final = chat(" ".join(f"word{number}" for number in range(1_000)))
MAY_TRIM: Final = "trim = true"
OVERFLOW: Final = error(400, "context_length_exceeded", "Please reduce the length of the messages.", model=BIG)
SIZE: Final = (
    Scenario(
        K.REQUEST_TOO_LARGE,
        R.SHRINK,
        Expect(status=200, source="upstream", served=BIG, calls="2", models=(BIG, BIG)),
        tight(2000),
        asks=(Ask(chat(cap=5000)),),
    ),
    Scenario(
        K.REQUEST_TOO_LARGE, R.MODEL_WITH_ROOM, by(SMALL, 2), tight(100, BIG), models=BOTH, asks=(Ask(LONG_PROMPT),)
    ),
    Scenario(
        K.REQUEST_TOO_LARGE,
        R.TRIM,
        by(BIG, 2, reason=K.REQUEST_TOO_LARGE),
        tight(1000),
        asks=(Ask(LONGER_PROMPT),),
        route=MAY_TRIM,
    ),
    Scenario(K.REQUEST_TOO_LARGE, R.ANSWER_LOCALLY, local(K.REQUEST_TOO_LARGE), tight(100), asks=(Ask(LONG_PROMPT),)),
    Scenario(K.REQUEST_TOO_LARGE, R.REFUSE, refused(429, "no_capacity"), tight(100), asks=(Ask(LONG_PROMPT, OFF),)),
    Scenario(
        K.CONTEXT_OVERFLOW,
        R.LARGER_CONTEXT,
        by(SMALL, 2, reason=K.CONTEXT_OVERFLOW),
        said=(OVERFLOW,),
        models=BOTH,
        toml=f'[models."{BIG}"]\ncontext_window_tokens = 60000',
    ),
    Scenario(
        K.CONTEXT_OVERFLOW,
        R.TRIM,
        by(BIG, 2, reason=K.CONTEXT_OVERFLOW),
        said=(error(400, "context_length_exceeded", "Too long.", times=1),),
        asks=(Ask(LONGER_PROMPT),),
        route=MAY_TRIM,
    ),
    Scenario(
        K.CONTEXT_OVERFLOW,
        R.RELAY,
        Expect(status=400, code="context_length_exceeded", body_has=OVERFLOW.body),
        said=(OVERFLOW,),
    ),
    Scenario(
        K.CONTEXT_OVERFLOW, R.ANSWER_LOCALLY, local(K.CONTEXT_OVERFLOW), said=error_in_200("context_length_exceeded")
    ),
    Scenario(
        K.CONTEXT_OVERFLOW,
        R.REFUSE,
        refused(503, "upstream_failed"),
        said=error_in_200("context_length_exceeded"),
        asks=ONE_OFF,
    ),
)

# Keys and access -----------------------------------------------------------------------------------------------------

VIRTUAL_KEY, _ROW = new_virtual_key(random.Random(1).randbytes, tenant="one")
WITH_OWN_KEY: Final = {"x_api_key": VIRTUAL_KEY, "authorization": "Bearer gsk_callers_own"}
TWICE: Final = (Ask(headers=OFF), Ask(headers=OFF))
BLOCKED: Final = Fault(F.INVALID_KEY, key="gsk_a")
ACCESS: Final = (
    Scenario(K.INVALID_KEY, R.OTHER_KEY, by(BIG, 2, keys="ab", reason=K.INVALID_KEY), pretend(BLOCKED), keys="ab"),
    Scenario(
        K.INVALID_KEY,
        R.REJECT_OWN_KEY,
        Expect(status=401, code="upstream_key_rejected", keys="callers_own", removed=frozenset()),
        asks=(Ask(headers=WITH_OWN_KEY),),
        toml=config_line(_ROW),
    ),
    Scenario(K.INVALID_KEY, R.ANSWER_LOCALLY, local(K.INVALID_KEY), pretend(BLOCKED)),
    Scenario(
        K.INVALID_KEY, R.REFUSE, refused(503, "upstream_failed", retry_after=False), pretend(BLOCKED), asks=ONE_OFF
    ),
    Scenario(
        K.INVALID_KEY,
        E.DROP_KEY,
        Expect(status=200, keys="abb", removed=frozenset({"a"})),
        pretend(BLOCKED),
        keys="ab",
        asks=(Ask(), Ask()),
    ),
    Scenario(K.INVALID_KEY, E.ALERT, Expect(alert="key_removed"), pretend(BLOCKED)),
    Scenario(K.ACCESS_DENIED, R.ANSWER_LOCALLY, local(K.ACCESS_DENIED), fault(F.ACCESS_DENIED)),
    Scenario(
        K.ACCESS_DENIED,
        R.REFUSE,
        refused(503, "upstream_failed"),
        fault(F.ACCESS_DENIED),
        asks=ONE_OFF,
    ),
    Scenario(
        K.ACCESS_DENIED,
        E.DENY_PROVIDER,
        Expect(status=429, keys="a", calls="0", out="groq", removed=frozenset()),
        fault(F.ACCESS_DENIED),
        keys="ab",
        asks=TWICE,
    ),
    Scenario(K.ACCESS_DENIED, E.ALERT, Expect(alert="provider_denied"), fault(F.ACCESS_DENIED)),
)


def spent(*keys: str) -> SimulatorSettings:
    """Organisations that have reached their spend limit."""
    return pretend(organisations={f"org_{key}": Organisation("developer", spend_block=SpendBlock()) for key in keys})


NOTHING_FOR_BIG_AT_B: Final = f'[organisations.org_b.limits."{BIG}"]\nTPM = 1'
SPEND: Final = (
    Scenario(
        K.SPEND_LIMIT,
        R.OTHER_ORGANISATION,
        by(BIG, 2, keys="ab", reason=K.SPEND_LIMIT),
        spent("a"),
        keys="ab",
        models=BOTH,
    ),
    Scenario(
        K.SPEND_LIMIT,
        R.OTHER_MODEL,
        by(SMALL, 2, keys="ab", reason=K.SPEND_LIMIT),
        spent("a"),
        keys="ab",
        models=BOTH,
        toml=NOTHING_FOR_BIG_AT_B,
    ),
    Scenario(K.SPEND_LIMIT, R.ANSWER_LOCALLY, local(K.SPEND_LIMIT), spent("a")),
    Scenario(K.SPEND_LIMIT, R.REFUSE, refused(503, "upstream_failed"), spent("a"), asks=ONE_OFF),
    Scenario(
        K.SPEND_LIMIT,
        E.ORGANISATION_OUT,
        Expect(status=200, source="upstream", keys="abbb", out="groq:org_a"),
        spent("a"),
        keys="ab",
        asks=(Ask(), Ask(), Ask()),
    ),
    Scenario(K.SPEND_LIMIT, E.ALERT, Expect(alert="spend_limit"), spent("a")),
)

GONE: Final = (error(404, "model_not_found", "The model does not exist.", model=BIG),)
DECOMMISSIONED: Final = (error(400, "model_decommissioned", "The model has been decommissioned.", model=BIG),)
MODELS: Final = (
    Scenario(K.MODEL_GONE, R.SUCCESSOR, by(SMALL, 2, reason=K.MODEL_GONE), said=DECOMMISSIONED, models=BOTH),
    Scenario(K.MODEL_GONE, R.ANSWER_LOCALLY, local(K.MODEL_GONE), said=GONE),
    Scenario(K.MODEL_GONE, R.REFUSE, refused(503, "upstream_failed"), said=GONE, asks=ONE_OFF),
    Scenario(
        K.MODEL_GONE,
        E.RETIRE_MODEL,
        Expect(status=200, served=SMALL, calls="1", models=(BIG, SMALL, SMALL), out=f"groq:*:{BIG}"),
        said=DECOMMISSIONED,
        models=BOTH,
        asks=(Ask(), Ask()),
    ),
    Scenario(K.MODEL_GONE, E.ALERT, Expect(alert="model_retired"), said=GONE),
)

# Trouble -------------------------------------------------------------------------------------------------------------

FLEX: Final = (Ask(chat(service_tier="flex")),)
SERVER: Final = (
    Scenario(
        K.OVER_CAPACITY,
        R.OTHER_MODEL,
        by(SMALL, 2, reason=K.OVER_CAPACITY),
        fault(F.OVER_CAPACITY, model=BIG),
        keys="ab",
        models=BOTH,
    ),
    Scenario(
        K.OVER_CAPACITY,
        R.OTHER_ORGANISATION,
        by(BIG, 2, keys="ab", reason=K.OVER_CAPACITY),
        fault(F.SERVER_ERROR, organisation="org_a"),
        keys="ab",
    ),
    Scenario(K.OVER_CAPACITY, R.BACKOFF, by(BIG, 2, keys="aa", reason=K.OVER_CAPACITY), fault(F.BAD_GATEWAY, times=1)),
    Scenario(K.OVER_CAPACITY, R.ANSWER_LOCALLY, local(K.OVER_CAPACITY), fault(F.OVER_CAPACITY)),
    Scenario(
        K.OVER_CAPACITY,
        R.REFUSE,
        refused(503, "upstream_failed", retry_after=True),
        fault(F.OVER_CAPACITY),
        asks=ONE_OFF,
    ),
    Scenario(
        K.FLEX_FULL,
        R.ON_DEMAND,
        Expect(status=200, source="upstream", calls="2", tiers=("flex", "on_demand")),
        fault(F.FLEX_FULL, times=1),
        asks=FLEX,
    ),
    Scenario(K.FLEX_FULL, R.ANSWER_LOCALLY, local(K.FLEX_FULL), fault(F.FLEX_FULL), asks=FLEX),
    Scenario(
        K.FLEX_FULL,
        R.REFUSE,
        refused(503, "upstream_failed"),
        fault(F.FLEX_FULL),
        asks=(Ask(chat(service_tier="flex"), OFF),),
    ),
)

JSON_MODE: Final = (Ask(chat("Answer in json.", response_format={"type": "json_object"})),)
PARSE_FAILED: Final = (error(400, "output_parse_failed", "Failed to parse the model output."),)
CONTENT: Final = (
    Scenario(
        K.INVALID_JSON,
        R.MEND,
        Expect(status=200, source="upstream", calls="1", reason="mended"),
        fault(F.JSON_VALIDATE_FAILED),
        asks=JSON_MODE,
    ),
    Scenario(K.INVALID_JSON, R.ANSWER_LOCALLY, local(K.INVALID_JSON), said=PARSE_FAILED),
    Scenario(
        K.TOOL_CALL_FAILED, R.RELAY, Expect(status=400, code="tool_use_failed"), said=(error(400, "tool_use_failed"),)
    ),
    Scenario(K.TOOL_CALL_FAILED, R.ANSWER_LOCALLY, local(K.TOOL_CALL_FAILED), said=error_in_200("tool_use_failed")),
    Scenario(
        K.TOOL_CALL_FAILED,
        R.REFUSE,
        refused(503, "upstream_failed"),
        said=error_in_200("tool_use_failed"),
        asks=ONE_OFF,
    ),
    Scenario(
        K.SAFETY_REFUSAL,
        R.REPHRASE,
        by(BIG, 2, keys="aa", reason=K.SAFETY_REFUSAL),
        fault(F.SAFETY, times=1),
        route="rephrase = true",
    ),
    Scenario(
        K.SAFETY_REFUSAL,
        R.LOCAL_SAFEGUARD,
        Expect(status=400, code="content_filter", calls="1", body_has=b"greetings", body_lacks=b"hello"),
        fault(F.SAFETY),
        toml='[local.safety.categories]\ngreetings = ["hello"]',
    ),
    Scenario(K.SAFETY_REFUSAL, R.RELAY, Expect(status=400, code="content_policy_violation"), fault(F.SAFETY)),
    Scenario(K.SAFETY_REFUSAL, R.ANSWER_LOCALLY, local(K.SAFETY_REFUSAL), said=error_in_200("content_filter")),
    Scenario(
        K.SAFETY_REFUSAL,
        R.REFUSE,
        refused(503, "upstream_failed"),
        said=error_in_200("content_filter"),
        asks=ONE_OFF,
    ),
    Scenario(
        K.BAD_REQUEST,
        R.RELAY,
        Expect(status=422, code="strange", keys="a", body_has=b"What is that?"),
        said=(error(422, "strange", "What is that?"),),
        keys="ab",
    ),
    Scenario(K.BAD_REQUEST, R.REFUSE, refused(503, "upstream_failed"), said=(Said(418, b""),)),
)

# Broken connections and bodies ---------------------------------------------------------------------------------------


def network(kind: K, wrong: FaultKind, asks: tuple[Ask, ...] = ONE, **more: Any) -> tuple[Scenario, ...]:
    """What is tried after a broken exchange, whatever broke it."""
    off = tuple(Ask(ask.body, OFF) for ask in asks)
    return (
        Scenario(
            kind,
            R.OTHER_ENDPOINT,
            Expect(status=200, source="upstream", served=BIG, calls="2", models=(BIG, BIG), waited=False),
            (fault(wrong, **more), pretend()),
            asks=asks,
        ),
        Scenario(
            kind,
            R.OTHER_MODEL,
            Expect(status=200, source="upstream", served=SMALL, models=(BIG, SMALL)),
            fault(wrong, model=BIG, **more),
            models=BOTH,
            asks=asks,
        ),
        Scenario(
            kind,
            R.OTHER_ORGANISATION,
            Expect(status=200, source="upstream", served=BIG, keys="ab"),
            fault(wrong, organisation="org_a", **more),
            keys="ab",
            asks=asks,
        ),
        Scenario(
            kind,
            R.BACKOFF,
            Expect(status=200, source="upstream", served=BIG, keys="aa"),
            fault(wrong, times=1, **more),
            asks=asks,
        ),
        Scenario(
            kind, R.ANSWER_LOCALLY, Expect(status=200, source="local", reason=kind), fault(wrong, **more), asks=asks
        ),
        Scenario(kind, R.REFUSE, refused(503, "upstream_failed", retry_after=True), fault(wrong, **more), asks=off),
    )


SLOW: Final = "first_token_target_s = 0.3"
BROKEN: Final = (
    *network(K.NETWORK, F.RESET_BEFORE_HEADERS),
    *network(K.MALFORMED_BODY, F.HTML),
    *network(K.STREAM_BROKE_EARLY, F.CUT, STREAM, at=10),
    Scenario(
        K.MALFORMED_BODY,
        R.TOLERANT_PARSE,
        Expect(status=200, source="upstream", calls="1", reason="mended", body_has=b'"partial":true'),
        fault(F.TRUNCATED_JSON, at=0.6),
    ),
    Scenario(
        K.TOO_SLOW,
        R.FASTER_MODEL,
        by(SMALL, 2, reason=K.TOO_SLOW),
        fault(F.SLOW, model=BIG, delay_s=5.0),
        keys="ab",
        models=BOTH,
        route=SLOW,
    ),
    Scenario(
        K.TOO_SLOW,
        R.OTHER_ORGANISATION,
        by(BIG, 2, keys="ab", reason=K.TOO_SLOW),
        fault(F.SLOW, organisation="org_a", delay_s=5.0),
        keys="ab",
        route=SLOW,
    ),
    Scenario(K.TOO_SLOW, R.ANSWER_LOCALLY, local(K.TOO_SLOW), fault(F.SLOW, delay_s=5.0), route=SLOW),
    Scenario(
        K.TOO_SLOW, R.REFUSE, refused(503, "upstream_failed"), fault(F.SLOW, delay_s=5.0), route=SLOW, asks=ONE_OFF
    ),
    Scenario(
        K.STREAM_BROKE_LATE,
        R.ERROR_EVENT,
        Expect(status=200, body_has=b"event: error", body_lacks=b"[DONE]", calls="1"),
        one_after_another(Fault(F.CUT, at=0.8)),
        asks=STREAM,
    ),
    Scenario(K.NO_KEY_LEFT, R.ANSWER_LOCALLY, local(K.NO_KEY_LEFT), keys=""),
    Scenario(K.NO_KEY_LEFT, R.REFUSE, refused(503, "no_capacity", retry_after=False), keys="", asks=ONE_OFF),
    Scenario(
        K.CANCELLED,
        R.ABANDON,
        Expect(keys="a", open_reservations=0),
        fault(F.SLOW, delay_s=5.0),
        asks=(Ask(leaves_s=0.1),),
    ),
)

SCENARIOS: Final = (*QUOTA, *SIZE, *ACCESS, *SPEND, *MODELS, *SERVER, *CONTENT, *BROKEN)

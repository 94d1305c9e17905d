"""The remedy table: what to try, in which order, when a call fails (design 6).

Everything here is data and one rule: the first remedy of the failure's row whose requirements the situation meets is
taken. Rows end in remedies that need nothing, so there is always exactly one. Nothing here acts; the machine does.

If you add a failure: add its row. If you add a remedy: add its requirements, its method in the machine, and the issue
of its row to `NOT_YET` while it is not there.
"""

from collections.abc import Mapping
from enum import Flag, StrEnum, auto
from typing import Final

import msgspec

from headgate.domain.failure import FailureKind as F


class Remedy(StrEnum):
    """One thing that can be done for a request after a failure."""

    OTHER_ORGANISATION = "other_organisation"
    OTHER_MODEL = "other_model"
    WAIT = "wait"
    SHRINK = "shrink"
    TRIM = "trim"
    MODEL_WITH_ROOM = "model_with_room"
    LARGER_CONTEXT = "larger_context"
    OTHER_KEY = "other_key"
    SUCCESSOR = "successor"
    BACKOFF = "backoff"
    OTHER_ENDPOINT = "other_endpoint"
    OTHER_PROVIDER = "other_provider"
    ON_DEMAND = "on_demand"
    MEND = "mend"
    TOLERANT_PARSE = "tolerant_parse"
    STRICT_MODEL = "strict_model"
    SIMPLER_PROMPT = "simpler_prompt"
    PARTIAL_EXTRACTION = "partial_extraction"
    RESCUE_TOOL_CALL = "rescue_tool_call"
    LOWER_TEMPERATURE = "lower_temperature"
    REPHRASE = "rephrase"
    LOCAL_SAFEGUARD = "local_safeguard"
    STALE_CACHE = "stale_cache"
    FASTER_MODEL = "faster_model"
    CONTINUE_STREAM = "continue_stream"
    ERROR_EVENT = "error_event"
    RELAY = "relay"
    REJECT_OWN_KEY = "reject_own_key"
    ANSWER_LOCALLY = "answer_locally"
    REFUSE = "refuse"
    ABANDON = "abandon"


class Effect(StrEnum):
    """What a failure says about the world beyond this request."""

    COOL = "cool"
    COOL_DAY = "cool_day"
    DROP_KEY = "drop_key"
    DENY_PROVIDER = "deny_provider"
    ORGANISATION_OUT = "organisation_out"
    RETIRE_MODEL = "retire_model"
    ALERT = "alert"


class Situation(Flag):
    """What is true of one request at the moment of its failure."""

    NONE = 0
    CALLS_LEFT = auto()
    ATTEMPTS_LEFT = auto()
    ROW_LEFT = auto()
    ORGANISATION_CAN_RUN = auto()
    MODEL_CAN_RUN = auto()
    PROVIDER_CAN_RUN = auto()
    FASTER_CAN_RUN = auto()
    LARGER_CAN_RUN = auto()
    SUCCESSOR_CAN_RUN = auto()
    ENDPOINT_LEFT = auto()
    WAIT_FITS = auto()
    SHRINK_FITS = auto()
    REPHRASE_LEFT = auto()
    SAFEGUARD_LEFT = auto()
    TRIM_FITS = auto()
    REPEAT_ALLOWED = auto()
    KEY_CAN_RUN = auto()
    TIERED = auto()
    TEXT_TO_MEND = auto()
    TEXT_TO_EXTRACT = auto()
    CALL_TO_RESCUE = auto()
    STRICT_CAN_RUN = auto()
    SIMPLER_CAN_RUN = auto()
    OWN_KEY_FAILED = auto()
    UPSTREAM_BODY = auto()
    LOCAL_ALLOWED = auto()
    STALE_POSSIBLE = auto()


class Row(msgspec.Struct, frozen=True):
    """One line of the table. `limit` bounds how often its calling remedies run for one request (None: the calls do)."""

    remedies: tuple[Remedy, ...]
    limit: int | None
    effects: tuple[Effect, ...] = ()


_CALL: Final = Situation.CALLS_LEFT | Situation.ATTEMPTS_LEFT | Situation.ROW_LEFT

NEEDS: Final[dict[Remedy, Situation]] = {
    Remedy.OTHER_ORGANISATION: _CALL | Situation.ORGANISATION_CAN_RUN,
    Remedy.OTHER_MODEL: _CALL | Situation.MODEL_CAN_RUN,
    Remedy.OTHER_PROVIDER: Situation.CALLS_LEFT | Situation.ATTEMPTS_LEFT | Situation.PROVIDER_CAN_RUN,
    Remedy.FASTER_MODEL: _CALL | Situation.FASTER_CAN_RUN,
    Remedy.WAIT: _CALL | Situation.WAIT_FITS,
    Remedy.SHRINK: _CALL | Situation.SHRINK_FITS | Situation.REPEAT_ALLOWED,
    Remedy.TRIM: _CALL | Situation.TRIM_FITS | Situation.REPEAT_ALLOWED,
    Remedy.MODEL_WITH_ROOM: _CALL | Situation.LARGER_CAN_RUN,
    Remedy.LARGER_CONTEXT: _CALL | Situation.LARGER_CAN_RUN,
    Remedy.OTHER_KEY: _CALL | Situation.KEY_CAN_RUN,
    Remedy.SUCCESSOR: _CALL | Situation.SUCCESSOR_CAN_RUN,
    Remedy.BACKOFF: _CALL | Situation.REPEAT_ALLOWED,
    Remedy.OTHER_ENDPOINT: _CALL | Situation.ENDPOINT_LEFT | Situation.REPEAT_ALLOWED,
    Remedy.ON_DEMAND: _CALL | Situation.TIERED | Situation.REPEAT_ALLOWED,
    Remedy.MEND: Situation.TEXT_TO_MEND,
    Remedy.TOLERANT_PARSE: Situation.TEXT_TO_MEND,
    Remedy.STRICT_MODEL: _CALL | Situation.STRICT_CAN_RUN,
    Remedy.SIMPLER_PROMPT: _CALL | Situation.SIMPLER_CAN_RUN,
    Remedy.PARTIAL_EXTRACTION: Situation.TEXT_TO_EXTRACT,
    Remedy.RESCUE_TOOL_CALL: Situation.CALL_TO_RESCUE,
    Remedy.LOWER_TEMPERATURE: _CALL | Situation.REPEAT_ALLOWED,
    Remedy.REPHRASE: _CALL | Situation.REPHRASE_LEFT | Situation.REPEAT_ALLOWED,
    Remedy.LOCAL_SAFEGUARD: Situation.SAFEGUARD_LEFT,
    Remedy.REJECT_OWN_KEY: Situation.OWN_KEY_FAILED,
    Remedy.RELAY: Situation.UPSTREAM_BODY,
    Remedy.ANSWER_LOCALLY: Situation.LOCAL_ALLOWED,
    Remedy.STALE_CACHE: Situation.STALE_POSSIBLE,
    Remedy.ERROR_EVENT: Situation.NONE,
    Remedy.REFUSE: Situation.NONE,
    Remedy.ABANDON: Situation.NONE,
}
"""What must be true for a remedy to be taken. A remedy that is not built yet stands in `NOT_YET` instead."""

NOT_YET: Final[dict[Remedy, str]] = {
    Remedy.CONTINUE_STREAM: "foundation",  # "only where the route asks for it", and none can yet
}
"""Remedies that are not built, and the issue that design 6 gives their row to: typed as not available yet, skipped, and
counted by a test."""

Rows = Mapping[F, Row]

_R = Remedy
_GIVE_UP: Final = (_R.ANSWER_LOCALLY, _R.REFUSE)
_NETWORK: Final = (
    _R.OTHER_ENDPOINT,
    _R.OTHER_MODEL,
    _R.OTHER_ORGANISATION,
    _R.OTHER_PROVIDER,
    _R.BACKOFF,
    _R.STALE_CACHE,
    *_GIVE_UP,
)

ROWS: Final[dict[F, Row]] = {
    F.REQUESTS_PER_MINUTE: Row(
        (_R.OTHER_ORGANISATION, _R.WAIT, _R.OTHER_MODEL, _R.OTHER_PROVIDER, *_GIVE_UP),
        limit=1,
        effects=(Effect.COOL,),
    ),
    F.TOKENS_PER_MINUTE: Row(
        (_R.OTHER_ORGANISATION, _R.OTHER_MODEL, _R.WAIT, _R.OTHER_PROVIDER, *_GIVE_UP),
        limit=2,
        effects=(Effect.COOL,),
    ),
    F.DAILY_LIMIT: Row(
        (_R.OTHER_ORGANISATION, _R.OTHER_MODEL, _R.OTHER_PROVIDER, *_GIVE_UP),
        limit=1,
        effects=(Effect.COOL_DAY, Effect.ALERT),
    ),
    F.REQUEST_TOO_LARGE: Row((_R.SHRINK, _R.TRIM, _R.MODEL_WITH_ROOM, _R.OTHER_PROVIDER, *_GIVE_UP), limit=1),
    F.CONTEXT_OVERFLOW: Row((_R.LARGER_CONTEXT, _R.TRIM, _R.OTHER_PROVIDER, _R.RELAY, *_GIVE_UP), limit=1),
    F.INVALID_KEY: Row(
        (_R.REJECT_OWN_KEY, _R.OTHER_KEY, _R.OTHER_PROVIDER, *_GIVE_UP),
        limit=None,
        effects=(Effect.DROP_KEY, Effect.ALERT),
    ),
    F.ACCESS_DENIED: Row((_R.OTHER_PROVIDER, *_GIVE_UP), limit=None, effects=(Effect.DENY_PROVIDER, Effect.ALERT)),
    F.SPEND_LIMIT: Row(
        (_R.OTHER_ORGANISATION, _R.OTHER_MODEL, _R.OTHER_PROVIDER, *_GIVE_UP),
        limit=None,
        effects=(Effect.ORGANISATION_OUT, Effect.ALERT),
    ),
    F.MODEL_GONE: Row(
        (_R.SUCCESSOR, _R.OTHER_PROVIDER, *_GIVE_UP),
        limit=1,
        effects=(Effect.RETIRE_MODEL, Effect.ALERT),
    ),
    F.OVER_CAPACITY: Row((_R.OTHER_MODEL, _R.OTHER_ORGANISATION, _R.OTHER_PROVIDER, _R.BACKOFF, *_GIVE_UP), limit=2),
    F.FLEX_FULL: Row((_R.ON_DEMAND, *_GIVE_UP), limit=1),
    F.INVALID_JSON: Row(
        (_R.MEND, _R.STRICT_MODEL, _R.SIMPLER_PROMPT, _R.PARTIAL_EXTRACTION, _R.ANSWER_LOCALLY, _R.RELAY, _R.REFUSE),
        limit=3,
    ),
    F.MALFORMED_BODY: Row((_R.TOLERANT_PARSE, _R.PARTIAL_EXTRACTION, *_NETWORK), limit=2),
    F.TOOL_CALL_FAILED: Row(
        (_R.RESCUE_TOOL_CALL, _R.LOWER_TEMPERATURE, _R.OTHER_MODEL, _R.RELAY, *_GIVE_UP),
        limit=1,
    ),
    F.SAFETY_REFUSAL: Row((_R.REPHRASE, _R.LOCAL_SAFEGUARD, _R.RELAY, *_GIVE_UP), limit=1),
    F.NETWORK: Row(_NETWORK, limit=3),
    F.TOO_SLOW: Row((_R.FASTER_MODEL, _R.OTHER_ORGANISATION, _R.OTHER_PROVIDER, _R.STALE_CACHE, *_GIVE_UP), limit=1),
    F.STREAM_BROKE_EARLY: Row(_NETWORK, limit=1),
    F.STREAM_BROKE_LATE: Row((_R.CONTINUE_STREAM, _R.ERROR_EVENT), limit=0),
    F.BAD_REQUEST: Row((_R.RELAY, _R.REFUSE), limit=0),
    F.NO_KEY_LEFT: Row((_R.STALE_CACHE, *_GIVE_UP), limit=0),
    F.CANCELLED: Row((_R.ABANDON,), limit=0),
}


_ENDS: Final = frozenset({_R.RELAY, _R.REJECT_OWN_KEY, _R.ERROR_EVENT, _R.REFUSE, _R.ABANDON})

NO_REMEDIES: Final[dict[F, Row]] = {
    kind: Row(tuple(dict.fromkeys((_R.RELAY, *(each for each in row.remedies if each in _ENDS)))), 0, row.effects)
    for kind, row in ROWS.items()
}
"""The table of a gateway that remedies nothing: what the provider says goes to the client as it is."""


def choose(kind: F, situation: Situation, rows: Rows = ROWS) -> Remedy:
    """The first remedy of the row that the situation allows. Total: every row ends in one that needs nothing."""
    for remedy in rows[kind].remedies:
        needs = NEEDS.get(remedy)
        if needs is not None and needs in situation:
            return remedy
    raise AssertionError(f"the row of {kind} ends without an unconditional remedy")


def calls(remedy: Remedy) -> bool:
    """Whether the remedy makes another call: only such ones count against the limit of a row."""
    return Situation.CALLS_LEFT in NEEDS.get(remedy, Situation.NONE)


def calls_after(kind: F, remedy: Remedy, situation: Situation, rows: Rows = ROWS) -> bool:
    """Whether the row would call again if this remedy came to nothing."""
    following = rows[kind].remedies[rows[kind].remedies.index(remedy) + 1 :]
    return any(calls(each) and NEEDS[each] in situation for each in following)


def without(kind: F, part: Remedy | Effect) -> dict[F, Row]:
    """The table with one remedy or effect taken out of one row: to show what it is good for."""
    row = ROWS[kind]
    remedies = tuple(remedy for remedy in row.remedies if remedy is not part)
    effects = tuple(effect for effect in row.effects if effect is not part)
    assert (remedies, effects) != (row.remedies, row.effects), f"the row of {kind} has no {part}"
    return {**ROWS, kind: Row(remedies, row.limit, effects)}


def not_available_yet() -> dict[str, int]:
    """How many places of the table are not built, by the issue of their row."""
    counts: dict[str, int] = {}
    for row in ROWS.values():
        for remedy in row.remedies:
            if issue := NOT_YET.get(remedy):
                counts[issue] = counts.get(issue, 0) + 1
    return counts

"""What may go wrong, as data: fault rules, and which of them strike a given request.

A draw depends on the seed, the rule, the request's bytes and how often they came before, never on the order of other
requests: the same world breaks in the same places. What a fault does to a reply is in `damage` and `groq`.
"""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final

import msgspec

from headgate.domain.time import NEVER, Instant, Seconds


class FaultKind(StrEnum):
    """Every way of going wrong. `Fault.at` places it in the body, `Fault.delay_s` in time, `Fault.value` varies it."""

    REFUSED = "refused"
    """The connection is refused; nothing is read."""
    ACCESS_DENIED = "access_denied"
    """403 before the key is looked at."""
    INVALID_KEY = "invalid_key"
    """401 although the key is good."""
    SAFETY = "safety"
    """400 with a safety text; `value` "content": a 200 whose text declines."""
    RATE_LIMITED = "rate_limited"
    """429 although there is room: `value` the dimension (TPM), `delay_s` the announced wait (2 s where 0)."""
    OVER_CAPACITY = "over_capacity"
    SERVER_ERROR = "server_error"
    BAD_GATEWAY = "bad_gateway"
    FLEX_FULL = "flex_full"
    JSON_VALIDATE_FAILED = "json_validate_failed"
    """400 in JSON mode; `value` replaces `failed_generation`, else it is nearly right JSON."""
    OUTPUT_PARSE_FAILED = "output_parse_failed"
    TOOL_USE_FAILED = "tool_use_failed"
    """`value`: call (default), undeclared, schema, required, none, arguments (groq-api 3.3 a to f)."""
    INVALID_JSON_CONTENT = "invalid_json_content"
    """200 in JSON mode whose content is not JSON; `value` replaces the content, else it is fenced and cut short."""
    OFF_SCHEMA_JSON = "off_schema_json"
    """200 in JSON mode whose content is JSON of another shape."""
    EMPTY_CHOICES = "empty_choices"
    EMPTY_BODY = "empty_body"
    USAGE_NEGATIVE = "usage_negative"
    USAGE_STRING = "usage_string"
    USAGE_HUGE = "usage_huge"
    USAGE_MISSING = "usage_missing"
    MALFORMED_JSON = "malformed_json"
    TRUNCATED_JSON = "truncated_json"
    """A complete reply whose JSON stops at `at`; in a stream the JSON of the event there."""
    HTML = "html"
    """A 200 with a sign-in page."""
    LIMITS_TOO_HIGH = "limits_too_high"
    LIMITS_TOO_LOW = "limits_too_low"
    LIMITS_ABSENT = "limits_absent"
    LIMITS_GARBAGE = "limits_garbage"
    NO_RETRY_AFTER = "no_retry_after"
    SLOW = "slow"
    """Everything comes `delay_s` later."""
    STALLED = "stalled"
    """Silence at `at`: for ever, or for `delay_s` where that is not 0."""
    CUT = "cut"
    """The connection is closed at `at`."""
    RESET_BEFORE_HEADERS = "reset_before_headers"
    RESET_AFTER_HEADERS = "reset_after_headers"
    RESET_MIDWAY = "reset_midway"
    """The connection is reset at `at`."""
    STREAM_ERROR_EVENT = "stream_error_event"
    """`event: error` in place of the rest of the stream from `at`."""
    X_GROQ_ERROR = "x_groq_error"
    """The final chunk carries `x_groq.error`: `value`, else over_capacity."""
    NO_DONE = "no_done"
    CRLF = "crlf"
    FOREIGN_CHUNK_ID = "foreign_chunk_id"


STREAM_ONLY: Final = frozenset(
    {
        FaultKind.STREAM_ERROR_EVENT,
        FaultKind.X_GROQ_ERROR,
        FaultKind.NO_DONE,
        FaultKind.CRLF,
        FaultKind.FOREIGN_CHUNK_ID,
    }
)
"""Faults that a buffered reply cannot have."""


class Fault(msgspec.Struct, frozen=True):
    """One rule: what goes wrong, for whom, when and how often.

    None matches everything; `containing` is looked for in the request's text. `at` is a byte of the body when it is a
    whole number of 1 or more, else a fraction of it. `times` ends the rule after so many strikes.
    """

    kind: FaultKind
    probability: float = 1.0
    from_at: Instant = 0.0
    until: Instant = NEVER
    model: str | None = None
    organisation: str | None = None
    key: str | None = None
    stream: bool | None = None
    containing: str | None = None
    times: int | None = None
    delay_s: Seconds = 0.0
    at: float = 0.5
    value: str = ""

    def position(self, length: int) -> int:
        """Where in a body of `length` bytes (or among so many events) the fault lies, from 0 to `length`."""
        wanted = int(self.at) if self.at >= 1 else int(length * self.at)
        return max(0, min(length, wanted))


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What rules look at. At the door only `key` and `now` are known."""

    now: Instant
    key: str = ""
    organisation: str = ""
    model: str = ""
    stream: bool = False
    text: str = ""


DOOR: Final = frozenset({FaultKind.REFUSED, FaultKind.ACCESS_DENIED, FaultKind.INVALID_KEY})
"""Faults that strike before the request is read; their rules may name keys, not models or organisations."""

REMEMBERED_REQUESTS: Final = 100_000


class FaultPlan:
    """All rules with their counters. The counters are the only state: how often each request came, each rule struck."""

    __slots__ = ("_at_door", "_inside", "_seed", "_seen", "_strikes")

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        numbered = list(enumerate(faults))
        self._at_door = [(i, fault) for i, fault in numbered if fault.kind in DOOR]
        self._inside = [(i, fault) for i, fault in numbered if fault.kind not in DOOR]
        self._seed = seed.to_bytes(8, "big", signed=True)
        self._seen: dict[bytes, int] = {}
        self._strikes: dict[int, int] = {}

    def at_door(self, facts: Facts, digest: bytes) -> Fault | None:
        """The first door fault that strikes."""
        if not self._at_door:
            return None
        return next(iter(self._struck(self._at_door, facts, digest)), None)

    def inside(self, facts: Facts, digest: bytes) -> tuple[Fault, ...]:
        """Every other fault that strikes, in the order of the rules."""
        return self._struck(self._inside, facts, digest) if self._inside else ()

    def among(self, kinds: frozenset[FaultKind], facts: Facts, digest: bytes) -> tuple[Fault, ...]:
        """Those that strike of some kinds, for an endpoint that can have no others; rules of others stay unused."""
        rules = [(i, fault) for i, fault in self._inside if fault.kind in kinds]
        return self._struck(rules, facts, digest) if rules else ()

    def refuses(self, now: Instant) -> bool:
        """Whether a sure REFUSED rule for everybody holds at `now`: then a connection is not even accepted."""
        return any(
            fault.kind is FaultKind.REFUSED
            and fault.probability >= 1.0
            and fault.key is None
            and fault.times is None
            and fault.from_at <= now < fault.until
            for _, fault in self._at_door
        )

    def _struck(self, rules: Sequence[tuple[int, Fault]], facts: Facts, digest: bytes) -> tuple[Fault, ...]:
        applicable = [(i, fault) for i, fault in rules if _applies(fault, facts)]
        if not applicable:
            return ()
        nth = self._count(digest)
        return tuple(fault for i, fault in applicable if self._strikes_now(i, fault, digest, nth))

    def _count(self, digest: bytes) -> int:
        if len(self._seen) >= REMEMBERED_REQUESTS:
            self._seen.clear()
        nth = self._seen[digest] = self._seen.get(digest, -1) + 1
        return nth

    def _strikes_now(self, index: int, fault: Fault, digest: bytes, nth: int) -> bool:
        if fault.probability < 1.0:
            salt = self._seed + index.to_bytes(4, "big") + nth.to_bytes(4, "big")
            drawn = int.from_bytes(blake2b(digest + salt, digest_size=7).digest(), "big") / (1 << 56)
            if drawn >= fault.probability:
                return False
        if fault.times is None:
            return True
        struck = self._strikes.get(index, 0)
        self._strikes[index] = struck + 1
        return struck < fault.times


def _applies(fault: Fault, facts: Facts) -> bool:
    return (
        fault.from_at <= facts.now < fault.until
        and fault.model in (None, facts.model)
        and fault.organisation in (None, facts.organisation)
        and fault.key in (None, facts.key)
        and fault.stream in (None, facts.stream)
        and (fault.containing is None or fault.containing in facts.text)
        and (facts.stream or fault.kind not in STREAM_ONLY)
    )


def first(faults: Sequence[Fault], *kinds: FaultKind) -> Fault | None:
    """The first struck fault of any of the kinds."""
    return next((fault for fault in faults if fault.kind in kinds), None) if faults else None

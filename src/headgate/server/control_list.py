"""Owns the one list of request controls and answer headers (design 10), and the documentation made from it.

What a value may be stands here; how values are read stands in `controls`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from headgate.cache.rules import CacheMode, CacheScope
from headgate.domain.request import Priority

BODY_FIELD: Final = "headgate"
"""The object of a body that may carry controls; it is removed before the body goes on."""
TEXT_CHARS_MAX: Final = 200
NAME_CHARS_MAX: Final = 100
MILLISECONDS_MAX: Final = 3_600_000
CACHE_SECONDS_MAX: Final = 30 * 86_400


class Since(StrEnum):
    """The issue that makes a control or a header work. What is not built yet is accepted and reported."""

    FOUNDATION = "foundation"
    API = "api"
    KNOWLEDGE = "knowledge"
    OPERATED = "operated"


BUILT: Final = frozenset({Since.FOUNDATION})
"""The issues that are done."""


class LocalMode(StrEnum):
    """Whether an answer may be made without a model."""

    AUTO = "auto"
    OFF = "off"


class CoalesceMode(StrEnum):
    """Whether a request may be asked in one call with others like it."""

    AUTO = "auto"
    OFF = "off"


class ValueKind(StrEnum):
    """What the value of a control or an answer header is."""

    TEXT = "text"
    NAME = "name"
    INTEGER = "integer"
    NUMBER = "number"
    SWITCH = "true or false"
    CHOICE = "one of"
    JOBS = "jobs"


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One request control. `choices` go from the written word to the value; `least` and `most` bound an integer."""

    name: str
    meaning: str
    kind: ValueKind = ValueKind.NAME
    since: Since = Since.FOUNDATION
    choices: Mapping[str, object] = {}
    least: int = 0
    most: int = MILLISECONDS_MAX
    admin_only: bool = False
    field: str = ""

    @property
    def is_active(self) -> bool:
        return self.since in BUILT

    @property
    def allowed(self) -> str:
        """The allowed values, in words."""
        match self.kind:
            case ValueKind.TEXT:
                return f"text, at most {TEXT_CHARS_MAX} characters"
            case ValueKind.NAME:
                return f"a name of letters, digits and any of . _ - / : @, at most {NAME_CHARS_MAX} characters"
            case ValueKind.INTEGER | ValueKind.NUMBER:
                return f"a whole number from {self.least} to {self.most}"
            case ValueKind.SWITCH:
                return "true or false"
            case ValueKind.JOBS:
                return "true, false, or a list of jobs (as JSON in a header)"
            case ValueKind.CHOICE:
                return ", ".join(self.choices)


class AnswerHeader(msgspec.Struct, frozen=True, kw_only=True):
    """One `x-headgate-*` header of an answer. `at_start`: known when a stream begins, so streams have it too."""

    name: str
    meaning: str
    kind: ValueKind = ValueKind.NAME
    since: Since = Since.FOUNDATION
    values: tuple[str, ...] = ()
    at_start: bool = True


def _words(kind: type[StrEnum]) -> dict[str, object]:
    return {word.value: word for word in kind}


_INTEGER, _SWITCH, _CHOICE, _TEXT = ValueKind.INTEGER, ValueKind.SWITCH, ValueKind.CHOICE, ValueKind.TEXT
_PRIORITIES: Final[dict[str, object]] = {priority.name.lower(): priority for priority in Priority}

CONTROLS: Final = (
    Control(name="session", kind=_TEXT, meaning="Keeps a conversation on one key and one fair share."),
    Control(name="agent", kind=_TEXT, meaning="Which agent of the application asks."),
    Control(name="task", kind=_TEXT, meaning="What kind of task this is; else it is guessed."),
    Control(name="route", meaning="The route of the settings to follow."),
    Control(name="tier", meaning="The tier to serve from, whatever model was named."),
    Control(
        name="request-type", kind=_TEXT, since=Since.OPERATED, meaning="A label that budgets and reports are split by."
    ),
    Control(name="module", kind=_TEXT, since=Since.OPERATED, meaning="The part of the application that asks."),
    Control(name="user", kind=_TEXT, meaning="The end user, whose answers scope `user` of the cache keeps apart."),
    Control(name="tenant", admin_only=True, meaning="Asks on behalf of another tenant."),
    Control(name="priority", kind=_CHOICE, choices=_PRIORITIES, meaning="Who goes first when quota is short."),
    Control(name="deadline-ms", kind=_INTEGER, least=1, meaning="The answer must be there by then."),
    Control(name="patience-ms", kind=_INTEGER, meaning="How long to wait for quota before going without."),
    Control(name="max-latency-ms", kind=_INTEGER, least=1, meaning="The first token must be there by then."),
    Control(name="cost-sensitive", kind=_SWITCH, since=Since.OPERATED, meaning="Prefer the cheaper model."),
    Control(name="quality", since=Since.OPERATED, meaning="How good the answer must be."),
    Control(name="local", kind=_CHOICE, choices=_words(LocalMode), meaning="Whether a local answer will do."),
    Control(
        name="cache",
        kind=_CHOICE,
        choices=_words(CacheMode),
        meaning="Use the cache, leave it, renew its entry, or answer from it alone.",
    ),
    Control(
        name="cache-ttl-s",
        kind=_INTEGER,
        most=CACHE_SECONDS_MAX,
        meaning="How long this answer may be kept, within what the tiers allow.",
    ),
    Control(
        name="cache-scope",
        kind=_CHOICE,
        choices=_words(CacheScope),
        meaning="Who may be given this answer again: the same user, the tenant, or all who say `shared` too.",
    ),
    Control(
        name="cache-tags",
        kind=_TEXT,
        meaning="Names that this answer can be forgotten by, with commas between.",
    ),
    Control(
        name="coalesce",
        kind=_CHOICE,
        choices=_words(CoalesceMode),
        meaning="Whether it may be asked in one call with others like it, where its route gathers.",
    ),
    Control(name="schema-mode", since=Since.API, meaning="How an answer is made to fit its JSON Schema."),
    Control(
        name="continue",
        field="continuation",
        kind=_SWITCH,
        since=Since.API,
        meaning="Let another model go on when a stream breaks, and say so.",
    ),
    Control(
        name="background",
        kind=ValueKind.JOBS,
        meaning="Jobs to be done beside the answer and after it; true: answer at once with a job that is the request.",
    ),
    Control(name="webhook", meaning="The webhook of the settings that is told how the jobs ended."),
    Control(name="track", kind=_TEXT, since=Since.OPERATED, meaning="A label to find this request by."),
    Control(name="explain", kind=_SWITCH, meaning="Say in the answer what was decided and why."),
)

_CACHE_VALUES: Final = ("hit-memory", "hit-redis", "hit-object", "similar", "shared", "miss", "off")
ANSWER_HEADERS: Final = (
    AnswerHeader(name="source", kind=_CHOICE, values=("upstream", "cache", "local"), meaning="Where it came from."),
    AnswerHeader(name="provider", meaning="The provider that answered."),
    AnswerHeader(name="model-asked", meaning="The model that the request named."),
    AnswerHeader(name="model-served", meaning="The model that answered; headgate/local for none."),
    AnswerHeader(name="attempts", kind=_INTEGER, meaning="Calls that may have made a provider generate."),
    AnswerHeader(name="calls", kind=_INTEGER, meaning="Exchanges with providers in all."),
    AnswerHeader(name="jobs", kind=_TEXT, meaning="Ids of the background jobs that it leaves, with commas."),
    AnswerHeader(
        name="cache",
        kind=_CHOICE,
        values=_CACHE_VALUES,
        meaning="What the cache did; the header `age` says how many seconds ago an answer of it was made.",
    ),
    AnswerHeader(
        name="fitted",
        kind=_TEXT,
        meaning="What was changed to fit: max_completion_tokens, as 8192->640; an audio format, as srt->verbose_json; "
        "the messages, where the route allows it, as prompt 12034->5980.",
    ),
    AnswerHeader(name="cost-usd", kind=ValueKind.NUMBER, at_start=False, meaning="What it cost, in US dollars."),
    AnswerHeader(
        name="overhead-ms", kind=ValueKind.NUMBER, meaning="Time spent in Headgate, without waiting for quota."
    ),
    AnswerHeader(name="reason", kind=_TEXT, meaning="Why it came from there, as mended or requests_per_minute."),
    AnswerHeader(
        name="explain",
        kind=_TEXT,
        meaning="On request, as JSON: controls that do not work yet, candidate models, what was tried in vain.",
    ),
)


def document_controls() -> str:
    """The Markdown tables of request controls and answer headers."""
    rows = [f"| `{c.name}` | {c.allowed} | {_state(c.since)} | {c.meaning}{_limits(c)} |" for c in CONTROLS]
    answers = [
        f"| `x-headgate-{h.name}` | {', '.join(h.values) or h.kind} | {'yes' if h.at_start else 'no'} "
        f"| {_state(h.since)} | {h.meaning} |"
        for h in ANSWER_HEADERS
    ]
    return "\n".join(
        [
            "## Request controls",
            "",
            f"Give them as headers `x-headgate-NAME`, or as `NAME` in an object `{BODY_FIELD}` of the body, which is",
            "removed before the request goes on. A header beats the body, and the body beats the route.",
            "",
            "| control | values | active | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "## Answer headers",
            "",
            "| header | values | in streams | active | meaning |",
            "| --- | --- | --- | --- | --- |",
            *answers,
            "",
        ]
    )


def _state(since: Since) -> str:
    return "now" if since in BUILT else "later"


def _limits(control: Control) -> str:
    return " Admin keys only." if control.admin_only else ""

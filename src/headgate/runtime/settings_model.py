"""Owns the sections of headgate.toml as types: every key, its default, its unit and its bounds. Reads nothing.

A key that is not here is refused. The types end in `Table` where the file's form is not the one that is handed out.
"""

import ipaddress
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from headgate.catalog.providers import DialectName
from headgate.domain.limits import Dimension
from headgate.domain.request import SkillUse, Strategy
from headgate.runtime.keys import VirtualKeyRow
from headgate.runtime.settings_admin import AdminSettings
from headgate.runtime.settings_background import MAX_TARGETS, BackgroundSettings, ScheduleTable, WebhookTable
from headgate.runtime.settings_cache import CacheSettings, RouteCache
from headgate.runtime.settings_cache_similar import SimilarTable
from headgate.runtime.settings_coalescing import CoalesceSettings
from headgate.runtime.settings_safety import RouteSafety, SafetySettings
from headgate.runtime.settings_secret import Secret
from headgate.runtime.settings_skills import MIN_CONFIDENCE, Confidence, SkillName, TaskName, TaskSkillTable
from headgate.runtime.upstream import Endpoint, PoolLimits, ReplyLimits, Timeouts

KIB: Final = 1024
MIB: Final = 1024 * KIB

MAX_SECONDS: Final = 3_600.0
"""No wait, deadline or timeout is longer."""
MAX_BYTES: Final = 1024 * MIB
MAX_COUNT: Final = 1_000_000
MAX_ATTEMPTS: Final = 10
MAX_CALLS: Final = 20
MAX_KEYS: Final = 1_000
"""Keys of one provider, and virtual keys times ten."""
MAX_ENDPOINTS: Final = 20
MAX_NAMES: Final = 1_000
"""Entries of any other list."""

PositiveSeconds = Annotated[float, Meta(gt=0, le=MAX_SECONDS)]
Bytes = Annotated[int, Meta(ge=KIB, le=MAX_BYTES)]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Host = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:_%\[\]-]{1,253}$")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
ModelName = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,200}$")]
ModelNames = Annotated[tuple[ModelName, ...], Meta(max_length=MAX_NAMES)]
Attempts = Annotated[int, Meta(ge=1, le=MAX_ATTEMPTS)]
Calls = Annotated[int, Meta(ge=1, le=MAX_CALLS)]
LocalSwitch: TypeAlias = bool | Literal["auto", "off"]


class Passthrough(StrEnum):
    """When a caller's own provider key is used."""

    WITH_KEY = "with-key"
    ALWAYS = "always"
    NEVER = "never"


class Failover(StrEnum):
    """When a request goes to another provider: once no place here can come in time, at once, or never."""

    AFTER_WAIT = "after-wait"
    AT_ONCE = "at-once"
    OFF = "off"


class LogLevel(StrEnum):
    """What is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class ServerSettings(Section, frozen=True):
    """`[server]`: where Headgate listens and how much it takes in."""

    host: Host = "127.0.0.1"
    port: Port = 8080
    """0 means any free port."""
    insecure_open: bool = False
    """Listen beyond loopback without virtual keys, for everybody who can reach the port."""
    log_level: LogLevel = LogLevel.INFO
    max_body_bytes: Bytes = 4 * MIB
    max_header_bytes: Bytes = 32 * KIB
    max_headers: Annotated[int, Meta(ge=10, le=1_000)] = 100
    max_uri_bytes: Bytes = 8 * KIB
    max_in_flight: Count = 4_096
    max_in_flight_per_tenant: Count | None = None
    """Left out: 256 with virtual keys, and without them, where there is one tenant, as many as `max_in_flight`."""
    keep_alive_s: PositiveSeconds = 60.0
    """How long a connection may be idle, a head may take in all, and nothing come of a body or be taken of answers."""
    min_body_bytes_per_s: Annotated[int, Meta(ge=0, le=MAX_COUNT)] = 500
    """What must come of a request's body, on average over each `body_grace_s`; 0 is any. Slower ones are a 408."""
    body_grace_s: PositiveSeconds = 30.0
    """The time over which that average is taken, again and again."""
    drain_s: PositiveSeconds = 25.0
    """How long running answers may take to end after a signal to stop; clients of the others are told in time."""


class ProviderKeyTable(Section, frozen=True):
    """An entry of `keys`: the secret itself, or the environment variable that holds it."""

    secret: Secret | None = None
    env: Name | None = None
    name: Name | None = None
    organisation: Name | None = None


class GroqTable(Section, frozen=True):
    """`[groq]`: where and with which keys; `base_url` is short for one endpoint."""

    base_url: str | None = None
    endpoints: Annotated[tuple[str, ...], Meta(max_length=MAX_ENDPOINTS)] = ()
    keys: Annotated[tuple[ProviderKeyTable, ...], Meta(max_length=MAX_KEYS)] = ()
    models: ModelNames = ()


class ProviderTable(GroqTable, frozen=True, kw_only=True):
    """An entry of `[[providers]]`. `openai`, `mistral`, `gemini` and `openrouter` are known: their address and dialect
    may be left out, and their keys may stand in the environment instead. Any other name is a server of your own that
    speaks OpenAI's API, such as vLLM, Ollama or llama.cpp; `models` are what it serves, asked for as `NAME/MODEL`."""

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    dialect: DialectName | None = None


class ProviderKey(msgspec.Struct, frozen=True):
    """One credential. `name` is unique and may be shown; `organisation` is None until a reply names it. An empty secret
    sends no authorisation."""

    name: str
    secret: Secret
    organisation: str | None = None


class ProviderSettings(msgspec.Struct, frozen=True):
    """A provider as it is used: at least one endpoint, perhaps no key (when only callers' own are used)."""

    name: str
    dialect: DialectName
    endpoints: tuple[Endpoint, ...]
    keys: tuple[ProviderKey, ...] = ()
    models: tuple[str, ...] = ()


GroqSettings: TypeAlias = ProviderSettings


class OrganisationSettings(Section, frozen=True):
    """`[organisations.NAME]`. `limits` go from model id, or `*` for every model, to dimension to limit."""

    plan: Name | None = None
    limits: dict[ModelName, dict[Dimension, Annotated[int, Meta(ge=1)]]] = {}


class DefaultSettings(Section, frozen=True):
    """`[defaults]`: what a route that says nothing gets (design 10). Patience ends at the deadline at the latest."""

    deadline_s: PositiveSeconds = 50.0
    patience_s: Annotated[float, Meta(ge=0, le=MAX_SECONDS)] = 25.0
    first_token_target_s: PositiveSeconds = 10.0
    max_attempts: Attempts = 2
    max_calls: Calls = 6
    substitute: bool = True
    local: LocalSwitch = True
    failover: Failover = Failover.AFTER_WAIT
    strategy: Strategy = Strategy.PRIORITY
    rephrase: bool = False
    safety: RouteSafety = RouteSafety.OFF
    cache: RouteCache = RouteCache.AUTO
    """The cache for requests that do not say: `auto` at temperature 0, `on` for all, `off` for none."""
    trim: bool = False


class RouteTable(Section, frozen=True):
    """`[routes.NAME]`; what is left out comes from `[routes.default]`, then from `[defaults]`.

    `weights` go from a model's or a provider's name to its share under the strategy `weighted`.
    """

    models: ModelNames | None = None
    tier: Name | None = None
    weights: dict[ModelName, Annotated[int, Meta(ge=0, le=MAX_COUNT)]] = {}
    providers: ModelNames | None = None
    """The chain of providers, in order, instead of all that have keys."""
    failover: Failover | None = None
    strategy: Strategy | None = None
    substitute: bool | None = None
    max_attempts: Attempts | None = None
    max_calls: Calls | None = None
    first_token_target_s: PositiveSeconds | None = None
    deadline_s: PositiveSeconds | None = None
    patience_s: Annotated[float, Meta(ge=0, le=MAX_SECONDS)] | None = None
    local: LocalSwitch | None = None
    skill: SkillName | None = None
    """The local skill that answers where no model can, instead of a sentence that says so; see docs/local.md. Not
    inherited, as are the three below."""
    skill_first: bool | None = None
    """Ask the skill before any model; where it is sure enough, no call is made."""
    skill_confidence: Confidence | None = None
    """How sure the skill must be; left out: `[local] min_confidence`."""
    skill_options: dict[str, Any] = {}
    """The skill's options, as `GET /v1/local` lists them."""
    cache: RouteCache | None = None
    rephrase: bool | None = None
    """After a refusal for safety, ask once more with the user's last words in a frame that asks for a safe answer."""
    safety: RouteSafety | None = None
    """What is done before any call with a prompt that holds something of `[local.safety]`."""
    trim: bool | None = None
    """Leave out the oldest messages, then the middles of texts, of a prompt that is too large for every candidate."""
    coalesce: CoalesceSettings | None = None
    """Gather small like requests to ask them in one call, as `{ window_ms = 50, max_items = 20 }`. Not inherited."""
    similar: SimilarTable | None = None


class RouteSettings(msgspec.Struct, frozen=True):
    """A route with everything decided. No models and no tier: the request's own model and its substitutes."""

    name: str
    models: tuple[str, ...] = ()
    tier: str | None = None
    substitute: bool = True
    max_attempts: int = 2
    max_calls: int = 6
    first_token_target_s: float = 10.0
    deadline_s: float = 50.0
    patience_s: float = 25.0
    local: bool = True
    failover: Failover = Failover.AFTER_WAIT
    strategy: Strategy = Strategy.PRIORITY
    weights: dict[str, int] = {}
    providers: tuple[str, ...] | None = None
    rephrase: bool = False
    safety: RouteSafety = RouteSafety.OFF
    cache: RouteCache = RouteCache.AUTO
    trim: bool = False
    coalesce: CoalesceSettings | None = None
    skill: SkillUse | None = None
    similar: SimilarTable | None = None


class AuthSettings(Section, frozen=True):
    """`[auth]`: who may come in. Without virtual keys the door is open, on loopback only."""

    virtual_keys: Annotated[tuple[VirtualKeyRow, ...], Meta(max_length=10 * MAX_KEYS)] = ()
    passthrough: Passthrough = Passthrough.WITH_KEY
    pepper: Secret | None = None


class WaitingRoomSettings(Section, frozen=True):
    """`[waiting_room]`: how many requests may wait for quota."""

    max_tickets: Count = 10_000


_TIMEOUTS: Final = Timeouts()
_REPLY: Final = ReplyLimits()
_POOL: Final = PoolLimits()


class UpstreamSettings(Section, frozen=True):
    """`[upstream]`: how long providers may take and how much they may send."""

    connect_s: PositiveSeconds = _TIMEOUTS.connect_s
    tls_s: PositiveSeconds = _TIMEOUTS.tls_s
    idle_s: PositiveSeconds = _TIMEOUTS.idle_s
    max_head_bytes: Bytes = _REPLY.max_head_bytes
    max_headers: Count = _REPLY.max_headers
    max_body_bytes: Bytes = _REPLY.max_body_bytes
    max_event_bytes: Bytes = MIB
    max_connections: Count = _POOL.max_connections
    max_idle: Count = _POOL.max_idle
    max_waiting: Count = _POOL.max_waiting
    idle_expiry_s: PositiveSeconds = _POOL.idle_expiry_s

    def reply_limits(self) -> ReplyLimits:
        return ReplyLimits(
            max_head_bytes=self.max_head_bytes, max_headers=self.max_headers, max_body_bytes=self.max_body_bytes
        )

    def pool_limits(self) -> PoolLimits:
        return PoolLimits(
            max_connections=self.max_connections,
            max_idle=self.max_idle,
            max_waiting=self.max_waiting,
            idle_expiry_s=self.idle_expiry_s,
        )


class HandlingSettings(Section, frozen=True):
    """`[handling]`: what Headgate does to requests and replies on their way. All off: it only routes and meters."""

    clean: bool = True
    """Leave out or reword fields that the provider would refuse."""
    fit: bool = True
    """Make a maximum smaller so that a request fits what is left of the quota."""
    remedies: bool = True
    """Try again, elsewhere or otherwise, after a failure. False: what the provider says goes to the client."""
    static_first: bool = False
    """Order prompts for the provider's cache: instructions before the conversation, tools by name."""
    redact: bool = True
    """Take organisation ids and parts of keys out of relayed errors."""


class LocalSettings(Section, frozen=True):
    """`[local]`: what may be answered without a model."""

    enabled: bool = True
    """False: a refusal where otherwise a labelled local answer would be given."""
    mend: bool = True
    """Mend JSON that a model wrote almost right."""
    personas: Annotated[str, Meta(min_length=1, max_length=4_096)] | None = None
    """A folder with persona libraries (`*.toml`) of your own for the skill `reply`, beside those that ship."""
    safety: SafetySettings = SafetySettings()
    """Words and phrases that are not wanted: see `[local.safety]`."""
    min_confidence: Confidence = MIN_CONFIDENCE
    """How sure a skill must be to answer in place of a model; below it the template or a refusal does."""
    tasks: dict[TaskName, SkillName | TaskSkillTable] = {}
    """The skill that answers requests of a task where no model can: `"payment-extraction" = "extract"`, or a table with
    `skill`, `first`, `confidence` and `options`. It wins over the route's."""
    feeds: Annotated[str, Meta(min_length=1, max_length=4_096)] | None = None
    """The folder of the threat feeds that `headgate local feed import` keeps. Left out: `feeds` in the user's folder
    for data."""


class AudioSettings(Section, frozen=True):
    """`[audio]`: how much sound is taken in. It is held only while it is asked about: up to 1 MiB of an upload in
    memory, a larger one in a file without a name in the system's folder for temporary files."""

    max_file_bytes: Bytes = 25 * MIB
    """Of one upload. Groq takes 25 MB on its free plan and 100 MB on paid ones."""
    max_held_bytes: Bytes = MAX_BYTES
    """Of all uploads that are in flight."""


class StoreDurability(StrEnum):
    """What was committed survives: the death of the process, or a power cut too, at the price of an fsync each time."""

    PROCESS = "process"
    POWER = "power"


class StoreSettings(Section, frozen=True):
    """`[store]`: what survives a restart, in one SQLite file that one process owns: usage, files, batches, and how much
    of every quota is spent."""

    enabled: bool | None = None
    """Left out: `headgate serve` keeps it, the in-process SDK does not. true: both do. false: nothing is kept."""
    path: Annotated[str, Meta(min_length=1, max_length=4_096)] | None = None
    """The file; files' contents lie beside it. Left out: `headgate.sqlite3` in the user's folder for data, or in its
    folder `simulator` while the built-in simulator answers."""
    durability: StoreDurability = StoreDurability.PROCESS
    usage_days: Annotated[int, Meta(ge=1, le=3_660)] = 90
    """How long the usage of a request is remembered."""


class BatchExecution(StrEnum):
    """Who runs the lines of a batch: Headgate, as requests of the lowest priority, or Groq's own batch API."""

    HEADGATE = "headgate"
    GROQ = "groq"


class BatchSettings(Section, frozen=True):
    """`[batch]`: files and batches, which need a `[store]`."""

    execute: BatchExecution = BatchExecution.HEADGATE
    """`groq`: batches whose models are all Groq's go to its batch API, which has limits of its own and costs half;
    Headgate runs what Groq does not take."""
    concurrency: Annotated[int, Meta(ge=1, le=1_000)] = 32
    """Lines of all batches that are asked for, or wait for quota, at a time."""
    substitute: bool = False
    """Whether a line may be served by another model than the one it names. Off, it waits for quota instead."""
    max_file_bytes: Bytes = 200 * MIB
    max_lines: Annotated[int, Meta(ge=1, le=MAX_COUNT)] = 50_000
    max_stored_bytes_per_tenant: Annotated[int, Meta(ge=KIB, le=1024 * MAX_BYTES)] = 10 * MAX_BYTES
    """Of all files that are kept; what batches leave counts, but is never refused."""
    max_open_per_tenant: Count = 100
    """Batches of one tenant that have not ended."""
    keep_days: Annotated[int, Meta(ge=1, le=3_660)] = 30
    """How long input files, and what batches leave, are kept."""
    cancel_grace_s: PositiveSeconds = 30.0
    """How long running lines of a cancelled batch may take to end."""


class SettingsFile(Section, frozen=True):
    """The whole file. The tables of later issues are accepted and reported as not active yet."""

    server: ServerSettings = ServerSettings()
    groq: GroqTable = GroqTable()
    providers: Annotated[tuple[ProviderTable, ...], Meta(max_length=MAX_NAMES)] = ()
    organisations: dict[Name, OrganisationSettings] = {}
    routes: dict[Name, RouteTable] = {}
    defaults: DefaultSettings = DefaultSettings()
    models: dict[ModelName, dict[str, Any]] = {}
    auth: AuthSettings = AuthSettings()
    waiting_room: WaitingRoomSettings = WaitingRoomSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    local: LocalSettings = LocalSettings()
    audio: AudioSettings = AudioSettings()
    batch: BatchSettings = BatchSettings()
    background: BackgroundSettings = BackgroundSettings()
    webhooks: Annotated[dict[Name, WebhookTable], Meta(max_length=MAX_TARGETS)] = {}
    schedules: Annotated[dict[Name, ScheduleTable], Meta(max_length=MAX_TARGETS)] = {}
    handling: HandlingSettings = HandlingSettings()
    store: StoreSettings = StoreSettings()
    admin: AdminSettings = AdminSettings()
    cache: CacheSettings = CacheSettings()
    budgets: dict[str, Any] = {}
    alerts: dict[str, Any] = {}


LATER_SECTIONS: Final = ("budgets", "alerts")


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False

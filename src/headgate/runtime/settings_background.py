"""Owns `[background]`, `[webhooks.NAME]` and `[schedules.NAME]` of headgate.toml: limits, who is told, what comes when.

Whom Headgate calls stands in the settings alone: a request can name a webhook and never an address.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headgate.runtime.settings_secret import Secret
from headgate.runtime.settings_source import KeyPath, Tree, nearest
from headgate.runtime.upstream import Endpoint

KIB: Final = 1024
MIB: Final = 1024 * KIB
MAX_COUNT: Final = 1_000_000
MAX_TARGETS: Final = 100
EVERY_FORM: Final = "write a number from 1 to 9999 and m, h or d, as 15m, 6h or 1d"
DAILY_FORM: Final = "write HH:MM in UTC, from 00:00 to 23:59, as 06:00"
SECRET_PREFIX: Final = "whsec_"
LEAST_SECRET_BYTES: Final = 24
"""Of a webhook's secret, as Standard Webhooks asks for."""

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Bytes = Annotated[int, Meta(ge=KIB, le=64 * MIB)]
Seconds = Annotated[float, Meta(gt=0, le=3_600.0)]


class BackgroundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[background]`: jobs that requests leave behind and schedules bring, which need a `[store]`."""

    concurrency: Annotated[int, Meta(ge=1, le=1_000)] = 4
    """Jobs that run, or wait for quota, at a time."""
    keeps: Annotated[float, Meta(ge=0, le=0.95)] = 0.5
    """The share of every limit that jobs leave to everybody else: replies up to that share find it free."""
    max_open_per_tenant: Count = 1_000
    """Jobs of one tenant that have not ended; a request that would bring more is refused."""
    max_per_request: Annotated[int, Meta(ge=1, le=100)] = 16
    max_payload_bytes: Bytes = MIB
    """Of what one job is to do, texts included."""
    max_result_bytes: Bytes = MIB
    """A job with a larger result fails and says so."""
    expires_hours: Annotated[float, Meta(gt=0, le=720.0)] = 24.0
    """How long a job may wait for quota or for its turn before it fails."""
    keep_days: Annotated[int, Meta(ge=1, le=3_660)] = 7
    """How long ended jobs, with their texts and results, are kept."""
    drain_s: Annotated[float, Meta(ge=0, le=3_600.0)] = 5.0
    """How long running jobs may take to end when the gateway stops; the others are run again at the next start."""


class WebhookFormat(StrEnum):
    """How what is told is worded: the whole job, or one event for a security team's collector without texts."""

    STANDARD = "standard"
    SIEM = "siem"


class JobEvent(StrEnum):
    """What is told of a job."""

    DONE = "job.done"
    FAILED = "job.failed"


class WebhookTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[webhooks.NAME]`: who is told how jobs end. Signed as Standard Webhooks says (HMAC-SHA256, `v1`)."""

    url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    """https, or http to this machine."""
    secret: Secret | None = None
    """`whsec_` and at least 24 bytes in base64: what the receiver checks signatures by."""
    env: Name | None = None
    """The environment variable that holds the secret, instead."""
    authorization_env: Name | None = None
    """The environment variable that holds an `authorization` header for collectors that want one."""
    format: WebhookFormat = WebhookFormat.STANDARD
    events: Annotated[tuple[JobEvent, ...], Meta(max_length=10)] = ()
    """Left out: all of them."""
    all_jobs: bool = False
    """Told of the jobs of all tenants, also of those that name no webhook."""
    min_score: Annotated[float, Meta(ge=0, le=1.0)] | None = None
    """Told only of results with a `score`, as those of the local skill `risk`, that is at least this."""
    allow_http: bool = False
    """Also http to other machines: what is told can be read on the way."""
    timeout_s: Seconds = 10.0
    give_up_hours: Annotated[float, Meta(gt=0, le=720.0)] = 24.0
    """How long a delivery is tried for."""


class Webhook(msgspec.Struct, frozen=True):
    """A target as it is used: `key` signs."""

    name: str
    url: str
    key: Secret
    table: WebhookTable
    authorization: Secret | None = None


class ReportData(StrEnum):
    """What a report is made of."""

    USAGE = "usage"
    JOBS = "jobs"
    BOTH = "both"


class ScheduleTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[schedules.NAME]`: a report about what happened since the last one, as a job. Due times that were missed
    while the gateway was down have one run together at the next start, about all of that time, 31 days at most."""

    every: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,3}[mhd]$", description=EVERY_FORM)] | None = None
    """As `15m`, `6h` or `1d`, counted from midnight UTC of 1970-01-01."""
    daily: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description=DAILY_FORM)] | None = None
    """A time of the day in UTC, as `06:00`, instead."""
    tenant: Name = "local"
    """Whose usage and jobs are told, and who pays for the model."""
    over: ReportData = ReportData.BOTH
    prompt: Annotated[str, Meta(min_length=1, max_length=20_000)] | None = None
    """What a model is asked about the figures. Left out: the figures are the report, and no model is asked."""
    model: Annotated[str, Meta(min_length=1, max_length=200)] = "headgate/auto"
    webhook: Name | None = None
    max_results: Annotated[int, Meta(ge=1, le=1_000)] = 100
    """Results of jobs that a report holds, newest first."""


def webhooks_of(tables: Mapping[str, WebhookTable], tree: Tree, environ: Mapping[str, str]) -> dict[str, Webhook]:
    """The targets with their secrets. Raises InvalidSettings."""
    return {name: _webhook(name, table, tree, environ) for name, table in tables.items()}


def check_schedules(schedules: Mapping[str, ScheduleTable], webhooks: Mapping[str, WebhookTable], tree: Tree) -> None:
    """Raise InvalidSettings for a schedule without one time, or for a webhook that nobody has."""
    for name, schedule in schedules.items():
        path: KeyPath = ("schedules", name)
        if (schedule.every is None) == (schedule.daily is None):
            raise tree.error(path, "needs either `every` or `daily`", 'write every = "6h" or daily = "06:00"')
        if schedule.webhook is not None and schedule.webhook not in webhooks:
            what = f"there is no [webhooks.{schedule.webhook}]"
            raise tree.error((*path, "webhook"), what, nearest(schedule.webhook, webhooks))


def _webhook(name: str, table: WebhookTable, tree: Tree, environ: Mapping[str, str]) -> Webhook:
    path: KeyPath = ("webhooks", name)
    try:
        endpoint = Endpoint.parse(table.url)
    except ValueError as error:
        raise tree.error((*path, "url"), f"is no address: {error}", "write it as https://host/path") from None
    if not table.url.startswith("https://") and not table.allow_http and not is_this_machine(endpoint.host):
        fix = "write https://, or insist with allow_http = true"
        raise tree.error((*path, "url"), "would send what is told unencrypted", fix)
    if (table.secret is None) == (table.env is None):
        raise tree.error(path, "needs either `secret` or `env`", 'write env = "NAME_OF_A_VARIABLE"')
    key = table.secret if table.env is None else _of_environment(table.env, (*path, "env"), tree, environ)
    assert key is not None
    if len(signing_key(key) or b"") < LEAST_SECRET_BYTES:
        fix = f"write {SECRET_PREFIX} and at least {LEAST_SECRET_BYTES} random bytes in base64"
        raise tree.error((*path, "secret" if table.env is None else "env"), "holds no webhook secret", fix)
    authorization = table.authorization_env
    sent = None
    if authorization is not None:
        sent = _of_environment(authorization, (*path, "authorization_env"), tree, environ)
    return Webhook(name, table.url, key, table, sent)


def signing_key(secret: Secret) -> bytes | None:
    """The bytes that a secret signs with; None for what is none."""
    import base64
    import binascii

    text = secret.reveal()
    if not text.startswith(SECRET_PREFIX):
        return None
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return None


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback."""
    from headgate.runtime.settings_model import is_loopback

    return is_loopback(host)


def _of_environment(name: str, path: KeyPath, tree: Tree, environ: Mapping[str, str]) -> Secret:
    text = environ.get(name, "").strip()
    if not text:
        raise tree.error(path, f"the environment has no {name}", "set it, or take the webhook out")
    return Secret(text)

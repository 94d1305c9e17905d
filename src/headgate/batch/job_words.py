"""How a job is told, over HTTP and in webhooks, and how that is signed (Standard Webhooks 1.0, read 2026-11)."""

import base64
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Raw

from headgate.runtime.settings_background import Webhook, WebhookFormat, signing_key
from headgate.store.job_rows import DeliveryRow, DueDelivery, JobRow, JobStatus

MOST_TOLD_BYTES: Final = 256 * 1024
"""Of one delivery: a larger result is left out and has to be asked for."""
_encode: Final = msgspec.json.Encoder().encode

_SEVERITIES: Final = ((0.9, 9), (0.7, 7), (0.4, 4))
"""From which score on an event has which severity, of 10."""
LEAST_SEVERITY: Final = 1
FAILED_SEVERITY: Final = 3


class Scored(msgspec.Struct, frozen=True):
    """What events for security teams are made of, where a result has it."""

    score: float | None = None
    level: str | None = None
    categories: tuple[str, ...] = ()


def job_object(row: JobRow, deliveries: Sequence[DeliveryRow] | None = None) -> dict[str, object]:
    """A job as clients read it; with its result where the row has one."""
    told: dict[str, object] = {
        "id": row.id,
        "object": "job",
        "kind": row.kind,
        "status": row.status.value,
        "request_id": row.request_id or None,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "attempts": row.attempts,
    }
    if row.result is not None:
        told["result" if row.status is JobStatus.DONE else "failure"] = Raw(row.result)
    if row.problem:
        told["problem"] = row.problem
    if deliveries is not None:
        told["webhooks"] = [
            {
                "id": each.id,
                "target": each.target,
                "event": each.event,
                "state": each.state.value,
                "tries": each.tries,
                "last_status": each.last_status or None,
                "next_at": each.next_at if each.ended_at is None else None,
            }
            for each in deliveries
        ]
    return told


def score_of(result: bytes | None) -> Scored:
    """What a result says of danger; nothing where it says nothing."""
    try:
        return msgspec.json.decode(result or b"null", type=Scored | None) or Scored()
    except (msgspec.MsgspecError, UnicodeError):
        return Scored()


def body_of(due: DueDelivery, target: Webhook) -> bytes:
    """What is told: the same bytes each time, since an ended job does not change."""
    if target.table.format is WebhookFormat.SIEM:
        return _encode(_siem_event(due))
    job, event = due.job, due.delivery.event
    told = {"type": event, "timestamp": _iso(due.delivery.created_at), "data": job_object(job)}
    body = _encode(told)
    if len(body) > MOST_TOLD_BYTES:
        told["data"] = {**job_object(msgspec.structs.replace(job, result=None)), "result_left_out": True}
        body = _encode(told)
    return body


def signed_headers(target: Webhook, webhook_id: str, unix_s: int, body: bytes) -> dict[str, str]:
    """The headers of one try. The id is the same for all tries, the time is that of this one."""
    key = signing_key(target.key)
    assert key is not None, "settings were checked"
    signature = hmac.digest(key, b"%b.%d.%b" % (webhook_id.encode(), unix_s, body), "sha256")
    headers = {
        "content-type": "application/json",
        "user-agent": "headgate-webhooks",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
    if target.authorization is not None:
        headers["authorization"] = target.authorization.reveal()
    return headers


def _siem_event(due: DueDelivery) -> dict[str, object]:
    """One event in the field names of the Elastic Common Schema, without any text of a client or a model."""
    job, scored = due.job, score_of(due.job.result)
    return {
        "@timestamp": _iso(due.delivery.created_at),
        "event": {
            "id": due.delivery.id,
            "kind": "alert" if scored.score is not None else "event",
            "category": ["threat"] if scored.score is not None else ["process"],
            "action": due.delivery.event,
            "outcome": "success" if job.status is JobStatus.DONE else "failure",
            "severity": _severity(job, scored),
            "risk_score": None if scored.score is None else round(100 * scored.score, 2),
            "reason": job.problem or scored.level,
            "provider": "headgate",
        },
        "organization": {"id": job.tenant},
        "headgate": {
            "job": job.id,
            "kind": job.kind,
            "request": job.request_id or None,
            "attempts": job.attempts,
            "categories": scored.categories,
        },
    }


def _severity(job: JobRow, scored: Scored) -> int:
    if job.status is not JobStatus.DONE:
        return FAILED_SEVERITY
    return next((severity for score, severity in _SEVERITIES if (scored.score or 0.0) >= score), LEAST_SEVERITY)


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

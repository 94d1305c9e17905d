"""The doors of `/jobs`: make one, list, look, cancel. A tenant sees its own; the room `batch` runs them."""

from typing import Final

import msgspec

from headgate.batch.job_runner import JobRunner, new_job_id
from headgate.batch.job_words import job_object
from headgate.domain.answer import Refusal
from headgate.protocol.client_json import InvalidBody, decode_object, decode_value
from headgate.protocol.jobs import ChatSpec, Said, read_spec, resolve
from headgate.server.background import OWN_KEY, Accepted, Jobs, queue
from headgate.server.errors import invalid
from headgate.server.files import page_body
from headgate.server.job_checks import check_job
from headgate.server.stored import limit_of, one_of, query_of
from headgate.server.visit import Visit, read_json
from headgate.store.job_rows import JobStatus
from headgate.store.problems import IllegalTransition
from headgate.store.sqlite import SqliteStore

PAGE: Final = 20
MOST_PAGE: Final = 100


async def create(visit: Visit, store: SqliteStore) -> None:  # noqa: ARG001
    """`POST /jobs`: one job that is about no request, answered with 202 once it is durable."""
    body = await read_json(visit.scope, visit.receive, visit.headers, visit.gateway.max_body_bytes)
    if body is None:
        return
    made = body if isinstance(body, Refusal) else await _created(visit, body)
    if isinstance(made, Refusal):
        await visit.refuse(made)
    else:
        await visit.reply(made.body, 202)


async def _created(visit: Visit, body: bytes) -> Accepted | Refusal:
    gateway = visit.gateway
    if visit.identity.own_key is not None:
        return OWN_KEY
    fields = {name: decode_value(name, raw) for name, raw in decode_object(body).items()}
    webhook = fields.pop("webhook", None) or ""
    if not isinstance(webhook, str) or (webhook and webhook not in gateway.webhooks):
        raise InvalidBody(f"There is no such webhook; there are {', '.join(gateway.webhooks) or 'none'}.", "webhook")
    spec = read_spec(fields, "job")
    if spec.needs_reply:
        raise InvalidBody("The job is about a reply, and there is none: give its text.", "job")
    if not isinstance(spec, ChatSpec) and spec.text is None:
        raise InvalidBody("The job has no text: add `text`, the text that it is about.", "job.text")
    check_job(gateway, spec, visit.identity.tenant)
    new = Jobs(_runner(visit), visit.identity.tenant, "", webhook, gateway.clock.wall())
    return await queue(new, new.new(new_job_id(), resolve(spec, Said())))


async def listed(visit: Visit, store: SqliteStore) -> None:
    """`GET /jobs`, newest first, page by page (`after`), of one `status` or all; with how many are where."""
    query, tenant = query_of(visit), visit.identity.tenant
    wanted = one_of(query, "status")
    if wanted is not None and wanted not in set(JobStatus):
        raise InvalidBody(f"`status` is one of {', '.join(JobStatus)}.", "status")
    page = await store.jobs.page(
        tenant,
        status=None if wanted is None else JobStatus(wanted),
        limit=limit_of(query, usual=PAGE, most=MOST_PAGE),
        after=one_of(query, "after"),
    )
    counts = msgspec.to_builtins(await store.jobs.count(tenant))
    await visit.reply(page_body([job_object(row) for row in page.rows], has_more=page.has_more, counts=counts))


async def shown(visit: Visit, store: SqliteStore) -> None:
    """`GET /jobs/{id}`: with its result, and what was told of it."""
    job_id = visit.given["id"]
    row = await store.jobs.find(visit.identity.tenant, job_id)
    if row is None:
        await visit.refuse(_unknown(job_id))
    else:
        await visit.reply(msgspec.json.encode(job_object(row, await store.jobs.deliveries(job_id))))


async def cancelled(visit: Visit, store: SqliteStore) -> None:
    """`POST /jobs/{id}/cancel`. One that runs is broken off."""
    job_id = visit.given["id"]
    try:
        row = await _runner(visit).cancel(visit.identity.tenant, job_id)
    except IllegalTransition:
        ended = await store.jobs.find(visit.identity.tenant, job_id)
        status = "gone" if ended is None else ended.status.value
        await visit.refuse(invalid(f"Cannot cancel a job with status '{status}'.", "id"))
        return
    if row is None:
        await visit.refuse(_unknown(job_id))
    else:
        await visit.reply(msgspec.json.encode(job_object(row)))


def _runner(visit: Visit) -> JobRunner:
    runner = visit.gateway.jobs
    assert runner is not None, "where there is a store there is a runner"
    return runner


def _unknown(job_id: str) -> Refusal:
    return invalid(f"No such job: {job_id[:80]!r}.", "id", status=404)

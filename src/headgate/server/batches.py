"""The doors of `/batches`: create, list, look, cancel. A tenant sees its own; the room `batch` runs them."""

import secrets
from typing import Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.protocol.batches import read_create
from headgate.protocol.client_json import InvalidBody
from headgate.server.errors import invalid
from headgate.server.files import BATCH, ID_BYTES, page_body, unknown_file
from headgate.server.stored import limit_of, one_of, query_of
from headgate.server.visit import Visit, read_json
from headgate.store.batch_rows import BatchRow, BatchUsage, NewBatch
from headgate.store.problems import IllegalTransition
from headgate.store.sqlite import SqliteStore

PAGE: Final = 20
MOST_PAGE: Final = 100
MOST_IDS: Final = 200
OPEN_RETRY_S: Final = 60.0
OWN_KEY: Final = Refusal(
    RefusalCode.FORBIDDEN,
    "A batch runs with the keys of this gateway, since yours would have to be kept: leave your provider key out.",
    403,
)
_UNUSED: Final = BatchUsage()
_PLAIN: Final = (
    "id",
    "endpoint",
    "model",
    "input_file_id",
    "completion_window",
    "status",
    "output_file_id",
    "error_file_id",
    "created_at",
    "in_progress_at",
    "expires_at",
    "finalizing_at",
    "completed_at",
    "failed_at",
    "expired_at",
    "cancelling_at",
    "cancelled_at",
    "metadata",
)


async def create(visit: Visit, store: SqliteStore) -> None:
    """`POST /batches`. The input file is checked in the background."""
    body = await read_json(visit.scope, visit.receive, visit.headers, visit.gateway.max_body_bytes)
    if body is None:
        return
    row = body if isinstance(body, Refusal) else await _created(visit, store, body)
    if isinstance(row, Refusal):
        await visit.refuse(row)
    else:
        await visit.reply(msgspec.json.encode(batch_object(row)))


async def _created(visit: Visit, store: SqliteStore, body: bytes) -> BatchRow | Refusal:
    gateway, tenant = visit.gateway, visit.identity.tenant
    if visit.identity.own_key is not None:
        return OWN_KEY
    asked = read_create(body)
    if asked.kept_s is not None:
        text = "`output_expires_after` is not possible here: outputs are kept for as long as `[batch] keep_days` says."
        raise InvalidBody(text, "output_expires_after")
    file = await store.files.find(tenant, asked.input_file_id)
    if file is None:
        return unknown_file(asked.input_file_id)
    if file.purpose != BATCH:
        raise InvalidBody(f"The file {file.id} was not uploaded with the purpose `{BATCH}`.", "input_file_id")
    most = gateway.batch.max_open_per_tenant
    if sum(row.tenant == tenant for row in await store.batches.unfinished()) >= most:
        text = f"At most {most} batches may run at a time (setting batch.max_open_per_tenant)."
        return Refusal(RefusalCode.NO_CAPACITY, text, 429, OPEN_RETRY_S)
    at = int(gateway.clock.wall())
    new = NewBatch(
        f"batch_{secrets.token_hex(ID_BYTES)}",
        tenant,
        asked.endpoint,
        file.id,
        asked.completion_window,
        at,
        at + asked.window_s,
        asked.metadata,
    )
    row = await store.batches.create(new)
    if gateway.batches is not None:
        gateway.batches.begin(row)
    return row


async def listed(visit: Visit, store: SqliteStore) -> None:
    """`GET /batches`, newest first: page by page (`after`, or Groq's `cursor`), or those of some ids."""
    query, tenant = query_of(visit), visit.identity.tenant
    ids = [each for value in query.get("id", ()) for each in value.split(",")]  # Groq's SDK writes a list so
    if ids:
        if len(ids) > MOST_IDS:
            raise InvalidBody(f"At most {MOST_IDS} ids may be given.", "id")
        found = [await store.batches.find(tenant, batch_id) for batch_id in dict.fromkeys(ids)]
        rows, has_more = tuple(row for row in found if row is not None), False
    else:
        after = one_of(query, "after") or one_of(query, "cursor")
        page = await store.batches.page(tenant, limit=limit_of(query, usual=PAGE, most=MOST_PAGE), after=after)
        rows, has_more = page.rows, page.has_more
    paging = {"next_cursor": rows[-1].id if has_more else None}
    await visit.reply(page_body([batch_object(row) for row in rows], has_more=has_more, paging=paging))


async def shown(visit: Visit, store: SqliteStore) -> None:
    """`GET /batches/{id}`."""
    row = await store.batches.find(visit.identity.tenant, visit.given["id"])
    if row is None:
        await visit.refuse(_unknown(visit.given["id"]))
    else:
        await visit.reply(msgspec.json.encode(batch_object(row)))


async def cancelled(visit: Visit, store: SqliteStore) -> None:
    """`POST /batches/{id}/cancel`. Running lines end first; what was answered stays."""
    tenant, batch_id = visit.identity.tenant, visit.given["id"]
    runner = visit.gateway.batches
    assert runner is not None, "where there is a store there is a runner"
    try:
        row = await runner.cancel(tenant, batch_id)
    except IllegalTransition:
        ended = await store.batches.find(tenant, batch_id)
        status = "gone" if ended is None else ended.status
        await visit.refuse(invalid(f"Cannot cancel a batch with status '{status}'.", "id"))
        return
    if row is None:
        await visit.refuse(_unknown(batch_id))
    else:
        await visit.reply(msgspec.json.encode(batch_object(row)))


def batch_object(row: BatchRow) -> dict[str, object]:
    """A batch as both SDKs read it."""
    told: dict[str, object] = {"object": "batch", **{name: getattr(row, name) for name in _PLAIN}}
    told["errors"] = {"object": "list", "data": [_problem(each) for each in row.problems]} if row.problems else None
    told["request_counts"] = {"total": row.total, "completed": row.completed, "failed": row.failed}
    if row.usage != _UNUSED:
        used = row.usage
        told["usage"] = {
            "input_tokens": used.input_tokens,
            "input_tokens_details": {"cached_tokens": used.cached_tokens},
            "output_tokens": used.output_tokens,
            "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
            "total_tokens": used.input_tokens + used.output_tokens,
        }
    return told


def _problem(problem: msgspec.Struct) -> dict[str, object]:
    return msgspec.structs.asdict(problem)


def _unknown(batch_id: str) -> Refusal:
    return invalid(f"No such batch: {batch_id[:80]!r}.", "id", status=404)

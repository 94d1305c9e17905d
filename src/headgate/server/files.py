"""The doors of `/files`: upload, list, look, read, delete. A tenant sees its own files only.

An upload is spooled as it comes, since its purpose may stand behind it in the form; only a whole one is stored.
"""

import logging
import secrets
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.protocol.batches import kept_for
from headgate.protocol.client_json import InvalidBody
from headgate.runtime.spool import Spool, SpoolFullError
from headgate.server.errors import invalid
from headgate.server.labels import Header, headers_of, lines_of, request_id
from headgate.server.multipart import FileTooLargeError, FormReader
from headgate.server.stored import limit_of, one_of, query_of
from headgate.server.uploading import IDLE_S, received
from headgate.server.visit import Visit, busy
from headgate.store.problems import FileTooLarge, StoreError
from headgate.store.rows import FileRow, NewFile
from headgate.store.sqlite import SqliteStore

BATCH: Final = "batch"
PURPOSES: Final = (BATCH,)
FULL_RETRY_S: Final = 5.0
DAY_S: Final = 86_400
ID_BYTES: Final = 12
MOST_NAME_CHARS: Final = 255
PAGE: Final = 1_000
MOST_PAGE: Final = 10_000
"""What OpenAI's `limit` takes; no page is longer than ours."""
OCTETS: Final[Header] = (b"content-type", b"application/octet-stream")
PROCESSED: Final = "processed"
"""The status of every file: a stored one is whole, and nothing more is done with it. OpenAI's SDK can wait for that."""
EXPIRES: Final = "expires_after"
_log: Final = logging.getLogger(__name__)


class Fields(msgspec.Struct, frozen=True):
    """What a form says of its file; `keep_s` is None where it says nothing."""

    purpose: str
    keep_s: int | None


async def upload(visit: Visit, store: SqliteStore) -> None:
    """`POST /files`."""
    gateway, tenant = visit.gateway, visit.identity.tenant
    if not gateway.enter(tenant):
        await visit.refuse(busy())
        return
    spool = gateway.spools.new()
    try:
        row = await _taken(visit, store, spool)
        if isinstance(row, Refusal):
            await visit.refuse(row)
        elif row is not None:
            await visit.reply(msgspec.json.encode(file_object(row)))
    finally:
        spool.close()
        gateway.leave(tenant)


async def listed(visit: Visit, store: SqliteStore) -> None:
    """`GET /files`: newest first, or oldest first on request."""
    query = query_of(visit)
    limit = min(limit_of(query, usual=PAGE, most=MOST_PAGE), PAGE)
    purpose, after, order = (one_of(query, name) for name in ("purpose", "after", "order"))
    if order not in {None, "asc", "desc"}:
        raise InvalidBody("`order` is `asc` or `desc`.", "order")
    tenant = visit.identity.tenant
    if order == "asc":
        rows, has_more = await _oldest(store, tenant, purpose, limit, after)
    else:
        page = await store.files.page(tenant, purpose=purpose, limit=limit, after=after)
        rows, has_more = page.rows, page.has_more
    await visit.reply(page_body([file_object(row) for row in rows], has_more=has_more))


async def shown(visit: Visit, store: SqliteStore) -> None:
    """`GET /files/{id}`."""
    row = await store.files.find(visit.identity.tenant, visit.given["id"])
    if row is None:
        await visit.refuse(unknown_file(visit.given["id"]))
    else:
        await visit.reply(msgspec.json.encode(file_object(row)))


async def deleted(visit: Visit, store: SqliteStore) -> None:
    """`DELETE /files/{id}`. Lines of a running batch that were not read yet fail."""
    file_id = visit.given["id"]
    if not await store.files.delete(visit.identity.tenant, file_id):
        await visit.refuse(unknown_file(file_id))
    else:
        await visit.reply(msgspec.json.encode({"id": file_id, "object": "file", "deleted": True}))


async def content(visit: Visit, store: SqliteStore) -> None:
    """`GET /files/{id}/content`: in pieces, as fast as the client takes them."""
    tenant, file_id = visit.identity.tenant, visit.given["id"]
    row = await store.files.find(tenant, file_id)
    chunks = None if row is None else await store.files.read(tenant, file_id)
    if row is None or chunks is None:
        await visit.refuse(unknown_file(file_id))
        return
    size: Header = (b"content-length", str(row.size_bytes).encode())
    lines = lines_of([OCTETS, request_id(visit.name), size])
    await visit.send({"type": "http.response.start", "status": 200, "headers": headers_of(lines)})
    try:
        if visit.scope["method"] != "HEAD":
            async for chunk in chunks:
                await visit.send({"type": "http.response.body", "body": chunk, "more_body": True})
    except StoreError as problem:  # too late to say so: the client sees a body that is too short
        _log.warning("the content of %s could not be read to its end: %s", file_id, problem)
        return
    await visit.send({"type": "http.response.body", "body": b""})


# Uploading ------------------------------------------------------------------------------------------------------------


async def _taken(visit: Visit, store: SqliteStore, spool: Spool) -> FileRow | Refusal | None:
    """The stored file; why it is not stored; None when the client left before its end."""
    settings = visit.gateway.batch
    most = settings.max_file_bytes
    try:
        form = FormReader(visit.headers.get(b"content-type", b""), most, is_sound=False)
        if not await received(visit.receive, form, spool):
            return None
        fields = _fields(form)
        full = await _full(visit, store, spool.size_bytes)
        if full is not None:
            return full
        keep_s = settings.keep_days * DAY_S if fields.keep_s is None else fields.keep_s
        at = int(visit.gateway.clock.wall())
        file_id = f"file_{secrets.token_hex(ID_BYTES)}"
        name = form.filename[-MOST_NAME_CHARS:] or "file"
        new = NewFile(file_id, visit.identity.tenant, fields.purpose, name, at, at + keep_s)
        return await store.files.create(new, spool.chunks(), most_bytes=most)
    except (FileTooLarge, FileTooLargeError):
        return invalid(f"The file is larger than {most:,} bytes (setting batch.max_file_bytes).", "file", status=413)
    except SpoolFullError:
        text = "There is no room for more uploads at the moment (setting audio.max_held_bytes, or the disk is full)."
        return Refusal(RefusalCode.NO_CAPACITY, text, 503, FULL_RETRY_S)
    except TimeoutError:
        return invalid(f"Nothing of the upload came for {IDLE_S:.0f} seconds.", status=408)


async def _full(visit: Visit, store: SqliteStore, more_bytes: int) -> Refusal | None:
    """Why the tenant may not keep so much more."""
    most, kept_bytes = visit.gateway.batch.max_stored_bytes_per_tenant, more_bytes
    async for row in _newest(store, visit.identity.tenant, None):
        kept_bytes += row.size_bytes
    if kept_bytes <= most:
        return None
    text = f"You keep more than {most:,} bytes (setting batch.max_stored_bytes_per_tenant): delete files first."
    return invalid(text, "file", status=413)


def _fields(form: FormReader) -> Fields:
    """What the form says. Raises InvalidBody."""
    given: dict[str, str] = {}
    expires: dict[str, object] = {}
    for name, value in form.fields:
        if name in given:
            raise InvalidBody(f"{name!r} is given twice; give it once.", name)
        given[name] = value
        if name.startswith(f"{EXPIRES}[") and name.endswith("]"):
            expires[name[len(EXPIRES) + 1 : -1]] = value
        elif name != "purpose":
            raise InvalidBody(f"There is no field {name!r}; there are file, purpose and {EXPIRES}.", name)
    if form.extension is None:
        raise InvalidBody("`file` is missing.", "file", "missing_required_parameter")
    purpose = given.get("purpose")
    if purpose not in PURPOSES:
        raise InvalidBody(f"`purpose` must be `{BATCH}`: nothing here reads files for anything else.", "purpose")
    return Fields(purpose, kept_for(EXPIRES, expires) if expires else None)


# Objects --------------------------------------------------------------------------------------------------------------


def file_object(row: FileRow) -> dict[str, object]:
    """A file as both SDKs read it."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.size_bytes,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "filename": row.filename,
        "purpose": row.purpose,
        "status": PROCESSED,
        "status_details": None,
    }


def page_body(rows: list[dict[str, object]], *, has_more: bool, **more: object) -> bytes:
    """A list as OpenAI pages it."""
    first, last = (rows[0]["id"], rows[-1]["id"]) if rows else (None, None)
    page = {"object": "list", "data": rows, "first_id": first, "last_id": last, "has_more": has_more, **more}
    return msgspec.json.encode(page)


def unknown_file(file_id: str) -> Refusal:
    """404, whether there is none or it is another tenant's."""
    return invalid(f"No such file: {file_id[:80]!r}.", "id", status=404)


async def _oldest(
    store: SqliteStore, tenant: str, purpose: str | None, limit: int, after: str | None
) -> tuple[tuple[FileRow, ...], bool]:
    """A page in the other order: those that are newer than `after`, the oldest of them first."""
    newer: list[FileRow] = []
    async for row in _newest(store, tenant, purpose):
        if row.id == after:
            break
        newer.append(row)
    else:
        if after is not None:
            await store.files.page(tenant, limit=1, after=after)  # raises UnknownCursor unless its purpose is another
    newer.reverse()
    return tuple(newer[:limit]), len(newer) > limit


async def _newest(store: SqliteStore, tenant: str, purpose: str | None) -> AsyncIterator[FileRow]:
    after, has_more = None, True
    while has_more:
        page = await store.files.page(tenant, purpose=purpose, limit=PAGE, after=after)
        for row in page.rows:
            yield row
        has_more = page.has_more
        after = page.rows[-1].id if page.rows else None

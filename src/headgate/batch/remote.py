"""Groq's files and batches over HTTP, asked with an operator's key (groq-api.md 9, read 2026-09)."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, TypeVar

import msgspec

from headgate.batch.handing import OURS, Refused, Theirs
from headgate.runtime.settings_secret import Secret
from headgate.runtime.upstream import Body, Response, Timeouts, Upstream, UpstreamError
from headgate.store.batch_rows import BatchRow
from headgate.store.contract import FileStore, Store

TIMEOUTS: Final = Timeouts(total_s=600.0)
SHOWN_BYTES: Final = 300
"""How much of an error is told."""
MOST_LINE_BYTES: Final = 64 * 1024 * 1024
BOUNDARY_BYTES: Final = 16
JSON: Final = b"application/json"
_LATER: Final = frozenset({408, 409, 429, 498})

T = TypeVar("T")


class _File(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    data: tuple[Theirs, ...]


class GroqBatches:
    """`Remote` (handing.py)."""

    def __init__(self, upstream: Upstream, prefix: str, secret: Secret, name: str) -> None:
        self._upstream = upstream
        self._prefix = prefix
        self._authorization = (b"authorization", b"Bearer " + secret.reveal().encode())
        self.name = name

    async def upload(self, store: Store, batch: BatchRow) -> str:
        """Streamed from the store: nothing holds the file."""
        row = await store.files.find(batch.tenant, batch.input_file_id)
        if row is None:
            raise Refused("the input file is gone", is_final=True)
        boundary = secrets.token_hex(BOUNDARY_BYTES)
        form = _Form(store.files, batch, boundary, row.size_bytes)
        kind = f"multipart/form-data; boundary={boundary}".encode()
        return _read(await self._ask("POST", "/files", form, kind), _File).id

    async def create(self, file_id: str, batch: BatchRow) -> Theirs:
        asked = {
            "input_file_id": file_id,
            "endpoint": batch.endpoint,
            "completion_window": batch.completion_window,
            "metadata": {OURS: batch.id},
        }
        return _read(await self._ask("POST", "/batches", msgspec.json.encode(asked), JSON), Theirs)

    async def recent(self) -> tuple[Theirs, ...]:
        return _read(await self._ask("GET", "/batches"), _Page).data

    async def find(self, batch_id: str) -> Theirs:
        return _read(await self._ask("GET", f"/batches/{batch_id}"), Theirs)

    async def cancel(self, batch_id: str) -> None:
        await self._ask("POST", f"/batches/{batch_id}/cancel", b"{}", JSON)

    async def lines(self, file_id: str) -> AsyncIterator[bytes]:
        try:
            stream = await self._upstream.open(
                "GET", f"{self._prefix}/files/{file_id}/content", (self._authorization,), b"", TIMEOUTS
            )
            try:
                if stream.status != 200:
                    raise Refused(f"the results cannot be read ({stream.status})", is_final=_is_final(stream.status))
                kept = bytearray()
                async for chunk in stream:
                    *whole, rest = (bytes(kept) + chunk).split(b"\n")
                    kept = bytearray(rest)
                    if len(kept) > MOST_LINE_BYTES:
                        raise Refused("a result is too long", is_final=True)
                    for line in whole:
                        yield line
                if kept:
                    yield bytes(kept)
            finally:
                stream.close()
        except UpstreamError as error:
            raise Refused(str(error), is_final=False) from None

    async def delete(self, file_id: str) -> None:
        await self._ask("DELETE", f"/files/{file_id}")

    async def _ask(self, method: str, path: str, body: Body = b"", kind: bytes | None = None) -> Response:
        headers = [self._authorization, *([(b"content-type", kind)] if kind is not None else [])]
        try:
            response = await self._upstream.request(method, self._prefix + path, headers, body, TIMEOUTS)
        except UpstreamError as error:
            raise Refused(str(error), is_final=False) from None
        if not 200 <= response.status < 300:
            shown = response.body[:SHOWN_BYTES].decode(errors="replace")
            raise Refused(f"{method} {path}: {response.status} {shown}", is_final=_is_final(response.status))
        return response


class _Form:
    """An input file as the form that uploads it; read anew at each call."""

    def __init__(self, files: FileStore, batch: BatchRow, boundary: str, file_bytes: int) -> None:
        self._files = files
        self._batch = batch
        part = f'--{boundary}\r\ncontent-disposition: form-data; name="'
        self._head = (
            f'{part}purpose"\r\n\r\nbatch\r\n'
            f'{part}file"; filename="{batch.id}.jsonl"\r\ncontent-type: application/octet-stream\r\n\r\n'
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.is_given = False
        self.size_bytes = len(self._head) + file_bytes + len(self._tail)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        self.is_given = False
        yield self._head
        content = await self._files.read(self._batch.tenant, self._batch.input_file_id)
        if content is None:
            raise Refused("the input file is gone", is_final=True)
        async for chunk in content:
            yield chunk
        yield self._tail
        self.is_given = True


def _is_final(status: int) -> bool:
    return status < 500 and status not in _LATER


def _read(response: Response, kind: type[T]) -> T:
    try:
        found: Any = msgspec.json.decode(response.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Refused(f"its answer cannot be read: {error}", is_final=True) from None
    return found  # type: ignore[no-any-return]

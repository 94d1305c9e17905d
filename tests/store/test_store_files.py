import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.store.stored import chunks, new_file

from headgate.store.content import CHUNK_BYTES
from headgate.store.contract import Store
from headgate.store.problems import AlreadyExists, FileTooLarge, StoreError, StoreFault, UnknownCursor
from headgate.store.rows import FileRow
from headgate.store.sqlite import SqliteStore, contents_of

MOST = 4 * CHUNK_BYTES


async def content_of(store: Store, tenant: str, file_id: str) -> bytes | None:
    found = await store.files.read(tenant, file_id)
    return None if found is None else b"".join([chunk async for chunk in found])


@pytest.mark.parametrize(
    "parts",
    [(), (b"",), (b"one line\n",), (b"a" * CHUNK_BYTES, b"b"), (b"x" * 1000,) * 700],
    ids=["nothing", "empty chunk", "short", "over a chunk", "many small"],
)
async def test_content_comes_back(store: Store, parts: tuple[bytes, ...]) -> None:
    """The row says what was given, the content is what came, byte for byte."""
    row = await store.files.create(new_file(1, expires_at=5), chunks(*parts), most_bytes=MOST)
    whole = b"".join(parts)
    assert row == FileRow("file_1", "acme", "batch", "1.jsonl", len(whole), 1_700_000_001, 5, "uploaded")
    assert await store.files.find("acme", "file_1") == row
    assert await content_of(store, "acme", "file_1") == whole
    assert await store.files.read_part("acme", "file_1", 2, 5) == whole[2:7]


async def test_other_tenants_file(store: Store) -> None:
    """It is not there: not to find, read, list or delete."""
    await store.files.create(new_file(1), chunks(b"secret"), most_bytes=MOST)
    assert await store.files.find("other", "file_1") is None
    assert await store.files.read("other", "file_1") is None
    assert await store.files.read_part("other", "file_1", 0, 6) is None
    assert not await store.files.delete("other", "file_1")
    assert (await store.files.page("other")).rows == ()
    with pytest.raises(UnknownCursor):
        await store.files.page("other", after="file_1")
    assert await content_of(store, "acme", "file_1") == b"secret"


async def test_content_too_large(store: Store, path: Path) -> None:
    """It is refused, and nothing of it stays."""
    with pytest.raises(FileTooLarge):
        await store.files.create(new_file(1), chunks(b"x" * MOST, b"y"), most_bytes=MOST)
    assert await store.files.find("acme", "file_1") is None
    assert list(contents_of(path).iterdir()) == []


async def test_upload_that_breaks(store: Store, path: Path) -> None:
    """What the source raises goes on to the caller, and nothing of the content stays."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_BYTES
        raise ConnectionResetError("the client is gone")

    with pytest.raises(ConnectionResetError):
        await store.files.create(new_file(1), broken(), most_bytes=MOST)
    assert list(contents_of(path).iterdir()) == []


async def test_upload_that_is_cancelled(store: Store, path: Path) -> None:
    """Leaving in the middle leaves nothing behind."""
    is_under_way = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 10
            is_under_way.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(store.files.create(new_file(1), endless(), most_bytes=MOST * 1000))
    await is_under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(contents_of(path).iterdir()) == []


async def test_same_id_twice(store: Store) -> None:
    """The first file stays as it is."""
    await store.files.create(new_file(1), chunks(b"first"), most_bytes=MOST)
    with pytest.raises(AlreadyExists):
        await store.files.create(new_file(1, tenant="other"), chunks(b"second"), most_bytes=MOST)
    assert await content_of(store, "acme", "file_1") == b"first"


async def test_list_of_files(store: Store) -> None:
    """Newest first, by purpose, page after page without a repeat."""
    for number in range(7):
        purpose = "batch" if number % 2 else "batch_output"
        await store.files.create(new_file(number, purpose=purpose), chunks(b"x"), most_bytes=MOST)
    first = await store.files.page("acme", limit=4)
    second = await store.files.page("acme", limit=4, after=first.rows[-1].id)
    assert [row.id for row in first.rows + second.rows] == [f"file_{number}" for number in range(6, -1, -1)]
    assert (first.has_more, second.has_more) == (True, False)
    inputs = await store.files.page("acme", purpose="batch")
    assert [row.id for row in inputs.rows] == ["file_5", "file_3", "file_1"]
    with pytest.raises(UnknownCursor):
        await store.files.page("acme", after="file_99")


async def test_deleted_file(store: Store, path: Path) -> None:
    """Row and content are gone, and a second time there is nothing to delete."""
    await store.files.create(new_file(1), chunks(b"x"), most_bytes=MOST)
    assert await store.files.delete("acme", "file_1")
    assert not await store.files.delete("acme", "file_1")
    assert await content_of(store, "acme", "file_1") is None
    assert list(contents_of(path).iterdir()) == []


async def test_expired_files(store: Store, path: Path) -> None:
    """Those whose time has come go; those without one stay."""
    for number, expires_at in enumerate((None, 10, 20)):
        await store.files.create(new_file(number, expires_at=expires_at), chunks(b"x"), most_bytes=MOST)
    assert await store.files.forget_expired(10) == 1
    assert sorted(entry.name for entry in contents_of(path).iterdir()) == ["file_0", "file_2"]


async def test_content_that_somebody_removed(store: Store, path: Path) -> None:
    """The row is there, its content is not: that is a fault of the storage, told before the first chunk."""
    await store.files.create(new_file(1), chunks(b"x"), most_bytes=MOST)
    (contents_of(path) / "file_1").unlink()
    with pytest.raises(StoreError) as caught:
        await store.files.read("acme", "file_1")
    assert caught.value.fault is StoreFault.IO


async def test_contents_without_a_row(path: Path) -> None:
    """What a dead process left half done is removed at the next start; a file with a row is kept."""
    store = SqliteStore.open(path)
    await store.files.create(new_file(1), chunks(b"kept"), most_bytes=MOST)
    await store.close()
    for name in ("file_2", "file_3.part"):
        (contents_of(path) / name).write_bytes(b"orphan")
    again = SqliteStore.open(path)
    assert again.opened.removed_orphans == 2
    assert await content_of(again, "acme", "file_1") == b"kept"
    await again.close()


async def test_many_uploads_at_once(store: Store) -> None:
    """Each content stays with its own row."""
    await asyncio.gather(
        *(
            store.files.create(new_file(number), chunks(*(bytes([number]) * 70_000,) * 5), most_bytes=MOST)
            for number in range(20)
        )
    )
    for number in range(20):
        assert await content_of(store, "acme", f"file_{number}") == bytes([number]) * 350_000

"""The doors of `/files`, through both providers' own SDKs."""

import asyncio
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import groq
import httpx
import openai
import pytest
from groq.types import FileCreateResponse, FileDeleteResponse, FileInfoResponse, FileListResponse
from openai.types import FileDeleted, FileObject
from tests.running_gateway import RunningGateway, running_gateway

from headgate.runtime.keys import config_line, new_virtual_key

MODEL = "openai/gpt-oss-20b"


def line(number: int, **more: object) -> str:
    """One line of an input file."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"Say {number}"}], "max_completion_tokens": 8}
    return json.dumps(
        {"custom_id": f"line-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body} | more
    )


LINES = ("\n".join(line(number) for number in range(3)) + "\n").encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One with a store, open to its own machine."""
    with running_gateway(store=tmp_path_factory.mktemp("files") / "headgate.sqlite3") as running:
        yield running


@pytest.fixture
def oai(gateway: RunningGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)


@pytest.fixture
def gro(gateway: RunningGateway) -> groq.Groq:
    return groq.Groq(base_url=gateway.root, api_key="any", max_retries=0)


def test_openai_sdk_uploads_whatever_it_calls_a_file(oai: openai.OpenAI, tmp_path: Path) -> None:
    """A tuple, bytes, a path and an open file are stored as they are, and given back as OpenAI's own object."""
    path = tmp_path / "input.jsonl"
    path.write_bytes(LINES)
    ways: list[object] = [("in.jsonl", LINES), ("in.jsonl", io.BytesIO(LINES), "application/jsonl"), LINES, path]
    for file in ways:
        stored = oai.files.create(file=file, purpose="batch")  # type: ignore[arg-type]
        FileObject.model_validate(stored.to_dict(), strict=True)
        assert stored.bytes == len(LINES)
        assert stored.purpose == "batch"
        assert oai.files.content(stored.id).read() == LINES
        assert oai.files.retrieve(stored.id) == stored
    with path.open("rb") as opened:
        assert oai.files.create(file=opened, purpose="batch").filename == "input.jsonl"


def test_groq_sdk_keeps_files(gro: groq.Groq) -> None:
    """Create, info, list, content and delete give Groq's own objects."""
    stored = gro.files.create(file=("in.jsonl", LINES), purpose="batch")
    FileCreateResponse.model_validate(stored.to_dict(), strict=True)
    assert stored.id is not None
    FileInfoResponse.model_validate(gro.files.info(stored.id).to_dict(), strict=True)
    listed = gro.files.list()
    FileListResponse.model_validate(listed.to_dict(), strict=True)
    assert stored.id in {file.id for file in listed.data}
    assert gro.files.content(stored.id).read() == LINES
    gone = gro.files.delete(stored.id)
    FileDeleteResponse.model_validate(gone.to_dict(), strict=True)
    assert gone.deleted
    with pytest.raises(groq.NotFoundError):
        gro.files.info(stored.id)


def test_asynchronous_sdks(gateway: RunningGateway) -> None:
    """Both upload, read in pieces and delete without blocking."""

    async def go() -> None:
        async with openai.AsyncOpenAI(base_url=gateway.v1, api_key="any", max_retries=0) as client:
            stored = await client.files.create(file=("a.jsonl", LINES), purpose="batch")
            async with client.files.with_streaming_response.content(stored.id) as streamed:
                assert b"".join([chunk async for chunk in streamed.iter_bytes()]) == LINES
            FileDeleted.model_validate((await client.files.delete(stored.id)).to_dict(), strict=True)
        async with groq.AsyncGroq(base_url=gateway.root, api_key="any", max_retries=0) as other:
            kept = await other.files.create(file=("a.jsonl", LINES), purpose="batch")
            assert kept.id is not None
            assert await (await other.files.content(kept.id)).read() == LINES
            assert (await other.files.delete(kept.id)).deleted

    asyncio.run(go())


def test_lists_are_paged_both_ways(gateway: RunningGateway) -> None:
    """Newest first unless asked otherwise; pages of two give every file once, in order."""
    with openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0) as client:
        for file in list(client.files.list()):
            client.files.delete(file.id)
        made = [client.files.create(file=(f"{n}.jsonl", LINES), purpose="batch").id for n in range(5)]
        assert [file.id for file in client.files.list(limit=2)] == made[::-1]
        assert [file.id for file in client.files.list(limit=2, order="asc")] == made
        assert [file.id for file in client.files.list(purpose="batch_output")] == []
        with pytest.raises(openai.BadRequestError):
            client.files.list(after="file_unknown")


def test_expiry_is_what_was_asked(oai: openai.OpenAI) -> None:
    """`expires_after` counts from the creation; without it the setting's thirty days hold."""
    asked = oai.files.create(
        file=("in.jsonl", LINES), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    usual = oai.files.create(file=("in.jsonl", LINES), purpose="batch")
    assert asked.expires_at == asked.created_at + 3600
    assert usual.expires_at == usual.created_at + 30 * 86_400


@pytest.mark.parametrize(
    "data, files, status, param",
    [
        ({"purpose": "batch"}, None, 400, None),
        ({"purpose": "fine-tune"}, {"file": ("a", b"{}")}, 400, "purpose"),
        ({}, {"file": ("a", b"{}")}, 400, "purpose"),
        ({"purpose": "batch"}, {"file": ("a", b"")}, 400, "file"),
        ({"purpose": "batch", "more": "1"}, {"file": ("a", b"{}")}, 400, "more"),
        ({"purpose": "batch", "expires_after[anchor]": "now"}, {"file": ("a", b"{}")}, 400, "expires_after"),
    ],
)
def test_wrong_form(
    gateway: RunningGateway, data: dict[str, str], files: dict[str, tuple[str, bytes]] | None, status: int, param: str
) -> None:
    """It is refused with the field that is wrong, in OpenAI's shape, and nothing is stored."""
    before = httpx.get(f"{gateway.v1}/files").json()["data"]
    answer = httpx.post(f"{gateway.v1}/files", data=data, files=files)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == param
    assert httpx.get(f"{gateway.v1}/files").json()["data"] == before


def test_file_too_large(tmp_path: Path) -> None:
    """413 that names the setting; nothing of it is kept."""
    flags = {"batch.max_file_bytes": 2048}
    with running_gateway(store=tmp_path / "headgate.sqlite3", flags=flags) as gateway:
        answer = httpx.post(f"{gateway.v1}/files", data={"purpose": "batch"}, files={"file": ("a.jsonl", b"x" * 4096)})
        assert answer.status_code == 413
        assert "batch.max_file_bytes" in answer.json()["error"]["message"]
        assert httpx.get(f"{gateway.v1}/files").json()["data"] == []
        assert not list(tmp_path.rglob("file_*"))


def test_tenant_that_keeps_much(tmp_path: Path) -> None:
    """413 that names the setting; after a file is deleted there is room again."""
    flags = {"batch.max_stored_bytes_per_tenant": 2048}
    with running_gateway(store=tmp_path / "headgate.sqlite3", flags=flags) as gateway:

        def upload() -> httpx.Response:
            file = {"file": ("a.jsonl", b"x" * 1500)}
            return httpx.post(f"{gateway.v1}/files", data={"purpose": "batch"}, files=file)

        first = upload()
        assert first.status_code == 200
        full = upload()
        assert full.status_code == 413
        assert "max_stored_bytes_per_tenant" in full.json()["error"]["message"]
        assert httpx.delete(f"{gateway.v1}/files/{first.json()['id']}").json()["deleted"]
        assert upload().status_code == 200


def test_without_a_store() -> None:
    """Both doors say that it is missing and what to set; SDKs do not try again."""
    with running_gateway() as gateway:
        for method, path in (("GET", "/files"), ("POST", "/files"), ("GET", "/batches"), ("POST", "/batches/x/cancel")):
            answer = httpx.request(method, f"{gateway.v1}{path}")
            assert answer.status_code == 501
            assert "[store]" in answer.json()["error"]["message"]
            assert answer.headers["x-should-retry"] == "false"


def test_other_tenants_see_nothing(tmp_path: Path) -> None:
    """A file and a batch of one tenant are 404 to another, in every door, and in no list of theirs."""
    (one, row), (other, other_row) = (new_virtual_key(random.Random(n).randbytes, tenant=f"team{n}") for n in (1, 2))
    config = tmp_path / "headgate.toml"
    config.write_text(config_line(row) + config_line(other_row), encoding="utf-8")
    with running_gateway(store=tmp_path / "headgate.sqlite3", config=config) as gateway:
        mine = openai.OpenAI(base_url=gateway.v1, api_key=one, max_retries=0)
        theirs = openai.OpenAI(base_url=gateway.v1, api_key=other, max_retries=0)
        file = mine.files.create(file=("a.jsonl", LINES), purpose="batch")
        batch = mine.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        for ask in (
            lambda: theirs.files.retrieve(file.id),
            lambda: theirs.files.content(file.id),
            lambda: theirs.files.delete(file.id),
            lambda: theirs.batches.retrieve(batch.id),
            lambda: theirs.batches.cancel(batch.id),
            lambda: theirs.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            ),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
        assert list(theirs.files.list()) == []
        assert list(theirs.batches.list()) == []
        assert [found.id for found in mine.batches.list()] == [batch.id]

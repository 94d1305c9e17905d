"""The doors of `/batches`, through both providers' own SDKs: from the upload to the last line of the output."""

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import groq
import httpx
import openai
import pytest
from groq.types import BatchCancelResponse, BatchCreateResponse, BatchListResponse, BatchRetrieveResponse
from openai.types import Batch
from tests.running_gateway import QUICK, SHORT, RunningGateway, running_gateway

from headgate.runtime.keys import config_line, new_virtual_key
from headgate.simulator.settings import SimulatorSettings

MODEL = "openai/gpt-oss-20b"
CHAT: Final = "/v1/chat/completions"
ENDED = {"completed", "failed", "expired", "cancelled"}
WITHIN_S = 30.0
SPARE = SimulatorSettings(pace=QUICK, lengths=SHORT)


def line(number: int, **more: object) -> dict[str, object]:
    """One line of an input file."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"Say {number}"}], "max_completion_tokens": 8}
    return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": body} | more


def jsonl(lines: Sequence[object]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def read_lines(content: bytes) -> dict[str, dict[str, Any]]:
    """Results by their custom_id; each may come once."""
    results = [json.loads(text) for text in content.splitlines()]
    by_id = {result["custom_id"]: result for result in results}
    assert len(by_id) == len(results)
    return by_id


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One with a store, open to its own machine."""
    with running_gateway(store=tmp_path_factory.mktemp("batches") / "headgate.sqlite3", simulator=SPARE) as running:
        yield running


@pytest.fixture
def oai(gateway: RunningGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)


def created(client: openai.OpenAI, lines: Sequence[object], **more: Any) -> Batch:
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    asked: dict[str, Any] = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    return client.batches.create(**asked | more)


def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    """The batch once it has ended."""
    until = time.monotonic() + WITHIN_S
    while batch.status not in ENDED and time.monotonic() < until:
        threading.Event().wait(0.02)
        batch = client.batches.retrieve(batch.id)
    assert batch.status in ENDED, batch
    return batch


def test_batch_runs_to_its_end(oai: openai.OpenAI) -> None:
    """Every line has one result under its custom_id, with the answer of the model; counts, times and usage agree."""
    batch = created(oai, [line(number) for number in range(5)], metadata={"for": "a test"})
    Batch.model_validate(batch.to_dict(), strict=True)
    assert batch.status == "validating"
    done = ended(oai, batch)
    Batch.model_validate(done.to_dict(), strict=True)
    assert done.status == "completed"
    assert done.metadata == {"for": "a test"}
    assert done.model == MODEL
    assert done.error_file_id is None
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (5, 5, 0)
    assert done.output_file_id is not None
    file = oai.files.retrieve(done.output_file_id)
    assert file.purpose == "batch_output"
    results = read_lines(oai.files.content(file.id).read())
    assert set(results) == {f"line-{number}" for number in range(5)}
    for result in results.values():
        assert result["error"] is None
        assert result["response"]["status_code"] == 200
        assert result["response"]["body"]["object"] == "chat.completion"
    used = [result["response"]["body"]["usage"] for result in results.values()]
    assert done.usage is not None
    assert done.usage.input_tokens == sum(usage["prompt_tokens"] for usage in used)
    assert done.usage.output_tokens == sum(usage["completion_tokens"] for usage in used)
    assert done.created_at <= (done.in_progress_at or 0) <= (done.finalizing_at or 0) <= (done.completed_at or 0)


def test_groq_sdk_runs_one(gateway: RunningGateway) -> None:
    """Its four methods give its own objects; its cursor and its ids choose from the list."""
    with groq.Groq(base_url=gateway.root, api_key="any", max_retries=0) as client:
        file = client.files.create(file=("in.jsonl", jsonl([line(1)])), purpose="batch")
        assert file.id is not None
        batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="7d")
        BatchCreateResponse.model_validate(batch.to_dict(), strict=True)
        found = client.batches.retrieve(batch.id)
        BatchRetrieveResponse.model_validate(found.to_dict(), strict=True)
        listed = client.batches.list()
        BatchListResponse.model_validate(listed.to_dict(), strict=True)
        chosen = client.batches.list(extra_query={"id": [batch.id, "batch_unknown"]})
        assert [each.id for each in chosen.data or ()] == [batch.id]
        before = client.batches.list(extra_query={"cursor": batch.id})
        assert batch.id not in {each.id for each in before.data or ()}
        cancelled = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
        BatchCancelResponse.model_validate(client.batches.cancel(cancelled.id).to_dict(), strict=True)


def test_asynchronous_sdks(gateway: RunningGateway) -> None:
    """Both create a batch, look at it, list it and cancel it."""

    async def go() -> None:
        async with openai.AsyncOpenAI(base_url=gateway.v1, api_key="any", max_retries=0) as client:
            file = await client.files.create(file=("in.jsonl", jsonl([line(1)])), purpose="batch")
            batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
            assert (await client.batches.retrieve(batch.id)).id == batch.id
            assert batch.id in [each.id async for each in client.batches.list(limit=2)]
        async with groq.AsyncGroq(base_url=gateway.root, api_key="any", max_retries=0) as other:
            assert (await other.batches.retrieve(batch.id)).id == batch.id
            again = await other.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
            assert (await other.batches.cancel(again.id)).status in {"cancelling", "cancelled"}
            assert again.id in {each.id for each in (await other.batches.list()).data}

    asyncio.run(go())


def test_line_that_is_refused_goes_to_the_error_file(oai: openai.OpenAI) -> None:
    """It has the status and the body that a client who asked directly would get; the others are answered."""
    bad = line(2, body={"model": "no-such-model", "messages": [{"role": "user", "content": "hi"}]})
    done = ended(oai, created(oai, [line(1), bad, line(3)]))
    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.completed, done.request_counts.failed) == (2, 1)
    assert done.output_file_id is not None
    assert done.error_file_id is not None
    assert set(read_lines(oai.files.content(done.output_file_id).read())) == {"line-1", "line-3"}
    failed = read_lines(oai.files.content(done.error_file_id).read())["line-2"]
    assert failed["response"]["status_code"] == 404
    assert failed["response"]["body"]["error"]["code"] == "model_not_found"


def test_audio_lines(oai: openai.OpenAI) -> None:
    """They name an address, and run in a batch of their own endpoint as in one of the chat endpoint, as Groq has it."""
    url = "/v1/audio/transcriptions"
    body = {"model": "whisper-large-v3-turbo", "url": "https://example.com/speech.mp3"}
    for endpoint in (CHAT, url):
        done = ended(oai, created(oai, [line(1, url=url, body=body)], endpoint=endpoint))
        assert done.output_file_id is not None, done
        result = read_lines(oai.files.content(done.output_file_id).read())["line-1"]
        assert result["response"]["body"]["text"]


def test_every_endpoint(oai: openai.OpenAI) -> None:
    """Lines of embeddings and of the Responses API are answered in the words of their own APIs."""
    ways = {
        "/v1/embeddings": ({"model": "headgate/local-embeddings", "input": "a stone"}, "list"),
        "/v1/responses": ({"model": MODEL, "input": "Say stone", "max_output_tokens": 16}, "response"),
    }
    for endpoint, (body, kind) in ways.items():
        done = ended(oai, created(oai, [line(1, url=endpoint, body=body)], endpoint=endpoint))
        assert done.output_file_id is not None, done
        result = read_lines(oai.files.content(done.output_file_id).read())["line-1"]
        assert result["response"]["body"]["object"] == kind


@pytest.mark.parametrize(
    "lines, code, number, param",
    [
        ([line(1), line(1)], "duplicate_custom_id", 2, "custom_id"),
        ([line(1), "text"], "invalid_json_line", 2, None),
        ([line(1, method="GET")], "invalid_method", 1, "method"),
        ([line(1, url="/v1/embeddings")], "mismatched_endpoint", 1, "url"),
        ([line(1, url="/openai/v1/chat/completions")], "invalid_url", 1, "url"),
        ([line(1, body={"messages": []})], "missing_required_parameter", 1, "body.model"),
        ([line(1, body={"model": MODEL, "stream": True})], "invalid_request", 1, "body.stream"),
        ([{"custom_id": "a"}], "missing_required_parameter", 1, "method"),
    ],
)
def test_input_that_cannot_run(
    oai: openai.OpenAI, lines: list[object], code: str, number: int, param: str | None
) -> None:
    """The batch fails with the line, the code and the field, and nothing is asked for."""
    failed = ended(oai, created(oai, lines))
    assert failed.status == "failed"
    Batch.model_validate(failed.to_dict(), strict=True)
    assert failed.errors is not None
    assert failed.errors.data is not None
    problem = failed.errors.data[0]
    assert (problem.code, problem.line, problem.param) == (code, number, param)
    assert failed.request_counts is not None
    assert failed.request_counts.total == 0


@pytest.mark.parametrize(
    "changed, param",
    [
        ({"endpoint": "/v1/nothing"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"completion_window": "8d"}, "completion_window"),
        ({"metadata": {"n": 1}}, "metadata.n"),
        ({"input_file_id": None}, "input_file_id"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3600}}, "output_expires_after"),
        ({"more": 1}, "more"),
    ],
)
def test_wrong_batch(gateway: RunningGateway, oai: openai.OpenAI, changed: dict[str, object], param: str) -> None:
    """It is refused with the field that is wrong."""
    file = oai.files.create(file=("in.jsonl", jsonl([line(1)])), purpose="batch")
    asked = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"} | changed
    answer = httpx.post(f"{gateway.v1}/batches", json=asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_lists_are_paged(gateway: RunningGateway, oai: openai.OpenAI) -> None:
    """Newest first; pages of two give every batch once."""
    made = [created(oai, [line(1)]).id for _ in range(5)]
    assert [batch.id for batch in oai.batches.list(limit=2)][:5] == made[::-1]
    assert httpx.get(f"{gateway.v1}/batches?limit=0").status_code == 400
    assert httpx.get(f"{gateway.v1}/batches?limit=2").json()["paging"]["next_cursor"] == made[3]


def test_what_has_ended_cannot_be_cancelled(oai: openai.OpenAI) -> None:
    """400 that says how the batch is; one that is not there is 404."""
    done = ended(oai, created(oai, [line(1)]))
    with pytest.raises(openai.BadRequestError, match="completed"):
        oai.batches.cancel(done.id)
    with pytest.raises(openai.NotFoundError):
        oai.batches.cancel("batch_unknown")


def test_callers_with_a_provider_key_of_their_own(tmp_path: Path) -> None:
    """No batch of theirs runs at the operator's expense, and without a gateway key nothing is kept for them."""
    key, row = new_virtual_key(random.Random(1).randbytes, tenant="team")
    config = tmp_path / "headgate.toml"
    config.write_text(config_line(row) + '[auth]\npassthrough = "always"\n', encoding="utf-8")
    with running_gateway(store=tmp_path / "store" / "headgate.sqlite3", config=config) as gateway:
        alone = {"authorization": "Bearer gsk_their_own"}
        both = alone | {"x-api-key": key}
        form = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", jsonl([line(1)]))}}
        assert httpx.post(f"{gateway.v1}/files", headers=alone, **form).status_code == 403  # type: ignore[arg-type]
        assert httpx.get(f"{gateway.v1}/batches", headers=alone).status_code == 403
        file = httpx.post(f"{gateway.v1}/files", headers=both, **form).json()  # type: ignore[arg-type]
        asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
        refused = httpx.post(f"{gateway.v1}/batches", headers=both, json=asked)
        assert refused.status_code == 403
        assert "provider key" in refused.json()["error"]["message"]
        assert httpx.get(f"{gateway.v1}/batches", headers=both).json()["data"] == []

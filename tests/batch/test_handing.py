"""Batches handed to Groq's own batch API: the pretend one has it too."""

import threading
import time
from pathlib import Path
from typing import Any

import openai
from openai.types import Batch
from tests.batch.batch_house import CHAT, KEY, MODEL, config, jsonl, line, pretend, results_of
from tests.running_gateway import RunningGateway, running_gateway

from headgate.simulator.offer import BatchPace, Offer

WITHIN_S = 30.0
ENDED = {"completed", "failed", "expired", "cancelled"}
AT_ONCE = BatchPace(validating_s=0.0, lines_per_s=10_000.0, finalizing_s=0.0, cancelling_s=0.0)
HAND_OVER = '[batch]\nexecute = "groq"\n'


def theirs(gateway: RunningGateway) -> list[Any]:
    """The batches at the pretend Groq."""
    with openai.OpenAI(base_url=f"{gateway.simulator.base_url}/openai/v1", api_key=KEY, max_retries=0) as client:
        return list(client.batches.list())


def left_there(gateway: RunningGateway) -> list[Any]:
    """The files at the pretend Groq."""
    with openai.OpenAI(base_url=f"{gateway.simulator.base_url}/openai/v1", api_key=KEY, max_retries=0) as client:
        return list(client.files.list())


def create(client: openai.OpenAI, lines: list[object]) -> Batch:
    file = client.files.create(file=("in.jsonl", jsonl(lines)), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


def until(client: openai.OpenAI, batch: Batch, statuses: set[str]) -> Batch:
    end = time.monotonic() + WITHIN_S
    while batch.status not in statuses and time.monotonic() < end:
        threading.Event().wait(0.02)
        batch = client.batches.retrieve(batch.id)
    assert batch.status in statuses, batch
    return batch


def test_batch_runs_at_groq(tmp_path: Path) -> None:
    """Results come back under our ids, failed ones too; no line was asked for by itself, no file stays there."""
    lines: list[object] = [line(n) for n in range(150)]
    lines.append(line(150, body={"model": MODEL, "messages": [], "max_completion_tokens": 8}))
    with running_gateway(
        simulator=pretend(offer=Offer(batch=AT_ONCE)),
        config=config(tmp_path, HAND_OVER),
        environ={},
        store=tmp_path / "store" / "headgate.sqlite3",
    ) as gateway:
        client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
        done = until(client, create(client, lines), ENDED)
        assert done.status == "completed"
        assert done.request_counts is not None
        assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (151, 150, 1)
        assert done.output_file_id is not None
        assert done.error_file_id is not None
        content = client.files.content(done.output_file_id).read()
        assert set(results_of(content)) == {f"line-{n}" for n in range(150)}
        failed = results_of(client.files.content(done.error_file_id).read())
        assert failed["line-150"]["response"]["status_code"] == 400
        (there,) = theirs(gateway)
        assert there.metadata == {"headgate_batch": done.id}
        assert not left_there(gateway)
        assert there.id not in content.decode()
        assert not gateway.gateway.driver.gate.learned.outputs, "a line was asked for as a request of its own"


def test_models_that_groq_has_not_stay_here(tmp_path: Path) -> None:
    """One line for a model that is not one of Groq's current ones, and Headgate runs the batch itself."""
    with running_gateway(
        simulator=pretend(), config=config(tmp_path, HAND_OVER), environ={}, store=tmp_path / "s" / "headgate.sqlite3"
    ) as gateway:
        client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
        odd = line(1, body={"model": "headgate/fast", "messages": [{"role": "user", "content": "hi"}]})
        done = until(client, create(client, [line(0), odd]), ENDED)
        assert done.request_counts is not None
        assert (done.status, done.request_counts.completed) == ("completed", 2)
        assert not theirs(gateway)


def test_groq_takes_no_batches(tmp_path: Path) -> None:
    """Where it refuses, as on a plan without batches, Headgate runs the batch itself and leaves no file there."""
    with running_gateway(
        simulator=pretend(offer=Offer(open_batches=0)),
        config=config(tmp_path, HAND_OVER),
        environ={},
        store=tmp_path / "s" / "headgate.sqlite3",
    ) as gateway:
        client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
        done = until(client, create(client, [line(0), line(1)]), ENDED)
        assert done.request_counts is not None
        assert (done.status, done.request_counts.completed) == ("completed", 2)
        assert not left_there(gateway)


def test_cancelling_is_passed_on(tmp_path: Path) -> None:
    """A batch that is cancelled here is cancelled there; what was answered by then is in the output."""
    slow = BatchPace(validating_s=0.0, lines_per_s=20.0, finalizing_s=0.0, cancelling_s=0.0)
    with running_gateway(
        simulator=pretend(offer=Offer(batch=slow)),
        config=config(tmp_path, HAND_OVER),
        environ={},
        store=tmp_path / "s" / "headgate.sqlite3",
    ) as gateway:
        client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
        batch = create(client, [line(n) for n in range(2_000)])
        end = time.monotonic() + WITHIN_S
        while not [each for each in theirs(gateway) if each.request_counts.completed] and time.monotonic() < end:
            threading.Event().wait(0.02)
        client.batches.cancel(batch.id)
        done = until(client, batch, ENDED)
        assert done.status == "cancelled"
        (there,) = theirs(gateway)
        assert there.status == "cancelled"
        assert done.request_counts is not None
        assert done.request_counts.completed == there.request_counts.completed
        assert 0 < done.request_counts.completed < 2_000


def test_gateway_that_restarts_meanwhile(tmp_path: Path) -> None:
    """It follows the batch that is there, even if it hands over none any more, and pays for no second one."""
    slow = BatchPace(validating_s=0.0, lines_per_s=100.0, finalizing_s=0.0, cancelling_s=0.0)
    (tmp_path / "later").mkdir()
    settings, later = config(tmp_path, HAND_OVER), config(tmp_path / "later")
    with running_gateway(simulator=pretend(offer=Offer(batch=slow)), environ={"GROQ_API_KEY": KEY}) as upstream:
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url}
        store = tmp_path / "store" / "headgate.sqlite3"
        with running_gateway(config=settings, environ=environ, store=store) as gateway:
            client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
            batch = create(client, [line(n) for n in range(100)])
            end = time.monotonic() + WITHIN_S
            while not theirs(upstream) and time.monotonic() < end:
                threading.Event().wait(0.02)
        with running_gateway(config=later, environ=environ, store=store) as gateway:
            client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
            done = until(client, batch, ENDED)
            assert done.request_counts is not None
            assert (done.status, done.request_counts.completed) == ("completed", 100)
            assert not gateway.gateway.driver.gate.learned.outputs
        assert [each.status for each in theirs(upstream)] == ["completed"]

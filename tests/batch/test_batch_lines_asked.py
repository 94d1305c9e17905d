"""Lines of batches as the gateway sees them: the last in every line, patient, and never answered by words of ours."""

import asyncio
import threading
import time
from pathlib import Path

import httpx
import msgspec
import openai
from tests.batch.batch_house import CHAT, MODEL, config, jsonl, line, pretend
from tests.running_gateway import running_gateway

from headgate.batch.asking import LineAnswer
from headgate.runtime.settings import RouteSettings
from headgate.server.gateway import Gateway
from headgate.server.lines import LineDoor, intake_for_lines

ASKED = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 8}
RPM = 60
WITHIN_S = 20.0


def door_of(gateway: Gateway, routes: dict[str, RouteSettings] | None = None) -> LineDoor:
    named = routes or {"default": RouteSettings("default")}
    return LineDoor(gateway.beside(intake_for_lines(gateway, named, substitute=False)))


def test_others_go_first(tmp_path: Path) -> None:
    """While a batch uses up the requests of the minute, somebody who asks directly gets the next one that there is."""
    with running_gateway(
        simulator=pretend(rpm=RPM),
        config=config(tmp_path, "[routes.default]\nsubstitute = false\n", rpm=RPM),
        environ={},
        store=tmp_path / "store" / "headgate.sqlite3",
    ) as gateway:
        client = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
        file = client.files.create(file=("in.jsonl", jsonl([line(n) for n in range(3 * RPM)])), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")

        def done() -> int:
            counts = client.batches.retrieve(batch.id).request_counts
            assert counts is not None
            return counts.completed

        end = time.monotonic() + WITHIN_S
        while (gateway.gateway.driver.waiting < 16 or done() < RPM) and time.monotonic() < end:
            threading.Event().wait(0.02)
        assert 16 <= gateway.gateway.driver.waiting <= 32, "the waiting room holds a window of lines, not the batch"
        assert gateway.gateway.in_flight == 0, "lines take nobody's place"
        before = done()
        answer = httpx.post(f"{gateway.v1}/chat/completions", json=ASKED, timeout=WITHIN_S)
        assert answer.headers["x-headgate-source"] == "upstream"
        assert answer.headers["x-headgate-model-served"] == MODEL
        assert done() - before <= 2


def test_no_words_of_ours() -> None:
    """Where no model can be reached a line gets the refusal, though a client would get a local answer."""
    with running_gateway() as gateway:
        gateway.run(gateway.simulator.close())
        answer = gateway.run(door_of(gateway.gateway)("acme", CHAT, msgspec.json.encode(ASKED)))
        assert answer.status == 503
        assert b"error" in answer.body
        assert gateway.open_reservations() == 0


def test_controls_in_a_line() -> None:
    """A line cannot give itself another priority or ask for local words; what it may say otherwise holds."""
    with running_gateway() as gateway:
        routes = {"default": RouteSettings("default"), "other": RouteSettings("other", models=("qwen/qwen3-32b",))}
        ask = door_of(gateway.gateway, routes)

        def answered(**controls: object) -> LineAnswer:
            body = msgspec.json.encode(ASKED | {"headgate": controls})
            return gateway.run(ask("acme", CHAT, body))

        assert answered(priority="interactive", local="auto").status == 200
        assert answered(route="nowhere").status == 400
        assert answered(tenant="other").status == 400


def test_line_that_is_cancelled_holds_nothing(tmp_path: Path) -> None:
    """Cancelled while it waits or while it is answered: no reservation stays, nobody waits."""
    settings = config(tmp_path, rpm=1)
    with running_gateway(simulator=pretend(rpm=1), config=settings, environ={}) as gateway:

        async def go() -> None:
            ask = door_of(gateway.gateway)
            running = [asyncio.create_task(ask("acme", CHAT, msgspec.json.encode(ASKED))) for _ in range(8)]
            while gateway.gateway.driver.waiting < 7:  # noqa: ASYNC110 - the room announces nothing
                await asyncio.sleep(0.002)
            for task in running:
                task.cancel()
            await asyncio.wait(running)

        gateway.run(go())
        assert gateway.gateway.driver.waiting == 0
        assert gateway.open_reservations() == 0


def test_lines_are_in_the_usage(tmp_path: Path) -> None:
    """Each line is a request of its tenant's, with its tokens, as any other."""
    with running_gateway(store=tmp_path / "store" / "headgate.sqlite3") as gateway:
        store = gateway.gateway.store
        assert store is not None
        answer = gateway.run(door_of(gateway.gateway)("acme", CHAT, msgspec.json.encode(ASKED)))
        used = msgspec.json.decode(answer.body)["usage"]
        row = None
        end = time.monotonic() + WITHIN_S
        while row is None and time.monotonic() < end:
            gateway.run(store.flush())
            row = gateway.run(store.usage.find("acme", answer.request_id))
        assert row is not None
        assert (row.outcome, row.model_served) == ("answered", MODEL)
        assert (row.prompt_tokens, row.completion_tokens) == (used["prompt_tokens"], used["completion_tokens"])

"""A batch outlives the process that runs it."""

import re
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import openai
from tests.batch.batch_house import CHAT, KEY, config, jsonl, line, pretend, results_of
from tests.cli.commands import address, started
from tests.running_gateway import running_gateway

from headgate.simulator.settings import Pace

LINES = 300
WITHIN_S = 60.0
SLOW = Pace(network_s=0.0, queue_median_s=0.05, queue_sigma=0.1, output_speed_factor=50.0)
"""So that a batch takes about a second and can be interrupted."""


def counted(client: openai.OpenAI, batch_id: str, least: int) -> int:
    """How many lines have a result, once there are so many."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        counts = client.batches.retrieve(batch_id).request_counts
        assert counts is not None
        if counts.completed + counts.failed >= least:
            return counts.completed + counts.failed
        threading.Event().wait(0.005)
    raise AssertionError(f"no {least} results within {WITHIN_S} s")


def test_kill_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    """Killed twice with lines under way: in the end every line has exactly one result, the file and the counts agree,
    and what was recorded before a kill was not asked for again."""
    settings, store = config(tmp_path), tmp_path / "store" / "headgate.sqlite3"
    serve = ("serve", "--port", "0", "--config", str(settings), "--store", str(store))
    with running_gateway(simulator=pretend(SLOW)) as upstream:
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url, "HEADGATE_STORE__ENABLED": "true"}
        batch_id, had = "", 0
        for kill_at in (LINES // 4, LINES // 2):
            with started(*serve, environ=environ) as (process, said):
                client = openai.OpenAI(base_url=f"{address(said)}/v1", api_key=KEY, max_retries=0)
                if not batch_id:
                    content = jsonl([line(number) for number in range(LINES)])
                    file = client.files.create(file=("in.jsonl", content), purpose="batch")
                    asked = client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
                    batch_id = asked.id
                least = counted(client, batch_id, had)
                assert least >= had, "a result was lost"
                had = counted(client, batch_id, kill_at)
                assert had < LINES, "the batch was over before it could be interrupted"
                process.send_signal(signal.SIGKILL)
                process.wait(WITHIN_S)
        with closing(sqlite3.connect(store)) as database:
            recorded = dict(database.execute("SELECT line, body FROM batch_results").fetchall())
        assert had <= len(recorded) < LINES

        with started(*serve, environ=environ) as (_, said):
            client = openai.OpenAI(base_url=f"{address(said)}/v1", api_key=KEY, max_retries=0)
            counted(client, batch_id, LINES)
            done = client.batches.retrieve(batch_id)
            while done.status != "completed":
                threading.Event().wait(0.02)
                done = client.batches.retrieve(batch_id)
            assert done.request_counts is not None
            assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (
                LINES,
                LINES,
                0,
            )
            assert done.output_file_id is not None
            content = client.files.content(done.output_file_id).read()
            results = results_of(content)
            assert set(results) == {f"line-{number}" for number in range(LINES)}
            assert {result["response"]["status_code"] for result in results.values()} == {200}
            assert set(recorded.values()) <= set(content.splitlines()), "a recorded result was replaced"
            assert [file.id for file in client.files.list(purpose="batch_output")] == [done.output_file_id]
            assert done.usage is not None
            assert done.usage.input_tokens == sum(
                result["response"]["body"]["usage"]["prompt_tokens"] for result in results.values()
            )
            assert not re.search(rb'"body":null', content)

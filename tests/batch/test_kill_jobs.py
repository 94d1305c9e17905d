"""Background work outlives its process: killed at chosen and at random points, nothing is lost and nothing doubled."""

import random
import re
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.batch.batch_house import KEY, MODEL, config, pretend
from tests.batch.hook_house import hook, receiver
from tests.cli.commands import address, started
from tests.running_gateway import running_gateway

from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Pace

WITHIN_S: Final = 60.0
SLOW: Final = Pace(network_s=0.0, queue_median_s=0.05, queue_sigma=0.3, output_speed_factor=50.0)
"""So that a job takes some tens of milliseconds and can be interrupted."""
SILENT_ONCE: Final = Fault(FaultKind.SLOW, delay_s=WITHIN_S, times=1)
"""So that the first job runs for as long as its process."""
LIMITS: Final = "\n[background]\nconcurrency = 3\nmax_open_per_tenant = 100000\n"
HEADERS: Final = {"authorization": f"Bearer {KEY}"}
MESSAGE: Final = {"role": "user", "content": "I live in Pune."}
BROUGHT: Final = [
    {"kind": "extract", "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    {"kind": "chat", "model": MODEL, "messages": [{"role": "user", "content": "Rate {{reply}}"}]},
    {"kind": "local", "skill": "language"},
]


class Client:
    """Asks until its gateway dies, and knows which jobs it was promised."""

    def __init__(self) -> None:
        self.promised: set[str] = set()
        self.asked = 0

    def ask(self, root: str, dice: random.Random) -> None:
        """Requests of all ways to bring jobs, one after the other, until the connection breaks."""
        with httpx.Client(base_url=f"{root}/v1", timeout=WITHIN_S, headers=HEADERS) as client:
            while True:
                way = dice.choice(("whole", "stream", "later", "own"))
                try:
                    ids = self._one(client, way)
                except httpx.TransportError:
                    return
                self.promised.update(ids)
                self.asked += 1

    def _one(self, client: httpx.Client, way: str) -> list[str]:
        """The jobs of one request, once all its bytes have come."""
        body: dict[str, Any] = {"model": MODEL, "messages": [MESSAGE], "max_completion_tokens": 16}
        if way == "own":
            spec = {"kind": "local", "skill": "language", "text": "Good morning", "webhook": "ops"}
            return [client.post("/jobs", json=spec).raise_for_status().json()["id"]]
        if way == "later":
            asked = body | {"headgate": {"background": True, "webhook": "ops"}}
            return [client.post("/chat/completions", json=asked).raise_for_status().json()["id"]]
        asked = body | {"stream": way == "stream", "headgate": {"background": BROUGHT, "webhook": "ops"}}
        answer = client.post("/chat/completions", json=asked).raise_for_status()
        if way == "stream":
            assert answer.text.rstrip().endswith("[DONE]")
        return str(answer.headers["x-headgate-jobs"]).split(", ")


def rows(store: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as database:
        return database.execute(sql).fetchall()


def killed_while_asking(serve: tuple[str, ...], environ: dict[str, str], client: Client, dice: random.Random) -> None:
    """One life of the gateway: asked by two clients until a kill at a random moment, once some were answered."""
    enough = client.asked + dice.randint(2, 5)
    with started(*serve, environ=environ) as (process, said):
        root = address(said)
        threads = [threading.Thread(target=client.ask, args=(root, random.Random(dice.random()))) for _ in range(2)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + WITHIN_S
        while client.asked < enough and time.monotonic() < until:
            threading.Event().wait(0.01)
        threading.Event().wait(dice.uniform(0.0, 0.8))  # the moment of the kill is what is random here
        process.send_signal(signal.SIGKILL)
        process.wait(WITHIN_S)
        for thread in threads:
            thread.join(WITHIN_S)


def all_ended(root: str, jobs: set[str]) -> dict[str, dict[str, Any]]:
    """Every promised job, once it has ended."""
    found: dict[str, dict[str, Any]] = {}
    until = time.monotonic() + WITHIN_S
    with httpx.Client(base_url=f"{root}/v1", timeout=WITHIN_S, headers=HEADERS) as client:
        while left := jobs - set(found):
            assert time.monotonic() < until, f"{len(left)} of {len(jobs)} jobs have not ended"
            for job_id in sorted(left):
                answer = client.get(f"/jobs/{job_id}")
                assert answer.status_code == 200, f"{job_id} was promised and is lost"
                if answer.json()["status"] in {"done", "failed"}:
                    found[job_id] = answer.json()
            threading.Event().wait(0.05)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Killed four times under requests of every kind: each job that a client was promised ends with exactly one
    result, what was stored before a kill stays as it was, and the webhook hears of each job under one id."""
    dice, client, store = random.Random(seed), Client(), tmp_path / "store" / "headgate.sqlite3"
    with receiver() as ops, running_gateway(simulator=pretend(SLOW)) as upstream:
        settings = config(tmp_path, LIMITS + hook("ops", ops.url))
        serve = ("serve", "--port", "0", "--config", str(settings), "--store", str(store))
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url, "HEADGATE_STORE__ENABLED": "true"}
        before: dict[str, bytes] = {}
        for _ in range(4):
            killed_while_asking(serve, environ, client, dice)
            now = dict(rows(store, "SELECT id, result FROM jobs WHERE result IS NOT NULL"))
            assert before.items() <= now.items(), "a stored result was lost or replaced"
            before = now
        assert client.promised
        assert client.asked >= 8
        with started(*serve, environ=environ) as (_, said):
            jobs = all_ended(address(said), client.promised)
            ops.wait_for(lambda _: len(rows(store, "SELECT 1 FROM deliveries WHERE state = 'pending'")) == 0)
        assert {job["status"] for job in jobs.values()} == {"done"}
        assert all(job["result"] for job in jobs.values())
        after = dict(rows(store, "SELECT id, result FROM jobs WHERE result IS NOT NULL"))
        assert before.items() <= after.items()
        assert rows(store, "SELECT max(attempts) > 1, max(crashes) >= 1 FROM jobs") == [(1, 1)], "nothing was hit"
        ids = dict(rows(store, "SELECT jobs.id, deliveries.id FROM deliveries JOIN jobs ON jobs.seq = deliveries.job"))
        heard: dict[str, set[str]] = {}
        for each in ops.heard:
            assert each.is_signed
            heard.setdefault(each.json["data"]["id"], set()).add(each.id)
        assert client.promised <= set(heard)
        assert all(webhook_ids == {ids[job_id]} for job_id, webhook_ids in heard.items())


@pytest.mark.parametrize("point", ["running", "stored", "undelivered"])
def test_kill_at_a_chosen_point(tmp_path: Path, point: str) -> None:
    """Killed while a job runs it runs again; killed between the result and its delivery, it does not, and the target
    hears of it all the same, under the id that was tried before."""
    store, says = tmp_path / "store" / "headgate.sqlite3", [500 if point == "undelivered" else 204]
    faults = (SILENT_ONCE,) if point == "running" else ()
    with receiver(lambda _: says[0]) as ops, running_gateway(simulator=pretend(SLOW, faults=faults)) as upstream:
        target = ops.url if point != "stored" else "http://127.0.0.1:9/nobody"
        settings = config(tmp_path, LIMITS + hook("ops", target))
        serve = ("serve", "--port", "0", "--config", str(settings), "--store", str(store))
        environ = {"GROQ_BASE_URL": upstream.simulator.base_url, "HEADGATE_STORE__ENABLED": "true"}
        asked = {"model": MODEL, "messages": [MESSAGE], "headgate": {"background": True, "webhook": "ops"}}
        reached = {
            "running": "SELECT 1 FROM jobs WHERE status = 'running'",
            "stored": "SELECT 1 FROM jobs WHERE status = 'done'",
            "undelivered": "SELECT 1 FROM deliveries WHERE tries = 1",
        }[point]
        with started(*serve, environ=environ) as (process, said):
            made = httpx.post(f"{address(said)}/v1/chat/completions", json=asked, headers=HEADERS)
            job_id = made.raise_for_status().json()["id"]
            until = time.monotonic() + WITHIN_S
            while not rows(store, reached) or (faults and not upstream.groq.limiter.calls):
                assert time.monotonic() < until
                threading.Event().wait(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait(WITHIN_S)
        first = rows(store, "SELECT result FROM jobs")
        says[0] = 204
        settings.write_text(re.sub(r"http://127\.0\.0\.1:9/nobody", ops.url, settings.read_text()))
        with started(*serve, environ=environ) as (_, said):
            job = all_ended(address(said), {job_id})[job_id]
            ops.wait_for(lambda _: rows(store, "SELECT state FROM deliveries") == [("delivered",)])
    assert job["status"] == "done"
    assert job["attempts"] == (2 if point == "running" else 1)
    if point != "running":
        assert rows(store, "SELECT result FROM jobs") == first
    assert len(ops.ids()) == 1
    assert ops.heard[-1].json["data"]["id"] == job_id

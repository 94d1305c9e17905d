"""Jobs over HTTP: brought by a chat, made of one, asked for, listed, cancelled; and what is refused."""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import openai
import pytest
from tests.remedies.house import LONG, UNHURRIED
from tests.running_gateway import QUICK, SHORT, RunningGateway, running_gateway

from headgate.runtime.keys import config_line, new_virtual_key
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Pace, SimulatorSettings

MODEL: Final = "openai/gpt-oss-20b"
SPARE: Final = SimulatorSettings(pace=QUICK, lengths=SHORT)
WITHIN_S: Final = 20.0
SCHEMA: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["city", "count"],
    "additionalProperties": False,
}
EXTRACT: Final = {"kind": "extract", "schema": SCHEMA}
ENRICH: Final = {
    "kind": "chat",
    "model": MODEL,
    "messages": [{"role": "user", "content": "Message: {{message}} Reply: {{reply}} Rate it."}],
}
LOCAL: Final = {"kind": "local", "skill": "language"}
SAID: Final = "I live in Pune with 2 cats."


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One with a store, open to its own machine."""
    with running_gateway(store=tmp_path_factory.mktemp("jobs") / "headgate.sqlite3", simulator=SPARE) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.v1, timeout=WITHIN_S) as opened:
        yield opened


def asking(background: object = None, *, stream: bool = False, **controls: object) -> dict[str, Any]:
    """A chat that brings jobs."""
    given = controls if background is None else {"background": background, **controls}
    body: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": SAID}],
        "max_completion_tokens": 40,
        "stream": stream,
    }
    return body | ({"headgate": given} if given else {})


def ids_of(answer: httpx.Response) -> list[str]:
    return answer.headers["x-headgate-jobs"].split(", ")


def ended(client: httpx.Client, job_id: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A job once it has ended."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}", headers=headers).raise_for_status().json()
        if job["status"] not in {"queued", "running"}:
            return job
        threading.Event().wait(0.01)
    raise AssertionError(f"{job_id} did not end within {WITHIN_S} s")


def text_of(answer: httpx.Response) -> str:
    """The text of a whole answer or of a stream."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return str(answer.json()["choices"][0]["message"]["content"])
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    deltas = [choice["delta"] for event in events for choice in json.loads(event)["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("stream", [False, True])
def test_jobs_that_a_chat_brings(gateway: RunningGateway, client: httpx.Client, stream: bool) -> None:
    """Each of its three kinds has its result; the body is the provider's, and the request's story names the jobs."""
    answer = client.post("/chat/completions", json=asking([EXTRACT, ENRICH, LOCAL], stream=stream))
    assert answer.status_code == 200
    assert "headgate" not in answer.text
    ids = ids_of(answer)
    jobs = {job["kind"]: job for job in (ended(client, job_id) for job_id in ids)}
    assert {job["status"] for job in jobs.values()} == {"done"}
    assert set(jobs["extract"]["result"]["value"]) == {"city", "count"}
    assert jobs["extract"]["result"]["partial"] is False
    assert jobs["chat"]["result"]["text"] == jobs["chat"]["result"]["answer"]["choices"][0]["message"]["content"]
    assert jobs["local"]["result"]["code"] == "en"
    name = answer.headers["x-request-id"]
    assert {job["request_id"] for job in jobs.values()} == {name}
    assert gateway.eventually(lambda: gateway.gateway.stories.story(name, "local") is not None)
    assert sorted(client.get(f"/requests/{name}").json()["jobs"]) == sorted(ids)


def test_extraction_without_a_model(client: httpx.Client) -> None:
    """The skill `fill` takes what a schema asks for out of the message, and names what is missing."""
    schema = {"type": "object", "properties": {"upi_id": {"type": "string"}}, "required": ["upi_id", "colour"]}
    spec = {"kind": "local", "skill": "fill", "options": {"schema": schema}, "text": "Send 500 rupees to ravi@okaxis"}
    result = ended(client, client.post("/jobs", json=spec).json()["id"])["result"]
    assert result["value"]["upi_id"] == "ravi@okaxis"
    assert (result["partial"], result["missing"]) == (True, ["colour"])


@pytest.mark.parametrize("stream", [False, True])
def test_reply_in_a_job(tmp_path: Path, stream: bool) -> None:
    """The slots hold what was said and what was answered, word for word, also where a text looks like a slot."""
    store = tmp_path / "headgate.sqlite3"
    with running_gateway(store=store, simulator=SPARE) as running, httpx.Client(base_url=running.v1) as client:
        body = asking([ENRICH], stream=stream)
        body["messages"][0]["content"] = "Say {{reply}} and {{message}}"
        answer = client.post("/chat/completions", json=body)
        (job_id,) = ids_of(answer)
        ended(client, job_id)
        with closing(sqlite3.connect(store)) as database:
            ((payload,),) = database.execute("SELECT payload FROM jobs").fetchall()
    said = json.loads(payload)["body"]["messages"][0]["content"]
    assert said == f"Message: Say {{{{reply}}}} and {{{{message}}}} Reply: {text_of(answer)} Rate it."


def test_reply_without_text(client: httpx.Client) -> None:
    """A reply that is tool calls only arrives as it is; a job of its text alone comes to nothing, others are done."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    body = asking([{**LOCAL, "of": "reply"}, {**LOCAL, "of": "both"}]) | {"tools": [tool], "tool_choice": "required"}
    answer = client.post("/chat/completions", json=body)
    assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"
    none, both = ids_of(answer)
    assert ended(client, both)["status"] == "done"
    assert client.get(f"/jobs/{none}").status_code == 404


def test_text_that_is_too_long_for_a_skill(client: httpx.Client) -> None:
    """As at the skill's own door: refused at once where the job brings it, else the job fails and says so."""
    long = "a" * 100_001
    answer = client.post("/jobs", json={**LOCAL, "text": long})
    assert (answer.status_code, "100,001 characters, more than 100,000" in answer.text) == (400, True)
    body = asking([LOCAL])
    body["messages"][0]["content"] = long
    answer = client.post("/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    job = ended(client, ids_of(answer)[0])
    assert (job["status"], job["failure"]["error"]["code"]) == ("failed", "text_too_long")


def test_jobs_in_a_header(client: httpx.Client) -> None:
    """The control as a header brings the same jobs; there it is JSON."""
    answer = client.post("/chat/completions", json=asking(), headers={"x-headgate-background": json.dumps([LOCAL])})
    (job_id,) = ids_of(answer)
    assert ended(client, job_id)["status"] == "done"


def test_chat_that_becomes_a_job(client: httpx.Client) -> None:
    """`background: true` answers at once with a job; its result is the answer, asked for with the chat's controls."""
    asked = asking(True, stream=True, task="later")
    answer = client.post("/chat/completions", json=asked, headers={"x-headgate-agent": "clerk"})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["object"], told["status"], told["kind"]) == ("job", "queued", "chat")
    job = ended(client, told["id"])
    assert job["result"]["answer"]["object"] == "chat.completion"
    story = client.get(f"/requests/{job['result']['request_id']}").json()
    assert (story["agent"], story["task"]) == ("clerk", "later")


def test_official_sdk(gateway: RunningGateway) -> None:
    """OpenAI's SDK brings jobs by `extra_body` and reads its answer as ever."""
    sdk = openai.OpenAI(base_url=gateway.v1, api_key="any", max_retries=0)
    raw = sdk.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": SAID}], extra_body={"headgate": {"background": [LOCAL]}}
    )
    assert raw.parse().choices[0].message.content
    assert raw.headers["x-headgate-jobs"].startswith("job_")


def test_other_forms(client: httpx.Client) -> None:
    """The Responses API can bring jobs about its message, and is told what it cannot."""
    asked = {"model": MODEL, "input": SAID, "headgate": {"background": [LOCAL]}}
    answer = client.post("/responses", json=asked)
    assert answer.json()["object"] == "response"
    assert ended(client, ids_of(answer)[0])["status"] == "done"
    refused = client.post("/responses", json=asked | {"headgate": {"background": [{**LOCAL, "of": "reply"}]}})
    assert (refused.status_code, "chat completions" in refused.json()["error"]["message"]) == (400, True)


WRONG: Final[dict[str, tuple[object, str]]] = {
    "unknown kind": ([{"kind": "dance"}], "no kind of job 'dance'"),
    "no kind": ([{}], "`kind` is missing: give one of extract, chat, local"),
    "no object": (["extract"], "must be an object"),
    "no list": ("soon", "true, false, or a list"),
    "empty list": ([], "true, false"),
    "unknown field": ([{**EXTRACT, "colour": "red"}], "unknown field `colour`"),
    "no schema": ([{"kind": "extract"}], "`schema`"),
    "wrong chat": ([{"kind": "chat", "messages": []}], "messages"),
    "streamed chat": ([{**ENRICH, "stream": True}], "nobody to stream to"),
    "jobs in jobs": ([{**ENRICH, "headgate": {"background": [LOCAL]}}], "no further jobs"),
    "unknown model": ([{**ENRICH, "model": "nosuch"}], "The model `nosuch` is not known here"),
    "model that is nearly known": ([{**EXTRACT, "model": "gpt-oss-20"}], "Did you mean `openai/gpt-oss-20b`"),
    "model that does not chat": ([{**ENRICH, "model": "whisper-large-v3"}], "answers no chats"),
    "unknown control": ([{**ENRICH, "headgate": {"colour": 1}}], "colour"),
    "unknown route": ([{**ENRICH, "headgate": {"route": "nowhere"}}], "There is no route `nowhere`"),
    "schema that is none": ([{"kind": "extract", "schema": {"type": "objekt"}}], "not a valid JSON Schema"),
    "chat whose schema is none": (
        [
            {
                **ENRICH,
                "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "objekt"}}},
            }
        ],
        "not a valid JSON Schema",
    ),
    "unknown slot": (
        [{**ENRICH, "messages": [{"role": "user", "content": "Rate {{ replly }}"}]}],
        "nothing stands for {{ replly }}; there are {{message}} and {{reply}}",
    ),
    "unknown skill": ([{"kind": "local", "skill": "languag"}], "did you mean `language`"),
    "wrong option": ([{**LOCAL, "options": {"colour": 1}}], "colour"),
    "too many": ([LOCAL] * 17, "at most 16"),
}


@pytest.mark.parametrize("name", WRONG)
def test_jobs_that_cannot_be(client: httpx.Client, name: str) -> None:
    """Each is a 400 that says what is wrong, before anything is asked or kept."""
    background, part = WRONG[name]
    before = len(client.get("/jobs?limit=100").json()["data"])
    if background == []:
        background = ""
    answer = client.post("/chat/completions", json=asking(background))
    assert answer.status_code == 400
    assert part in answer.json()["error"]["message"]
    assert "x-headgate-jobs" not in answer.headers
    assert len(client.get("/jobs?limit=100").json()["data"]) == before


OF_THEIR_OWN: Final[dict[str, tuple[Mapping[str, object], str, str]]] = {
    "nothing": ({}, "`kind` is missing", "job.kind"),
    "no text": ({"kind": "local", "skill": "risk"}, "add `text`", "job.text"),
    "no text to extract from": (EXTRACT, "add `text`", "job.text"),
    "unknown model": (
        {**ENRICH, "model": "nosuch", "messages": [{"role": "user", "content": "hi"}]},
        "nosuch",
        "model",
    ),
}


@pytest.mark.parametrize("name", OF_THEIR_OWN)
def test_jobs_of_their_own_that_cannot_be(client: httpx.Client, name: str) -> None:
    """The same for `POST /jobs`: what is missing is said, and which request this was, as in all errors."""
    job, part, param = OF_THEIR_OWN[name]
    answer = client.post("/jobs", json=job)
    told = answer.json()
    assert (answer.status_code, part in told["error"]["message"], told["error"]["param"]) == (400, True, param)
    assert told["headgate"]["request_id"] == answer.headers["x-request-id"]


def test_schema_that_is_none(client: httpx.Client) -> None:
    """No answer could be checked by it: a chat that brings one is a 400 before any call, now or as a job."""
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "objekt"}}}
    for background in (None, True):
        answer = client.post("/chat/completions", json=asking(background) | {"response_format": form})
        assert answer.status_code == 400
        assert "not a valid JSON Schema" in answer.json()["error"]["message"]
        assert answer.json()["error"]["param"] == "response_format.json_schema.schema"
        assert "x-headgate-calls" not in answer.headers


def test_webhook_that_nobody_has(client: httpx.Client) -> None:
    """A request names a target of the settings: another name, an address, or one without jobs is refused."""
    for name in ("nobody", "http://127.0.0.1/hook"):
        answer = client.post("/chat/completions", json=asking([LOCAL], webhook=name))
        assert (answer.status_code, "no webhook" in answer.json()["error"]["message"]) == (400, True)
    answer = client.post("/chat/completions", json=asking(webhook="nobody"))
    assert (answer.status_code, "brings none" in answer.json()["error"]["message"]) == (400, True)


def test_job_of_its_own(client: httpx.Client) -> None:
    """`POST /jobs` takes one about a text of its own, and none about a reply."""
    made = client.post("/jobs", json={**EXTRACT, "text": SAID})
    assert made.status_code == 202
    assert set(ended(client, made.json()["id"])["result"]["value"]) == {"city", "count"}
    refused = client.post("/jobs", json={**LOCAL, "of": "both"})
    assert (refused.status_code, "reply" in refused.json()["error"]["message"]) == (400, True)
    assert client.post("/jobs", json=LOCAL).status_code == 400


def test_list_of_jobs(client: httpx.Client) -> None:
    """Newest first, page by page, by status, with counts; nonsense is refused."""
    made = [client.post("/jobs", json={**LOCAL, "text": f"Good morning {n}"}).json()["id"] for n in range(3)]
    for job_id in made:
        ended(client, job_id)
    first = client.get("/jobs?limit=2").json()
    rest = client.get(f"/jobs?limit=1&after={first['last_id']}").json()
    assert [row["id"] for row in (*first["data"], *rest["data"])] == made[::-1]
    assert first["counts"]["done"] >= 3
    assert {row["status"] for row in client.get("/jobs?status=done").json()["data"]} == {"done"}
    assert client.get("/jobs?status=lost").status_code == 400
    assert client.get("/jobs?after=job_none").status_code == 400
    assert client.get("/jobs/job_none").status_code == 404
    assert client.post("/jobs/job_none/cancel").status_code == 404


def test_ended_job_is_not_cancelled(client: httpx.Client) -> None:
    """It says what it is instead."""
    job_id = client.post("/jobs", json={**LOCAL, "text": "Good evening"}).json()["id"]
    ended(client, job_id)
    answer = client.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, "status 'done'" in answer.json()["error"]["message"]) == (400, True)


def test_jobs_that_wait_for_quota(tmp_path: Path) -> None:
    """Where there is no quota a job waits, can be cancelled, and takes no place of others when it is."""
    config = tmp_path / "headgate.toml"
    config.write_text(
        '[background]\nmax_open_per_tenant = 2\n[organisations.o]\nlimits = {"*" = {RPM = 1}}\n'
        '[[groq.keys]]\nsecret = "gsk_one"\norganisation = "o"\n[defaults]\nsubstitute = false\n',
        encoding="utf-8",
    )
    later = asking(True)
    with (
        running_gateway(config=config, environ={}, store=tmp_path / "s.sqlite3", simulator=SPARE) as running,
        httpx.Client(base_url=running.v1) as client,
    ):
        assert client.post("/chat/completions", json=asking()).status_code == 200
        first, second = (client.post("/chat/completions", json=later).json()["id"] for _ in range(2))
        full = client.post("/chat/completions", json=later)
        assert (full.status_code, "max_open_per_tenant" in full.json()["error"]["message"]) == (429, True)
        assert client.post("/chat/completions", json=asking([LOCAL])).status_code == 429
        cancelled = client.post(f"/jobs/{first}/cancel").json()
        assert cancelled["status"] == "cancelled"
        assert client.post("/chat/completions", json=later).status_code == 202
        assert client.get(f"/jobs/{second}").json()["status"] in {"queued", "running"}
    with closing(sqlite3.connect(tmp_path / "s.sqlite3")) as database:
        found = database.execute("SELECT status, tries, crashes, count(*) FROM jobs GROUP BY 1, 2, 3").fetchall()
    assert sorted(found) == [("cancelled", 0, 0, 1), ("queued", 0, 0, 2)], "want of quota is no failure of a job"


def test_replies_beside_more_jobs_than_there_is_quota(tmp_path: Path) -> None:
    """Of twenty requests a minute jobs take ten and wait with the rest; every reply finds its place at once."""
    config = tmp_path / "headgate.toml"
    limits = "{RPM = 20, RPD = 100000, TPM = 10000000, TPD = 100000000}"
    config.write_text(
        f'[organisations.o]\nlimits = {{"*" = {limits}}}\n[[groq.keys]]\nsecret = "gsk_one"\norganisation = "o"\n'
        "[defaults]\nsubstitute = false\n[background]\nconcurrency = 50\n",
        encoding="utf-8",
    )
    spec = {**ENRICH, "messages": [{"role": "user", "content": "Rate this."}], "headgate": {"cache": "off"}}
    with (
        running_gateway(config=config, environ={}, store=tmp_path / "s.sqlite3", simulator=SPARE) as running,
        httpx.Client(base_url=running.v1, timeout=WITHIN_S) as client,
    ):
        began, taken = time.monotonic(), 0
        for _ in range(40):
            client.post("/jobs", json=spec).raise_for_status()
        while taken < 10:
            assert time.monotonic() - began < WITHIN_S, f"{taken} jobs were done"
            taken = client.get("/jobs?limit=1").json()["counts"]["done"]
        most = 11 + (time.monotonic() - began) / 3.0
        gate = running.gateway.driver.gate
        assert running.eventually(lambda: gate.room.waiting() >= 10), "the flood does not wait for quota"
        names = [
            client.post("/chat/completions", json=asking(cache="off")).raise_for_status().headers["x-request-id"]
            for _ in range(8)
        ]
        stories = [client.get(f"/requests/{name}").json() for name in names]
    assert taken <= most
    assert [story["waited_ms"] for story in stories] == [0.0] * 8
    assert {story["source"] for story in stories} == {"upstream"}


def test_stop_while_jobs_run(tmp_path: Path) -> None:
    """What does not end within the drain is broken off and given back, without counting as a crash; it runs again."""
    config, store = tmp_path / "headgate.toml", tmp_path / "s.sqlite3"
    config.write_text("[background]\ndrain_s = 0.05\n", encoding="utf-8")
    slow = msgspec.structs.replace(SPARE, pace=Pace(network_s=0.0, queue_median_s=30.0, queue_sigma=0.0))
    with (
        running_gateway(config=config, store=store, simulator=slow) as running,
        httpx.Client(base_url=running.v1) as client,
    ):
        made = client.post("/jobs", json={**EXTRACT, "text": SAID}).json()["id"]
        assert running.eventually(lambda: running.gateway.jobs is not None and running.gateway.jobs.running == 1)
    with closing(sqlite3.connect(store)) as database:
        assert database.execute("SELECT status, attempts, crashes FROM jobs").fetchall() == [("queued", 1, 0)]
    with (
        running_gateway(config=config, store=store, simulator=SPARE) as running,
        httpx.Client(base_url=running.v1) as client,
    ):
        job = ended(client, made)
    assert (job["status"], job["attempts"]) == ("done", 2)


def test_other_tenants_jobs(tmp_path: Path) -> None:
    """A tenant neither sees nor cancels another's job, and a caller's own provider key makes none."""
    keys = {name: new_virtual_key(name=name, tenant=name, random_bytes=secrets.token_bytes) for name in ("one", "two")}
    config = tmp_path / "headgate.toml"
    config.write_text("".join(config_line(row) for _, row in keys.values()), encoding="utf-8")
    headers = {name: {"x-api-key": secret} for name, (secret, _) in keys.items()}
    with (
        running_gateway(config=config, store=tmp_path / "s.sqlite3", simulator=SPARE) as running,
        httpx.Client(base_url=running.v1) as client,
    ):
        made = client.post("/jobs", json={**LOCAL, "text": SAID}, headers=headers["one"]).json()["id"]
        assert client.get(f"/jobs/{made}", headers=headers["two"]).status_code == 404
        assert client.post(f"/jobs/{made}/cancel", headers=headers["two"]).status_code == 404
        assert client.get("/jobs", headers=headers["two"]).json()["data"] == []
        assert ended(client, made, headers["one"])["status"] == "done"
        own = headers["one"] | {"authorization": "Bearer gsk_mine"}
        for background in (True, [LOCAL]):
            answer = client.post("/chat/completions", json=asking(background), headers=own)
            assert (answer.status_code, "provider key" in answer.json()["error"]["message"]) == (400, True)
        assert client.post("/jobs", json={**LOCAL, "text": SAID}, headers=own).status_code == 400
    assert b"gsk_mine" not in (tmp_path / "s.sqlite3").read_bytes()


def test_gateway_without_a_store() -> None:
    """It says what to set; a chat that brings nothing is as ever."""
    with running_gateway(simulator=SPARE) as running, httpx.Client(base_url=running.v1) as client:
        for answer in (client.post("/chat/completions", json=asking([LOCAL])), client.get("/jobs")):
            assert (answer.status_code, "[store]" in answer.json()["error"]["message"]) == (501, True)
        assert client.post("/chat/completions", json=asking()).status_code == 200


def test_refused_chat(tmp_path: Path) -> None:
    """Where there is no reply there are no jobs about it, and their places are free again; those about the message
    alone are kept."""
    config = tmp_path / "headgate.toml"
    config.write_text("[background]\nmax_open_per_tenant = 2\n[defaults]\nlocal = false\n", encoding="utf-8")
    broken = SimulatorSettings(pace=QUICK, lengths=SHORT, faults=(Fault(FaultKind.SERVER_ERROR),))
    with (
        running_gateway(config=config, store=tmp_path / "s.sqlite3", simulator=broken) as running,
        httpx.Client(base_url=running.v1, timeout=WITHIN_S) as client,
    ):
        answer = client.post("/chat/completions", json=asking([LOCAL, ENRICH]))
        assert answer.status_code >= 500
        (kept,) = ids_of(answer)
        assert ended(client, kept)["kind"] == "local"
        assert [row["id"] for row in client.get("/jobs").json()["data"]] == [kept]
        assert client.post("/chat/completions", json=asking([LOCAL, ENRICH])).status_code >= 500


@pytest.mark.parametrize("fault", [FaultKind.RESET_MIDWAY, FaultKind.STREAM_ERROR_EVENT])
def test_stream_that_breaks(tmp_path: Path, fault: FaultKind) -> None:
    """What had come of the reply is no reply: no job is made of it, and its place is free again."""
    config = tmp_path / "headgate.toml"
    config.write_text("[background]\nmax_open_per_tenant = 2\n", encoding="utf-8")
    broken = SimulatorSettings(pace=UNHURRIED, lengths=LONG, faults=(Fault(fault, stream=True, at=0.8),))
    with (
        running_gateway(config=config, store=tmp_path / "s.sqlite3", simulator=broken) as running,
        httpx.Client(base_url=running.v1, timeout=WITHIN_S) as client,
    ):
        for _ in range(2):
            answer = client.post("/chat/completions", json=asking([LOCAL, ENRICH], stream=True))
            assert "data: {" in answer.text
            assert "[DONE]" not in answer.text
            told = ids_of(answer)
            assert ended(client, told[0])["status"] == "done"
            assert client.get(f"/jobs/{told[1]}").status_code == 404
        assert client.get("/jobs").json()["counts"]["queued"] == 0


def test_client_who_leaves_a_stream(tmp_path: Path) -> None:
    """The jobs about the message are done all the same; those about the reply are not, and their places are free."""
    slow = msgspec.structs.replace(SPARE, pace=Pace(network_s=0.0, queue_median_s=0.0, output_speed_factor=0.05))
    config = tmp_path / "headgate.toml"
    config.write_text("[background]\nmax_open_per_tenant = 2\n", encoding="utf-8")
    with (
        running_gateway(config=config, store=tmp_path / "s.sqlite3", simulator=slow) as running,
        httpx.Client(base_url=running.v1, timeout=WITHIN_S) as client,
    ):
        with client.stream("POST", "/chat/completions", json=asking([LOCAL, ENRICH], stream=True)) as answer:
            kept = ids_of(answer)[0]
            next(answer.iter_bytes())
        runner = running.gateway.jobs
        assert runner is not None
        assert ended(client, kept)["status"] == "done"
        assert running.eventually(lambda: runner.open == 0)
        assert [row["id"] for row in client.get("/jobs").json()["data"]] == [kept]


def test_job_that_the_provider_refuses(tmp_path: Path) -> None:
    """It fails once, with the provider's own error, and is not asked for again."""
    with (
        running_gateway(store=tmp_path / "s.sqlite3", simulator=SPARE) as running,
        httpx.Client(base_url=running.v1) as client,
    ):
        made = client.post("/jobs", json={**ENRICH, "messages": [{"role": "user", "content": "x"}], "logprobs": True})
        job = ended(client, made.json()["id"])
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["failure"]["error"]["message"]
    assert job["problem"]

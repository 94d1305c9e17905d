"""Webhooks against a real receiver: who is told what, signed, once more after a failure, and never led elsewhere."""

import base64
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.batch.hook_house import SECRET, WITHIN_S, Receiver, hook, receiver
from tests.running_gateway import QUICK, SHORT, RunningGateway, running_gateway

from headgate.batch.delivering import FIRST_PAUSE_S, LONGEST_PAUSE_S, pause_s
from headgate.batch.job_words import MOST_TOLD_BYTES, body_of, signed_headers
from headgate.runtime.settings import InvalidSettings, load_settings
from headgate.runtime.settings_background import Webhook, WebhookFormat, WebhookTable
from headgate.runtime.settings_secret import Secret
from headgate.simulator.settings import SimulatorSettings
from headgate.store.job_rows import DeliveryRow, DeliveryState, DueDelivery, JobRow, JobStatus

LOCAL = {"kind": "local", "skill": "language", "text": "Good morning to all of you"}
CHAT = {"kind": "chat", "model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "secret words"}]}


@contextmanager
def telling(folder: Path, settings: str) -> Iterator[tuple[RunningGateway, httpx.Client]]:
    """A gateway with these targets, and a client."""
    config = folder / "headgate.toml"
    config.write_text(settings, encoding="utf-8")
    pretend = SimulatorSettings(pace=QUICK, lengths=SHORT)
    with (
        running_gateway(config=config, store=folder / "s.sqlite3", simulator=pretend) as running,
        httpx.Client(base_url=running.v1, timeout=WITHIN_S) as client,
    ):
        yield running, client


def made(client: httpx.Client, spec: dict[str, Any]) -> str:
    return str(client.post("/jobs", json=spec).raise_for_status().json()["id"])


def told(client: httpx.Client, job_id: str, tries: int = 1) -> dict[str, Any]:
    """The job's deliveries by target, once each was tried so often or is over."""
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        job = client.get(f"/jobs/{job_id}").json()
        if job["status"] in {"done", "failed"} and all(
            hook["tries"] >= tries or hook["state"] != "pending" for hook in job["webhooks"]
        ):
            return {hook["target"]: hook for hook in job["webhooks"]}
        threading.Event().wait(0.01)
    raise AssertionError("no delivery was tried")


def test_delivery(tmp_path: Path) -> None:
    """The target is told of the whole job, signed as the standard says, and the job says that it was."""
    with receiver() as ops, telling(tmp_path, hook("ops", ops.url)) as (_, client):
        job_id = made(client, {**LOCAL, "webhook": "ops"})
        state = told(client, job_id)["ops"]
        job = client.get(f"/jobs/{job_id}").json()
    (heard,) = ops.heard
    assert heard.is_signed
    assert heard.headers["content-type"] == "application/json"
    assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 60
    assert (heard.json["type"], heard.json["data"]["id"]) == ("job.done", job_id)
    assert heard.json["data"]["result"] == job["result"]
    assert (state["state"], state["tries"], state["last_status"], state["id"]) == ("delivered", 1, 204, heard.id)


@pytest.mark.parametrize("status", [500, 302, 404])
def test_target_that_fails(tmp_path: Path, status: int) -> None:
    """It is tried again later; a redirect is such a failure too, and nobody is asked where it leads."""
    with receiver(lambda _: status) as ops, telling(tmp_path, hook("ops", ops.url)) as (_, client):
        before = time.time()
        state = told(client, made(client, {**LOCAL, "webhook": "ops"}))["ops"]
    assert (state["state"], state["tries"], state["last_status"]) == ("pending", 1, status)
    assert FIRST_PAUSE_S / 2 <= state["next_at"] - before <= FIRST_PAUSE_S + 10
    assert [each.path for each in ops.heard] == ["/hook"]


def test_target_that_wants_no_more(tmp_path: Path) -> None:
    """410 ends it: the delivery has failed."""
    with receiver(lambda _: 410) as ops, telling(tmp_path, hook("ops", ops.url)) as (_, client):
        state = told(client, made(client, {**LOCAL, "webhook": "ops"}))["ops"]
    assert (state["state"], state["next_at"], len(ops.heard)) == ("failed", None, 1)


def test_target_that_never_answers(tmp_path: Path) -> None:
    """After its time-out it counts as a failure without a status, and holds up no other target."""
    hanging = threading.Event()

    def hang(_: int) -> int:
        hanging.wait(WITHIN_S)
        return 204

    with receiver(hang) as slow, receiver() as ops:
        settings = hook("slow", slow.url, "timeout_s = 0.2\nall_jobs = true") + hook("ops", ops.url)
        with telling(tmp_path, settings) as (_, client):
            jobs = [made(client, {**LOCAL, "webhook": "ops"}) for _ in range(20)]
            ops.wait_for(lambda heard: len(heard.heard) == 20)
            state = told(client, jobs[0])["slow"]
        hanging.set()
    assert (state["state"], state["last_status"]) == ("pending", None)


def test_last_try(tmp_path: Path) -> None:
    """Where the next try would be after the time for it, the delivery has failed."""
    settings = hook("ops", "http://127.0.0.1:9/", "give_up_hours = 0.0001")
    with telling(tmp_path, settings) as (_, client):
        state = told(client, made(client, {**LOCAL, "webhook": "ops"}))["ops"]
    assert (state["state"], state["last_status"]) == ("failed", None)


def test_who_is_told_of_what(tmp_path: Path) -> None:
    """A target hears of jobs that name it, or of all; of the events it wants; of scores from its least one on."""
    with receiver() as ops:
        settings = "".join(
            (
                hook("ops", ops.url),
                hook("all", ops.url, "all_jobs = true"),
                hook("failures", ops.url, 'all_jobs = true\nevents = ["job.failed"]'),
                hook("danger", ops.url, "all_jobs = true\nmin_score = 0.5"),
            )
        )
        with telling(tmp_path, settings) as (_, client):
            targets = {
                "plain": set(told(client, made(client, LOCAL))),
                "named": set(told(client, made(client, {**LOCAL, "webhook": "ops"}))),
                "failed": set(told(client, made(client, {**CHAT, "logprobs": True}))),
            }
    assert targets == {"plain": {"all"}, "named": {"all", "ops"}, "failed": {"all", "failures"}}


def test_scam_that_a_security_team_hears_of(tmp_path: Path) -> None:
    """Of a scam and of a harmless message the collector is told of the scam alone, with its score and categories, and
    without a word of it."""
    scam = (
        "URGENT: your bank account is blocked. Update your KYC now at http://sbi-kyc-verify.top/login and share OTP "
        "and your card PIN, or pay Rs 4999 to unblock@okaxis within 24 hours to avoid legal action."
    )
    harmless = "Shall we have lunch at one? I will bring the photographs of the garden."
    with receiver() as soc:
        target = hook("soc", soc.url, 'all_jobs = true\nmin_score = 0.7\nformat = "siem"')
        with telling(tmp_path, target) as (_, client):
            jobs = [made(client, {"kind": "local", "skill": "risk", "text": text}) for text in (harmless, scam)]
            assert set(told(client, jobs[1])) == {"soc"}
            assert told(client, jobs[0]) == {}
            result = client.get(f"/jobs/{jobs[1]}").json()["result"]
    (heard,) = soc.heard
    assert heard.is_signed
    event = heard.json
    assert event["headgate"]["job"] == jobs[1]
    assert event["event"]["risk_score"] == pytest.approx(100 * result["score"], abs=0.01)
    assert event["event"]["severity"] >= 7
    assert event["headgate"]["categories"] == result["categories"] != []
    assert "sbi-kyc-verify" not in heard.body.decode()


def row(result: bytes | None, status: JobStatus = JobStatus.DONE, problem: str = "") -> JobRow:
    return JobRow("job_1", "acme", "local", status, "req_1", "", 1.0, 1.0, 1.0, 2.0, 1, 0, 0, problem, result)


def due(job: JobRow) -> DueDelivery:
    return DueDelivery(
        DeliveryRow("msg_1", "soc", "job.done", DeliveryState.PENDING, 1_700_000_000.5, 0.0, 0, 0, None), job
    )


def target(kind: WebhookFormat = WebhookFormat.STANDARD, authorization: str | None = None) -> Webhook:
    table = WebhookTable(url="https://soc.example/", format=kind)
    sent = None if authorization is None else Secret(authorization)
    return Webhook("soc", table.url, Secret(SECRET), table, sent)


@pytest.mark.parametrize("score, severity", [(0.95, 9), (0.9, 9), (0.75, 7), (0.5, 4), (0.1, 1)])
def test_event_for_a_security_team(score: float, severity: int) -> None:
    """Severity and categories by the score, in one JSON object, without any text of the message."""
    result = json.dumps({"score": score, "level": "high", "categories": ["otp"], "text": "secret words"}).encode()
    event = json.loads(body_of(due(row(result)), target(WebhookFormat.SIEM)))
    assert event["@timestamp"] == "2023-11-14T22:13:20.500Z"
    assert event["event"]["severity"] == severity
    assert event["event"]["risk_score"] == pytest.approx(100 * score)
    assert (event["event"]["kind"], event["event"]["category"]) == ("alert", ["threat"])
    assert (event["organization"]["id"], event["headgate"]["categories"]) == ("acme", ["otp"])
    assert "secret words" not in json.dumps(event)


def test_event_of_a_failed_job() -> None:
    """It has no score, and says why it failed."""
    event = json.loads(body_of(due(row(b"[1]", JobStatus.FAILED, "expired")), target(WebhookFormat.SIEM)))["event"]
    assert (event["outcome"], event["reason"], event["risk_score"], event["kind"]) == (
        "failure",
        "expired",
        None,
        "event",
    )


def test_result_that_is_too_large_to_be_told() -> None:
    """It is left out and has to be asked for; what is told stays under its cap."""
    body = body_of(due(row(b'"' + b"x" * MOST_TOLD_BYTES + b'"')), target())
    assert len(body) < 2_000
    assert json.loads(body)["data"]["result_left_out"] is True


def test_headers_of_two_tries() -> None:
    """The id stays, the time and so the signature change; the authorization goes along only where one is set."""
    first, second = (signed_headers(target(authorization="Splunk x"), "msg_1", at, b"{}") for at in (1, 2))
    assert first["webhook-id"] == second["webhook-id"] == "msg_1"
    assert first["webhook-signature"] != second["webhook-signature"]
    assert first["authorization"] == "Splunk x"
    assert "authorization" not in signed_headers(target(), "msg_1", 1, b"{}")


def test_signature_of_the_standard() -> None:
    """The example of the standard's own libraries signs to what they say."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    table = WebhookTable(url="https://soc.example/")
    made_by = signed_headers(
        Webhook("x", table.url, secret, table), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert made_by["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_pauses_between_tries() -> None:
    """They double up to an hour, half of each by chance, so that targets are not asked in step."""
    dice = random.Random(1)
    for tries in range(1, 40):
        longest = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S)
        drawn = [pause_s(tries, dice) for _ in range(50)]
        assert longest / 2 <= min(drawn) <= max(drawn) <= longest
        assert max(drawn) - min(drawn) > longest / 10


WRONG = {
    "no address": ('url = "soc"\n', "no address"),
    "plain http": ('url = "http://soc.example/hook"\nsecret = "x"\n', "allow_http"),
    "no secret": ('url = "https://soc.example/hook"\n', "either `secret` or `env`"),
    "short secret": (f'url = "https://s.example/"\nsecret = "whsec_{base64.b64encode(b"short").decode()}"\n', "24"),
    "no base64": ('url = "https://s.example/"\nsecret = "whsec_!"\n', "whsec_"),
    "missing variable": ('url = "https://s.example/"\nenv = "NOT_THERE"\n', "NOT_THERE"),
    "unknown key": ('url = "https://s.example/"\ncolour = "red"\n', "colour"),
}


@pytest.mark.parametrize("name", WRONG)
def test_target_that_cannot_be(tmp_path: Path, name: str) -> None:
    """The start is refused with the key and the fix, and no secret is shown."""
    text, part = WRONG[name]
    path = tmp_path / "headgate.toml"
    path.write_text(f"[webhooks.soc]\n{text}", encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        load_settings(path, {})
    assert part in str(caught.value)
    assert "soc" in str(caught.value)
    assert "whsec_c2h" not in str(caught.value)


def test_secret_of_the_environment(tmp_path: Path) -> None:
    """It is read from the variable that is named, and never shown."""
    path = tmp_path / "headgate.toml"
    path.write_text('[webhooks.soc]\nurl = "https://soc.example/hook"\nenv = "HOOK"\n', encoding="utf-8")
    settings = load_settings(path, {"HOOK": SECRET})
    assert settings.webhooks["soc"].key.reveal() == SECRET
    assert SECRET not in repr(settings)


def test_receiver_notices_a_wrong_signature() -> None:
    """What the other tests are worth: a body that was changed on the way is not signed."""
    with receiver() as ops:
        headers = signed_headers(target(), "msg_1", int(time.time()), b"{}")
        httpx.post(ops.url, content=b"{ }", headers=headers)
        httpx.post(ops.url, content=b"{}", headers=headers)
    assert [each.is_signed for each in ops.heard] == [False, True]
    assert isinstance(ops, Receiver)

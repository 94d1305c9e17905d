"""The pretend Groq's files and batches: what it keeps, what it checks, and how batches run in its own time."""

from collections.abc import Mapping
from typing import Any

import groq as groq_sdk
import msgspec
import openai
import pytest
from tests.simulator.asking import KEY, MODEL, ORG, decoded, error, groq, sent
from tests.simulator.uploading import FAST, WHISPER, form, send, served, upload

from headgate.domain.limits import Dimension
from headgate.simulator.batch_lines import MOST_ERRORS
from headgate.simulator.batches import PAGE
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.forms import read_form
from headgate.simulator.groq import PretendGroq
from headgate.simulator.offer import BatchPace, Offer
from headgate.simulator.script import Script

DAY_S = 86_400.0
CHAT = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


def line(custom_id: str, at: str = CHAT, /, *, method: str = "POST", **body: Any) -> bytes:
    """One line of a batch; without a body it is a small chat."""
    said = body or {"model": MODEL, "messages": [{"role": "user", "content": f"{custom_id} [[tokens=20]]"}]}
    return msgspec.json.encode({"custom_id": custom_id, "method": method, "url": at, "body": said})


def store(pretend: PretendGroq, *lines: bytes, now: float = 0.0, key: str = KEY) -> str:
    """Upload lines as a file; its id."""
    script = upload(pretend, "files", {"purpose": "batch"}, ("in.jsonl", b"\n".join(lines)), now, key)
    assert script.status == 200, script.body
    name: str = decoded(script)["id"]
    return name


def begin(pretend: PretendGroq, *lines: bytes, now: float = 0.0, endpoint: str = CHAT, **fields: Any) -> str:
    """Store the lines and begin a batch of them; its id."""
    asked = {"input_file_id": store(pretend, *lines, now=now), "endpoint": endpoint, "completion_window": "24h"}
    script = send(pretend, "POST", "batches", asked | fields, now)
    assert script.status == 200, script.body
    assert decoded(script)["status"] == "validating"
    name: str = decoded(script)["id"]
    return name


def look(pretend: PretendGroq, batch_id: str, now: float) -> dict[str, Any]:
    """The batch as it is at `now`."""
    told: dict[str, Any] = decoded(send(pretend, "GET", f"batches/{batch_id}", now=now))
    return told


def results(pretend: PretendGroq, file_id: str | None, now: float) -> dict[str, Any]:
    """The lines of an output file by custom id."""
    if file_id is None:
        return {}
    script = send(pretend, "GET", f"files/{file_id}/content", now=now)
    assert script.status == 200
    lines = [msgspec.json.decode(text) for text in script.body.splitlines()]
    assert len({each["custom_id"] for each in lines}) == len(lines)
    return {each["custom_id"]: each for each in lines}


# ---------------------------------------------------------------------------------------------------------------- files


def test_file_lives_from_upload_to_deletion() -> None:
    """Uploaded, listed, looked at, read byte for byte, deleted; afterwards it is a 404."""
    pretend, data = groq(), line("a")
    file_id = store(pretend, data)
    assert file_id.startswith("file_")
    assert len(file_id) == 5 + 26
    entry = decoded(send(pretend, "GET", f"files/{file_id}"))
    assert entry["bytes"] == len(data)
    assert (entry["object"], entry["filename"], entry["purpose"]) == ("file", "in.jsonl", "batch")
    assert decoded(send(pretend, "GET", "files")) == {"object": "list", "data": [entry]}
    content = send(pretend, "GET", f"files/{file_id}/content")
    assert content.body == data
    assert sent(pretend, content)["content-type"] == "application/octet-stream"
    assert decoded(send(pretend, "DELETE", f"files/{file_id}")) == {"id": file_id, "object": "file", "deleted": True}
    for method, route in (("GET", file_id), ("GET", f"{file_id}/content"), ("DELETE", file_id)):
        assert send(pretend, method, f"files/{route}").status == 404


@pytest.mark.parametrize(
    "fields, file, offer, status, text",
    [
        ({"purpose": "assistants"}, ("a.jsonl", b"x"), Offer(), 400, "purpose must be one of [batch]"),
        ({}, ("a.jsonl", b"x"), Offer(), 400, "purpose must be one of [batch]"),
        ({"purpose": "batch"}, None, Offer(), 400, "file must be provided"),
        ({"purpose": "batch"}, ("a.jsonl", b""), Offer(), 400, "must not be empty"),
        ({"purpose": "batch"}, ("a.txt", b"x"), Offer(), 400, ".jsonl"),
        ({"purpose": "batch"}, ("a.jsonl", b"x" * 11), Offer(file_bytes=10), 413, "Too Large"),
        ({"purpose": "batch"}, ("a.jsonl", b"x"), Offer(files=0), 400, "as many files as it may"),
        ({"purpose": "batch"}, ("a.jsonl", b"x" * 11), Offer(stored_bytes=10), 400, "as many files as it may"),
    ],
)
def test_upload_is_refused(
    fields: Mapping[str, str], file: tuple[str, bytes] | None, offer: Offer, status: int, text: str
) -> None:
    """Each rule and each bound of uploads."""
    script = upload(groq(offer=offer), "files", dict(fields), file)
    assert (script.status, text in error(script)["message"]) == (status, True), script.body


def test_files_belong_to_their_organisation() -> None:
    """Another organisation neither lists nor reads them; its key can be wrong, too."""
    pretend = groq(keys={KEY: ORG, "gsk_other": "org_other"})
    file_id = store(pretend, line("a"))
    assert decoded(send(pretend, "GET", "files", key="gsk_other"))["data"] == []
    assert send(pretend, "GET", f"files/{file_id}", key="gsk_other").status == 404
    assert send(pretend, "GET", "files", key="gsk_nobody").status == 401


def test_file_is_forgotten_after_thirty_days() -> None:
    """Until then it is kept, then it is gone, and its room with it."""
    pretend = groq(offer=Offer(files=1))
    file_id = store(pretend, line("a"))
    assert send(pretend, "GET", f"files/{file_id}", now=30 * DAY_S - 1).status == 200
    assert send(pretend, "GET", f"files/{file_id}", now=30 * DAY_S).status == 404
    store(pretend, line("b"), now=30 * DAY_S)


@pytest.mark.parametrize(
    "method, route",
    [("POST", "files/x"), ("DELETE", "files"), ("GET", "files/x/other"), ("POST", "batches/x"), ("PUT", "files")],
)
def test_paths_that_do_not_exist(method: str, route: str) -> None:
    """They are unknown URLs, or files that are not there."""
    assert send(groq(), method, route).status == 404


@pytest.mark.parametrize("kind, status", [(FaultKind.SERVER_ERROR, 500), (FaultKind.BAD_GATEWAY, 502)])
def test_status_fault_stores_nothing(kind: FaultKind, status: int) -> None:
    """A fault in place of the answer comes before the work."""
    pretend = groq(Fault(kind, times=1))
    assert upload(pretend, "files", {"purpose": "batch"}, ("a.jsonl", b"{}")).status == status
    assert decoded(send(pretend, "GET", "files"))["data"] == []


def test_broken_reply_has_stored_all_the_same() -> None:
    """A reply that is cut short was true: the file is there when the client asks again."""
    pretend = groq(Fault(FaultKind.RESET_BEFORE_HEADERS, times=1))
    assert upload(pretend, "files", {"purpose": "batch"}, ("a.jsonl", b"{}")).status == 0
    assert len(decoded(send(pretend, "GET", "files"))["data"]) == 1


def test_large_form_is_read_in_linear_time() -> None:
    """Forty megabytes of lines that look like the start of boundaries come out whole."""
    data = b"\r\n--b0undar" * 4_000_000
    read = read_form("multipart/form-data; boundary=b0undary", form([("purpose", "batch")], ("a.jsonl", data)))
    assert read is not None
    assert read.files["file"].data == data


# -------------------------------------------------------------------------------------------------------------- batches


def test_batch_goes_through_its_states_in_time() -> None:
    """validating, in progress with growing counts, finalizing, completed; each with its stamp."""
    pretend = groq(offer=Offer(batch=BatchPace(validating_s=2, lines_per_s=1, finalizing_s=3)))
    batch_id = begin(pretend, *(line(f"r{i}") for i in range(4)), metadata={"job": "x"})
    seen = [look(pretend, batch_id, now) for now in (1, 2, 3.5, 5.9, 6, 8.9, 9, 50)]
    wanted = ["validating", "in_progress", "in_progress", "in_progress", "finalizing", "finalizing", *["completed"] * 2]
    assert [each["status"] for each in seen] == wanted
    assert [each["request_counts"]["completed"] for each in seen] == [0, 0, 1, 3, 4, 4, 4, 4]
    last = seen[-1]
    begun = last["created_at"]
    assert [last[f"{name}_at"] - begun for name in ("in_progress", "finalizing", "completed")] == [2, 6, 9]
    assert last["expires_at"] - begun == DAY_S
    assert (last["metadata"], last["errors"], last["error_file_id"]) == ({"job": "x"}, None, None)
    assert decoded(send(pretend, "GET", f"files/{last['output_file_id']}", now=50))["purpose"] == "batch_output"


def test_lines_give_what_requests_would_give() -> None:
    """The same text as a request of its own, in Groq's shapes, in another order, and no bucket knows of it."""
    pretend = groq()
    names = [f"r{i}" for i in range(20)]
    batch_id = begin(pretend, *map(line, names))
    told = look(pretend, batch_id, 100)
    lines = results(pretend, told["output_file_id"], 100)
    assert sorted(lines) == sorted(names)
    assert list(lines) != names
    one = lines["r7"]
    assert one["id"].startswith("batch_req_out_")
    assert one["error"] is None
    assert one["response"]["status_code"] == 200
    assert one["response"]["request_id"].startswith("req_")
    alone = decoded(send(groq(), "POST", "chat/completions", msgspec.json.decode(line("r7"))["body"]))
    body = one["response"]["body"]
    assert body["choices"][0]["message"] == alone["choices"][0]["message"]
    assert body["usage"]["completion_tokens"] == 20
    for dimension in (Dimension.RPM, Dimension.RPD, Dimension.TPM, Dimension.TPD):
        assert pretend.level(ORG, MODEL, dimension, 100) == 0.0


def test_lines_that_fail_go_to_the_error_file() -> None:
    """Refused lines keep their status and body; the batch completes with both files."""
    pretend = groq()
    wrong = line("gone", model="nope", messages=[])
    streamed = line("streamed", model=MODEL, messages=[{"role": "user", "content": "x"}], stream=True)
    told = look(pretend, begin(pretend, line("good"), wrong, streamed), 100)
    assert (told["status"], told["request_counts"]) == ("completed", {"total": 3, "completed": 1, "failed": 2})
    assert set(results(pretend, told["output_file_id"], 100)) == {"good"}
    failed = results(pretend, told["error_file_id"], 100)
    assert failed["gone"]["response"]["status_code"] == 404
    assert failed["gone"]["response"]["body"]["error"]["code"] == "model_not_found"
    assert failed["streamed"]["response"]["status_code"] == 400


def test_faults_strike_lines() -> None:
    """A rule for a model strikes its lines as it strikes requests."""
    pretend = groq(Fault(FaultKind.OVER_CAPACITY, model=MODEL, times=1))
    told = look(pretend, begin(pretend, line("a"), line("b")), 100)
    assert told["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (one,) = results(pretend, told["error_file_id"], 100).values()
    assert one["response"]["status_code"] == 503


@pytest.mark.parametrize("form_name, shown", [("json", dict), ("text", str)])
def test_audio_lines_run_from_urls(form_name: str, shown: type) -> None:
    """Sound in a batch is a url; a file cannot be in a line."""
    url, pretend = "/v1/audio/transcriptions", groq()
    asked = {"model": WHISPER, "url": "https://e.com/a.mp3?seconds=20", "response_format": form_name}
    lines = line("heard", url, **asked), line("file", url, model=WHISPER, file="x")
    told = look(pretend, begin(pretend, *lines, endpoint=url), 100)
    body = results(pretend, told["output_file_id"], 100)["heard"]["response"]["body"]
    assert isinstance(body, shown)
    assert results(pretend, told["error_file_id"], 100)["file"]["response"]["status_code"] == 400
    assert pretend.level(ORG, WHISPER, Dimension.ASH, 100) == 0.0


@pytest.mark.parametrize(
    "lines, code, number",
    [
        ([line("a"), line("b", method="GET")], "invalid_method", 2),
        ([line("a"), b"", line("a")], "duplicate_custom_id", 3),
        ([line("a", "/v1/embeddings")], "invalid_url", 1),
        ([line("a", "/v1/audio/transcriptions")], "invalid_url", 1),
        ([b"{not json"], "invalid_json_line", 1),
        ([b'{"custom_id": "caf\xe9"}'], "invalid_json_line", 1),
        ([b"[]"], "invalid_json_line", 1),
        ([b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions"}'], "missing_required_parameter", 1),
        ([b'{"custom_id":1,"method":"POST","url":"/v1/chat/completions","body":{"a":1}}'], "invalid_type", 1),
        ([b"\n \n"], "empty_file", None),
        ([line(str(i)) for i in range(6)], "too_many_lines", None),
    ],
)
def test_wrong_input_fails_the_batch(lines: list[bytes], code: str, number: int | None) -> None:
    """The first error names code and line; nothing ran, and there is no output."""
    pretend = groq(offer=Offer(batch_lines=5))
    told = look(pretend, begin(pretend, *lines), 100)
    assert told["status"] == "failed"
    assert told["failed_at"] is not None
    assert told["errors"]["object"] == "list"
    assert (told["errors"]["data"][0]["code"], told["errors"]["data"][0]["line"]) == (code, number)
    assert told["errors"]["data"][0]["message"]
    assert told["output_file_id"] is None


def test_errors_can_have_the_guides_shape_and_are_bounded() -> None:
    """By a switch they are a bare array; never more than a hundred are told."""
    pretend = groq(offer=Offer(batch_errors_as="array"))
    told = look(pretend, begin(pretend, *([b"no"] * (MOST_ERRORS + 50))), 100)
    assert isinstance(told["errors"], list)
    assert len(told["errors"]) == MOST_ERRORS


def test_batch_expires_with_its_window() -> None:
    """What did not run in 24 hours is told line by line; what did is kept."""
    pretend = groq(offer=Offer(batch=BatchPace(validating_s=0, lines_per_s=2 / DAY_S)))
    batch_id = begin(pretend, *(line(f"r{i}") for i in range(5)))
    assert look(pretend, batch_id, DAY_S - 1)["status"] == "in_progress"
    told = look(pretend, batch_id, 2 * DAY_S)
    assert told["status"] == "expired"
    assert told["expired_at"] == told["expires_at"]
    assert told["request_counts"] == {"total": 5, "completed": 2, "failed": 3}
    expired = results(pretend, told["error_file_id"], 2 * DAY_S)
    assert len(expired) == 3
    assert {each["error"]["code"] for each in expired.values()} == {"batch_expired"}
    assert {each["response"] for each in expired.values()} == {None}
    assert not expired.keys() & results(pretend, told["output_file_id"], 2 * DAY_S).keys()


def test_cancelled_batch_keeps_what_ran() -> None:
    """Cancelling takes its time and stops the lines at once; a batch that ended cannot be cancelled."""
    pretend = groq(offer=Offer(batch=BatchPace(validating_s=0, lines_per_s=1, cancelling_s=600)))
    batch_id = begin(pretend, *(line(f"r{i}") for i in range(10)))
    told = decoded(send(pretend, "POST", f"batches/{batch_id}/cancel", now=3.5))
    assert (told["status"], told["cancelling_at"] - told["created_at"]) == ("cancelling", 3)
    assert look(pretend, batch_id, 603)["status"] == "cancelling"
    told = look(pretend, batch_id, 604)
    assert (told["status"], told["request_counts"]["completed"]) == ("cancelled", 3)
    assert len(results(pretend, told["output_file_id"], 604)) == 3
    assert send(pretend, "POST", f"batches/{batch_id}/cancel", now=605).status == 400
    assert send(pretend, "POST", "batches/batch_none/cancel", now=605).status == 404


@pytest.mark.parametrize(
    "fields, status, text",
    [
        ({"completion_window": "7d"}, 200, ""),
        ({"completion_window": "168h"}, 200, ""),
        ({"completion_window": "23h"}, 400, "completion_window"),
        ({"completion_window": "8d"}, 400, "completion_window"),
        ({"completion_window": 24}, 400, "completion_window"),
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint must be one of"),
        ({"endpoint": "/openai/v1/chat/completions"}, 400, "endpoint must be one of"),
        ({"input_file_id": "file_none"}, 404, "not found"),
        ({"input_file_id": None}, 400, "input_file_id"),
        ({"metadata": {"a": 1}}, 400, "metadata"),
        ({"metadata": {str(i): "x" for i in range(17)}}, 400, "metadata"),
        ({"priority": 1}, 400, "property 'priority' is unsupported"),
    ],
)
def test_batch_request_is_judged(fields: dict[str, Any], status: int, text: str) -> None:
    """The rules of POST batches."""
    pretend = groq()
    asked = {"input_file_id": store(pretend, line("a")), "endpoint": CHAT, "completion_window": "24h"} | fields
    script = send(pretend, "POST", "batches", asked)
    assert script.status == status, script.body
    if text:
        assert text in error(script)["message"]


def test_output_file_is_no_input() -> None:
    """What a batch wrote has another purpose."""
    pretend = groq()
    told = look(pretend, begin(pretend, line("a")), 100)
    asked = {"input_file_id": told["output_file_id"], "endpoint": CHAT, "completion_window": "24h"}
    assert "purpose" in error(send(pretend, "POST", "batches", asked, now=100))["message"]


def test_batches_are_listed_by_pages_and_by_ids() -> None:
    """Newest first, a hundred to a page, with a cursor to the next; ids pick."""
    pretend = groq(offer=Offer(open_batches=1000))
    names = [begin(pretend, line("a"), now=float(i)) for i in range(PAGE + 5)][::-1]
    first = decoded(send(pretend, "GET", "batches", now=200))
    assert [each["id"] for each in first["data"]] == names[:PAGE]
    rest = decoded(send(pretend, "GET", f"batches?cursor={first['paging']['next_cursor']}", now=200))
    assert [each["id"] for each in rest["data"]] == names[PAGE:]
    assert rest["paging"]["next_cursor"] is None
    picked = decoded(send(pretend, "GET", f"batches?id={names[3]}&id={names[1]}&id=none", now=200))
    assert {each["id"] for each in picked["data"]} == {names[1], names[3]}
    assert send(pretend, "GET", "batches?" + "id=x&" * 201, now=200).status == 400
    assert send(pretend, "GET", "batches?cursor=none", now=200).status == 400


def test_batches_are_bounded() -> None:
    """So many run at once, and so many are remembered; the oldest that ended gives way."""
    pretend = groq(offer=Offer(open_batches=2, batches=2))
    first = begin(pretend, line("a"))
    begin(pretend, line("a"))
    asked = {"input_file_id": store(pretend, line("b")), "endpoint": CHAT, "completion_window": "24h"}
    assert send(pretend, "POST", "batches", asked).status == 400
    assert send(pretend, "POST", "batches", asked, now=100).status == 200
    assert send(pretend, "GET", f"batches/{first}", now=100).status == 404


def test_when_one_looks_changes_nothing() -> None:
    """A batch that is watched all the time ends with the same bytes as one that is looked at once."""

    def play(looks: list[float]) -> tuple[Script, dict[str, Any]]:
        pretend = groq(seed=7)
        batch_id = begin(pretend, *(line(f"r{i}") for i in range(30)))
        for now in looks:
            pretend.handle("GET", f"/v1/batches/{batch_id}", {"authorization": f"Bearer {KEY}"}, b"", now)
        told = look(pretend, batch_id, 100.0)
        return send(pretend, "GET", f"files/{told['output_file_id']}/content", now=100.0), told

    (watched, told), (once, also) = play([i * 0.1 for i in range(100)]), play([])
    assert watched.body == once.body
    assert told == also


# ---------------------------------------------------------------------------------------------------- the SDK's methods


async def test_groq_sdk_runs_a_batch_from_upload_to_results() -> None:
    """files.create, batches.create, list, retrieve, files.content, info, list, delete: every method of both."""
    quick = Offer(batch=BatchPace(validating_s=0.0, lines_per_s=10_000, finalizing_s=0.0))
    async with served(offer=quick, pace=FAST) as (_, client):
        file = await client.files.create(
            file=("in.jsonl", b"\n".join(line(f"r{i}") for i in range(5))), purpose="batch"
        )
        assert file.id is not None
        batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")  # type: ignore[arg-type]
        assert [each.id for each in (await client.batches.list()).data] == [batch.id]
        for _ in range(200):
            batch = await client.batches.retrieve(batch.id)  # type: ignore[assignment]
            if batch.status in ENDED:
                break
        assert batch.status == "completed"
        assert batch.request_counts is not None
        assert batch.request_counts.completed == 5
        assert batch.output_file_id is not None
        content = await client.files.content(batch.output_file_id)
        lines = [msgspec.json.decode(text) for text in (await content.read()).splitlines()]
        assert {each["custom_id"] for each in lines} == {f"r{i}" for i in range(5)}
        assert (await client.files.info(file.id)).purpose == "batch"
        assert {each.purpose for each in (await client.files.list()).data} == {"batch", "batch_output"}
        assert (await client.files.delete(file.id)).deleted
        with pytest.raises(groq_sdk.NotFoundError):
            await client.files.info(file.id)
        with pytest.raises(groq_sdk.BadRequestError):
            await client.batches.cancel(batch.id)


async def test_groq_sdk_cancels_and_sees_errors() -> None:
    """A batch that waits is cancelled; a broken one tells typed errors."""
    slow = Offer(batch=BatchPace(validating_s=0.0, lines_per_s=0.001, cancelling_s=0.0))
    async with served(offer=slow) as (_, client):
        good = await client.files.create(file=("in.jsonl", line("a")), purpose="batch")
        bad = await client.files.create(file=("in.jsonl", line("a", method="PUT")), purpose="batch")
        assert good.id is not None
        assert bad.id is not None
        batch = await client.batches.create(input_file_id=good.id, endpoint=CHAT, completion_window="2d")  # type: ignore[arg-type]
        assert (await client.batches.cancel(batch.id)).status == "cancelling"
        assert (await client.batches.retrieve(batch.id)).status == "cancelled"
        broken = await client.batches.create(input_file_id=bad.id, endpoint=CHAT, completion_window="2d")  # type: ignore[arg-type]
        errors = (await client.batches.retrieve(broken.id)).errors
    assert errors is not None
    assert errors.data is not None
    assert (errors.data[0].code, errors.data[0].line) == ("invalid_method", 1)


async def test_openai_sdk_runs_a_batch() -> None:
    """The other SDK's methods reach the same endpoints."""
    quick = Offer(batch=BatchPace(validating_s=0.0, lines_per_s=10_000, finalizing_s=0.0))
    async with (
        served(offer=quick) as (server, _),
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{server.base_url}/openai/v1", max_retries=0) as client,
    ):
        file = await client.files.create(file=("in.jsonl", line("a")), purpose="batch")
        batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")  # type: ignore[arg-type]
        for _ in range(200):
            batch = await client.batches.retrieve(batch.id)
            if batch.status in ENDED:
                break
        assert batch.output_file_id is not None
        content = await client.files.content(batch.output_file_id)
        assert b'"custom_id":"a"' in content.content
        assert [each.id async for each in client.files.list()]
        assert (await client.files.retrieve(file.id)).bytes == len(line("a"))
        assert (await client.files.delete(file.id)).deleted

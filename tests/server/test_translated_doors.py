"""Responses and Anthropic's Messages over the machine: answers, remedies, refusals, breaks and clients who leave."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest
from tests.remedies.house import BIG, SMALL, Answer, House, Said, one_after_another, open_house, pretend

from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Lengths

F = FaultKind
JSON = {"content-type": "application/json"}
OFF = {"x-headgate-local": "off"}
RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"
BOTH = pytest.mark.parametrize("path", [RESPONSES, MESSAGES])


def body_of(path: str, text: str = "hello", **fields: Any) -> bytes:
    """A request for either."""
    if path == RESPONSES:
        return msgspec.json.encode({"model": BIG, "input": text, "max_output_tokens": 40} | fields)
    said = [{"role": "user", "content": text}]
    return msgspec.json.encode({"model": BIG, "messages": said, "max_tokens": 40} | fields)


async def ask(house: House, path: str, text: str = "hello", headers: Any = None, **fields: Any) -> Answer:
    return await house.fetch("POST", path, body_of(path, text, **fields), JSON | (headers or {}))


def events(answer: Answer) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream: name and data."""
    found = []
    for block in answer.body.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines["event"], msgspec.json.decode(lines["data"])))
    return found


def text_of(path: str, answer: Answer) -> str:
    """What the model said in a whole answer."""
    if path == RESPONSES:
        return "".join(part["text"] for item in answer.json["output"] for part in item["content"])
    return "".join(block["text"] for block in answer.json["content"])


def streamed_text(path: str, answer: Answer) -> str:
    """What it said in a stream."""
    if path == RESPONSES:
        return "".join(data["delta"] for name, data in events(answer) if name == "response.output_text.delta")
    return "".join(data["delta"]["text"] for name, data in events(answer) if name == "content_block_delta")


@BOTH
async def test_answer_and_stream_say_the_same(path: str) -> None:
    """The same question has the same text either way, with labels; usage is that of the provider."""
    async with open_house(pretend()) as house:
        whole, stream = await ask(house, path), await ask(house, path, stream=True)
        assert (whole.status, stream.status) == (200, 200)
        assert text_of(path, whole)
        assert streamed_text(path, stream) == text_of(path, whole)
        assert stream.headers["content-type"].startswith("text/event-stream")
        for answer in (whole, stream):
            assert answer.label("source") == "upstream"
            assert answer.label("model-served") == BIG
        assert whole.json["usage"]["input_tokens"] > 0
        last = events(stream)[-1]
        assert last[0] == ("response.completed" if path == RESPONSES else "message_stop")
        told = house.seen[-1].body
        assert told["stream_options"] == {"include_usage": True}
        assert house.gateway.in_flight == 0


@BOTH
async def test_failure_is_remedied_as_for_any_chat(path: str) -> None:
    """A model that is down is stood in for by another, streamed or not."""
    down = Fault(F.SERVER_ERROR, model=BIG)
    async with open_house(pretend(down), models=(BIG, SMALL)) as house:
        for stream in (False, True):
            answer = await ask(house, path, stream=stream)
            assert (answer.status, answer.label("model-served")) == (200, SMALL)
            assert text_of(path, answer) if not stream else streamed_text(path, answer)


@BOTH
@pytest.mark.parametrize("stream", [False, True])
async def test_local_answer_is_worded_and_labelled(path: str, *, stream: bool) -> None:
    """Without any model the answer is ours, in the API's own shape and saying so."""
    async with open_house(pretend(Fault(F.SERVER_ERROR))) as house:
        answer = await ask(house, path, stream=stream)
        assert (answer.status, answer.label("source")) == (200, "local")
        if stream:
            name, first = events(answer)[0]
            assert first["response" if path == RESPONSES else "message"]["model"] == "headgate/local", name
            assert streamed_text(path, answer)
            assert events(answer)[-1][0] == ("response.completed" if path == RESPONSES else "message_stop")
        else:
            assert answer.json["model"] == "headgate/local"
            assert answer.json["headgate"]["source"] == "local"
            assert text_of(path, answer)


@BOTH
async def test_refusal_and_relayed_error(path: str) -> None:
    """What nobody could answer is refused with what was tried; an upstream 400 keeps its status and its message."""
    async with open_house(pretend(Fault(F.SERVER_ERROR))) as house:
        answer = await ask(house, path, headers=OFF)
        assert answer.status == 503
        assert answer.error["type"] == "api_error"
        assert answer.headers["x-should-retry"] == "false"
        assert answer.json["headgate"]["tried"]
    said = Said(
        400, b'{"error":{"message":"No such thing in org_01abcdefghjkmnpqrstvwxyz12","type":"invalid_request_error"}}'
    )
    async with open_house(pretend(), said=(said,)) as house:
        for stream in (False, True):
            answer = await ask(house, path, headers=OFF, stream=stream)
            assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
            assert "No such thing" in answer.error["message"]
            assert "org_01abc" not in answer.body.decode()
            assert answer.headers["x-should-retry"] == "false"
            assert (answer.json.get("type") == "error") is (path == MESSAGES)


@BOTH
async def test_bodies_that_are_refused(path: str) -> None:
    """What the API has and we cannot serve is a 400 that names the field, and nobody upstream hears of it."""
    field = "previous_response_id" if path == RESPONSES else "container"
    async with open_house(pretend(), models=()) as house:
        for fields, word in (
            ({field: "x"}, field),
            ({"model": "openai/gpt-oss-12b"}, BIG),
            ({"headgate": {"prio": 1}}, "priority"),
        ):
            answer = await ask(house, path, **fields)
            assert answer.status in {400, 404}
            assert word in answer.error["message"], answer
        assert house.seen == []
        assert house.gateway.in_flight == 0


@BOTH
@pytest.mark.parametrize("fault", [F.CUT, F.RESET_MIDWAY, F.STREAM_ERROR_EVENT, F.X_GROQ_ERROR], ids=str)
async def test_stream_that_breaks_ends_in_the_apis_own_error(path: str, fault: FaultKind) -> None:
    """After the first token a break is an error event, never a clean end."""
    async with open_house(one_after_another(Fault(fault, at=0.5))) as house:
        answer = await ask(house, path, stream=True)
        names = [name for name, _ in events(answer)]
        assert answer.status == 200
        assert streamed_text(path, answer)
        assert names[-1] == "error", names
        assert not {"response.completed", "message_stop"} & set(names)
        assert house.gateway.in_flight == 0


@BOTH
async def test_client_leaves_a_translated_stream(path: str) -> None:
    """The upstream call ends at once and its reservation is settled, as for a chat."""
    async with open_house(one_after_another()) as house:
        async with house.client.post(house.url + path, data=body_of(path, stream=True), headers=JSON) as response:
            await response.content.readuntil(b"delta")
            assert open_reservations(house) == 1
            response.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while open_reservations(house) or house.gateway.in_flight:  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
        assert (open_reservations(house), house.gateway.in_flight) == (0, 0)
        house.gate.ledger.check(house.gateway.clock.now())


@BOTH
async def test_stream_is_written_as_it_comes(path: str) -> None:
    """The first words reach the client while the model is still writing: nothing is held back for the end."""
    async with open_house(one_after_another()) as house:
        async with house.client.post(house.url + path, data=body_of(path, stream=True), headers=JSON) as response:
            await response.content.readuntil(b"delta")
            assert house.groqs[0].limiter.calls, "the upstream call was over before the first word came"
            rest = await response.content.read()
        assert b"response.completed" in rest or b"message_stop" in rest


@BOTH
async def test_slow_reader_gets_the_whole_translated_stream(path: str) -> None:
    """Who reads slowly, but reads, gets every event; the pretend Groq is slowed down instead of buffering for them."""
    long = pretend(lengths=Lengths(median_tokens=4000.0, sigma=0.0, reasoning_medium_tokens=0), tokens_per_chunk=1)
    size: dict[str, Any] = {"max_output_tokens" if path == RESPONSES else "max_tokens": 5000}
    async with open_house(long, route="deadline_s = 20") as house:
        got = b""
        async with house.client.post(house.url + path, data=body_of(path, stream=True, **size), headers=JSON) as slow:
            while more := await slow.content.read(3000):
                got += more
                await asyncio.sleep(0)
        assert len(got) > 300_000
        assert got.rstrip().endswith(b"}")
        assert (b"response.completed" if path == RESPONSES else b"message_stop") in got[-100_000:]


@BOTH
async def test_notes_are_told_to_who_asks(path: str) -> None:
    """What was left out of the request on its way stands in the explanation, as ASCII."""
    fields = {"prompt_cache_key": "x"} if path == RESPONSES else {"top_k": 3, "ünknown": 1}
    async with open_house(pretend()) as house:
        answer = await ask(house, path, headers={"x-headgate-explain": "true"}, **fields)
        told = msgspec.json.decode(answer.headers["x-headgate-explain"])
        assert answer.status == 200
        assert any(next(iter(fields)) in note for note in told["notes"])
        assert answer.headers["x-headgate-explain"].isascii()


async def test_tokens_are_counted_without_a_call() -> None:
    """More text is more tokens; the estimate becomes better by what is learned; an unknown model is a 404."""
    path = "/v1/messages/count_tokens"
    async with open_house(pretend(), models=()) as house:

        async def count(text: str, model: str = BIG) -> Answer:
            said = {"model": model, "messages": [{"role": "user", "content": text}]}
            return await house.fetch("POST", path, msgspec.json.encode(said), JSON)

        short, long = (await count("hello")).json["input_tokens"], (await count("hello " * 200)).json["input_tokens"]
        assert 0 < short < long
        assert house.seen == []
        for number in range(30):
            await ask(house, MESSAGES, f"hello {number}")
        learned = (await count("hello")).json["input_tokens"]
        real = (await ask(house, MESSAGES, "hello")).json["usage"]["input_tokens"]
        assert real <= learned < short
        answer = await count("hello", "nobody/nothing")
        assert (answer.status, answer.error["type"]) == (404, "not_found_error")


def open_reservations(house: House) -> int:
    gate = house.gate
    return sum(gate.ledger.open_count(each) for model in (BIG, SMALL) for each in gate.pool.deployments(model))

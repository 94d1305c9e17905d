"""Small like requests asked in one call, over real sockets: who is gathered, what each gets, and who is asked alone."""

import asyncio
import random
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from tests.remedies.house import BIG, SMALL, Answer, House, Said, chat, open_house, pretend
from tests.running_gateway import running_gateway

from headgate.domain.fact import RequestFinished
from headgate.observe.tally import Tally
from headgate.observe.usage import fields_of
from headgate.protocol.client_json import MAX_DEPTH
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.runtime.settings import load_settings
from headgate.runtime.settings_source import InvalidSettings
from headgate.simulator.faults import Fault, FaultKind
from headgate.store.rows import UsageRow

GATHERS = "deadline_s = 20\nfirst_token_target_s = 10\ncoalesce = {{ window_ms = {window}, max_items = {items} }}"
LABEL = {
    "type": "object",
    "properties": {"label": {"enum": ["spam", "ham"]}},
    "required": ["label"],
    "additionalProperties": False,
}
MERGED = "separate requests, one JSON object"
"""In the words of a request that stands for several."""
FORM = {"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": LABEL}}
SYSTEM = {"role": "system", "content": "Judge the text by what it wants of its reader. " * 20}


def route(items: int, window: int = 10_000) -> str:
    """A default route that gathers so many, for so long."""
    return GATHERS.format(window=window, items=items)


def question(text: str, **fields: Any) -> dict[str, Any]:
    """One small request."""
    return chat(text, model=BIG, cap=None) | {"messages": [SYSTEM, {"role": "user", "content": text}]} | fields


def saying(answers: Mapping[str, object], times: int = 1, **more: Any) -> Said:
    """A pretend Groq's answer to a merged request."""
    message = {"role": "assistant", "content": msgspec.json.encode(answers).decode()}
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | more
    usage = {"prompt_tokens": 1001, "completion_tokens": 101, "total_tokens": 1102}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": BIG, "choices": [choice], "usage": usage}
    return Said(200, msgspec.json.encode(body), times=times)


def waiting(house: House) -> int:
    """Requests that wait for others."""
    assert house.gateway.coalescer is not None
    return sum(len(group.places) for group in house.gateway.coalescer._open.values())


async def one_by_one(house: House, bodies: list[dict[str, Any]], **headers: str) -> list["asyncio.Task[Answer]"]:
    """Ask for all, each when the one before has joined its group; the last one may close it."""
    tasks = []
    for body in bodies:
        before = waiting(house)
        tasks.append(asyncio.create_task(house.ask(body, **headers)))
        async with asyncio.timeout(5):
            while waiting(house) == before and body is not bodies[-1]:  # noqa: ASYNC110 - joining is announced to nobody
                await asyncio.sleep(0.002)
    return tasks


def text_of(answer: Answer) -> str:
    """What the model said, whole or as a stream."""
    if not answer.body.startswith(b"data: "):
        text: str = answer.json["choices"][0]["message"]["content"]
        return text
    events = [line.removeprefix(b"data: ") for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
    choices = [msgspec.json.decode(event)["choices"] for event in events]
    return "".join(each[0]["delta"].get("content") or "" for each in choices if each)


def finished(house: House) -> list[RequestFinished]:
    """The requests that are over."""
    return [fact for fact in house.facts if isinstance(fact, RequestFinished)]


async def test_each_gets_its_own_answer() -> None:
    """Three requests are one call; each gets what was said to its own question, whole or as a stream as it asked,
    labelled, with its share of the usage."""
    said = saying({"answer_2": "to two", "answer_3": "to three", "answer_1": "to one"})
    async with open_house(pretend(), said=(said,), route=route(items=3)) as house:
        bodies = [
            question("one"),
            question("two", stream=True, stream_options={"include_usage": True}),
            question("three"),
        ]
        answers = await asyncio.gather(*await one_by_one(house, bodies))
        assert [text_of(answer) for answer in answers] == ["to one", "to two", "to three"]
        assert {answer.label("reason") for answer in answers} == {"coalesced"}
        assert {answer.label("source") for answer in answers} == {"upstream"}
        assert {answer.label("model-served") for answer in answers} == {BIG}
        assert len(house.seen) == 1
        assert answers[1].headers["content-type"].startswith("text/event-stream")
        assert answers[1].body.endswith(b"data: [DONE]\n\n")
        usage = [answers[0].json["usage"], msgspec.json.decode(answers[1].body.split(b"data: ")[-2])["usage"]]
        usage.append(answers[2].json["usage"])
        assert [sum(each[name] for each in usage) for name in ("prompt_tokens", "completion_tokens")] == [1001, 101]
        assert {answer.json["id"] for answer in answers[::2]} == {
            f"chatcmpl-{answer.headers['x-request-id']}" for answer in answers[::2]
        }


async def test_pretend_model_that_keeps_to_schemas() -> None:
    """What the pretend Groq makes of the merged schema by itself is taken apart into valid answers of each schema."""
    async with open_house(pretend(), route=route(items=5)) as house:
        bodies = [question(f"text {n}", response_format=FORM) for n in range(5)]
        answers = await asyncio.gather(*await one_by_one(house, bodies))
        assert [msgspec.json.decode(text_of(answer))["label"] in {"spam", "ham"} for answer in answers] == [True] * 5
        assert len(house.seen) == 1
        assert house.seen[0].body["response_format"]["json_schema"]["strict"] is True


async def test_window_ends() -> None:
    """A group that is not full is asked when its window ends, and one who was alone in it is asked as they are."""
    async with open_house(pretend(), route=route(items=50, window=60)) as house:
        answers = await asyncio.gather(*(house.ask(question(f"text {n}")) for n in range(4)))
        assert {answer.label("reason") for answer in answers} == {"coalesced"}
        assert len(house.seen) == 1
        alone = await house.ask(question("nobody else"))
        assert alone.label("reason") is None
        assert len(house.seen) == 2
        assert house.seen[1].body["messages"][1]["content"] == "nobody else"


async def test_item_that_is_missing_or_invalid() -> None:
    """Who got no answer, or one that is not of the schema, is asked alone; the others keep theirs."""
    said = saying({"answer_1": {"label": "spam"}, "answer_3": {"label": "perhaps"}, "answer_4": {"label": "ham"}})
    async with open_house(pretend(), said=(said,), route=route(items=4)) as house:
        bodies = [question(f"text {n}", response_format=FORM) for n in range(1, 5)]
        answers = await asyncio.gather(*await one_by_one(house, bodies))
        assert [answer.label("reason") for answer in answers] == ["coalesced", None, None, "coalesced"]
        assert text_of(answers[0]) == '{"label":"spam"}'
        assert all(msgspec.json.decode(text_of(answer))["label"] in {"spam", "ham"} for answer in answers)
        assert len(house.seen) == 3
        assert sorted(seen.body["messages"][1]["content"] for seen in house.seen[1:]) == ["text 2", "text 3"]
        assert house.gateway.coalescer is not None
        total = house.gateway.coalescer.counts.total
        assert (total.requests, total.calls, total.calls_saved, total.alone) == (2, 1, 1, 2)


async def test_answer_that_was_cut() -> None:
    """Of an answer that ended too early the last part is not believed, however whole it looks."""
    said = saying({"answer_1": "first", "answer_2": "seco"}, finish_reason="length")
    async with open_house(pretend(), said=(said,), route=route(items=3)) as house:
        answers = await asyncio.gather(*await one_by_one(house, [question(f"text {n}") for n in range(3)]))
        assert text_of(answers[0]) == "first"
        assert [answer.label("reason") for answer in answers] == ["coalesced", None, None]
        assert "seco" not in {text_of(answer) for answer in answers}


@pytest.mark.parametrize("kind", [FaultKind.SAFETY, FaultKind.EMPTY_CHOICES, FaultKind.HTML, FaultKind.SERVER_ERROR])
async def test_call_that_fails(kind: FaultKind) -> None:
    """When the call for all of them fails, each is asked alone, and nobody is told of it."""
    fault = Fault(kind, containing=MERGED)
    async with open_house(pretend(fault), route=route(items=3)) as house:
        answers = await asyncio.gather(*await one_by_one(house, [question(f"text {n}") for n in range(3)]))
        assert [answer.status for answer in answers] == [200, 200, 200]
        assert {answer.label("reason") for answer in answers} == {None}
        assert {answer.label("source") for answer in answers} == {"upstream"}


async def test_schema_that_is_as_deep_as_may_be() -> None:
    """Where a schema is too deep for a merged request, which needs some levels more, each is asked alone."""
    schema: dict[str, Any] = {"type": "string"}
    while _depth(question("a", response_format=_loose(schema))) + 2 <= MAX_DEPTH:
        schema = {"type": "object", "properties": {"a": schema}}
    async with open_house(pretend(), route=route(items=2)) as house:
        bodies = [question(text, response_format=_loose(schema)) for text in "ab"]
        answers = await asyncio.gather(*await one_by_one(house, bodies))
        assert "coalesced" not in {answer.label("reason") for answer in answers}
        assert not any(MERGED in str(seen.body) for seen in house.seen)
        assert len(house.seen) >= 2


def _loose(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "deep", "schema": schema}}


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0


async def test_usage_is_told_once() -> None:
    """The rows of those who were asked together sum to exactly what the provider told, calls included; the call itself
    makes no row. Nothing stays reserved."""
    said = saying({f"answer_{n}": f"an answer {n}" * n for n in range(1, 8)})
    async with open_house(pretend(), said=(said,), route=route(items=7)) as house:
        await asyncio.gather(*await one_by_one(house, [question(f"text {n}" * n) for n in range(1, 8)]))
        rows = [UsageRow(*fields_of(fact, 0.0, None)) for fact in finished(house) if not fact.parts]
        assert len(rows) == 7
        assert sum(row.prompt_tokens for row in rows) == 1001
        assert sum(row.completion_tokens for row in rows) == 101
        assert sum(row.calls for row in rows) == 1
        [merged] = [fact for fact in finished(house) if fact.parts]
        assert merged.parts == 7
        tally = Tally()
        for fact in house.facts:
            tally.tell(fact)
        assert tally.tokens["prompt"] == 1001
        assert sum(tally.requests.values()) == tally.requests["upstream"] == 7
        assert sum(tally.calls.values()) == 1
        assert sum(row.cost_nanousd for row in rows) == merged.cost_nanousd > 0
        house.gate.ledger.check(house.gateway.clock.now())


async def test_unlike_requests_are_not_gathered() -> None:
    """Another instruction, model, parameter, schema, priority or agent, tools, or a wish to be alone: a call each."""
    unlike = [
        question("a"),
        question("a", temperature=0.5),
        question("a", model=SMALL),
        question("a", response_format=FORM),
        question("a", messages=[{"role": "user", "content": "a"}]),
        question("a", max_completion_tokens=40),
        question("a", headgate={"priority": "batch"}),
        question("a", headgate={"agent": "b"}),
        question("a", headgate={"coalesce": "off"}),
        question("a", tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]),
        question("x" * 5000),
    ]
    async with open_house(pretend(), route=route(items=50, window=150), models=()) as house:
        answers = await asyncio.gather(*map(house.ask, unlike))
        assert {answer.status for answer in answers} == {200}
        assert "coalesced" not in {answer.label("reason") for answer in answers}
        assert len(house.seen) == len(unlike)


async def test_no_time_to_wait() -> None:
    """A request whose deadline or latency target would pass does not wait; one that has time does."""
    async with open_house(pretend(), route=route(items=50, window=300)) as house:
        hurried = [question("a", headgate={"deadline_ms": 2100}), question("b", headgate={"max_latency_ms": 2000})]
        patient = [question("c"), question("d", headgate={"deadline_ms": 9000})]
        answers = await asyncio.gather(*map(house.ask, [*hurried, *patient]))
        assert [answer.label("reason") for answer in answers] == [None, None, "coalesced", "coalesced"]


async def test_prompt_that_would_be_too_large() -> None:
    """Groups are closed before their prompt would fill the model's window, so that the answers have room."""
    small = f'[models."{BIG}"]\ncontext_window_tokens = 4000\nmax_output_tokens = 1000'
    async with open_house(pretend(), route=route(items=50, window=150), toml=small) as house:
        answers = await asyncio.gather(*(house.ask(question(f"{n} " + "word " * 50)) for n in range(8)))
        assert {answer.status for answer in answers} == {200}
        sizes = [len(seen.body["messages"][1]["content"]) for seen in house.seen]
        assert 2 <= len(sizes) <= 4
        assert max(sizes) < 2000


async def test_client_that_leaves_while_gathered() -> None:
    """Who leaves is in no prompt, and the others are asked all the same."""
    async with open_house(pretend(), route=route(items=3)) as house:
        gone, stays = await one_by_one(house, [question("gone"), question("stays")])
        while waiting(house) < 2:  # noqa: ASYNC110 - joining is announced to nobody
            await asyncio.sleep(0.002)
        gone.cancel()
        while waiting(house) > 1:  # noqa: ASYNC110 - as leaving
            await asyncio.sleep(0.002)
        others = [asyncio.create_task(house.ask(question(f"text {n}"))) for n in range(2)]
        answers = await asyncio.gather(stays, *others)
        assert {answer.label("reason") for answer in answers} == {"coalesced"}
        [seen] = house.seen
        assert "gone" not in seen.body["messages"][1]["content"]
        assert next(fact.reason for fact in finished(house)) == "client_gone"


async def test_clients_that_leave_during_the_call() -> None:
    """One of two leaves: the other gets the answer. When all have left the call is cancelled and settled."""
    slow = Fault(FaultKind.SLOW, delay_s=0.5, containing=MERGED)
    async with open_house(pretend(slow), route=route(items=2)) as house:
        for leave in (1, 2):
            tasks = await one_by_one(house, [question(f"one {leave}"), question(f"two {leave}")])
            while len(house.seen) < leave:  # noqa: ASYNC110 - the call's beginning is announced to nobody
                await asyncio.sleep(0.002)
            for task in tasks[:leave]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            left = [answer for answer in answers if isinstance(answer, Answer)]
            assert [answer.label("reason") for answer in left] == ["coalesced"] * (2 - leave)
        async with asyncio.timeout(5):
            while not any(fact.parts and fact.reason == "client_gone" for fact in finished(house)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert len(house.seen) == 2
        house.gate.ledger.check(house.gateway.clock.now())


async def test_tenants_never_meet() -> None:
    """Whatever tenants ask at the same time, in whatever order, no call holds words of two of them, and each gets an
    answer. The words say whose they are."""
    made = {name: new_virtual_key(random.Random(name).randbytes, tenant=name) for name in ("acme", "bolt", "core")}
    rows = "".join(config_line(row) for _, row in made.values())
    async with open_house(pretend(), route=route(items=4, window=80), toml=rows) as house:
        dice = random.Random(11)
        for _ in range(4):
            asks = [(name, f"{name} asks {n}") for name in made for n in range(dice.randrange(1, 6))]
            dice.shuffle(asks)
            answers = await asyncio.gather(*(house.ask(question(text), x_api_key=made[name][0]) for name, text in asks))
            assert {answer.status for answer in answers} == {200}
        assert any(MERGED in str(seen.body) for seen in house.seen)
        for seen in house.seen:
            words = seen.body["messages"][1]["content"]
            assert sum(name in words for name in made) == 1


@pytest.mark.parametrize("by", ["control", "setting", "setting without cache"])
async def test_users_that_are_kept_apart_never_meet(by: str) -> None:
    """Where scope `user` keeps the users of a tenant apart, no prompt holds words of two of them either, whether a
    header or the body says who asks; who does not say so is alone."""
    toml = {"control": "", "setting": '[cache]\nscope = "user"'}.get(by, '[cache]\nscope = "user"\nenabled = false')
    apart: dict[str, Any] = {"cache_scope": "user"} if by == "control" else {}
    async with open_house(pretend(), route=route(items=4, window=200), toml=toml) as house:
        said: list[tuple[str, dict[str, Any]]] = [
            ("ann", {"user": "ann", "headgate": apart}),
            ("bob", {"headgate": {"user": "bob", **apart}}),
            ("none", {}),
        ]
        asks = said[:2] if by == "control" else said
        bodies = [question(f"{name} asks {at}", **fields) for at in range(4) for name, fields in asks]
        answers = await asyncio.gather(*map(house.ask, bodies))
        assert {answer.status for answer in answers} == {200}
        words = [seen.body["messages"][1]["content"] for seen in house.seen]
        assert sorted(sum(name in each for name in ("ann", "bob", "none")) for each in words) == [1] * len(words)
        merged = [each for seen, each in zip(house.seen, words, strict=True) if MERGED in str(seen.body)]
        assert {name for name in ("ann", "bob", "none") for each in merged if name in each} == {"ann", "bob"}
        assert [each.count("asks") for each in words if "none" in each] == [1] * (0 if by == "control" else 4)


async def test_a_request_of_its_own_scope_goes_beside_others() -> None:
    """`cache-scope: tenant` shares a prompt where the setting would not; `user` of one keeps it out of the others'."""
    toml = '[cache]\nscope = "user"'
    async with open_house(pretend(), route=route(items=4, window=200), toml=toml) as house:
        shared = {"headgate": {"cache_scope": "tenant"}}
        asks = [question("ann asks", user="ann", **shared), question("bob asks", user="bob", **shared)]
        answers = await asyncio.gather(*map(house.ask, [*asks, question("core asks", user="core")]))
        assert [answer.label("reason") for answer in answers] == ["coalesced", "coalesced", None]
        assert len(house.seen) == 2


def test_what_was_saved_is_told(tmp_path: Path) -> None:
    """`GET /v1/usage` says how many calls and tokens were saved; the sums count each request once and all tokens."""
    config = tmp_path / "headgate.toml"
    config.write_text("[routes.default]\ncoalesce = { window_ms = 10000, max_items = 6 }\n")
    with running_gateway(config=config, store=tmp_path / "state" / "headgate.sqlite3") as running:
        client = openai.OpenAI(base_url=running.v1, api_key="x", max_retries=0)

        def ask(n: int) -> int:
            messages: Any = question(f"text {n}")["messages"]
            usage = client.chat.completions.create(model=SMALL, messages=messages).usage
            assert usage is not None
            return usage.total_tokens

        with ThreadPoolExecutor(6) as threads:
            used = sum(threads.map(ask, range(6)))

        def told() -> Any:
            return msgspec.json.decode(urllib.request.urlopen(f"{running.v1}/usage?by=model", timeout=10).read())

        until = time.monotonic() + 10
        while not (body := told())["data"] and time.monotonic() < until:
            time.sleep(0.02)
        [row] = body["data"]
        assert (row["requests"], row["calls"]) == (6, 1)
        assert row["prompt_tokens"] + row["completion_tokens"] == used
        saved = body["coalesced"]
        assert (saved["requests"], saved["calls"], saved["calls_saved"], saved["alone"]) == (6, 1, 5, 0)
        assert saved["tokens_saved"] > 500


@pytest.mark.parametrize(
    "wrong", ["window_ms = 0", "window_ms = 30001", "max_items = 1", "max_items = 101", "window = 5"]
)
def test_settings_that_cannot_be(wrong: str, tmp_path: Path) -> None:
    """Bounds are kept, and what is no key is refused."""
    file = tmp_path / "headgate.toml"
    file.write_text(f"[routes.small]\ncoalesce = {{ {wrong} }}\n")
    with pytest.raises(InvalidSettings, match="coalesce"):
        load_settings(file, {})

"""The doors over real sockets: who and what comes in, what goes out, and what every answer says about itself."""

import asyncio
import gzip
import random
from typing import Any

import groq
import msgspec
import openai
import pytest
from tests.remedies.house import (
    BIG,
    CHAT,
    OWN_MODEL,
    SMALL,
    Answer,
    Said,
    chat,
    elsewhere,
    one_after_another,
    open_house,
    pretend,
)

from headgate.domain.limits import Dimension
from headgate.runtime.keys import Scope, config_line, new_virtual_key
from headgate.server.control_list import ANSWER_HEADERS
from headgate.simulator.faults import Fault, FaultKind

F = FaultKind
JSON = {"content-type": "application/json"}
OFF = {"x_headgate_local": "off"}
ONE, _ONE_ROW = new_virtual_key(random.Random(1).randbytes, tenant="one")
TWO, _TWO_ROW = new_virtual_key(random.Random(2).randbytes, tenant="two")
OLD = '[[auth.virtual_keys]]\nid = "aaaaaaaa"\nhash = "s1:' + "0" * 64 + '"\nexpires = 2020-01-01T00:00:00Z\n'
KEYS = config_line(_ONE_ROW) + config_line(_TWO_ROW) + OLD
MEBIBYTE = 1024 * 1024


def refused(answer: Answer, status: int, code: str) -> str:
    """The message of a refusal of our own, after a look at all that every refusal has."""
    assert (answer.status, answer.error.get("code")) == (status, code), answer
    assert set(answer.error) == {"message", "type", "code", "param"}
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-request-id"].startswith("req_")
    return str(answer.error["message"])


# What comes in ------------------------------------------------------------------------------------------------------

NOT_A_REQUEST: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("too large", msgspec.json.encode(chat("x" * (4 * MEBIBYTE))), JSON, 413, "4,194,304 bytes"),
    ("text", b"hello", {"content-type": "text/plain"}, 415, "application/json"),
    ("form", b"model=a", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    ("squeezed", gzip.compress(msgspec.json.encode(chat())), JSON | {"content-encoding": "gzip"}, 415, "as it is"),
    ("half of JSON", b'{"model": "m"', JSON, 400, "JSON"),
    ("nothing", b"", JSON, 400, "JSON"),
    ("duplicate keys", b'{"model":"a","model":"b","messages":[]}', JSON, 400, "model"),
    ("not a number", b'{"model":"a","messages":[],"temperature":NaN}', JSON, 400, "JSON"),
    ("a list", b"[]", JSON, 400, "object"),
    ("no messages", msgspec.json.encode({"model": BIG}), JSON, 400, "messages"),
    ("no model", msgspec.json.encode({"messages": [{"role": "user", "content": "a"}]}), JSON, 400, "model"),
    ("an unknown control", msgspec.json.encode(chat()), JSON | {"x-headgate-sesion": "a"}, 400, "`session`"),
    ("a control in the body", msgspec.json.encode(chat(headgate={"prio": "x"})), JSON, 400, "`priority`"),
    ("a control out of bounds", msgspec.json.encode(chat()), JSON | {"x-headgate-deadline-ms": "0"}, 400, "from 1"),
    ("another tenant", msgspec.json.encode(chat()), JSON | {"x-headgate-tenant": "b"}, 400, "admin"),
    ("an unknown tier", msgspec.json.encode(chat()), JSON | {"x-headgate-tier": "turbo"}, 400, "fast"),
    ("an unknown route", msgspec.json.encode(chat()), JSON | {"x-headgate-route": "none"}, 400, "default"),
]


async def test_what_is_no_request() -> None:
    """Each is refused in OpenAI's shape, with a word that helps, and nobody upstream hears of it."""
    async with open_house(pretend(), models=()) as house:
        for name, body, headers, status, word in NOT_A_REQUEST:
            answer = await house.fetch("POST", CHAT, body, headers)
            assert word in refused(answer, status, "invalid_request"), name
        assert house.seen == []
        assert house.gateway.in_flight == 0


async def test_body_that_grows_beyond_the_limit() -> None:
    """A body of unknown length is read to the limit and no further."""

    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 100_000

    async with open_house(pretend()) as house, house.client.post(house.url + CHAT, data=endless(), headers=JSON) as got:
        assert got.status == 413


@pytest.mark.parametrize(
    "asked, meant",
    [("openai/gpt-oss-12b", BIG), ("gpt-oss-20", SMALL), ("headgate/fst", "headgate/fast"), ("zzzz", "GET /v1/models")],
)
async def test_unknown_model(asked: str, meant: str) -> None:
    """404 with the names that may have been meant; the same for a single model of the list."""
    async with open_house(pretend(), models=()) as house:
        for answer in (await house.ask(chat(model=asked)), await house.fetch("GET", f"/v1/models/{asked}")):
            assert meant in refused(answer, 404, "model_not_found")
        assert house.seen == []


async def test_unknown_path_or_method() -> None:
    """404 for what is not there, 405 for the wrong method, both in JSON."""
    async with open_house(pretend()) as house:
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/v1/nothing", 404),
            ("POST", "/v1/models", 405),
            ("POST", "/v1/chat/completions/", 404),
            ("POST", "//v1/chat/completions", 404),
            ("GET", CHAT, 405),
            ("DELETE", f"/openai{CHAT}", 405),
        ):
            answer = await house.fetch(method, path, b"{}", JSON)
            assert answer.status == status, (method, path)
            assert answer.error["message"]


async def test_models_are_listed_at_both_bases() -> None:
    """The list and each of its entries, as OpenAI and Groq show them; an id may have a slash."""
    async with open_house(pretend()) as house:
        for base in ("/v1", "/openai/v1"):
            listed = (await house.fetch("GET", f"{base}/models")).json
            assert listed["object"] == "list"
            assert {BIG, SMALL} <= {row["id"] for row in listed["data"]}
            one = (await house.fetch("GET", f"{base}/models/{BIG}")).json
            assert one in listed["data"]
            assert one["context_window"] == 131072


@pytest.mark.parametrize(
    "name, serves",
    [("llama-3.3-70b-versatile", BIG), ("headgate/fast", SMALL), ("headgate/auto", BIG), ("gpt-oss-20b", SMALL)],
)
async def test_every_name_that_is_served_can_be_looked_up(name: str, serves: str) -> None:
    """Retired models, tiers and aliases too, with who serves them: a client that looks first goes on working."""
    async with open_house(pretend(), models=()) as house:
        for headers in ({}, {"anthropic-version": "2023-06-01"}):
            found = await house.fetch("GET", f"/v1/models/{name}", None, headers)
            assert (found.status, found.json["id"], found.json["served_by"]) == (200, name, serves)


async def test_probes_need_no_key() -> None:
    """`/healthz` says that the process lives, `/readyz` whether a model could answer."""
    async with open_house(pretend(Fault(F.INVALID_KEY)), toml=KEYS) as house:
        assert (await house.fetch("GET", "/healthz")).json == {"status": "ok"}
        ready = await house.fetch("GET", "/readyz")
        assert (ready.status, ready.json["status"], ready.json["keys"]) == (200, "ready", 1)
        await house.ask(authorization=f"Bearer {ONE}")
        degraded = await house.fetch("GET", "/readyz")
        assert (degraded.status, degraded.json["keys"]) == (503, 0)


# Who comes in -------------------------------------------------------------------------------------------------------


async def test_open_door_is_open_to_this_machine_only() -> None:
    """A name that somebody else's page points at 127.0.0.1 is refused, whatever it asks for; any bearer is ignored."""
    async with open_house(pretend()) as house:
        for host in ("evil.example", "127.0.0.1.evil.example", "", "10.0.0.1"):
            answer = await house.fetch("POST", CHAT, msgspec.json.encode(chat()), JSON | {"host": host})
            refused(answer, 403, "forbidden")
            assert (await house.fetch("GET", "/v1/models", None, {"host": host})).status == 403
        assert house.seen == []
        for host in ("localhost", f"127.0.0.1:{house.port}", "gate.localhost:80", "[::1]:9"):
            assert (await house.ask(host=host)).status == 200
        assert (await house.ask(authorization="Bearer gsk_somebodys_own")).label("source") == "upstream"
        assert {seen.key for seen in house.seen} == {"a"}


FORM = b'--x\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttps://a.example/a.wav\r\n--x--\r\n'


async def test_web_page_from_elsewhere_sends_nothing_to_an_open_door() -> None:
    """Forms and files need no leave of the gateway to be sent by a browser: they are refused by whose page it is."""
    form = {"content-type": "multipart/form-data; boundary=x"}
    async with open_house(pretend()) as house:
        for origin in ("https://evil.example", "http://127.0.0.1.evil.example", "null"):
            for path in ("/v1/audio/transcriptions", "/openai/v1/files", "/v1/batches/batch_1/cancel"):
                refused(await house.fetch("POST", path, FORM, {**form, "origin": origin}), 403, "forbidden")
        assert house.seen == []
        for origin in ("http://localhost:3000", "https://[::1]", "chrome-extension://abc"):
            assert (await house.fetch("POST", "/v1/files", FORM, {**form, "origin": origin})).status != 403
        assert (await house.fetch("GET", "/v1/models", None, {"origin": "https://evil.example"})).status == 200
    async with open_house(pretend(), toml=KEYS) as house:
        headers = {**form, "origin": "https://app.example", "authorization": f"Bearer {ONE}"}
        assert (await house.fetch("POST", "/v1/files", FORM, headers)).status != 403


async def test_virtual_keys() -> None:
    """A good key comes in by either header; every other is a 401 that repeats nothing of it."""
    async with open_house(pretend(), toml=KEYS) as house:
        for headers in ({"authorization": f"Bearer {ONE}"}, {"authorization": f"bearer {ONE}"}, {"x_api_key": TWO}):
            assert (await house.ask(**headers)).label("source") == "upstream"
        wrong = ONE[:-1] + ("a" if ONE[-1] != "a" else "b")
        for headers in (
            {},
            {"authorization": f"Bearer {wrong}"},
            {"authorization": "Bearer sk-something"},
            {"authorization": f"Basic {ONE}"},
            {"authorization": "Bearer gsk_my_own"},
            {"x_api_key": wrong},
            {"x_api_key": "hg_"},
            {"x_api_key": "s1:" + "0" * 64},
        ):
            answer = await house.ask(**headers)
            message = refused(answer, 401, "invalid_api_key")
            assert not [text for text in headers.values() if text.split()[-1][3:] and text.split()[-1] in message]
        assert len(house.seen) == 3
        assert (await house.fetch("GET", "/v1/models")).status == 401


async def test_key_with_scopes() -> None:
    """It may be used for those, whichever API asks; all else is a 403 that names the scope, and nothing is asked."""
    talks, row = new_virtual_key(random.Random(4).randbytes, scopes=(Scope.CHAT,))
    reads, other = new_virtual_key(random.Random(5).randbytes, scopes=(Scope.USAGE, Scope.FILES))
    body = msgspec.json.encode(chat())
    async with open_house(pretend(), toml=config_line(row) + config_line(other)) as house:
        for path in (CHAT, "/openai" + CHAT, "/v1/messages", "/v1/responses"):
            refusal = await house.fetch("POST", path, body, JSON | {"x-api-key": reads})
            assert (refusal.status, "scopes" in refusal.body.decode()) == (403, True), path
        assert house.seen == []
        assert (await house.ask(x_api_key=talks)).label("source") == "upstream"
        assert (await house.ask(chat(stream=True), x_api_key=talks)).label("source") == "upstream"
        for path in ("/v1/embeddings", "/v1/audio/speech", "/v1/local/extract"):
            answer = await house.fetch("POST", path, b"{}", JSON | {"x-api-key": talks})
            assert "`" + path.split("/")[2] + "`" in refused(answer, 403, "forbidden")
        brings = await house.ask(chat(headgate={"background": [{"kind": "chat"}]}), x_api_key=talks)
        assert brings.status in {403, 501}
        for path in ("/v1/usage", "/v1/files"):
            refused(await house.fetch("GET", path, None, {"x-api-key": talks}), 403, "forbidden")
            assert (await house.fetch("GET", path, None, {"x-api-key": reads})).status != 403
        for path in ("/v1/models", "/v1/limits"):
            assert (await house.fetch("GET", path, None, {"x-api-key": reads})).status == 200


async def test_story_is_told_to_its_own_tenant_only() -> None:
    """What was done for a request: nobody else can tell it from one that never was."""
    async with open_house(pretend(Fault(F.SERVER_ERROR, model=BIG)), models=(BIG, SMALL), toml=KEYS) as house:
        name = (await house.ask(authorization=f"Bearer {ONE}")).headers["x-request-id"]
        told = await house.fetch("GET", f"/v1/requests/{name}", None, {"x-api-key": ONE})
        story = told.json
        assert (story["model_served"], story["source"], story["attempts"]) == (SMALL, "upstream", 2)
        assert [call["failure"] for call in story["calls"]] == ["over_capacity", None]
        assert b"gsk_" not in told.body
        assert b"org_" not in told.body
        foreign = await house.fetch("GET", f"/v1/requests/{name}", None, {"x-api-key": TWO})
        unknown = await house.fetch("GET", "/v1/requests/req_never", None, {"x-api-key": TWO})
        assert refused(foreign, 404, "invalid_request") == refused(unknown, 404, "invalid_request")
        for part in ("req_", name[:-1], name[4:]):  # no part of an id finds it
            part_of_it = await house.fetch("GET", f"/v1/requests/{part}", None, {"x-api-key": ONE})
            refused(part_of_it, 404, "invalid_request")


async def test_story_of_what_an_operator_asked_for_a_tenant() -> None:
    """The tenant's, and told to the operator's own key as well."""
    operator, row = new_virtual_key(random.Random(3).randbytes, tenant="ops", admin=True)
    async with open_house(pretend(), toml=KEYS + config_line(row)) as house:
        name = (await house.ask(x_api_key=operator, x_headgate_tenant="one")).headers["x-request-id"]
        for key, status in ((operator, 200), (ONE, 200), (TWO, 404)):
            told = await house.fetch("GET", f"/v1/requests/{name}", None, {"x-api-key": key})
            assert told.status == status
            assert status != 200 or told.json["tenant"] == "one"


async def test_callers_own_key_is_used_and_never_pooled() -> None:
    """With a gateway key beside it, the caller's own provider key makes the call, and failures stay the caller's."""
    limited = Fault(F.RATE_LIMITED, key="gsk_mine", containing="limited")
    own = {"gsk_mine": "org_mine0123456789", "gsk_a": "org_a"}
    async with open_house(msgspec.structs.replace(pretend(limited), keys=own), toml=KEYS) as house:
        mine = {"x_api_key": ONE, "authorization": "Bearer gsk_mine"}
        assert (await house.ask(**mine)).label("source") == "upstream"
        assert [seen.key for seen in house.seen] == ["mine"]
        bad = await house.ask(**mine | {"authorization": "Bearer gsk_bad"})
        refused(bad, 401, "upstream_key_rejected")
        assert [seen.key for seen in house.seen] == ["mine", "bad"]
        assert house.gate.pool.removed == set()
        assert (await house.ask(x_api_key=ONE)).label("source") == "upstream"
        assert [seen.key for seen in house.seen] == ["mine", "bad", "a"]
        out = await house.ask(chat("limited"), **mine, **OFF)
        refused(out, 429, "no_capacity")
        assert [seen.key for seen in house.seen][3:] == ["mine"]


NAMED = Said(
    400,
    b'{"error":{"message":"Project `proj_01jabcdef0123` of organization `org_01jabcdef0123456789` is odd.",'
    b'"type":"invalid_request_error","code":"odd"}}',
)


async def test_relayed_error_names_no_organisation_but_the_callers() -> None:
    """A relayed error is byte for byte the upstream's; where the key is ours, without what names its owner."""
    async with open_house(pretend(), said=(NAMED,), toml=KEYS) as house:
        ours = await house.ask(x_api_key=ONE)
        assert (ours.status, ours.error["code"]) == (400, "odd")
        assert b"01jabcdef0123" not in ours.body
        assert b"org_redacted" in ours.body
        theirs = await house.ask(x_api_key=ONE, authorization="Bearer gsk_theirs")
        assert theirs.body == NAMED.body


# What goes out ------------------------------------------------------------------------------------------------------


async def test_every_answer_is_labelled() -> None:
    """Whole and streamed, the headers say where it came from; none is unknown to the one list of headers."""
    known = {f"x-headgate-{header.name}" for header in ANSWER_HEADERS}
    at_start = {f"x-headgate-{header.name}" for header in ANSWER_HEADERS if header.at_start}
    always = {"source", "model-asked", "model-served", "attempts", "calls", "cache", "overhead-ms"}
    async with open_house(pretend(), models=()) as house:
        for stream in (False, True):
            answer = await house.ask(chat(stream=stream, cap=200))
            given = {name for name in answer.headers if name.startswith("x-headgate-")}
            assert {f"x-headgate-{name}" for name in always} | {"x-headgate-provider"} <= given <= known
            assert not stream or given <= at_start
            assert answer.label("model-asked") == answer.label("model-served") == BIG
            assert (answer.label("attempts"), answer.label("calls"), answer.label("cache")) == ("1", "1", "off")
            story = await house.fetch("GET", f"/v1/requests/{answer.headers['x-request-id']}")
            assert float(story.json["cost_usd"]) > 0


async def test_explain_says_what_was_given_for_nothing_and_what_was_tried() -> None:
    """On request only, and in streams as well: inactive controls, candidates in order, failures on the way."""
    async with open_house(pretend(Fault(F.SERVER_ERROR, model=BIG)), models=(BIG, SMALL)) as house:
        assert (await house.ask()).label("explain") is None
        for stream in (False, True):
            body = chat(stream=stream, headgate={"explain": True, "track": "t", "quality": "high", "agent": "a"})
            told = msgspec.json.decode((await house.ask(body)).label("explain") or "{}")
            assert told["inactive"] == ["track", "quality"]
            assert told["candidates"] == [BIG, SMALL]
            assert [(tried["model"], tried["failure"]) for tried in told["tried"]] == [(BIG, "over_capacity")]


async def test_retired_model_is_served_by_its_successor() -> None:
    """And the answer says so; the provider is asked for the successor, never for what is gone."""
    async with open_house(pretend(), models=()) as house:
        for stream in (False, True):
            answer = await house.ask(chat(model="llama-3.1-8b-instant", stream=stream))
            assert answer.label("model-asked") == "llama-3.1-8b-instant"
            assert (answer.label("model-served"), answer.label("reason")) == (SMALL, "retired")
        assert {seen.model for seen in house.seen} == {SMALL}


async def test_tiers_are_names_of_models() -> None:
    """`headgate/fast` and `headgate/auto` are served by somebody of that tier; the control wins over the name."""
    async with open_house(pretend(), models=()) as house:
        assert (await house.ask(chat(model="headgate/fast"))).label("model-served") == SMALL
        assert (await house.ask(chat(model="headgate/premium"))).label("model-served") == BIG
        assert (await house.ask(chat(model="headgate/auto"))).label("source") == "upstream"
        assert (await house.ask(chat(model=BIG), x_headgate_tier="fast")).label("model-served") == SMALL


async def test_stated_plan_is_not_forgotten_for_what_headers_show() -> None:
    """An organisation that the operator put on a plan stays on it in all that the provider's headers do not show."""
    async with open_house(pretend(), plan="free") as house:
        shown = await house.ask()
        requests = house.gate.ledger._meters[f"groq:org_a:{BIG}"].bucket(Dimension.RPM)
        assert shown.label("source") == "upstream"
        assert requests is not None
        assert requests.limit == 30


async def test_error_that_is_no_json() -> None:
    """A page of somebody on the way is not passed off as JSON: the status stays, and the shape is a client's."""
    said = Said(404, b"<html><h1>404 Not Found</h1></html>", content_type="text/html")
    async with open_house(pretend(), said=(said,)) as house:
        for path in (CHAT, "/v1/messages"):
            answer = await house.fetch("POST", path, msgspec.json.encode(chat(max_tokens=9)), JSON)
            assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
            assert "status 404 and a body that is no JSON" in answer.error["message"]


@pytest.mark.parametrize("status", [404, 405, 422])
async def test_address_that_is_no_provider(status: int) -> None:
    """An error without a word, as from a wrong address: its status is told, and nobody is asked to come again."""
    async with open_house(pretend(), said=(Said(status, b""),)) as house:
        answer = await house.ask()
    message = refused(answer, 503, "upstream_failed")
    assert f"status {status}" in message
    assert "Is its address right?" in message
    assert "retry-after" not in answer.headers


async def test_prompt_that_no_limit_holds() -> None:
    """It is told how large it is, and nothing that sounds as if waiting helped."""
    async with open_house(pretend(), plan="free") as house:
        answer = await house.ask(chat("word " * 9_000), **OFF)
        message = refused(answer, 429, "no_capacity")
        assert house.seen == []
        assert (await house.ask(chat("word " * 100), **OFF)).status == 200
    assert "tokens is more than the limits" in message
    assert "retry-after" not in answer.headers


async def test_refusal_where_local_answers_are_not_wanted() -> None:
    """429 when quota is short, 503 when models fail; when to come again if that helps; SDKs do not repeat it."""
    waits = Fault(F.RATE_LIMITED, containing="limited", delay_s=30.0)
    fails = Fault(F.SERVER_ERROR, containing="failing")
    async with open_house(pretend(waits, fails)) as house:
        failing = await house.ask(chat("failing"), **OFF)
        assert "2 upstream calls failed" in refused(failing, 503, "upstream_failed")
        assert int(failing.headers["retry-after"]) >= 5
        assert [each["failure"] for each in failing.json["headgate"]["tried"]] == ["over_capacity"] * 2
        limited = await house.ask(chat("limited"), **OFF)
        refused(limited, 429, "no_capacity")
        assert 28 <= int(limited.headers["retry-after"]) <= 31
        assert limited.label("calls") == "1"
        cooling = await house.ask(chat("next", stream=True), **OFF)
        refused(cooling, 429, "no_capacity")
        assert cooling.label("calls") == "0"
        client = openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key="any", max_retries=2)
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**chat("x"), extra_headers={"x-headgate-local": "off"})
        await client.close()
        assert len(house.seen) == 3


async def test_no_key_for_what_is_asked() -> None:
    """No key reaches any candidate: what is missing is said at once, and who could be asked."""
    there = (pretend(), elsewhere("compatible"))
    async with open_house(there, keys="", models=(), route="substitute = false") as house:
        told = refused(await house.ask(chat(model=BIG), **OFF), 503, "no_capacity")
        start = f"There is no key for groq, which serves {BIG}: set GROQ_API_KEY."
        assert told == f"{start} Or ask a model of compatible."
        assert (await house.ask(chat(model=OWN_MODEL))).status == 200
        assert [seen.key for seen in house.seen] == ["c"]


async def test_every_key_was_refused() -> None:
    """A key that the provider does not take is not called missing."""
    async with open_house(pretend(Fault(F.INVALID_KEY)), models=(BIG,)) as house:
        told = [refused(await house.ask(**OFF), 503, code) for code in ("upstream_failed", "no_capacity")]
        assert "has refused every key that this gateway has: set GROQ_API_KEY to a good one" in told[0]
        assert told[0] == told[1]
        assert len(house.seen) == 1


async def test_network_failure_may_be_over_the_next_time() -> None:
    """Nobody listens upstream: the client is told when to come again, never that it will not help."""
    async with open_house(pretend(), models=(BIG,)) as house:
        await house.simulators[0].close()
        answer = await house.ask(**OFF)
        told = refused(answer, 503, "upstream_failed")
        assert "the last with network. Try again in " in told
        assert int(answer.headers["retry-after"]) >= 5


async def test_local_answer_whole_and_streamed() -> None:
    """A completion like any other, labelled in header and body; the SDKs read both forms."""
    async with open_house(pretend(Fault(F.OVER_CAPACITY)), keys="") as house:
        whole = await house.ask()
        assert (whole.label("source"), whole.label("model-served")) == ("local", "headgate/local")
        assert whole.json["model"] == "headgate/local"
        assert whole.json["headgate"]["source"] == "local"
        assert whole.json["usage"]["total_tokens"] == 0
        client = openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key="any")
        stream = await client.chat.completions.create(**chat(stream=True, stream_options={"include_usage": True}))
        chunks = [chunk async for chunk in stream]
        await client.close()
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text
        assert chunks[0].choices[0].delta.role == "assistant"
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage is not None


async def test_local_answer_is_never_json_or_a_tool_call() -> None:
    """Where only JSON or a tool call is an answer, a refusal is honest."""
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    async with open_house(pretend(), keys="") as house:
        for fields in (
            {"response_format": {"type": "json_object"}},
            {"tools": [tool], "tool_choice": "required"},
            {"tools": [tool], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        ):
            told = refused(await house.ask(chat("json", **fields)), 503, "no_capacity")
            assert told == f"There is no key for groq, which serves {BIG}: set GROQ_API_KEY."


async def test_done_is_added_where_upstream_leaves_it_out() -> None:
    """A complete stream ends with `[DONE]`, exactly once, whatever the provider forgets."""
    async with open_house(pretend(Fault(F.NO_DONE, containing="forgets"))) as house:
        for text in ("forgets", "does not"):
            answer = await house.ask(chat(text, stream=True))
            assert answer.body.count(b"data: [DONE]\n\n") == 1
            assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(F.CUT, at=0.8),
        Fault(F.RESET_MIDWAY, at=0.8),
        Fault(F.STREAM_ERROR_EVENT, at=0.8),
        Fault(F.X_GROQ_ERROR),
        Fault(F.MALFORMED_JSON, at=0.8),
        Fault(F.FOREIGN_CHUNK_ID, at=0.8),
    ],
    ids=lambda fault: fault.kind,
)
async def test_broken_stream_raises_in_both_sdks(fault: Fault) -> None:
    """After the first token a break is an error event and no clean end: an SDK that iterates raises."""
    async with open_house(one_after_another(fault)) as house:

        async def raises(client: Any, error: type[Exception]) -> None:
            stream = await client.chat.completions.create(**chat(stream=True))
            with pytest.raises(error):
                [chunk async for chunk in stream]
            await client.close()

        raw, *_ = await asyncio.gather(
            house.ask(chat(stream=True)),
            raises(openai.AsyncOpenAI(base_url=f"{house.url}/v1", api_key="any", max_retries=0), openai.APIError),
            raises(groq.AsyncGroq(base_url=house.url, api_key="any", max_retries=0), groq.APIError),
        )
        assert b"[DONE]" not in raw.body
        assert raw.error["code"]


BROKE_AT_ONCE = Said(
    200,
    b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
    b'event: error\ndata: {"error":{"message":"over","type":"server_error","code":"over_capacity"}}\n\n',
    model=BIG,
    content_type="text/event-stream",
)


async def test_stream_that_broke_before_anybody_saw_its_first_words() -> None:
    """First token and error in one piece: the client has seen nothing, so another model serves it."""
    async with open_house(pretend(), said=(BROKE_AT_ONCE,), models=(BIG, SMALL)) as house:
        answer = await house.ask(chat(stream=True))
        assert (answer.status, answer.label("model-served")) == (200, SMALL)
        assert answer.label("reason") == "stream_broke_early"
        assert b"Hel" not in answer.body.partition(b"\n")[0]
        assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "fault, code, said",
    [
        (Fault(F.STALLED, at=0.5), "deadline_exceeded", "x-headgate-deadline-ms"),
        (Fault(F.RESET_MIDWAY, at=0.9), "upstream_failed", "broke off before its end"),
    ],
)
async def test_stream_that_is_cut_short_says_by_what(fault: Fault, code: str, said: str) -> None:
    """The last event of a stream whose time is over says so, and what gives it more."""
    async with open_house(pretend(fault)) as house:
        answer = await house.ask(chat(stream=True, cap=100), x_headgate_deadline_ms="900")
    last = answer.body.strip().rpartition(b"\n\n")[2]
    assert last.startswith(b"event: error\ndata: ")
    error = msgspec.json.decode(last.partition(b"data: ")[2])["error"]
    assert (error["code"], said in error["message"]) == (code, True)


async def test_tenant_that_floods_is_held_back_alone() -> None:
    """A tenant's share of the house is bounded: it gets 429 with `retry-after`, which SDKs may repeat; others are
    served."""
    toml = KEYS + "[server]\nmax_in_flight_per_tenant = 4\n"
    async with open_house(pretend(Fault(F.SLOW, delay_s=0.2, containing="flood")), toml=toml) as house:
        flood = [asyncio.create_task(house.ask(chat(f"flood {n}"), x_api_key=ONE)) for n in range(12)]
        await asyncio.sleep(0.05)
        assert (await house.ask(chat("calm"), x_api_key=TWO)).status == 200
        told = await asyncio.gather(*flood)
        assert sorted(answer.status for answer in told) == [200] * 4 + [429] * 8
        held_back = [answer.headers for answer in told if answer.status == 429]
        assert all("retry-after" in headers and "x-should-retry" not in headers for headers in held_back)


@pytest.mark.parametrize("toml, most", [("", 4_096), ("[server]\nmax_in_flight_per_tenant = 9\n", 9), (KEYS, 256)])
async def test_share_of_a_tenant(toml: str, most: int) -> None:
    """Without virtual keys the only tenant has the whole house, with them each a share; a setting says otherwise."""
    async with open_house(pretend(), toml=toml) as house:
        let_in = 0
        while house.gateway.enter("one"):
            let_in += 1
        for _ in range(let_in):
            house.gateway.leave("one")
    assert let_in == most

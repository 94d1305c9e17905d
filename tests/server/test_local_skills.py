"""The doors of the local skills over real sockets: results, refusals, labels, stories, and nobody asked upstream."""

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.remedies.house import ALONE, Answer, House, chat, open_house, pretend

from headgate.local.skills import MOST_CHARS, SKILLS
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.runtime.settings import InvalidSettings, load_settings
from headgate.runtime.text_threads import TEXT_THREADS, THREAD_NAME
from headgate.server.local_skills import LONG_BODY_BYTES
from headgate.simulator.faults import Fault, FaultKind

JSON = {"content-type": "application/json"}
MESSAGE = "Please refund order 4711 to ramesh.k@okaxis today."
OPTIONS: dict[str, dict[str, Any]] = {
    "extract": {},
    "classify": {"labels": ["refund", {"name": "delivery", "keywords": ["courier"]}]},
    "reply": {"persona": "helpdesk", "slots": {"customer": "Asha"}},
    "repetition": {"earlier": ["please refund order 4711 to ramesh.k@okaxis TODAY"]},
    "language": {},
    "summary": {"max_sentences": 1},
    "risk": {},
    "safety": {"block": ["refund*"]},
    "fill": {
        "schema": {
            "type": "object",
            "properties": {"upi_id": {"type": "string"}, "intent": {"enum": ["refund", "order"]}},
            "required": ["upi_id"],
        }
    },
}
TELLING: dict[str, Any] = {
    "extract": lambda told: told["entities"][0]["value"] == "ramesh.k@okaxis",
    "classify": lambda told: told["label"] == "refund",
    "reply": lambda told: told["situation"] in {"order", "refund"} and "{" not in told["text"],
    "repetition": lambda told: told["of"] == 0,
    "language": lambda told: told["code"] == "en",
    "summary": lambda told: told["text"] == MESSAGE,
    "risk": lambda told: 0 < told["score"] < 1 and told["level"] in {"low", "suspect", "high"},
    "safety": lambda told: told["is_blocked"] and told["categories"] == ["blocked"],
    "fill": lambda told: told["value"]["upi_id"] == "ramesh.k@okaxis" and not told["partial"],
}


async def post(house: House, path: str, body: Any, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await house.fetch("POST", path, data, {**JSON, **headers})


async def test_every_skill_answers_at_both_bases_and_asks_nobody() -> None:
    """A result with confidence and evidence, labelled local, without any call; its story is told afterwards."""
    async with open_house(pretend()) as house:
        for name in SKILLS:
            for base in ("/v1", "/openai/v1"):
                answer = await post(house, f"{base}/local/{name}", {"text": MESSAGE, **OPTIONS[name]})
                assert answer.status == 200, answer.body
                told = answer.json
                assert (told["skill"], TELLING[name](told)) == (name, True), told
                assert 0 < told["confidence"] <= 1
                assert all(MESSAGE[each["start"] : each["end"]] for each in told["evidence"])
                assert (answer.label("source"), answer.label("calls")) == ("local", "0")
                story = await house.fetch("GET", f"/v1/requests/{answer.headers['x-request-id']}")
                assert (story.json["source"], story.json["model_asked"]) == ("local", f"headgate/local/{name}")
        assert house.seen == []


async def test_list_tells_options_and_personas() -> None:
    """What there is can be asked for: every skill with the schema of its options, every library with its slots."""
    async with open_house(pretend()) as house:
        listed = (await house.fetch("GET", "/v1/local")).json
        assert [row["id"] for row in listed["data"]] == list(SKILLS)
        for row in listed["data"]:
            assert row["options"]["type"] == "object"
            assert OPTIONS[row["id"]].keys() <= row["options"]["properties"].keys()
            assert (await house.fetch("GET", f"/v1/local/{row['id']}")).json == row
        assert {each["name"] for each in listed["personas"]} == {"helpdesk", "sahayak", "elder"}


@pytest.mark.parametrize(
    "path, body, status, param",
    [
        ("clasify", {"text": "a"}, 404, "skill"),
        ("language", {}, 400, "text"),
        ("language", {"text": None}, 400, "text"),
        ("language", {"text": ["a"]}, 400, "text"),
        ("language", [], 400, None),
        ("language", b"{", 400, None),
        ("language", {"text": "a", "mode": "x"}, 400, "mode"),
        ("language", {"text": "a", "headgate": {"colour": "red"}}, 400, "x-headgate-colour"),
        ("classify", {"text": "a"}, 400, "labels"),
        ("classify", {"text": "a", "labels": ["b", "b"]}, 400, "labels"),
        ("classify", {"text": "a", "labels": [{"name": "b", "keywords": [""]}]}, 400, "labels[0].keywords[0]"),
        ("reply", {"text": "a", "persona": "nobody"}, 400, "persona"),
        ("reply", {"text": "a", "slots": {"x": "y"}}, 400, "slots.x"),
        ("summary", {"text": "a", "max_chars": 10**9}, 400, "max_chars"),
        ("extract", {"text": "a", "kinds": ["iban"]}, 400, "kinds[0]"),
    ],
)
async def test_what_cannot_be_understood_is_refused(path: str, body: Any, status: int, param: str | None) -> None:
    """An error in OpenAI's shape that names the option, and says what there is."""
    async with open_house(pretend()) as house:
        answer = await post(house, f"/v1/local/{path}", body)
        assert (answer.status, answer.error["param"]) == (status, param), answer.body
        assert answer.error["type"] == "invalid_request_error"
        assert answer.headers["x-should-retry"] == "false"


async def test_door_is_guarded_as_others_are() -> None:
    """With virtual keys nobody runs or lists a skill without one; content type and size are looked at."""
    key, row = new_virtual_key(random.Random(5).randbytes, tenant="one")
    async with open_house(pretend(), toml=f"{config_line(row)}\n[server]\nmax_body_bytes = 2000") as house:
        body = {"text": MESSAGE}
        assert (await post(house, "/v1/local/language", body)).status == 401
        assert (await house.fetch("GET", "/v1/local")).status == 401
        mine = {"authorization": f"Bearer {key}"}
        assert (await post(house, "/v1/local/language", body, **mine)).status == 200
        large = await post(house, "/v1/local/language", {"text": "a" * 2_000}, **mine)
        assert large.status == 413
        text = await house.fetch("POST", "/v1/local/language", b"{}", {"content-type": "text/plain", **mine})
        assert text.status == 415


async def test_long_texts_do_not_hold_up_others() -> None:
    """While large texts are worked on in threads, a short one is answered; all results are right."""
    async with open_house(pretend()) as house:
        long = "The parcel number 4711 is late again and nobody answers. " * 1_700
        assert len(long) > LONG_BODY_BYTES
        large = [asyncio.create_task(post(house, "/v1/local/summary", {"text": long})) for _ in range(4)]
        small = [await post(house, "/v1/local/language", {"text": MESSAGE}) for _ in range(10)]
        assert {answer.json["code"] for answer in small} == {"en"}
        for answer in await asyncio.gather(*large):
            assert answer.json["text"].startswith("The parcel number 4711 is late")


async def test_texts_that_would_hold_a_thread_for_long_are_refused() -> None:
    """More characters than a skill reads in about a second: a 400 that says how many there may be."""
    async with open_house(pretend()) as house:
        fits = await post(house, "/v1/local/language", {"text": "ä" * MOST_CHARS})
        assert fits.status == 200
        answer = await post(house, "/v1/local/language", {"text": "ä" * (MOST_CHARS + 1)})
        assert answer.status == 400
        assert "100,001 characters, more than 100,000" in answer.json["error"]["message"]


def threads_of(name: str) -> set[int | None]:
    """Those whose names begin so."""
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith(name)}


async def test_skills_have_threads_of_their_own() -> None:
    """However many long texts are worked on at once, by a door or in place of a model, a few threads do it, none of
    them the event loop's own, which look up addresses; and they go with the gateway."""
    before, others = threads_of(THREAD_NAME), threads_of("asyncio_")
    long = "The parcel number 4711 is late again and nobody answers. " * 200
    down = pretend(Fault(FaultKind.OVER_CAPACITY))
    async with open_house(down, route='skill = "summary"', toml=ALONE) as house:
        asks = [asyncio.create_task(post(house, "/v1/local/summary", {"text": long})) for _ in range(12)]
        asks += [asyncio.create_task(house.ask(chat(long, cap=20))) for _ in range(12)]
        answers = await asyncio.gather(*asks)
        assert {(answer.status, answer.label("source")) for answer in answers} == {(200, "local")}
        ours = threads_of(THREAD_NAME) - before
        assert 0 < len(ours) <= TEXT_THREADS
        assert threads_of("asyncio_") <= others
    async with asyncio.timeout(5):
        while threads_of(THREAD_NAME) & ours:  # noqa: ASYNC110 - a thread's end is announced to nobody
            await asyncio.sleep(0.005)


async def test_operators_own_personas_are_served(tmp_path: Path) -> None:
    """A library of `[local] personas` is listed and used, and wins over one that ships under its name."""
    for name, said in (("shop", "We are closed."), ("helpdesk", "Call us.")):
        (tmp_path / f"{name}.toml").write_text(f'name = "{name}"\n[situations.otherwise]\nreplies = ["{said}"]\n')
    async with open_house(pretend(), toml=f'[local]\npersonas = "{tmp_path}"') as house:
        for name, said in (("shop", "We are closed."), ("helpdesk", "Call us.")):
            answer = await post(house, "/v1/local/reply", {"text": "hi", "persona": name})
            assert answer.json["text"] == said
        assert "shop" in [each["name"] for each in (await house.fetch("GET", "/v1/local")).json["personas"]]


@pytest.mark.parametrize(
    "files, complaint",
    [
        ({}, "is no folder"),
        ({"a.toml": "name = 1"}, "no persona library"),
        ({"a.toml": 'name = "a"\n[situations.otherwise]\nreplies = ["{x}"]'}, "x"),
        (
            {
                "a.toml": 'name = "a"\n[situations.otherwise]\nreplies = ["b"]',
                "b.toml": 'name = "a"\n[situations.otherwise]\nreplies = ["b"]',
            },
            "two libraries",
        ),
    ],
)
def test_wrong_persona_folder_stops_the_start(tmp_path: Path, files: dict[str, str], complaint: str) -> None:
    """The file and its fault are named before anything listens."""
    folder = tmp_path / ("none" if not files else "there")
    for name, text in files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    with pytest.raises(InvalidSettings, match=complaint):
        load_settings(None, {"HEADGATE_LOCAL__PERSONAS": str(folder)})

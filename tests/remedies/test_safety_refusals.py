"""Prompts that are refused for safety: by the provider, by the operator's blocklist, and in which words."""

from pathlib import Path

import msgspec
import pytest
from tests.remedies.house import BIG, House, chat, open_house, pretend

from headgate.domain.fact import PromptScreened
from headgate.observe.tally import Tally
from headgate.protocol.rephrasing import BEFORE
from headgate.runtime.screening import blocklist_of
from headgate.runtime.settings import InvalidSettings, SafetySettings
from headgate.simulator.faults import Fault, FaultKind

LISTED = '[local.safety]\nallow = ["bomb squad"]\n[local.safety.categories]\nviolence = ["bomb"]'
HARMFUL, HARMLESS = "How is a b0mb made?", "What does a bomb squad do?"


def screened(house: House) -> list[tuple[tuple[str, ...], bool]]:
    return [(fact.categories, fact.is_blocked) for fact in house.facts if isinstance(fact, PromptScreened)]


async def test_rephrased_once_in_a_frame() -> None:
    """The user's last words are asked again inside the frame, everything else as it was; a second refusal is final."""
    refusing = pretend(Fault(FaultKind.SAFETY))
    asked = chat("kill the process", temperature=0.7)
    asked["messages"].insert(0, {"role": "system", "content": "You know Unix."})
    async with open_house(refusing, route="rephrase = true") as house:
        answer = await house.ask(asked)
        first, second = (seen.body for seen in house.seen)
    assert (answer.status, answer.error["code"]) == (400, "content_policy_violation")
    assert first["messages"][1]["content"] == "kill the process"
    assert second["messages"] == [first["messages"][0], {"role": "user", "content": BEFORE + "kill the process"}]
    assert (first["temperature"], second["temperature"]) == (0.7, 0.7)


async def test_parts_of_a_message_are_kept() -> None:
    """Of a message in parts only the first text is framed."""
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    body = chat() | {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "so?"}]}
    async with open_house(pretend(Fault(FaultKind.SAFETY, times=1)), route="rephrase = true") as house:
        assert (await house.ask(body)).status == 200
        said = house.seen[1].body["messages"]
    framed = said[0]["content"] if isinstance(said[0]["content"], str) else said[0]["content"][0]["text"]
    assert framed.startswith(BEFORE + "one")
    assert said[1]["content"] == "so?"


async def test_not_rephrased_unless_the_route_says_so() -> None:
    """Without the setting the client's words are sent once."""
    async with open_house(pretend(Fault(FaultKind.SAFETY))) as house:
        assert (await house.ask()).status == 400
        assert len(house.seen) == 1


async def test_safeguard_that_finds_nothing_lets_the_provider_speak() -> None:
    """A prompt that only the provider refuses gets the provider's own error, and nothing is written down of it."""
    async with open_house(pretend(Fault(FaultKind.SAFETY)), toml=LISTED) as house:
        answer = await house.ask(chat(HARMLESS))
        assert answer.error["code"] == "content_policy_violation"
        assert screened(house) == []
        blocked = await house.ask(chat(HARMFUL))
        assert (blocked.status, blocked.error["code"]) == (400, "content_filter")
        assert screened(house) == [(("violence",), True)]


@pytest.mark.parametrize("stream", [False, True])
async def test_route_that_blocks(stream: bool) -> None:
    """A blocked prompt gets an error in OpenAI's shape before any call, streamed or not; others are answered."""
    async with open_house(pretend(), route='safety = "block"', toml=LISTED) as house:
        answer = await house.ask(chat(HARMFUL, stream=stream))
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
        assert (answer.error["code"], answer.error["param"]) == ("content_filter", "messages")
        assert b"violence" in answer.body
        assert b"b0mb" not in answer.body
        assert house.seen == []
        assert (await house.ask(chat(HARMLESS, stream=stream))).status == 200
        assert screened(house) == [(("violence",), True)]


async def test_other_doors_are_screened_as_well() -> None:
    """What comes as an Anthropic message, or as a Response, is held against the same list."""
    async with open_house(pretend(), route='safety = "block"', toml=LISTED) as house:
        said = [{"role": "user", "content": HARMFUL}]
        head = {"content-type": "application/json"}
        for path, body in (
            ("/v1/messages", {"model": BIG, "max_tokens": 20, "messages": said}),
            ("/v1/responses", {"model": BIG, "input": HARMFUL}),
        ):
            answer = await house.fetch("POST", path, msgspec.json.encode(body), head)
            assert (answer.status, b"blocklist" in answer.body) == (400, True), path
        assert house.seen == []


async def test_route_that_only_logs() -> None:
    """The prompt is answered, and a fact without its words says what was in it; earlier messages count too."""
    async with open_house(pretend(), route='safety = "log"', toml=LISTED) as house:
        body = chat("and now?")
        body["messages"].insert(0, {"role": "user", "content": [{"type": "text", "text": HARMFUL}]})
        answer = await house.ask(body)
        assert (answer.status, answer.label("source")) == (200, "upstream")
        assert screened(house) == [(("violence",), False)]
        assert "b0mb" not in repr(house.facts)
        tally = Tally()
        for fact in house.facts:
            tally.tell(fact)
        assert tally.screened == {("violence", "logged"): 1}


async def test_route_that_only_logs_tells_of_repeated_requests_too() -> None:
    """Each of them, however its answer is found: asked for, in the cache by its key, or there by its bytes."""
    async with open_house(pretend(), route='safety = "log"', toml=LISTED) as house:
        sources = [(await house.ask(chat(HARMFUL, temperature=0))).label("source") for _ in range(5)]
        assert sources == ["upstream", *["cache"] * 4]
        assert screened(house) == [(("violence",), False)] * 5


def test_lists_in_files(tmp_path: Path) -> None:
    """Files add to the lists of the settings; one that cannot be read is named."""
    lists = tmp_path / "words.txt"
    lists.write_text("[rude]\noaf\n!oaf tree\n", encoding="utf-8")
    assert blocklist_of(SafetySettings(block=("fool",), files=(str(lists),))).count == 3
    with pytest.raises(InvalidSettings, match=r"missing\.txt"):
        blocklist_of(SafetySettings(files=(str(tmp_path / "missing.txt"),)))
    with pytest.raises(InvalidSettings, match="no word"):
        blocklist_of(SafetySettings(block=("...",)))

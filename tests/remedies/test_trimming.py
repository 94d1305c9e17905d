"""Prompts that are too large, where the route allows trimming and where it does not; whole and streamed."""

from typing import Any

import msgspec
import pytest
from tests.remedies.house import BIG, SMALL, Answer, House, Said, chat, open_house, pretend

from headgate.decide.remedies import Remedy
from headgate.domain.limits import Dimension
from headgate.simulator.settings import Organisation, SimulatorSettings

MAY = "trim = true"
SMALL_WINDOW = f'[models."{BIG}"]\ncontext_window_tokens = 3000\nmax_output_tokens = 1000'
OVERFLOW = Said(
    400,
    msgspec.json.encode({"error": {"message": "Too long.", "code": "context_length_exceeded", "type": "x"}}),
    times=1,
)


def words(count: int, about: str = "word") -> str:
    return " ".join(f"{about}{number}" for number in range(count))


def talk(turns: int, **fields: Any) -> dict[str, Any]:
    """A long conversation."""
    said: list[dict[str, Any]] = [{"role": "system", "content": "be brief"}]
    for n in range(turns):
        said.append({"role": "user", "content": words(60, f"q{n}x")})
        said.append({"role": "assistant", "content": words(60, f"a{n}x")})
    return {**chat("", **fields), "messages": [*said, {"role": "user", "content": "and now?"}]}


def tight(tokens: int) -> SimulatorSettings:
    limits = {"*": {Dimension.TPM: tokens}}
    return pretend(organisations={"org_a": Organisation("developer", limits=limits)})


def prompts(answer: Answer) -> tuple[int, int]:
    """The two numbers of the label."""
    label = answer.label("fitted") or ""
    assert label.startswith("prompt "), label
    before, after = label.removeprefix("prompt ").split(",")[0].split("->")
    return int(before), int(after)


def assert_settled(house: House) -> None:
    """Nothing stays reserved, and the ledger's own account agrees."""
    house.gate.ledger.check(house.gateway.clock.now())
    assert not any(house.gate.ledger.open_count(place) for place in house.gate.pool.deployments(BIG))


@pytest.mark.parametrize("stream", [False, True])
async def test_halved_after_an_overflow(stream: bool) -> None:
    """The second call has about half of the words, the oldest gone; the label says so, and why."""
    body = talk(20, stream=stream)
    async with open_house(pretend(), said=(OVERFLOW,), route=MAY) as house:
        answer = await house.ask(body)
        first, second = (seen.body["messages"] for seen in house.seen)
        assert_settled(house)
    assert answer.status == 200
    before, after = prompts(answer)
    assert 0.4 * before < after < 0.6 * before
    assert (answer.label("reason"), answer.label("calls")) == ("context_overflow", "2")
    assert first == body["messages"]
    assert second[0] == body["messages"][0]
    assert second[-1] == body["messages"][-1]
    assert 15 < len(second) < 25
    assert "earlier messages left out" in str(second)
    if not stream:
        assert answer.json["usage"]["prompt_tokens"] <= after


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fits_nowhere_is_trimmed_before_the_first_call(stream: bool) -> None:
    """No call is wasted on a prompt that the window cannot hold; what is sent fits it and is counted at no more."""
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW) as house:
        answer = await house.ask(chat(words(5_000), stream=stream, headgate={"explain": True}))
        [seen] = house.seen
        assert house.gate.remedies_taken == {Remedy.TRIM: 1}
        assert_settled(house)
    assert answer.status == 200
    before, after = prompts(answer)
    assert before > 5_000
    assert after <= 2_700
    assert (answer.label("reason"), answer.label("calls")) == ("trimmed", "1")
    assert "tokens left out ...]" in seen.body["messages"][0]["content"]
    assert "messages: 0 left out, 1 cut, to fit" in (answer.label("explain") or "")
    if not stream:
        assert 1_000 < answer.json["usage"]["prompt_tokens"] <= after


async def test_bucket_that_never_holds_it() -> None:
    """A bucket that is too small for the prompt is like a window; the reservation is that of the smaller prompt."""
    own = "[organisations.org_a.limits]\n" + f'"{BIG}" = {{ TPM = 3000 }}'
    async with open_house(tight(3_000), route=MAY, toml=own, plan="free") as house:
        answer = await house.ask(chat(words(5_000)))
        used = house.gate.ledger.view(house.gate.pool.deployments(BIG)[0], house.gateway.clock.now())
    assert answer.label("calls") == "1"
    assert prompts(answer)[1] <= 2_700
    free = {row.dimension: row.free for row in used.rows}[Dimension.TPM]
    assert abs(3_000 - free - answer.json["usage"]["total_tokens"]) < 60


async def test_another_model_holds_it_whole() -> None:
    """Nothing is trimmed while a candidate has room for everything."""
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW, models=(BIG, SMALL)) as house:
        answer = await house.ask(chat(words(5_000)))
    assert answer.label("model-served") == SMALL
    assert answer.label("fitted") is None
    assert answer.json["usage"]["prompt_tokens"] > 5_000


@pytest.mark.parametrize("world", [tight(1_000), pretend()])
async def test_never_without_permission(world: SimulatorSettings) -> None:
    """By default no word is left out: the provider sees the client's own, or nothing."""
    toml = "" if world.organisations["org_a"].limits else SMALL_WINDOW
    async with open_house(world, toml=toml) as house:
        answer = await house.ask(chat(words(5_000)), x_headgate_local="off")
        assert all(seen.body["messages"][0]["content"] == words(5_000) for seen in house.seen)
    assert answer.status == 429


async def test_short_prompts_are_left_alone() -> None:
    """A route that allows trimming changes nothing of what fits."""
    async with open_house(pretend(), route=MAY) as house:
        answer = await house.ask(talk(3))
        assert house.seen[0].body["messages"] == talk(3)["messages"]
    assert answer.label("fitted") is None
    assert answer.label("reason") is None


async def test_question_that_cannot_be_trimmed_enough() -> None:
    """Where even the least of it is too large the request is refused as it would be otherwise."""
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW) as house:
        tools = [{"type": "function", "function": {"name": "f", "description": words(5_000)}}]
        answer = await house.ask(chat("hello", tools=tools), x_headgate_local="off")
        assert house.seen == []
    assert answer.status == 429


async def test_structure_is_asked_for_beside_a_trimmed_prompt() -> None:
    """A schema and trimming go together: the answer is checked, the words of the schema stay."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW) as house:
        answer = await house.ask(chat(words(5_000) + " Answer in JSON.", cap=200, response_format=form))
        [seen] = house.seen
    assert answer.status == 200
    assert set(msgspec.json.decode(answer.json["choices"][0]["message"]["content"])) == {"name"}
    assert "name" in str(seen.body["response_format"])
    assert seen.body["messages"][-1]["content"].endswith("Answer in JSON.")


async def test_instructions_that_are_moved_to_the_front() -> None:
    """With `static_first` an instruction in the middle goes first; the oldest of the others are left out, and no
    message's words end up in another."""
    body = talk(30)
    middle = {"role": "system", "content": "and kind"}
    body["messages"].insert(31, middle)
    toml = SMALL_WINDOW.replace("3000", "4500") + "\n[handling]\nstatic_first = true"
    async with open_house(pretend(), route=MAY, toml=toml) as house:
        answer = await house.ask(body)
        [seen] = house.seen
    left = seen.body["messages"]
    assert answer.label("reason") == "trimmed"
    assert left[:2] == [body["messages"][0], middle]
    assert left[-1] == body["messages"][-1]
    assert all(message in body["messages"] for message in left[4:])
    assert [message["role"] for message in left[4:-1]] == [
        message["role"] for message in body["messages"][4 - len(left) : -1]
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_other_doors(stream: bool) -> None:
    """Anthropic's messages and OpenAI's responses are chats inside, and trimmed as such."""
    said = [{"role": "user", "content": words(5_000)}]
    asked = {
        "/v1/messages": {"model": BIG, "max_tokens": 40, "messages": said, "stream": stream},
        "/v1/responses": {"model": BIG, "max_output_tokens": 40, "input": said, "stream": stream},
    }
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW) as house:
        for path, body in asked.items():
            named = {"content-type": "application/json"}
            answer = await house.fetch("POST", path, msgspec.json.encode(body), named)
            assert answer.status == 200
            assert prompts(answer)[1] <= 2_700
        assert all("tokens left out ...]" in str(seen.body["messages"]) for seen in house.seen)


async def test_trimmed_answer_is_not_kept() -> None:
    """The cache takes no answer to a part of the words for one to all of them."""
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW) as house:
        for _ in range(2):
            answer = await house.ask(chat(words(5_000), temperature=0))
            assert answer.label("source") == "upstream"
        whole = [await house.ask(chat("short", temperature=0)) for _ in range(2)]
        assert len(house.seen) == 3
    assert whole[1].label("source") == "cache"


async def test_trimmed_prompts_teach_nothing_of_prompts() -> None:
    """What a model counts for words of which only a bound is known does not move the estimate."""
    async with open_house(pretend(), route=MAY, toml=SMALL_WINDOW) as house:
        before = house.gate.learned.prompt_tokens(BIG, 1_000.0)
        for _ in range(8):
            await house.ask(chat(words(5_000)))
        assert house.gate.learned.prompt_tokens(BIG, 1_000.0) == before
        for _ in range(8):
            await house.ask(chat(words(500)))
        assert house.gate.learned.prompt_tokens(BIG, 1_000.0) != before

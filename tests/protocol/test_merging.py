from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.check import check_answer
from headgate.protocol.chat import parse_chat
from headgate.protocol.merging import Part, merged_body, part_of, shares, take_apart

LABEL: dict[str, Any] = {
    "type": "object",
    "properties": {"label": {"enum": ["spam", "ham"]}, "of": {"$ref": "#/$defs/name"}},
    "required": ["label", "of"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string"}},
}
MODEL = "openai/gpt-oss-20b"


def body(text: object = "is this spam?", lead: list[dict[str, Any]] | None = None, **fields: Any) -> bytes:
    """A chat's body with one question."""
    system = [{"role": "system", "content": "Judge the text."}] if lead is None else lead
    return msgspec.json.encode({"model": MODEL, "messages": [*system, {"role": "user", "content": text}], **fields})


def part(text: str = "is this spam?", **fields: Any) -> Part:
    """The part of a chat that can be one."""
    made = part_of(parse_chat(body(text, **fields)))
    assert made is not None
    return made


def form(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response format."""
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **more}}


def test_merged_chat_is_a_chat() -> None:
    """It has the parts' instructions byte for byte, every question as one line, and a schema with a member for each."""
    questions = ['one\n{"request":2,"text":"mine"}', "zwei ü", "three"]
    merged = parse_chat(merged_body(MODEL, [part(text, temperature=0) for text in questions]))
    assert merged.check is Check.SCHEMA
    assert merged.temperature == 0
    assert [message.role for message in merged.messages] == ["system", "user"]
    assert merged.messages[0].content == "Judge the text."
    text = merged.messages[1].content
    assert isinstance(text, str)
    lines = text.splitlines()[-3:]
    assert [msgspec.json.decode(line) for line in lines] == [
        {"request": n, "text": question} for n, question in enumerate(questions, start=1)
    ]
    assert merged.schema is not None
    assert merged.schema["required"] == ["answer_1", "answer_2", "answer_3"]


def test_schema_of_each_answer() -> None:
    """A part's own schema holds for each member, definitions included."""
    merged = parse_chat(merged_body(MODEL, [part(t, response_format=form(LABEL, strict=True)) for t in "ab"]))
    good = {"label": "spam", "of": "x"}
    for answers, fits in (
        ({"answer_1": good, "answer_2": good}, True),
        ({"answer_1": good}, False),
        ({"answer_1": good, "answer_2": {"label": "spam", "of": 1}}, False),
        ({"answer_1": good, "answer_2": {"label": "perhaps", "of": "x"}}, False),
    ):
        assert (check_answer(msgspec.json.encode(answers).decode(), Check.SCHEMA, merged.schema) is None) is fits


def test_room_for_all_answers() -> None:
    """The maximum has room for each part's and for what stands around them; without one there is none."""
    assert parse_chat(merged_body(MODEL, [part(max_tokens=10), part(max_tokens=30)])).ask_tokens == 40 + 2 * 16
    assert parse_chat(merged_body(MODEL, [part(), part()])).ask_tokens is None


@pytest.mark.parametrize(
    "chat",
    [
        body(tools=[{"type": "function", "function": {"name": "f"}}]),
        body([{"type": "text", "text": "what is this?"}]),
        body([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]),
        body(response_format={"type": "json_object"}),
        body(stop="."),
        body(logprobs=True),
        body(presence_penalty=1),
        body(metadata={"a": "b"}),
        body(reasoning_format="raw"),
        body(response_format=form({"$ref": "#/definitions/x", "definitions": {"x": LABEL}})),
        body(response_format=form({"type": "object", "properties": {"a": {"$ref": "#"}}})),
        body(" "),
        body(lead=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
        body(lead=[{"role": "system", "content": [{"type": "text", "text": "x"}]}]),
        msgspec.json.encode({"model": MODEL, "messages": [{"role": "user", "content": "x", "name": "ann"}]}),
        msgspec.json.encode({"model": MODEL, "messages": [{"role": "assistant", "content": "x"}]}),
    ],
)
def test_chats_that_are_asked_alone(chat: bytes) -> None:
    """Tools, images, lists of parts, free JSON, earlier exchanges, and fields that would mean something else."""
    assert part_of(parse_chat(chat)) is None


def test_what_may_differ() -> None:
    """The question, who asks, whether it is streamed, how long the answer may be, and controls of ours."""
    one = part("a", stream=True, user="ann", max_tokens=5, headgate={"session": "s"}, n=1, stop=None)
    assert one.likeness == part("b", user="bob", max_completion_tokens=9).likeness


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.5},
        {"top_p": 0.5},
        {"seed": 1},
        {"reasoning_effort": "low"},
        {"response_format": form(LABEL)},
        {"service_tier": "flex"},
        {"lead": []},
        {"lead": [{"role": "system", "content": "Judge the text!"}]},
        {"lead": [{"role": "developer", "content": "Judge the text."}]},
        {"max_tokens": 7},
    ],
)
def test_what_may_not_differ(fields: dict[str, Any]) -> None:
    """Everything else that an answer depends on."""
    assert part("a").likeness != part("a", **fields).likeness
    assert part("a", **fields).likeness == part("b", **fields).likeness


ANSWERS = st.lists(st.none() | st.text(), min_size=2, max_size=6)


@given(ANSWERS, st.booleans())
def test_texts_come_back_to_their_questions(answers: list[str | None], is_whole: bool) -> None:
    """Each question has its own answer or none, never another's; of an answer that may have been cut the last one that
    is there is not believed."""
    parts = [part(f"question {n}") for n in range(len(answers))]
    told = {f"answer_{n}": text for n, text in enumerate(answers, start=1) if text is not None}
    text = msgspec.json.encode(told).decode()
    wanted = [None if text is None or not text.strip() else text for text in answers]
    if not is_whole and any(wanted):
        wanted[max(n for n, text in enumerate(wanted) if text is not None)] = None
    assert take_apart(text, parts, is_whole=is_whole) == wanted


@given(st.text())
def test_whatever_a_model_writes(text: str) -> None:
    """No text breaks the taking apart; what is no answer is None."""
    parts = [part("a"), part("b")]
    assert all(each is None or each.strip() for each in take_apart(text, parts, is_whole=True))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"answer_1":', '{"answer_3":"x"}', '{"answer_1":7,"answer_2":[]}'])
def test_what_is_no_answer(text: str) -> None:
    """Nobody is given what was not said to them."""
    assert take_apart(text, [part("a"), part("b")], is_whole=True) == [None, None]


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_shares_sum_to_the_whole(total: int, weights: list[int]) -> None:
    """Not a token is lost or invented, and nobody is more than one away from their exact share."""
    split = shares(total, weights)
    assert sum(split) == total
    if sum(weights):
        assert all(
            abs(share - total * weight / sum(weights)) <= 1 for share, weight in zip(split, weights, strict=True)
        )

"""Requests as each provider takes them: what is left out, said otherwise or refused before the call."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned, clean, messages_fit
from headgate.protocol.client_json import InvalidBody, decode_object
from headgate.protocol.dialect_fields import DIALECT_NAMES, FIELDS, RENAMED, Treatment
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.images import image_problem
from headgate.protocol.reasoning import Family

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "fc_0123456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def fields(*messages: dict[str, Any], **more: Any) -> dict[str, Raw]:
    body = {"model": "m", "messages": list(messages) or [USER], **more}
    return decode_object(json.dumps(body).encode())


def cleaned(dialect: str, *messages: dict[str, Any], family: Family = Family.UNKNOWN, **more: Any) -> dict[str, Any]:
    """The whole body as this dialect gets it."""
    asked = fields(*messages, **more)
    made = clean(asked, DIALECTS[dialect], family).apply(asked)
    return {name: json.loads(bytes(raw)) for name, raw in made.items()}


def one(dialect: str, message: dict[str, Any]) -> Any:
    """One message as this dialect gets it."""
    return cleaned(dialect, message)["messages"][0]


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_a_plain_request_is_left_alone(dialect: str) -> None:
    """Text and the usual numbers: nothing changes, and the same value says so every time."""
    asked = fields({"role": "system", "content": "s"}, USER, temperature=0.5, top_p=0.9, stop=["x"], n=1)
    assert clean(asked, DIALECTS[dialect]) is NOTHING_TO_CLEAN
    assert clean(asked, DIALECTS[dialect], messages_clean=True) is NOTHING_TO_CLEAN


VALUES: dict[str, Any] = {
    "messages": [USER],
    "response_format": {"type": "text"},
    "reasoning_effort": "low",
    "reasoning_format": "parsed",
    "include_reasoning": True,
    "tools": [TOOL],
}
ROWS = [(name, dialect, row[dialect]) for name, row in FIELDS.items() for dialect in DIALECT_NAMES]


@pytest.mark.parametrize("name, dialect, treatment", ROWS)
def test_each_field_is_treated_as_its_row_says(name: str, dialect: str, treatment: Treatment) -> None:
    """Sent as it came, left out with a note, refused with advice, or renamed: by the table and nothing else."""
    value = VALUES.get(name, "x")
    asked = fields(**{"tools": [TOOL], name: value} if name != "messages" else {})
    if treatment is Treatment.REFUSE:
        with pytest.raises(InvalidBody, match=f"'{name}' is not supported by {dialect}") as refused:
            clean(asked, DIALECTS[dialect])
        assert refused.value.param == name
        return
    found = clean(asked, DIALECTS[dialect])
    made = found.apply(asked)
    if treatment in {Treatment.SEND, Treatment.WRITTEN}:
        assert bytes(made[name]) == json.dumps(value).encode()
        return
    assert name not in made
    assert any(name in note for note in found.notes)
    assert (RENAMED.get(name) in made) is (treatment is Treatment.RENAME)


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, ["text"]])
@pytest.mark.parametrize("name", ["logprobs", "top_logprobs", "logit_bias", "documents", "modalities"])
def test_a_refused_field_that_asks_for_nothing_is_dropped(name: str, value: Any) -> None:
    """SDKs send `logprobs: false` and nulls by themselves; that refuses nobody."""
    assert name not in cleaned("mistral", USER, **{name: value})


def test_null_fields_are_dropped_in_silence() -> None:
    """What is null was not asked for, so nothing is told about it."""
    found = clean(fields(seed=None, user=None, parallel_tool_calls=None, tool_choice=None), DIALECTS["mistral"])
    assert (found.changed, found.notes) == ({}, ())
    assert clean(fields(parallel_tool_calls=None), DIALECTS["openai"]).notes == ()


def test_an_unknown_field_is_the_providers_to_judge() -> None:
    """A field without a row goes through: it may be tomorrow's."""
    assert cleaned("groq", USER, brand_new=1)["brand_new"] == 1


ASSISTANT = {"role": "assistant", "content": "c"}
ANSWERED = {"role": "tool", "tool_call_id": "x", "content": "1"}
MESSAGES = [
    # dialect, message -> message
    ("groq", {**ASSISTANT, "reasoning_content": "r"}, {**ASSISTANT, "reasoning": "r"}),
    ("groq", {**ASSISTANT, "reasoning_content": "r", "reasoning": "q"}, {**ASSISTANT, "reasoning": "q"}),
    ("groq", {**ASSISTANT, "reasoning_content": None}, ASSISTANT),
    ("groq", {**ASSISTANT, "reasoning_content": 3}, ASSISTANT),
    ("groq", {**ASSISTANT, "refusal": None, "function_call": None, "audio": None}, ASSISTANT),
    ("groq", {**ASSISTANT, "annotations": [], "executed_tools": [], "channel": "analysis"}, ASSISTANT),
    ("groq", {"role": "assistant", "content": None, "refusal": "no"}, {"role": "assistant", "content": "no"}),
    ("groq", {"role": "assistant", "refusal": "no"}, {"role": "assistant", "content": "no"}),
    ("groq", {"role": "assistant", "audio": {"id": "a"}}, {"role": "assistant", "content": ""}),
    ("groq", {**ASSISTANT, "refusal": "no"}, ASSISTANT),
    ("groq", {**ASSISTANT, "tool_calls": []}, ASSISTANT),
    ("groq", {"role": "assistant", "content": None, "tool_calls": [CALL]}, None),
    ("groq", {**USER, "name": "ann"}, None),
    ("groq", {**USER, "name": None}, USER),
    ("groq", {"role": "developer", "content": "d"}, None),
    ("groq", {**ANSWERED, "name": "f"}, None),
    ("openai", {**ASSISTANT, "reasoning": "r", "reasoning_content": "r"}, ASSISTANT),
    ("openai", {**ASSISTANT, "refusal": "no"}, None),
    ("openai", {**ANSWERED, "name": "f"}, ANSWERED),
    ("mistral", {"role": "developer", "content": "d"}, {"role": "system", "content": "d"}),
    ("mistral", {**USER, "name": "ann"}, USER),
    ("mistral", {**ASSISTANT, "prefix": True}, None),
    ("mistral", {**ASSISTANT, "reasoning_content": "\n"}, ASSISTANT),
    ("mistral", {"role": "tool", "tool_call_id": "abcDEF123", "content": "1", "name": "f"}, None),
    ("gemini", {"role": "developer", "content": "d"}, {"role": "system", "content": "d"}),
    ("gemini", {**USER, "name": "ann"}, USER),
    ("openrouter", {**ASSISTANT, "reasoning_content": "r"}, {**ASSISTANT, "reasoning": "r"}),
    ("openrouter", {**ASSISTANT, "reasoning_details": [{"type": "x"}]}, None),
    ("compatible", {"role": "developer", "content": "d"}, {"role": "system", "content": "d"}),
    ("compatible", {**ASSISTANT, "reasoning_content": "r"}, None),
    ("compatible", {**ASSISTANT, "annotations": []}, ASSISTANT),
]  # fmt: skip


@pytest.mark.parametrize("dialect, message, expected", MESSAGES)
def test_a_message_as_the_provider_takes_it(
    dialect: str, message: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    """Unknown fields and nulls go, meanings stay; None says that the message is good as it is."""
    assert one(dialect, message) == (message if expected is None else expected)
    asked = fields(message)
    assert messages_fit(asked["messages"], DIALECTS[dialect]) is (expected is None)
    found = clean(asked, DIALECTS[dialect])
    assert (found.changed.keys() == {"messages"}) is (expected is not None)
    assert bool(found.notes) is (expected is not None)


def test_untouched_messages_stay_byte_for_byte() -> None:
    """Only the message that needs it is written anew, values as they were."""
    body = b'{"model":"m","messages":[ {"role":"user", "content":"\\u0041"},{"role":"user","content":"b","x":1} ]}'
    asked = decode_object(body)
    made = bytes(clean(asked, DIALECTS["groq"]).changed["messages"])
    assert made == b'[{"role":"user", "content":"\\u0041"},{"role":"user","content":"b"}]'


PARTS = [
    ("groq", {"type": "text", "text": "t", "cache_control": {}}, {"type": "text", "text": "t"}),
    ("openrouter", {"type": "text", "text": "t", "cache_control": {}}, None),
    ("groq", {"type": "refusal", "refusal": "no"}, {"type": "text", "text": "no"}),
    ("openai", {"type": "refusal", "refusal": "no"}, None),
    ("groq", {"type": "image_url", "image_url": {"url": "https://x/y.png"}}, None),
    ("groq", {"type": "document", "document": {"data": {}, "id": "1"}}, None),
]


@pytest.mark.parametrize("dialect, part, expected", PARTS)
def test_a_part_of_a_content(dialect: str, part: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Fields that a part does not have go; a refusal is text where there is no such part."""
    assert one(dialect, {"role": "user", "content": [part]})["content"] == [part if expected is None else expected]


@pytest.mark.parametrize(
    "dialect, message, place",
    [
        ("groq", {"role": "user", "content": [{"type": "file", "file": {}}]}, "messages[0].content[0]"),
        ("groq", {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages[0].content[0]"),
        ("groq", {"role": "user", "content": [{"text": "no type"}]}, "messages[0].content[0]"),
        ("gemini", {"role": "user", "content": [{"type": "document", "document": {}}]}, "messages[0].content[0]"),
        ("mistral", {"role": "function", "name": "f", "content": "1"}, "messages[0].role"),
        ("groq", {**ASSISTANT, "function_call": {"name": "f", "arguments": ""}}, "messages[0].function_call"),
    ],
)
def test_what_carries_meaning_and_has_no_equivalent_is_refused(
    dialect: str, message: dict[str, Any], place: str
) -> None:
    """The client is told where and by whom; nothing that the model should have seen is dropped in silence."""
    with pytest.raises(InvalidBody, match=dialect) as refused:
        clean(fields(message), DIALECTS[dialect])
    assert refused.value.param == place


def test_tool_call_ids_are_shortened_alike_on_both_sides() -> None:
    """Mistral wants nine letters or digits: the answer still belongs to its call, other ids stay other ids."""
    other = {**CALL, "id": "call_abc"}
    messages = cleaned(
        "mistral",
        {"role": "assistant", "content": None, "tool_calls": [CALL, other]},
        {"role": "tool", "tool_call_id": CALL["id"], "content": "1"},
    )["messages"]
    first, second = (call["id"] for call in messages[0]["tool_calls"])
    assert messages[1]["tool_call_id"] == first != second
    assert re.fullmatch("[A-Za-z0-9]{9}", first)
    assert messages[0]["tool_calls"][0]["function"] == CALL["function"]


def test_how_to_use_tools_is_not_told_where_there_are_none() -> None:
    """OpenAI answers 400 to it; a choice that demands a tool stays for it to refuse."""
    assert cleaned("openai", USER, parallel_tool_calls=True, tool_choice="auto").keys() == {"model", "messages"}
    assert "tool_choice" in cleaned("openai", USER, tool_choice="required")
    assert "parallel_tool_calls" in cleaned("openai", USER, parallel_tool_calls=True, tools=[TOOL])


@pytest.mark.parametrize("dialect, fits", [("groq", False), ("gemini", False), ("openai", True), ("mistral", True)])
@pytest.mark.parametrize("form", ["json_object", "json_schema"])
def test_tools_together_with_json(dialect: str, form: str, *, fits: bool) -> None:
    """Groq and Gemini refuse the pair: the client hears it before the call."""
    asked = fields(tools=[TOOL], response_format={"type": form})
    if fits:
        clean(asked, DIALECTS[dialect])
        return
    with pytest.raises(InvalidBody, match="tools") as refused:
        clean(asked, DIALECTS[dialect])
    assert refused.value.param == "response_format"
    clean(fields(tools=[], response_format={"type": form}), DIALECTS[dialect])
    clean(fields(tools=[TOOL], response_format={"type": "text"}), DIALECTS[dialect])


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
@pytest.mark.parametrize("tool", ["browser_search", "code_interpreter", "mcp"])
def test_built_in_tools_are_groqs(dialect: str, tool: str) -> None:
    """Only Groq has them; elsewhere the request is refused with its place."""
    asked = fields(tools=[TOOL, {"type": tool}])
    if dialect == "groq":
        assert clean(asked, DIALECTS[dialect]) is NOTHING_TO_CLEAN
        return
    with pytest.raises(InvalidBody, match=tool) as refused:
        clean(asked, DIALECTS[dialect])
    assert refused.value.param == "tools[1].type"


def test_reasoning_is_said_in_the_familys_words_and_the_dialects() -> None:
    """One wish on its way to three models."""
    wish = {"reasoning_effort": "none", "reasoning_format": "hidden"}
    oss = cleaned("groq", USER, family=Family.GPT_OSS, **wish)
    assert (oss["reasoning_effort"], oss["include_reasoning"], "reasoning_format" in oss) == ("low", False, False)
    qwen = cleaned("groq", USER, family=Family.QWEN_38, **wish)
    assert (qwen["reasoning_effort"], qwen["reasoning_format"]) == ("none", "hidden")
    gpt = cleaned("openai", USER, family=Family.GPT_5, **wish)
    assert gpt.keys() == {"model", "messages", "reasoning_effort"}
    assert gpt["reasoning_effort"] == "minimal"
    assert cleaned("openai", USER, family=Family.PLAIN, **wish).keys() == {"model", "messages"}
    assert cleaned("openai", USER, family=Family.GPT_OSS, reasoning_format="parsed").keys() == {"model", "messages"}


def test_raw_reasoning_beside_json_or_tools_is_parsed() -> None:
    """Groq answers 400 to raw there."""
    for more in ({"response_format": {"type": "json_object"}}, {"tools": [TOOL]}):
        made = cleaned("groq", USER, family=Family.QWEN_38, reasoning_format="raw", **more)
        assert made["reasoning_format"] == "parsed"
    assert cleaned("groq", USER, family=Family.QWEN_38, reasoning_format="raw")["reasoning_format"] == "raw"


def test_openais_reasoning_models_take_no_sampling() -> None:
    """Temperature and its like are left out with a note instead of a 400."""
    asked = fields(temperature=0.2, top_p=None, logprobs=True)
    found = clean(asked, DIALECTS["openai"], Family.OPENAI_O)
    assert found.apply(asked).keys() == {"model", "messages"}
    assert len(found.notes) == 2
    assert clean(asked, DIALECTS["openai"], Family.PLAIN) is NOTHING_TO_CLEAN


@pytest.mark.parametrize(
    "more", [{"reasoning_effort": 3}, {"reasoning_format": []}, {"include_reasoning": "yes"}, {"reasoning_effort": "x"}]
)
def test_a_wrong_kind_of_value_is_named(more: dict[str, Any]) -> None:
    """The refusal names the field."""
    with pytest.raises(InvalidBody) as refused:
        clean(fields(**more), DIALECTS["groq"])
    assert refused.value.param in more


def test_differences_apply_in_order() -> None:
    """New values replace, new names are added, and what is dropped is gone even if it was changed."""
    asked = {"a": Raw(b"1"), "b": Raw(b"2")}
    made = Cleaned({"a": Raw(b"3"), "c": Raw(b"4")}, frozenset({"b"})).apply(asked)
    assert {name: bytes(raw) for name, raw in made.items()} == {"a": b"3", "c": b"4"}


json_values = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4) | st.lists(st.none(), max_size=1)
role_names = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])
contents = (
    st.none()
    | st.text(max_size=5)
    | st.lists(
        st.fixed_dictionaries({"type": st.sampled_from(["text", "refusal", "image_url"]), "text": st.text(max_size=3)})
        | st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=3), "x": json_values}),
        max_size=2,
    )
)
extras = st.dictionaries(
    st.sampled_from(["name", "reasoning", "reasoning_content", "refusal", "annotations", "audio", "tool_call_id"]),
    st.none() | st.text(max_size=12),
    max_size=4,
)
message_lists = st.lists(
    st.tuples(role_names, contents, extras).map(lambda t: {"role": t[0], "content": t[1], **t[2]}),
    min_size=1,
    max_size=3,
)


@given(st.sampled_from(DIALECT_NAMES), message_lists)
def test_cleaning_is_done_after_once(dialect: str, messages: list[dict[str, Any]]) -> None:
    """Whatever comes is refused or becomes something that needs no more cleaning."""
    asked = fields(*messages)
    try:
        found = clean(asked, DIALECTS[dialect])
    except InvalidBody:
        return
    made = found.apply(asked)
    assert clean(made, DIALECTS[dialect]) is NOTHING_TO_CLEAN
    if messages_fit(asked["messages"], DIALECTS[dialect]):
        assert found is NOTHING_TO_CLEAN


def image(url: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}


PNG = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    "messages, max_images, problem",
    [
        ([image(PNG)] * 3, 3, None),
        ([image("https://x/y.png"), USER], 0, None),
        ([image(PNG)] * 6, 0, None),
        ([image(PNG)] * 4, 3, "4 images were given; the model takes 3"),
        ([image("file:///etc/passwd")], 3, "Image 1 has no usable URL"),
        ([image(""), image(PNG)], 3, "Image 1 has no usable URL"),
        ([image(PNG), image("data:image/png,raw")], 3, "Image 2 is not written as"),
        ([image("data:image/png;base64,")], 3, "Image 1 is not written as"),
        ([image("data:image/png;base64," + "A" * (4 * 1024 * 1024))], 3, None),
        ([image("data:image/png;base64," + "A" * (5 * 1024 * 1024))], 3, "5.0 MB of base64; groq takes 4 MB"),
    ],
)
def test_images_are_counted_and_measured(messages: list[dict[str, Any]], max_images: int, problem: str | None) -> None:
    """The model's number and Groq's size, before the call; what a URL leads to is not looked at."""
    found = image_problem(fields(*messages)["messages"], DIALECTS["groq"], max_images)
    assert found is None if problem is None else found is not None and problem in found


def test_who_states_no_size_is_sent_any() -> None:
    """Other providers' sizes are not known here, so nothing is refused in their name."""
    large = image("data:image/png;base64," + "A" * (9 * 1024 * 1024))
    assert image_problem(fields(large)["messages"], DIALECTS["openai"], 0) is None

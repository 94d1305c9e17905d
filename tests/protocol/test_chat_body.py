"""The client's chat body: what is understood, what is refused, what the provider gets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from headgate.domain.request import Check, Need, PromptSize
from headgate.protocol.chat import Chat, InvalidBody, parse_chat, to_upstream
from headgate.protocol.cleaning import Cleaned
from headgate.protocol.dialects import DIALECTS

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "groq_recordings.jsonl"
HELLO = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}


def body(**fields: object) -> bytes:
    """A chat body: the least there can be, and `fields`."""
    return json.dumps({"model": "m", "messages": [HELLO], **fields}).encode()


def sent(chat: Chat, **how: Any) -> dict[str, Any]:
    """What the provider would read."""
    how = {"dialect": DIALECTS["groq"], "model": "served", "max_completion_tokens": 640, **how}
    decoded: dict[str, Any] = json.loads(to_upstream(chat, **how))
    return decoded


def test_the_least_body_has_the_defaults() -> None:
    """A model and one message are enough."""
    chat = parse_chat(body())
    assert (chat.model, chat.stream, chat.include_usage, chat.ask_tokens, chat.user) == ("m", False, False, None, None)
    assert (chat.needs, chat.check, chat.schema, chat.controls) == (Need.NONE, Check.NONE, None, {})
    assert chat.prompt == PromptSize(latin=2, messages=1)
    assert chat.last_user_text == "hi"


def test_every_understood_field_is_read() -> None:
    """The fields that decisions need come out typed."""
    chat = parse_chat(
        body(
            stream=True,
            stream_options={"include_usage": True},
            max_tokens=10,
            max_completion_tokens=20,
            temperature=0,
            user="u",
            n=1,
            service_tier="flex",
            reasoning_effort="low",
            headgate={"agent": "a", "deadline-ms": 900},
            tool_choice={"type": "function", "function": {"name": "look_up"}},
            tools=[LOOK_UP],
        )
    )
    assert (chat.stream, chat.include_usage, chat.ask_tokens) == (True, True, 20)
    assert (chat.user, chat.n, chat.temperature, chat.service_tier) == ("u", 1, 0.0, "flex")
    assert (chat.reasoning_effort, chat.controls) == ("low", {"agent": "a", "deadline-ms": 900})
    assert chat.tool_choice == {"type": "function", "function": {"name": "look_up"}}


def test_name_of_a_user_without_end_is_not_remembered_whole() -> None:
    """It is known by its digest, another one by another, and the provider gets it as it came."""
    names = ["x" * 200, "x" * 201, "x" * 2_000_000, "y" * 2_000_000]
    chats = [parse_chat(body(user=name)) for name in names]
    assert chats[0].user == names[0]
    assert [len(chat.user or "") for chat in chats[1:]] == [64] * 3
    assert len({chat.user for chat in chats}) == 4
    assert [sent(chat)["user"] for chat in chats] == names


@pytest.mark.parametrize(
    "fields, ask",
    [
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": 7, "max_completion_tokens": None}, 7),
        ({}, None),
    ],
)
def test_the_ask_is_read_from_either_name(fields: dict[str, object], ask: int | None) -> None:
    """The newer name wins; null is the same as absent."""
    assert parse_chat(body(**fields)).ask_tokens == ask


@pytest.mark.parametrize(
    "fields, needs",
    [
        ({"tools": [LOOK_UP]}, Need.TOOLS),
        ({"tools": [{"type": "browser_search"}]}, Need.BUILTIN_TOOLS),
        ({"tools": [LOOK_UP, {"type": "code_interpreter"}]}, Need.TOOLS | Need.BUILTIN_TOOLS),
        ({"tools": []}, Need.NONE),
        ({"tools": None}, Need.NONE),
        ({"functions": [{"name": "f"}]}, Need.TOOLS),
        ({"response_format": {"type": "text"}}, Need.NONE),
        ({"response_format": {"type": "json_object"}}, Need.JSON_OBJECT),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}},
            Need.JSON_SCHEMA,
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, Need.VISION),
    ],
)
def test_needs_are_found_in_the_body(fields: dict[str, object], needs: Need) -> None:
    """What a candidate must be able to do follows from tools, format and parts."""
    assert parse_chat(body(**fields)).needs == needs


def test_a_schema_comes_decoded_with_its_check() -> None:
    """JSON mode asks for JSON, a schema for itself."""
    chat = parse_chat(body(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}))
    assert (chat.check, chat.schema) == (Check.SCHEMA, SCHEMA)
    assert parse_chat(body(response_format={"type": "json_object"})).check is Check.JSON


def test_the_prompt_counts_everything_a_model_reads() -> None:
    """Contents, text parts, reasoning, tool calls, tools and schema; an image counts as an image, not by its bytes."""
    call = [{"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}]
    parts = [{"type": "text", "text": "0123"}, {"type": "image_url", "image_url": {"url": "data:" + "A" * 9000}}]
    chat = parse_chat(
        body(
            messages=[
                {"role": "system", "content": "नमस्ते"},
                {"role": "user", "content": parts},
                {"role": "assistant", "content": None, "reasoning": "中文", "tool_calls": call},
            ],
            tools=[LOOK_UP],
        )
    )
    size = chat.prompt
    assert (size.indic, size.digits, size.han, size.messages, size.tools, size.images) == (6, 4, 2, 3, 1, 1)
    assert size.latin == len(json.dumps(call)) + len(json.dumps([LOOK_UP]))


CALL = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}


@pytest.mark.parametrize(
    "message, clean",
    [
        (HELLO, True),
        ({"role": "system", "content": [{"type": "text", "text": "hi"}], "name": "a"}, True),
        ({"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning": "so"}, True),
        ({"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}}, True),
        ({"role": "tool", "content": "1", "tool_call_id": "c"}, True),
        ({"role": "assistant", "content": "x", "reasoning_content": "so"}, False),
        ({"role": "assistant", "content": "x", "refusal": None}, False),
        ({"role": "assistant", "content": "x", "function_call": None}, False),
        ({"role": "assistant", "content": "x", "tool_calls": None}, False),
        ({"role": "assistant", "content": "x", "reasoning": None}, False),
        ({"role": "user", "content": "x", "name": None}, False),
        ({"role": "user", "content": "x", "name": 7}, False),
    ],
)
def test_messages_with_a_field_that_groq_refuses_are_not_clean(message: dict[str, object], clean: bool) -> None:
    """Unknown fields and nulls are told of; they are no reason to refuse, and travel as they came."""
    chat = parse_chat(body(messages=[HELLO, message]))
    assert chat.clean_messages is clean
    assert sent(chat)["messages"] == [HELLO, message]


def nested(depth: int) -> object:
    """A list in a list in a list."""
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "place",
    [
        lambda deep: {"metadata": deep},
        lambda deep: {"tools": [{"type": "mcp", "server": deep}]},
        lambda deep: {"headgate": {"agent": deep}},
        lambda deep: {"tool_choice": {"type": deep}},
        lambda deep: {"stream_options": {"other": deep}},
        lambda deep: {"response_format": {"type": "text", "other": deep}},
        lambda deep: {"messages": [{"role": "user", "content": "x", "other": deep}]},
        lambda deep: {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": deep}]}]},
        lambda deep: {"messages": [{"role": "assistant", "content": None, "tool_calls": deep}]},
    ],
)
def test_deep_nesting_is_refused_wherever_it_stands(place: Callable[[object], dict[str, object]]) -> None:
    """No place of a body is deep enough to exhaust a reader that comes after us."""
    assert parse_chat(body(**place(nested(50)))).model == "m"
    for depth in (65, 400):
        with pytest.raises(InvalidBody, match="nested"):
            parse_chat(body(**place(nested(depth))))


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"model": None}, "model"),
    ({"model": ""}, "model"),
    ({"model": "  "}, "model"),
    ({"model": 3}, "model"),
    ({"messages": []}, "messages"),
    ({"messages": "hi"}, "messages"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [{"content": "hi"}]}, "messages[0].role"),
    ({"messages": [HELLO, {"role": "robot", "content": "hi"}]}, "messages[1].role"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"n": 2}, "n"),
    ({"n": 0}, "n"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": -0.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 1.1}, "top_p"),
    ({"presence_penalty": -3}, "presence_penalty"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_completion_tokens": 2**31}, "max_completion_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"max_completion_tokens": True}, "max_completion_tokens"),
    ({"seed": 2**63}, "seed"),
    ({"tools": [LOOK_UP] * 129}, "tools"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ({"tool_choice": "perhaps"}, "tool_choice"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ({"headgate": "fast"}, "headgate"),
    ({"headgate": ["fast"]}, "headgate"),
]


@pytest.mark.parametrize("fields, param", REFUSED)
def test_a_value_out_of_bounds_is_refused_by_its_name(fields: dict[str, object], param: str) -> None:
    """The refusal names the field and says what is wrong with it."""
    with pytest.raises(InvalidBody) as refused:
        parse_chat(body(**fields))
    assert (refused.value.param, refused.value.code) == (param, "invalid_request")
    assert param in refused.value.message


def test_a_refusal_says_what_to_do() -> None:
    """Reason and remedy stand in one message."""
    with pytest.raises(InvalidBody, match="leave it out"):
        parse_chat(body(n=2))
    with pytest.raises(InvalidBody, match="it is missing"):
        parse_chat(b'{"messages":[{"role":"user"}]}')


@pytest.mark.parametrize(
    "raw", [b'"metadata":{"a":1e999}', b'"temperature":1e999', b'"headgate":{"a":%b}' % (b"9" * 5000)]
)
def test_a_number_beyond_all_bounds_is_refused(raw: bytes) -> None:
    """Infinity by exponent and endless integers do not get in."""
    with pytest.raises(InvalidBody):
        parse_chat(b'{"model":"m","messages":[{"role":"user","content":"hi"}],%b}' % raw)


@pytest.mark.parametrize(
    "fields",
    [
        {"stream_options": {"include_usage": True}},
        {"stop": "end"},
        {"stop": ["a", "b", "c", "d"]},
        {"tools": [LOOK_UP] * 128},
        {"logprobs": True, "metadata": {"a": "b"}, "chat_template_kwargs": {}},
        {"temperature": 0, "top_p": None, "seed": 2**63 - 1, "max_tokens": 2**31 - 1},
        {
            "messages": [
                {"role": role, "content": "x"} for role in ("system", "developer", "assistant", "tool", "function")
            ]
        },
    ],
)
def test_what_the_provider_must_judge_is_accepted(fields: dict[str, object]) -> None:
    """Borders are inside, and unknown fields are relayed: a model may know them."""
    assert parse_chat(body(**fields)).model == "m"


def test_the_provider_gets_our_model_and_maximum_and_no_controls() -> None:
    """Both names of the maximum become one; our own object and nulls do not leave the house."""
    chat = parse_chat(body(max_tokens=9, max_completion_tokens=None, headgate={"task": "t"}, top_p=None, seed=4))
    assert sent(chat) == {"model": "served", "max_completion_tokens": 640, "messages": [HELLO], "seed": 4}


def test_a_stream_always_brings_its_usage() -> None:
    """Usage is asked for whatever the client said; without streaming neither field is sent."""
    for options in (None, {"include_usage": False}, {"include_usage": True, "other": 1}):
        chat = parse_chat(body(stream=True, stream_options=options))
        streamed = sent(chat)
        assert (streamed["stream"], streamed["stream_options"]) == (True, {"include_usage": True})
        assert not {"stream", "stream_options"} & sent(parse_chat(body(stream=False, stream_options=options))).keys()


def test_a_tier_is_replaced_kept_or_dropped() -> None:
    """None keeps the client's, a name replaces it, dropping removes it; dropped fields come back for the next model."""
    chat = parse_chat(body(service_tier="flex", logprobs=True))
    assert sent(chat)["service_tier"] == "flex"
    assert sent(chat, service_tier="on_demand")["service_tier"] == "on_demand"
    assert "logprobs" not in sent(chat, cleaned=Cleaned(drop=frozenset({"logprobs"})))
    assert "service_tier" not in sent(chat, dialect=DIALECTS["mistral"])
    assert sent(chat)["logprobs"] is True
    assert "service_tier" not in sent(parse_chat(body()))


def test_what_is_cleaned_replaces_what_came() -> None:
    """The provider's own words stand where the client's stood, for one call; the next starts from the client's."""
    chat = parse_chat(body(max_tokens=9, seed=4))
    cleaned = Cleaned(changed={"random_seed": Raw(b"4")}, drop=frozenset({"seed"}))
    sent_to_mistral = sent(chat, dialect=DIALECTS["mistral"], cleaned=cleaned)
    assert sent_to_mistral == {"model": "served", "max_tokens": 640, "messages": [HELLO], "random_seed": 4}
    assert sent(chat)["seed"] == 4


def test_other_fields_travel_byte_for_byte() -> None:
    """Spaces, escapes, number spellings and key order of what we do not touch arrive as they were."""
    raw = b'[ {"role" : "user", "content":"caf\\u00e9 \\/ 1.0"} ]'
    metadata = b'{"z":1.50, "a":1E2}'
    chat = parse_chat(b'{ "messages":%b,\n "model":"m", "metadata": %b }' % (raw, metadata))
    upstream = to_upstream(chat, dialect=DIALECTS["groq"], model='a"b', max_completion_tokens=5)
    assert upstream == b'{"model":"a\\"b","max_completion_tokens":5,"messages":%b,"metadata":%b}' % (raw, metadata)


def test_recorded_requests_are_understood_and_sent_on_unchanged() -> None:
    """Every request real SDKs made parses, and what we do not rewrite is what was recorded."""
    if not RECORDINGS.exists():
        pytest.skip("the shared folder is not there")
    for line in RECORDINGS.read_text().splitlines():
        request = json.loads(line)["request"]
        upstream = sent(parse_chat(json.dumps(request).encode()))
        assert upstream["messages"] == request["messages"]
        assert upstream.get("tools") == request.get("tools")


fields = st.dictionaries(
    st.sampled_from(["model", "messages", "stream", "n", "tools", "stop", "user", "headgate", "response_format", "x"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["role", "content", "type", "function", "name", "json_schema"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    ),
)


@given(
    st.binary(max_size=60) | fields.map(lambda each: json.dumps({"model": "m", "messages": [HELLO], **each}).encode())
)
def test_no_body_raises_anything_else(raw: bytes) -> None:
    """A body is a chat or an InvalidBody; and every chat can be sent."""
    try:
        chat = parse_chat(raw)
    except InvalidBody:
        return
    assert sent(chat)["model"] == "served"

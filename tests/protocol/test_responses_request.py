"""A Responses request as a chat body: what is carried over, what is left out with a note, what is refused."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check, Need
from headgate.protocol.chat import parse_chat
from headgate.protocol.responses import Asked, InvalidBody, chat_body

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":"Rome"}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "sunny"}
PIXEL = "data:image/png;base64,AAAA"


def body(**fields: object) -> bytes:
    """The least request there can be, and `fields`."""
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def asked(**fields: object) -> Asked:
    """What a request is understood as; its chat body is one that the chat door takes."""
    understood = chat_body(body(**fields))
    parse_chat(understood.body)
    return understood


def chat(**fields: object) -> dict[str, Any]:
    """The chat body as the provider would read it."""
    decoded: dict[str, Any] = json.loads(asked(**fields).body)
    return decoded


def messages(*items: object, **fields: object) -> list[dict[str, Any]]:
    """The chat messages that input items become."""
    made: list[dict[str, Any]] = chat(input=list(items), **fields)["messages"]
    return made


def calls(*triples: tuple[str, str, str]) -> list[dict[str, Any]]:
    """Tool calls as chat writes them: id, name, arguments."""
    return [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in triples]


def said(role: str, content: object, **fields: object) -> dict[str, object]:
    """A message item, or a chat message."""
    return {"role": role, "content": content, **fields}


def test_the_least_request_becomes_the_least_chat_body() -> None:
    """A text is one user message, and nothing is added that was not asked for."""
    least = asked()
    assert json.loads(least.body) == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert (least.model, least.stream, least.notes) == ("m", False, ())


def test_settings_take_the_names_of_chat() -> None:
    """Every setting that chat has arrives under chat's name with its value."""
    made = chat(
        instructions="be brief",
        max_output_tokens=9,
        temperature=0,
        top_p=0.5,
        user="u",
        service_tier="default",
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        tools=[WEATHER],
        headgate={"task": "t"},
    )
    assert made["messages"][0] == {"role": "system", "content": "be brief"}
    expected = {
        "max_completion_tokens": 9,
        "temperature": 0,
        "top_p": 0.5,
        "user": "u",
        "service_tier": "on_demand",
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "headgate": {"task": "t"},
    }
    assert {name: made[name] for name in expected} == expected


def test_a_stream_asks_for_its_usage() -> None:
    """The final event has a usage only if the chat stream sends one."""
    made = chat(stream=True)
    assert (made["stream"], made["stream_options"]) == (True, {"include_usage": True})
    assert asked(stream=True).stream


@pytest.mark.parametrize(
    "items, expected",
    [
        ([said("user", "a")], [said("user", "a")]),
        ([said("developer", "a", type="message")], [said("developer", "a")]),
        ([said("user", [{"type": "input_text", "text": "a"}])], [said("user", "a")]),
        ([said("user", [])], [said("user", "")]),
        (
            [said("assistant", [{"type": "output_text", "text": "a", "annotations": []}], id="msg_1", status="x")],
            [said("assistant", "a")],
        ),
        (
            [said("assistant", [{"type": "refusal", "refusal": "no"}])],
            [said("assistant", [{"type": "text", "text": "no"}])],
        ),
        (
            [
                said(
                    "user",
                    [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PIXEL, "detail": "low"}],
                )
            ],
            [
                said(
                    "user",
                    [
                        {"type": "text", "text": "a"},
                        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                    ],
                )
            ],
        ),
        (
            [said("user", [{"type": "input_image", "image_url": PIXEL, "detail": "original"}])],
            [said("user", [{"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}}])],
        ),
    ],
)
def test_messages_keep_their_words_and_pictures(items: list[object], expected: list[object]) -> None:
    """Each part arrives as chat writes it, in order."""
    assert messages(*items) == expected


def test_parallel_calls_and_their_outputs_are_one_turn() -> None:
    """Several calls in a row are one assistant message, several outputs one tool message each."""
    other = {**CALL, "call_id": "c2", "arguments": "{}"}
    made = messages(said("user", "a"), CALL, other, OUTPUT, {**OUTPUT, "call_id": "c2", "output": "rain"})
    assert made == [
        said("user", "a"),
        said("assistant", None, tool_calls=calls(("c1", "weather", '{"city":"Rome"}'), ("c2", "weather", "{}"))),
        said("tool", "sunny", tool_call_id="c1"),
        said("tool", "rain", tool_call_id="c2"),
    ]


THOUGHT = {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
WHOLE_TURN = said("assistant", "wait", reasoning="hm", tool_calls=calls(("c1", "weather", '{"city":"Rome"}')))


@pytest.mark.parametrize(
    "items",
    [
        [THOUGHT, said("assistant", "wait"), CALL],
        [THOUGHT, CALL, said("assistant", "wait")],
        [CALL, THOUGHT, said("assistant", "wait")],
        [said("assistant", "wait"), CALL, THOUGHT],
    ],
)
def test_what_the_model_wrote_in_one_turn_is_one_message(items: list[object]) -> None:
    """Reasoning, text and calls of one response go back as the one chat message from which they came."""
    assert messages(said("user", "a"), *items, OUTPUT)[1] == WHOLE_TURN


def test_two_answers_in_a_row_stay_two() -> None:
    """A second text, or reasoning behind a text, begins a turn of its own."""
    made = messages(said("assistant", "a"), said("assistant", "b"), THOUGHT, said("assistant", "c"))
    assert made == [said("assistant", "a"), said("assistant", "b"), said("assistant", "c", reasoning="hm")]


@pytest.mark.parametrize(
    "item, note",
    [
        ({"type": "reasoning", "summary": [], "encrypted_content": "x"}, "input[1].encrypted_content"),
        (THOUGHT, "A reasoning item was left out"),
        ({"type": "web_search_call", "id": "w", "status": "completed"}, "input[1] (web_search_call)"),
    ],
)
def test_items_that_carry_nothing_onwards_are_noted(item: object, note: str) -> None:
    """What is left out is said, and the rest is sent."""
    understood = asked(input=[said("user", "a"), item])
    assert json.loads(understood.body)["messages"] == [said("user", "a")]
    assert [each for each in understood.notes if each.startswith(note)]


def test_a_summary_stands_in_for_reasoning_that_is_not_shown() -> None:
    """Where only the summary of a thought is known, that is what the model is given back."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "short"}], "encrypted_content": "x"}
    assert messages(thought, said("assistant", "a")) == [said("assistant", "a", reasoning="short")]


def test_the_output_of_a_function_may_come_in_parts() -> None:
    """Texts are joined line by line: tool messages hold one text."""
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    assert messages(CALL, {**OUTPUT, "output": parts})[-1]["content"] == "a\nb"


@pytest.mark.parametrize(
    "tool, expected",
    [
        (
            WEATHER,
            {
                "type": "function",
                "function": {"name": "weather", "description": "d", "parameters": SCHEMA, "strict": True},
            },
        ),
        ({"type": "function", "name": "f", "parameters": None}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "web_search_preview"}, {"type": "browser_search"}),
        ({"type": "web_search_2025_08_26", "filters": None}, {"type": "browser_search"}),
        ({"type": "browser_search"}, {"type": "browser_search"}),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, {"type": "code_interpreter"}),
        (
            {"type": "mcp", "server_label": "l", "server_url": "https://a.example/mcp", "headers": {"k": "v"}},
            {"type": "mcp", "server_label": "l", "server_url": "https://a.example/mcp", "headers": {"k": "v"}},
        ),
    ],
)
def test_tools_take_the_shape_of_chat(tool: object, expected: object) -> None:
    """Functions are nested, built-in tools renamed, mcp passed on."""
    assert chat(tools=[tool])["tools"] == [expected]


@pytest.mark.parametrize(
    "choice, expected",
    [
        ("none", "none"),
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_the_choice_of_a_tool_takes_the_shape_of_chat(choice: object, expected: object) -> None:
    """A function is named in chat's nested form."""
    assert chat(tools=[WEATHER], tool_choice=choice)["tool_choice"] == expected


def test_allowed_tools_are_the_only_ones_sent() -> None:
    """Chat has no list of allowed tools, so the others are not shown to the model."""
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    other = {"type": "function", "name": "other"}
    understood = asked(tools=[other, WEATHER, {"type": "web_search"}], tool_choice=choice)
    made = json.loads(understood.body)
    assert made["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in made["tools"]] == ["weather"]
    assert len(json.loads(encoded(understood.echo["tools"]))) == 3


def encoded(value: object) -> bytes:
    """A value of the echo as it is written."""
    return msgspec.json.encode(value)


@pytest.mark.parametrize(
    "form, expected, check",
    [
        ({"type": "text"}, None, Check.NONE),
        ({"type": "json_object"}, {"type": "json_object"}, Check.JSON),
        (
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True},
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
            Check.SCHEMA,
        ),
    ],
)
def test_the_format_of_the_text_takes_the_shape_of_chat(form: object, expected: object, check: Check) -> None:
    """The schema arrives whole, and the chat door sees what has to be checked."""
    understood = asked(text={"format": form})
    assert json.loads(understood.body).get("response_format") == expected
    assert parse_chat(understood.body).check is check


@pytest.mark.parametrize(
    "fields",
    [
        {"store": False},
        {"store": None},
        {"truncation": "disabled"},
        {"include": []},
        {"background": False},
        {"previous_response_id": None},
        {"conversation": None},
        {"prompt": None},
        {"max_tool_calls": None},
    ],
)
def test_asking_for_nothing_is_not_refused(fields: dict[str, object]) -> None:
    """Null and the value that switches a field off change nothing."""
    assert asked(**fields).body == asked().body


@pytest.mark.parametrize("name", ["prompt_cache_key", "stream_options", "prompt_cache_retention"])
def test_fields_that_change_no_answer_are_left_out_with_a_note(name: str) -> None:
    """The provider never sees them, and the client is told."""
    understood = asked(**{name: {"a": 1}})
    assert understood.body == asked().body
    assert [note for note in understood.notes if note.startswith(f"{name} was left out")]


REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({"store": True}, "store", "keep the response yourself"),
    ({"store": 0}, "store", "Nothing is stored"),
    ({"previous_response_id": "resp_1"}, "previous_response_id", "send the earlier items"),
    ({"truncation": "auto"}, "truncation", "shorten it yourself"),
    ({"include": ["reasoning.encrypted_content"]}, "include", "leave it out"),
    ({"background": True}, "background", "use stream"),
    ({"conversation": "conv_1"}, "conversation", "send the conversation's items"),
    ({"prompt": {"id": "p"}}, "prompt", "as instructions and input"),
    ({"max_tool_calls": 3}, "max_tool_calls", "leave it out"),
    ({"top_logprobs": 3}, "top_logprobs", "leave it out"),
    ({"messages": []}, "messages", "not a field"),
    ({"model": ""}, "model", "Name a model"),
    ({"input": []}, "input", "at least one item"),
    ({"input": None}, "input", "Give a text"),
    ({"instructions": [1]}, "instructions", "Give a text"),
    ({"temperature": 3}, "temperature", "from 0 to 2"),
    ({"max_output_tokens": 0}, "max_output_tokens", "from 1"),
    ({"service_tier": "priority"}, "service_tier", '"flex"'),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "at most 16"),
    ({"metadata": {"a": "b" * 513}}, "metadata", "shorten"),
    ({"metadata": {"a": 1}}, "metadata[...]", "at most 16"),
    ({"tools": [{"type": "file_search"}]}, "tools[0].type", "use function"),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "flat"),
    ({"tools": [{"type": "function", "name": "f", "parameters": []}]}, "tools[0].parameters", "object"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name", "flat"),
    ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, "tools[0].container", "auto"),
    (
        {"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}]},
        "tools[0].filters",
        "Leave it out",
    ),
    ({"tools": [WEATHER] * 129}, "tools", "at most 128"),
    ({"tool_choice": "any"}, "tool_choice", '"required"'),
    ({"tool_choice": {"type": "web_search_preview"}}, "tool_choice.type", "required"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name", "name the function"),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "x"}]}},
        "tool_choice.tools[0]",
        "name one of them",
    ),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "json_schema"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema", "JSON Schema"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "a name"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type", "send the item itself"),
    ({"input": [{"type": "computer_call_output"}]}, "input[0].type", "use message"),
    ({"input": [{"type": "mcp_approval_response"}]}, "input[0].type", "never"),
    ({"input": [said("tool", "x")]}, "input[0].role", "assistant"),
    ({"input": [said("user", None)]}, "input[0].content", "missing"),
    ({"input": [said("user", [{"type": "input_file", "file_id": "f"}])]}, "input[0].content[0].type", "input_text"),
    ({"input": [said("user", [{"type": "input_image", "file_id": "f"}])]}, "input[0].content[0].image_url", "data:"),
    ({"input": [OUTPUT]}, "input[0].call_id", "send the function_call item"),
    ({"input": [CALL, {"type": "function_call_output", "call_id": "c1"}]}, "input[1].output", "result"),
    (
        {"input": [CALL, {**OUTPUT, "output": [{"type": "input_image", "image_url": PIXEL}]}]},
        "input[1].output[0].type",
        "user message",
    ),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id", "missing"),
    ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}, "input", "add a message"),
    ({"input": [said("user", "a"), said("user", 5)]}, "input[1].content", "at least one item"),
]


@pytest.mark.parametrize(
    "fields, param, remedy", REFUSED, ids=[f"{param}-{n}" for n, (_, param, _) in enumerate(REFUSED)]
)
def test_what_cannot_be_served_is_refused_with_place_and_remedy(
    fields: dict[str, object], param: str, remedy: str
) -> None:
    """The refusal names the field in the client's words and says what to do instead."""
    with pytest.raises(InvalidBody) as refused:
        chat_body(body(**fields))
    assert refused.value.param == param
    assert remedy in refused.value.message


def test_the_response_repeats_what_was_asked() -> None:
    """The echo holds the client's own shapes, and defaults where it was silent."""
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA}
    echo = asked(
        instructions="i",
        metadata={"a": "b"},
        tools=[WEATHER],
        tool_choice={"type": "function", "name": "weather"},
        text={"format": form},
        reasoning={"effort": "high"},
        max_output_tokens=5,
        user="u",
    ).echo
    assert (echo["instructions"], echo["metadata"], echo["max_output_tokens"]) == ("i", {"a": "b"}, 5)
    assert json.loads(encoded(echo["tools"])) == [WEATHER]
    assert json.loads(encoded(echo["tool_choice"])) == {"type": "function", "name": "weather"}
    assert json.loads(encoded(echo["text"])) == {"format": form}
    assert (echo["temperature"], echo["top_p"], echo["truncation"], echo["store"]) == (1.0, 1.0, "disabled", False)


def test_the_keys_of_an_mcp_server_are_not_repeated() -> None:
    """They go to the provider and nowhere else."""
    tool = {"type": "mcp", "server_label": "l", "authorization": "secret-1", "headers": {"k": "secret-2"}}
    understood = asked(tools=[tool])
    assert b"secret-1" in understood.body
    assert b"secret-2" in understood.body
    assert b"secret" not in encoded(understood.echo)


def test_a_schema_arrives_byte_for_byte() -> None:
    """Numbers and orders inside a schema are the client's, even those that a decoder would change."""
    raw = b'{"type":"object","properties":{"b":{"maximum":1.0,"const":1e2},"a":{"enum":[18446744073709551615]}}}'
    whole = b'{"model":"m","input":"hi","tools":[{"type":"function","name":"f","parameters":%b}]}' % raw
    assert raw in chat_body(whole).body


def test_needs_are_seen_through_the_translation() -> None:
    """The chat door sees tools, built-in tools, pictures and schemas of a Responses request."""
    picture = said("user", [{"type": "input_image", "image_url": PIXEL}])
    understood = asked(input=[picture], tools=[WEATHER, {"type": "web_search"}])
    assert parse_chat(understood.body).needs == Need.VISION | Need.TOOLS | Need.BUILTIN_TOOLS


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text("abc_", min_size=1, max_size=5)
user_items = st.lists(
    st.one_of(
        texts.map(lambda text: {"type": "input_text", "text": text}),
        names.map(lambda name: {"type": "input_image", "image_url": f"https://a.example/{name}", "detail": "auto"}),
    ),
    min_size=2,
    max_size=4,
)


@given(
    st.lists(
        st.one_of(
            texts.map(lambda text: [said("user", text)]),
            user_items.map(lambda parts: [said("user", parts)]),
            texts.map(lambda text: [said("assistant", text)]),
            st.lists(st.tuples(names, texts, texts), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.tuples(names, texts), max_size=3),
)
def test_no_text_call_or_picture_is_lost(groups: list[list[Any]], tools: list[tuple[str, str]]) -> None:
    """Every text, call, output, image and tool of any conversation is in the chat body, in its order."""
    items, expected, count = [], [], 0
    for group in groups:
        outputs = []
        for each in group:
            if isinstance(each, dict):
                items.append(each)
                parts = each["content"] if isinstance(each["content"], list) else [each["content"]]
                expected += [p if isinstance(p, str) else p.get("text", p.get("image_url")) for p in parts]
                continue
            count += 1
            name, arguments, output = each
            items.append({**CALL, "call_id": f"c{count}", "name": name, "arguments": arguments})
            outputs.append({**OUTPUT, "call_id": f"c{count}", "output": output})
        items += outputs
        expected += [part for each in group if isinstance(each, tuple) for part in (each[0], each[1] or "{}")]
        expected += [each["output"] for each in outputs]
    flat = [{"type": "function", "name": name, "description": about} for name, about in tools]
    understood = asked(input=items, **({"tools": flat} if flat else {}))
    made = json.loads(understood.body)
    assert list(leaves(made["messages"])) == expected
    assert [(t["function"]["name"], t["function"]["description"]) for t in made.get("tools", [])] == tools
    assert understood.notes == ()


def leaves(messages: list[dict[str, Any]]) -> Any:
    """What messages say, in order: texts, image URLs, names and arguments."""
    for message in messages:
        content = message["content"]
        for part in content if isinstance(content, list) else [] if content is None else [content]:
            yield part if isinstance(part, str) else part.get("text") or part.get("image_url", {}).get("url", "")
        for call in message.get("tool_calls", []):
            yield from call["function"].values()


@given(st.binary(max_size=40) | st.text('{}[]":,inputmodel01', max_size=60).map(str.encode))
def test_any_bytes_are_a_request_or_a_refusal(body: bytes) -> None:
    """Nothing but `InvalidBody` is raised."""
    with suppress(InvalidBody):
        parse_chat(chat_body(body).body)

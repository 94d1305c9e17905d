"""Anthropic's Messages request as a chat body: every field by table, and what is refused with place and advice."""

import json
from typing import Any

import pytest

from headgate.domain.request import Check, Need
from headgate.protocol.anthropic import Asked, InvalidBody, chat_body, count_tokens
from headgate.protocol.chat import parse_chat

HELLO = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Tells it.", "input_schema": SCHEMA}
FUNCTION = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells it.", "parameters": SCHEMA},
}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
PIXEL_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
MARKER = {"cache_control": {"type": "ephemeral"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
CHAT_CALL = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}


def body(**fields: object) -> bytes:
    """A Messages body: the least there can be, and `fields`."""
    return json.dumps({"model": "claude-x", "max_tokens": 100, "messages": [HELLO], **fields}).encode()


def chat(asked: Asked) -> dict[str, Any]:
    """What the gateway would read; it must accept it."""
    parse_chat(asked.body)
    read: dict[str, Any] = json.loads(asked.body)
    return read


def messages(*given: object, **fields: object) -> list[dict[str, Any]]:
    """The chat messages for these."""
    translated: list[dict[str, Any]] = chat(chat_body(body(messages=list(given), **fields)))["messages"]
    return translated


def test_the_least_request_becomes_the_least_chat() -> None:
    """Model, messages and maximum are all there is; the model's name stays what the client wrote."""
    asked = chat_body(body())
    assert chat(asked) == {"model": "claude-x", "messages": [HELLO], "max_completion_tokens": 100}
    assert asked == Asked(asked.body, "claude-x", stream=False)


@pytest.mark.parametrize(
    "fields, translated",
    [
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": False}, {}),
        ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"stop_sequences": []}, {}),
        ({"temperature": 0.25, "top_p": 0.5}, {"temperature": 0.25, "top_p": 0.5}),
        ({"temperature": None}, {}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"metadata": {"user_id": None}}, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 16384}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "adaptive"}}, {}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"reasoning_effort": "high"}),
        ({"output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        ),
        (
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
        ),
        ({"headgate": {"agent": "a"}}, {"headgate": {"agent": "a"}}),
        ({"cache_control": {"type": "ephemeral"}}, {}),
        ({"tools": [WEATHER]}, {"tools": [FUNCTION]}),
        ({"tools": [{**WEATHER, "type": "custom", **MARKER, "defer_loading": True}]}, {"tools": [FUNCTION]}),
        ({"tools": [], "tool_choice": {"type": "auto"}}, {}),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search", "allowed_domains": ["a.example"]}]},
            {"tools": [{"type": "browser_search"}], "search_settings": {"include_domains": ["a.example"]}},
        ),
        (
            {"tools": [{"type": "web_search_20260209", "name": "web_search", "blocked_domains": ["b.example"]}]},
            {"tools": [{"type": "browser_search"}], "search_settings": {"exclude_domains": ["b.example"]}},
        ),
        (
            {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}, WEATHER]},
            {"tools": [{"type": "code_interpreter"}, FUNCTION]},
        ),
    ],
)
def test_field_is_translated(fields: dict[str, object], translated: dict[str, object]) -> None:
    """Each field becomes what chat completions call it, and nothing else is sent."""
    read = chat(chat_body(body(**fields)))
    del read["model"], read["messages"], read["max_completion_tokens"]
    assert read == translated


@pytest.mark.parametrize(
    "choice, translated",
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "weather"}, {"tool_choice": {"type": "function", "function": {"name": "weather"}}}),
        (
            {"type": "any", "disable_parallel_tool_use": True},
            {"tool_choice": "required", "parallel_tool_calls": False},
        ),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
    ],
)
def test_tool_choice_is_translated(choice: dict[str, object], translated: dict[str, object]) -> None:
    """Which tool may or must be used is said in the other's words."""
    read = chat(chat_body(body(tools=[WEATHER], tool_choice=choice)))
    assert {name: read[name] for name in ("tool_choice", "parallel_tool_calls") if name in read} == translated


def test_tool_is_kept_whole() -> None:
    """The schema stays byte for byte; strictness is passed on, and examples are told where a model can read them."""
    raw = b'{"type":"object", "properties":{"n":{"minimum":1.50}}}'
    tool = b'{"name":"f","strict":true,"description":"Does.","input_examples":[{"n": 2}],"input_schema":%b}' % raw
    asked = chat_body(b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[%b]}' % tool)
    assert raw in asked.body
    function = chat(asked)["tools"][0]["function"]
    assert function["strict"] is True
    assert function["description"] == 'Does.\n\nExamples of its input: {"n": 2}'


@pytest.mark.parametrize(
    "system, content",
    [
        ("Be brief.", "Be brief."),
        ([{"type": "text", "text": "Be brief.", **MARKER}], "Be brief."),
        ([{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}], "Be brief.\n\nBe kind."),
    ],
)
def test_system_prompt_comes_first(system: object, content: str) -> None:
    """One system message of plain text, which every provider takes; cache markers leave no trace."""
    assert messages(HELLO, system=system) == [{"role": "system", "content": content}, HELLO]


@pytest.mark.parametrize("system", ["", [], None])
def test_empty_system_prompt_is_no_message(system: object) -> None:
    """An empty prompt says nothing."""
    assert messages(HELLO, system=system) == [HELLO]


@pytest.mark.parametrize(
    "content, translated",
    [
        ([{"type": "text", "text": "a", **MARKER}], "a"),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        ),
        ([PIXEL], [PIXEL_PART]),
        ([{**PIXEL, **MARKER}, {"type": "text", "text": "?"}], [PIXEL_PART, {"type": "text", "text": "?"}]),
        (
            [{"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}],
            [{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}],
        ),
        (
            [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Long."}}],
            "Document: untitled\n\nLong.",
        ),
        (
            [
                {
                    "type": "document",
                    "title": "T",
                    "context": "C",
                    "source": {"type": "content", "content": [{"type": "text", "text": "a"}, PIXEL]},
                }
            ],
            [{"type": "text", "text": "Document: T\nContext: C"}, {"type": "text", "text": "a"}, PIXEL_PART],
        ),
        (
            [{"type": "document", "title": "T", "source": {"type": "content", "content": "a"}}],
            "Document: T\n\na",
        ),
        (
            [{"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "a"}]}],
            "Search result: T\nSource: S\n\na",
        ),
        ([], ""),
    ],
)
def test_user_block_is_translated(content: object, translated: object) -> None:
    """Text, pictures, documents and search results reach the model in their order."""
    assert messages({"role": "user", "content": content}) == [{"role": "user", "content": translated}]


def test_assistant_turn_keeps_text_thinking_and_calls() -> None:
    """Thinking goes back as `reasoning`, which Groq accepts; what only Anthropic can read is noted, once."""
    turn = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "redacted_thinking", "data": "y"},
            {"type": "thinking", "thinking": "", "signature": "s"},
            {"type": "thinking", "thinking": "So.", "signature": "s"},
            {"type": "text", "text": "Let me "},
            {"type": "text", "text": "see."},
            CALL,
        ],
    }
    asked = chat_body(body(messages=[HELLO, turn]))
    assert chat(asked)["messages"][1] == {
        "role": "assistant",
        "content": "Let me see.",
        "reasoning": "Hm.\n\nSo.",
        "tool_calls": [CHAT_CALL],
    }
    assert asked.notes == ("redacted_thinking: only Anthropic can read it",)


def test_call_without_text_has_null_content() -> None:
    """As chat models write it themselves."""
    turn = {"role": "assistant", "content": [CALL]}
    assert messages(HELLO, turn)[1] == {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]}


@pytest.mark.parametrize(
    "result, content",
    [
        ({"content": "18 C"}, "18 C"),
        ({}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\n\nb"),
        ({"content": "gone", "is_error": True}, "[tool error]\ngone"),
        ({"content": "fine", "is_error": False}, "fine"),
    ],
)
def test_tool_result_is_translated(result: dict[str, object], content: str) -> None:
    """A result becomes a message of role tool; its failure is told in words."""
    block = {"type": "tool_result", "tool_use_id": "toolu_1", **result}
    assert messages({"role": "user", "content": [block]}) == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": content}
    ]


def test_images_of_results_move_behind_all_results() -> None:
    """Results follow their calls at once; then come their images, labelled, then the user's own words."""
    seen = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "a"}, PIXEL]}
    heard = {"type": "tool_result", "tool_use_id": "toolu_2", "content": "b"}
    assert messages({"role": "user", "content": [seen, heard, {"type": "text", "text": "And?"}]}) == [
        {
            "role": "tool",
            "tool_call_id": "toolu_1",
            "content": "a\n\n[images of this result follow in the next user message]",
        },
        {"role": "tool", "tool_call_id": "toolu_2", "content": "b"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "[images of the result of tool call toolu_1: the next 1]"},
                PIXEL_PART,
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_system_turn_in_the_middle_stays_there() -> None:
    """Instructions that come later keep their place."""
    later = {"role": "system", "content": [{"type": "text", "text": "Now in French."}]}
    assert messages(HELLO, later)[1] == {"role": "system", "content": "Now in French."}


@pytest.mark.parametrize(
    "fields, show",
    [
        ({}, False),
        ({"thinking": {"type": "disabled"}}, False),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, False),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, True),
    ],
)
def test_thinking_is_shown_to_those_who_asked(fields: dict[str, object], *, show: bool) -> None:
    """Clients that never heard of thinking take the first block for the text."""
    assert chat_body(body(**fields)).show_thinking is show


def test_what_is_left_out_is_noted() -> None:
    """Fields without a counterpart are named with the reason, and never sent."""
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3, "user_location": {"city": "Rome"}}
    asked = chat_body(body(top_k=5, service_tier="auto", context_management={}, tools=[search]))
    assert [note.split(":")[0] for note in asked.notes] == [
        "top_k",
        "service_tier",
        "context_management",
        "tools[0].max_uses",
        "tools[0].user_location",
    ]
    assert chat(asked).keys() == {"model", "messages", "max_completion_tokens", "tools"}


@pytest.mark.parametrize(
    "fields, place, advice",
    [
        ({"max_tokens": None}, "max_tokens", "from 1"),
        ({"max_tokens": 0}, "max_tokens", "from 1"),
        ({"messages": []}, "messages", "at least one message"),
        ({"temperature": 1.5}, "temperature", "from 0 to 1"),
        ({"stop_sequences": ["1", "2", "3", "4", "5"]}, "stop_sequences", "At most 4"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers", "pass their tools"),
        ({"container": "c"}, "container", "leave it out"),
        ({"inference_geo": "eu"}, "inference_geo", "leave it out"),
        ({"tool_choice": {"type": "any"}}, "tools", "leave it out"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "wether"}}, "tool_choice.name", "none of"),
        (
            {
                "tools": [{"type": "web_search_20250305", "name": "web_search"}],
                "tool_choice": {"type": "tool", "name": "web_search"},
            },
            "tool_choice.name",
            '"any"',
        ),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type", "input_schema"),
        ({"tools": [WEATHER, {"type": "web_fetch_20250910", "name": "web_fetch"}]}, "tools[1].type", "input_schema"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema", '{"type": "object"}'),
        ({"tools": [{**WEATHER, "input_examples": 3}]}, "tools[0].input_examples", "list"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name", "name"),
        ({"thinking": {"type": "sometimes"}}, "thinking.type", "adaptive"),
    ],
)
def test_field_is_refused_with_place_and_advice(fields: dict[str, object], place: str, advice: str) -> None:
    """Nothing that a client relies on is quietly dropped."""
    with pytest.raises(InvalidBody) as refused:
        chat_body(body(**fields))
    assert refused.value.param == place
    assert advice in refused.value.message


@pytest.mark.parametrize(
    "role, block, place, advice",
    [
        ("user", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, ".type", "as text"),
        ("user", CALL, "", "A user message holds"),
        ("assistant", PIXEL, "", "An assistant message holds"),
        ("assistant", {**CALL, "input": [1]}, ".input", "object"),
        ("system", PIXEL, "", "text blocks only"),
        ("user", {"type": "image", "source": {"type": "file", "file_id": "f"}}, ".source", "base64"),
        (
            "user",
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}},
            ".source",
            "text/plain",
        ),
        ("user", {"type": "document", "source": {"type": "url", "url": "x"}}, ".source", "text/plain"),
        (
            "user",
            {"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "x"}},
            ".source.media_type",
            "messages",
        ),
        (
            "user",
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference", "tool_name": "f"}]},
            ".content[0].type",
            "tool_result",
        ),
    ],
)
def test_block_is_refused_with_its_place(role: str, block: dict[str, object], place: str, advice: str) -> None:
    """What cannot be carried is refused where it stands."""
    with pytest.raises(InvalidBody) as refused:
        chat_body(body(messages=[HELLO, {"role": role, "content": [{"type": "text", "text": "a"}, block]}]))
    assert refused.value.param == f"messages[1].content[1]{place}"
    assert advice in refused.value.message


@pytest.mark.parametrize("broken", [b"", b"[]", b'{"model":"m"', b'{"model":"m","model":"n","messages":[]}', b"\xff"])
def test_what_is_no_body_is_refused(broken: bytes) -> None:
    """The same strictness as for a chat body: one reading only."""
    with pytest.raises(InvalidBody):
        chat_body(broken)


def test_the_gateway_sees_what_a_model_must_be_able_to_do() -> None:
    """Needs and checks are those of the translated body."""
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    picture = {"role": "user", "content": [PIXEL]}
    read = parse_chat(chat_body(body(messages=[picture], tools=[WEATHER], output_config=form)).body)
    assert read.needs == Need.TOOLS | Need.VISION | Need.JSON_SCHEMA
    assert (read.check, read.ask_tokens) == (Check.SCHEMA, 100)


def test_a_count_needs_no_maximum_and_measures_what_would_be_sent() -> None:
    """System prompt, messages, tools and images are all in the size."""
    counted = json.dumps(
        {
            "model": "m",
            "system": "abc",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "12345"}, PIXEL]}],
            "tools": [WEATHER],
        }
    ).encode()
    model, size = count_tokens(counted)
    assert (model, size.messages, size.images, size.tools, size.digits) == ("m", 2, 1, 1, 5)
    assert size.latin > len(json.dumps(SCHEMA, separators=(",", ":")))

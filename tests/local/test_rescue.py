"""Tool calls from failed generations: every notation that was seen, and nothing that does not fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.check import check_value
from headgate.local.rescue import CALLS_MAX, ToolCall, declared, rescue_tool_calls

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "groq_recordings.jsonl"


def tool(name: str, properties: dict[str, Any], required: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """A tool as a client declares it."""
    parameters = {"type": "object", "properties": properties, "required": required or [], **more}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": parameters}}


WEATHER = tool("get_weather", {"city": {"type": "string"}, "days": {"type": "integer"}}, ["city"])
SEARCH = tool("web_search", {"query": {"type": "string"}, "filter_year": {"type": "integer"}}, ["query"])
LIGHTS = tool("HassTurnOff", {"domain": {"type": "array", "items": {"type": "string"}}}, ["domain"])
PING: dict[str, Any] = {"type": "function", "function": {"name": "ping"}}
TOOLS = [WEATHER, SEARCH, LIGHTS, PING]
PARIS = ("get_weather", {"city": "Paris"})


@pytest.mark.parametrize(
    "text, calls",
    [
        ('{"name": "get_weather", "arguments": {\n  "city": "Paris"\n}}', [PARIS]),
        ('{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}', [PARIS]),
        ('{"name": "get_weather", "parameters": {"city": "Paris"}}', [PARIS]),
        ('{"type": "function", "name": "get_weather", "parameters": {"city": "Paris"}}', [PARIS]),
        ('{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris"}}}', [PARIS]),
        ('{"function": "get_weather", "args": {"city": "Paris"}}', [PARIS]),
        ('{"get_weather": {"city": "Paris"}}', [PARIS]),
        ('{"name": "ping", "arguments": ""}', [("ping", {})]),
        ('{"name": "ping"}', [("ping", {})]),
        (
            '```\n{"tool_calls": [\n {"function": {"name": "get_weather"}, "parameters": {"city": "Paris"}}\n]}\n```',
            [PARIS],
        ),
        (
            '[{"name": "ping", "arguments": {}}, {"name": "get_weather", "arguments": {"city": "Paris"}}]',
            ["ping", PARIS],
        ),
        ('{"name": "ping", "arguments": {}}\n{"name": "get_weather", "arguments": {"city": "Paris"}}', ["ping", PARIS]),
        (
            '{"name": "get_weather", "parameters": {"city": "Paris"}}; {"name": "ping", "parameters": {}}',
            [PARIS, "ping"],
        ),
        (
            '{"tool_uses": [{"recipient_name": "functions.get_weather", "parameters": {"city": "Paris"}}]}',
            [PARIS],
        ),
        ('<function=get_weather{"city": "Paris"}</function>', [PARIS]),
        ('<function=get_weather>{"city": "Paris"}</function>', [PARIS]),
        ('<function=get_weather={"city": "Paris"}</function>', [PARIS]),
        ('<function=get_weather({"city": "Paris"})></function>', [PARIS]),
        ('<function=get_weather},{"city": "Paris"}</function>', [PARIS]),
        ('<function=get_weather,{"city": "Paris"}', [PARIS]),
        ('<function=get_weather>{"city": "Paris"', [PARIS]),
        ("<function=ping></function>", ["ping"]),
        ('<function=ping>{}</function><function=get_weather{"city": "Paris"}</function>', ["ping", PARIS]),
        ('I will look.\n<function=get_weather>{"city": "Paris"}</function>', [PARIS]),
        (
            'web_search{"query": "potato 2016", "filter_year": 2016}</function>',
            [("web_search", {"query": "potato 2016", "filter_year": 2016})],
        ),
        ('get_weather>{"city": "Paris"}', [PARIS]),
        ('get_weather({"city": "Paris"})', [PARIS]),
        ('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>', [PARIS]),
        (
            '<tool_call>{"name": "ping", "arguments": {}}</tool_call>\n<tool_call>{"name": "ping", "arguments": {}}',
            ["ping", "ping"],
        ),
        (
            "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter><parameter=days>3</parameter></tool_call>",
            [("get_weather", {"city": "Paris", "days": 3})],
        ),
        ('<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}<|eom_id|>', [PARIS]),
        (
            '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|>',
            [PARIS],
        ),
        (
            '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>',
            [PARIS],
        ),
        ("{'name': 'get_weather', 'arguments': {'city': 'Paris',}}", [PARIS]),
        ('Sure, I call it: {"name": "get_weather", "arguments": {"city": "Paris"}} and wait.', [PARIS]),
        ('{"name": "get_weather", "arguments": {"city": "Paris"', [PARIS]),
        ('{"name": "functions.get_weather", "arguments": {"city": "Paris"}}', [PARIS]),
        ('{"name": "get_weather<|channel|>commentary", "arguments": {"city": "Paris"}}', [PARIS]),
        ('{"name": "default_api/get_weather", "arguments": {"city": "Paris"}}', [PARIS]),
        ('{"name": "Get-Weather", "arguments": {"city": "Paris"}}', [PARIS]),
        (
            '{"name": "get_weather", "arguments": {"city": "Paris", "days": "5"}}',
            [("get_weather", {"city": "Paris", "days": 5})],
        ),
        ('{"name": "HassTurnOff", "arguments": {"domain": "light"}}', [("HassTurnOff", {"domain": ["light"]})]),
    ],
)
def test_call_is_rescued(text: str, calls: list[Any]) -> None:
    """Whatever the notation, the calls come out in order, with declared names and arguments of the schema."""
    expected = [(call, {}) if isinstance(call, str) else call for call in calls]
    rescued = rescue_tool_calls(text, TOOLS)
    assert rescued is not None
    assert [(call.name, json.loads(call.arguments)) for call in rescued] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "I am sorry, I cannot call get_weather for you.",
        "Tool use failed: JSON does not match the expected schema for tool calls",
        "{}",
        "[]",
        "[1, 2]",
        '{"city": "Paris"}',
        '{"name": "get_something", "arguments": {"foo": "bar"}}',
        '{"name": "get_weather", "arguments": {"town": "Paris"}}',
        '{"name": "get_weather", "arguments": {"city": "Paris", "days": "soon"}}',
        '{"name": "get_weather", "arguments": ["Paris"]}',
        '{"name": "get_weather", "arguments": "Paris"}',
        '{"name": "get_weather", "arguments": {"city": "Pari',
        '{"name": "get_weather", "arguments": {"city": "Paris", "days": 1',
        '<function=get_weather>{"city": "Par',
        '<function=delete_all>{"city": "Paris"}</function>',
        "<function=ping></function><function=delete_all></function>",
        '[{"name": "ping", "arguments": {}}, {"name": "unknown", "arguments": {}}]',
        '[{"name": "ping", "arguments": {}}, {"note": "and then something else"}]',
        "<tool_call>{}</tool_call>",
        '<tool_call>{"name": "ping", "arguments": {}}</tool_call><tool_call>now the weather</tool_call>',
        "import csv\nmax_val=-1\nwith open('df.csv', newline='') as f:\n reader=csv.DictReader(f)\n",
        "".join(f'<function=ping>{{"n": {n}}}</function>' for n in range(CALLS_MAX + 1)),
    ],
)
def test_what_does_not_fit_is_no_call(text: str) -> None:
    """Prose, unknown tools, arguments off schema or cut off within a value, and half a plan: nothing is rescued."""
    assert rescue_tool_calls(text, TOOLS) is None


def test_no_call_is_lost_among_similar_ones() -> None:
    """Two calls of one tool that only need mending come out as two, or not at all."""
    text = (
        "{'name': 'get_weather', 'arguments': {'city': 'Rome'}}{'name': 'get_weather', 'arguments': {'city': 'Oslo'}}"
    )
    rescued = rescue_tool_calls(text, TOOLS)
    assert rescued is None or len(rescued) == 2


def test_arguments_alone_belong_to_the_only_tool() -> None:
    """With one declared tool the arguments name it, if they hold all that is required and nothing unknown."""
    assert rescue_tool_calls('{"city": "Paris"}', [WEATHER]) == [ToolCall("get_weather", '{"city":"Paris"}')]
    assert rescue_tool_calls('{"city": "Paris", "mood": "good"}', [WEATHER]) is None
    assert rescue_tool_calls('{"days": 1}', [WEATHER]) is None
    assert rescue_tool_calls('{"city": "Par', [WEATHER]) is None
    assert rescue_tool_calls("{}", [PING]) is None


def test_tools_without_functions_are_passed_over() -> None:
    """Built-in tools have no schema of ours, so that no call of theirs is rescued."""
    assert declared([{"type": "browser_search"}, PING]) == {"ping": {}}
    assert rescue_tool_calls('{"name": "browser_search", "arguments": {}}', [{"type": "browser_search"}]) is None


def test_recorded_failed_generations() -> None:
    """What Groq really returned with tool_use_failed was off schema in a way that nobody can mend: it is left alone."""
    if not RECORDINGS.exists():
        pytest.skip("the shared folder is not there")
    found = []
    for line in RECORDINGS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        body = row["response"]
        if isinstance(body, str) and '"failed_generation"' in body:
            body = next(json.loads(part[6:]) for part in body.split("\n") if '"failed_generation"' in part)
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict) and error.get("code") == "tool_use_failed":
            found.append((error["failed_generation"], row["request"]["tools"]))
    assert len(found) >= 2
    for text, tools in found:
        assert rescue_tool_calls(text, tools) is None
        name = next(iter(declared(tools)))
        mended = text.replace("foo", "name").replace("invalid_param", "name")
        assert [call.name for call in rescue_tool_calls(mended, tools) or []] == [name]


_PIECES = st.sampled_from(
    [
        *'{}[]()<>"\\:,;=|`\n',
        '"name"',
        '"arguments"',
        "get_weather",
        "functions.",
        "<function=",
        "</function>",
        "ping",
        "<tool_call>",
        "</tool_call>",
        "<|python_tag|>",
        "<|message|>",
        "to=",
        "<parameter=",
        '"city"',
        '"Paris"',
        "\ud800",
    ]
)


@given(st.text(max_size=60) | st.lists(_PIECES, max_size=25).map("".join))
def test_nothing_raises_and_every_rescued_call_fits(text: str) -> None:
    """Any text at all: None, or calls of declared tools whose arguments satisfy the schema."""
    schemas = declared(TOOLS)
    for call in rescue_tool_calls(text, TOOLS) or []:
        assert check_value(json.loads(call.arguments), Check.SCHEMA, schemas[call.name]) is None

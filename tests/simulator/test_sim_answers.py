"""What the pretend models write: shapes, lengths, tools, JSON, reasoning, and the same again from the same seed."""

from itertools import pairwise
from random import Random
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.asking import KEY, MODEL, body, decoded, error, events, groq, post, rich
from tests.simulator.asking import settings as told

from headgate.simulator.schema import instance, strict_fault
from headgate.simulator.script import Ending
from headgate.simulator.settings import Lengths
from headgate.simulator.text import answers, messages_key, natural_length
from headgate.simulator.tokens import count_text, pieces

QWEN = "qwen/qwen3.8-27b"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}},
            "required": ["city", "unit"],
        },
    },
}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


def schema_format(schema: Any, *, strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "City", "strict": strict, "schema": schema}}


def test_buffered_body_has_the_live_field_order() -> None:
    """Top level, choice, message and usage come in the order of captured bodies."""
    script = post(groq(organisation=rich()), body())
    found = decoded(script)
    assert script.status == 200
    assert list(found) == [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "usage_breakdown",
        "system_fingerprint",
        "x_groq",
        "service_tier",
    ]
    assert list(found["choices"][0]) == ["index", "message", "logprobs", "finish_reason"]
    assert list(found["choices"][0]["message"]) == ["role", "content", "reasoning"]
    assert list(found["usage"]) == [
        "queue_time",
        "prompt_tokens",
        "prompt_time",
        "completion_tokens",
        "completion_time",
        "total_tokens",
        "total_time",
        "completion_tokens_details",
    ]
    usage = found["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["total_time"] == pytest.approx(usage["prompt_time"] + usage["completion_time"], abs=1e-8)


def test_stream_has_the_live_shape() -> None:
    """Role with x_groq first, reasoning on its channel, content token by token, usage twice at the end, [DONE]."""
    script = post(groq(organisation=rich()), body("x [[tokens=40]]", stream=True))
    found = events(script)
    first, last = found[0], found[-1]
    assert list(first) == ["id", "object", "created", "model", "system_fingerprint", "choices", "x_groq"]
    assert first["choices"][0] == {
        "index": 0,
        "delta": {"role": "assistant", "content": ""},
        "logprobs": None,
        "finish_reason": None,
    }
    assert set(first["x_groq"]) == {"id", "seed"}
    deltas = [event["choices"][0]["delta"] for event in found[1:-1]]
    assert len(deltas) == 40
    reasoning = [delta for delta in deltas if "reasoning" in delta]
    assert reasoning
    assert all(delta["channel"] == "analysis" for delta in reasoning)
    assert all(set(delta) == {"content"} for delta in deltas[len(reasoning) :])
    assert last["choices"][0]["delta"] == {}
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"] == last["x_groq"]["usage"]
    assert last["usage"]["completion_tokens"] == 40
    assert last["usage"]["completion_tokens_details"] == {"reasoning_tokens": len(reasoning)}
    assert script.body.endswith(b"data: [DONE]\n\n")
    assert {event["id"] for event in found} == {first["id"]}
    assert script.ending is Ending.CLEAN


def test_stream_flows_at_the_speed_of_the_model() -> None:
    """Tokens come evenly at about the catalogue's tokens per second; parts never go back in time."""
    script = post(groq(organisation=rich()), body("x [[tokens=1000]]", stream=True))
    assert all(a.at_s <= b.at_s for a, b in pairwise(script.parts))
    assert script.ends_at_s - script.first_at_s == pytest.approx(1000 / 500, rel=0.15)


def test_stream_and_buffered_reply_say_the_same() -> None:
    """The content of a stream, put together, is the content of the buffered answer to the same messages."""
    whole = decoded(post(groq(organisation=rich()), body("tell me")))["choices"][0]["message"]
    for per_chunk in (1, 7):
        found = events(post(groq(organisation=rich(), tokens_per_chunk=per_chunk), body("tell me", stream=True)))
        deltas = [event["choices"][0]["delta"] for event in found]
        assert "".join(delta.get("content") or "" for delta in deltas) == whole["content"]
        assert "".join(delta.get("reasoning") or "" for delta in deltas) == whole["reasoning"]


def test_include_usage_adds_a_chunk_without_choices() -> None:
    """With include_usage one more chunk has usage and no choices, just before [DONE]."""
    ask = body("x [[tokens=3]]", stream=True, stream_options={"include_usage": True})
    pretend = groq(organisation=rich(), top_level_usage_in_streams=False)
    *_, final, extra = events(post(pretend, ask))
    assert "usage" not in final
    assert extra["choices"] == []
    assert extra["usage"] == final["x_groq"]["usage"]


@pytest.mark.parametrize("effort", [None, "low", "medium", "high"])
@pytest.mark.parametrize("text", ["hello", "something else", "fixed [[tokens=77]]"])
def test_natural_length_is_known_in_advance(text: str, effort: str | None) -> None:
    """`natural_length` says what usage will say, for every effort, and a cap above it changes nothing."""
    pretend = groq(organisation=rich())
    ask = body(text, max_completion_tokens=60000, **({"reasoning_effort": effort} if effort else {}))
    used = decoded(post(pretend, ask))["usage"]["completion_tokens"]
    assert used == natural_length(pretend.settings, messages_key(ask["messages"]), effort or "medium")


def test_lengths_are_lognormal_around_the_median() -> None:
    """Half of the answers are shorter than the median; the seed changes which."""
    lengths = Lengths(median_tokens=200, sigma=0.7)
    keys = [messages_key(body(f"question {n}")["messages"]) for n in range(2000)]
    drawn = [natural_length(told(lengths=lengths), key) for key in keys]
    assert sum(length < 200 for length in drawn) / 2000 == pytest.approx(0.5, abs=0.04)
    assert sum(length < 200 * 2.0138 for length in drawn) / 2000 == pytest.approx(0.841, abs=0.03)
    assert drawn != [natural_length(told(lengths=lengths, seed=1), key) for key in keys]


def test_cap_cuts_plain_text_with_finish_reason_length() -> None:
    """A cap below the natural length is reached exactly; a tiny one leaves only reasoning and empty content."""
    pretend = groq(organisation=rich())
    cut = decoded(post(pretend, body("x [[tokens=200]]", max_completion_tokens=120)))
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 120
    tiny = decoded(post(pretend, body("x [[tokens=200]]", max_completion_tokens=3)))
    assert tiny["choices"][0]["message"]["content"] == ""
    assert tiny["choices"][0]["finish_reason"] == "length"
    assert tiny["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"tool_choice": "required"}, "get_weather"),
        ({"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, "get_weather"),
        ({"messages": [{"role": "user", "content": "please call get_weather"}]}, "get_weather"),
        ({"messages": [{"role": "user", "content": "now [[tool]]"}]}, "get_weather"),
        ({"tool_choice": "none"}, None),
        ({}, None),
    ],
)
def test_tool_is_called_when_asked(fields: dict[str, Any], name: str | None) -> None:
    """Required, named, spoken of or directed: one call whose arguments fit the schema; else text."""
    found = decoded(post(groq(organisation=rich()), body("hello", tools=[WEATHER]) | fields))["choices"][0]
    if name is None:
        assert found["finish_reason"] == "stop"
        assert found["message"]["content"]
        return
    assert found["finish_reason"] == "tool_calls"
    assert "content" not in found["message"]
    [call] = found["message"]["tool_calls"]
    assert call["function"]["name"] == name
    assert call["id"].startswith("fc_")
    arguments = msgspec.json.decode(call["function"]["arguments"])
    assert jsonschema_rs.is_valid(WEATHER["function"]["parameters"], arguments)  # type: ignore[index]


def test_tool_call_comes_whole_in_a_stream() -> None:
    """One chunk carries id, type, name and all arguments, the index last; content of the first chunk is null."""
    found = events(post(groq(organisation=rich()), body(tools=[WEATHER], tool_choice="required", stream=True)))
    assert found[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    [call] = found[-2]["choices"][0]["delta"]["tool_calls"]
    assert list(call) == ["id", "type", "function", "index"]
    assert found[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_tool_result_is_answered_in_words() -> None:
    """After a tool message the model answers instead of calling again."""
    messages = [
        {"role": "user", "content": "please call get_weather"},
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "tool_call_id": "x", "name": "get_weather", "content": "sunny"},
    ]
    found = decoded(post(groq(organisation=rich()), body(messages=messages, tools=[WEATHER])))
    assert found["choices"][0]["finish_reason"] == "stop"


def test_json_mode_and_schema_give_valid_json() -> None:
    """JSON mode gives an object of the natural length; a schema gives an instance of it; streams too."""
    pretend = groq(organisation=rich())
    plain = decoded(post(pretend, body("as json [[tokens=80]]", response_format={"type": "json_object"})))
    assert isinstance(msgspec.json.decode(plain["choices"][0]["message"]["content"]), dict)
    assert plain["usage"]["completion_tokens"] == 80
    formed = decoded(post(pretend, body(response_format=schema_format(CITY))))["choices"][0]["message"]["content"]
    assert jsonschema_rs.is_valid(CITY, msgspec.json.decode(formed))
    found = events(post(pretend, body(response_format=schema_format(CITY), stream=True)))
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in found)
    assert text == formed


def test_cap_that_cuts_json_or_arguments_is_an_error() -> None:
    """JSON that does not fit is json_validate_failed, cut arguments tool_use_failed; in a stream an error event."""
    pretend = groq(organisation=rich())
    fields = {"max_completion_tokens": 12, "reasoning_effort": "low"}
    found = error(post(pretend, body("json [[tokens=90]]", response_format={"type": "json_object"}, **fields)))
    assert found["code"] == "json_validate_failed"
    assert found["failed_generation"] == "max completion tokens reached before generating a valid document"
    tool = error(post(pretend, body(tools=[WEATHER], tool_choice="required", max_completion_tokens=3)))
    assert tool["code"] == "tool_use_failed"
    ask = body("json [[tokens=90]]", response_format={"type": "json_object"}, stream=True, **fields)
    script = post(pretend, ask)
    assert script.status == 200
    assert b"event: error\ndata: " in script.body
    assert events(script)[-1]["error"]["status_code"] == 400
    assert b"[DONE]" not in script.body


def test_reasoning_follows_effort_and_format() -> None:
    """Higher effort thinks longer; hidden leaves it out, raw puts it into the content; qwen thinks only when told."""
    pretend = groq(organisation=rich())
    counts = []
    for effort in ("low", "medium", "high"):
        found = decoded(post(pretend, body(reasoning_effort=effort)))
        counts.append(found["usage"]["completion_tokens_details"]["reasoning_tokens"])
    assert counts == sorted(set(counts))
    hidden = decoded(post(pretend, body(reasoning_format="hidden")))["choices"][0]["message"]
    assert "reasoning" not in hidden
    raw = decoded(post(pretend, body(reasoning_format="raw")))["choices"][0]["message"]
    assert raw["content"].startswith("<think>\n")
    qwen = decoded(post(pretend, body(model=QWEN)))
    assert "completion_tokens_details" not in qwen["usage"]


def test_same_seed_gives_the_same_bytes() -> None:
    """Two simulators of one seed answer a sequence alike, to the byte; another seed does not."""

    def run(seed: int) -> list[tuple[Any, ...]]:
        pretend = groq(organisation=rich(), seed=seed, cache_hit_probability=0.5)
        asks = [body(f"n {n}", stream=bool(n % 2)) for n in range(6)] + [body("n 0")]
        scripts = [post(pretend, ask, float(n)) for n, ask in enumerate(asks)]
        return [(script.status, script.headers, script.parts) for script in scripts]

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_ids_differ_between_equal_requests() -> None:
    """The same request twice has the same words under other ids."""
    pretend = groq(organisation=rich())
    one, two = decoded(post(pretend, body())), decoded(post(pretend, body()))
    assert one["id"] != two["id"]
    assert one["x_groq"]["id"] != two["x_groq"]["id"]
    assert one["choices"] == two["choices"]


def test_markup_in_texts_is_escaped_like_go() -> None:
    """Angle brackets and ampersands never stand raw in a body."""
    script = post(groq(organisation=rich()), body(reasoning_format="raw"))
    assert b"\\u003cthink\\u003e" in script.body
    assert b"<think>" not in script.body


@given(n=st.integers(1, 500), choice=st.integers(0, 2**40), whole=st.booleans())
def test_passage_has_exactly_the_tokens_asked_for(n: int, choice: int, whole: bool) -> None:
    """A passage of n tokens has n tokens, none empty, and a whole one ends in a full stop."""
    taken = answers().passage(choice, n, whole=whole)
    assert len(taken) == n
    assert all(taken)
    assert not whole or n == 1 or taken[-1] == "."


@pytest.mark.parametrize(
    "text, per_token",
    [
        ("The quick brown fox jumps over the lazy dog because it can. " * 20, 4.6),
        ("नमस्ते दुनिया यह एक परीक्षण वाक्य है। " * 20, 2.9),
        ("今天天气很好我们去公园散步吧。" * 20, 1.3),
        ("4217 9981 2203 5518 7741 " * 20, 2.2),
    ],
)
def test_token_counts_follow_the_script(text: str, per_token: float) -> None:
    """Characters per token are about what tokenizers of this kind have (stack.md), never the same for all scripts."""
    assert len(text) / count_text(text) == pytest.approx(per_token, rel=0.35)


@given(text=st.text(max_size=300))
def test_pieces_are_complete(text: str) -> None:
    """Cutting a text into tokens loses nothing."""
    assert "".join(pieces(text)) == text


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "number", "minimum": 2, "maximum": 9},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "kids", "next"],
            "additionalProperties": False,
        }
    },
}
SCHEMAS = [
    CITY,
    TREE,
    {"type": "array", "items": {"type": "integer", "minimum": 5, "multipleOf": 5}, "minItems": 3},
    {"type": "string", "minLength": 40, "maxLength": 44},
    {"type": ["string", "null"]},
    {"enum": [1, "two", None]},
    {"const": {"a": 1}},
    {"allOf": [{"properties": {"a": {"type": "boolean"}}, "required": ["a"]}, {"required": ["b"]}], "type": "object"},
    {"oneOf": [{"type": "integer", "exclusiveMinimum": 3}, {"type": "string", "format": "date"}]},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_instance_fits_its_schema(schema: dict[str, Any]) -> None:
    """What is made from a schema is valid by an independent validator, whatever the dice."""
    for seed in range(30):
        made = instance(schema, Random(seed))
        assert jsonschema_rs.is_valid(schema, made), made


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab$", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "properties", "items", "enum", "anyOf", "$ref", "required"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(schema=JSON)
def test_any_schema_comes_to_an_end(schema: Any) -> None:
    """Nonsense and endless recursion neither crash the maker nor the strict check."""
    made = instance(schema if isinstance(schema, dict) else {}, Random(0))
    msgspec.json.encode(made)
    strict_fault(schema)
    strict_fault({"$ref": "#"})
    instance({"allOf": [{"$ref": "#"}], "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, Random(0))


FIELDS = [
    "messages",
    "model",
    "tools",
    "tool_choice",
    "response_format",
    "stream",
    "stream_options",
    "stop",
    "n",
    "seed",
]


@settings(max_examples=120, deadline=None)
@given(
    raw=st.dictionaries(st.sampled_from([*FIELDS, "max_tokens", "service_tier", "reasoning_effort"]), JSON) | JSON,
    sane=st.booleans(),
)
def test_handle_is_total(raw: Any, sane: bool) -> None:
    """Whatever JSON comes, a reply in Groq's shape goes out."""
    ask = raw | {"model": MODEL} if sane and isinstance(raw, dict) else raw
    if sane and isinstance(raw, dict) and "messages" not in raw:
        ask["messages"] = [{"role": "user", "content": "json"}]
    script = post(groq(organisation=rich()), ask, key=KEY)
    assert script.status in (200, 400, 404)
    if not (script.status == 200 and ask.get("stream")):
        assert isinstance(decoded(script), dict)

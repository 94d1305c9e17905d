"""One wish for reasoning, as each family of models understands it; and what became of the compound systems."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.catalog import default_catalog
from headgate.catalog.providers import PROVIDERS
from headgate.protocol.client_json import InvalidBody, decode_object
from headgate.protocol.compound import COMPOUND, built_in_tools, for_successor, is_compound
from headgate.protocol.reasoning import SCALE, Family, Wish, family_of, normalise


@pytest.mark.parametrize(
    "model, family",
    [
        ("openai/gpt-oss-120b", Family.GPT_OSS),
        ("openai/gpt-oss-safeguard-20b", Family.GPT_OSS),
        ("gpt-oss:20b", Family.GPT_OSS),
        ("qwen/qwen3.8-27b", Family.QWEN_38),
        ("qwen/qwen3.6-27b", Family.QWEN_3),
        ("qwen/qwen3-32b", Family.QWEN_3),
        ("o3-mini", Family.OPENAI_O),
        ("openai/o4-mini", Family.OPENAI_O),
        ("gpt-5-nano", Family.GPT_5),
        ("gpt-5.2", Family.GPT_5_LATER),
        ("gpt-5-chat-latest", Family.PLAIN),
        ("gpt-4.1-mini", Family.PLAIN),
        ("gemini-2.5-flash", Family.GEMINI_25_FLASH),
        ("gemini/gemini-flash-latest", Family.GEMINI),
        ("google/gemini-3-pro", Family.GEMINI),
        ("gemini-2.0-flash", Family.PLAIN),
        ("llama-3.3-70b-versatile", Family.PLAIN),
        ("meta-llama/llama-4-scout-17b-16e-instruct", Family.PLAIN),
        ("allam-2-7b", Family.PLAIN),
        ("deepseek-r1-distill-llama-70b", Family.UNKNOWN),
        ("mistral-large-latest", Family.PLAIN),
        ("mistral/mistral-small-latest", Family.MISTRAL),
        ("some-new-model", Family.UNKNOWN),
        ("some-o3-model", Family.UNKNOWN),
    ],
)
def test_a_models_family_is_in_its_name(model: str, family: Family) -> None:
    """Wherever the model is served from; a name that no pattern claims is unknown, not plain."""
    assert family_of(model) is family


def test_the_catalogue_agrees() -> None:
    """Every effort that a running model takes, at whichever provider, is sent to it as it is by its name alone."""
    models = default_catalog().with_chain(tuple(PROVIDERS)).current()
    assert {model.provider for model in models if model.reasoning_efforts} > {"groq", "openai", "gemini"}
    for model in models:
        for effort in model.reasoning_efforts:
            sent = normalise(Wish(effort), family_of(model.id), json_or_tools=False)
            assert (sent.wish.effort, sent.notes) == (effort, ()), model.id


@pytest.mark.parametrize(
    "family, efforts, asked, sent",
    [
        (Family.UNKNOWN, ("low", "high"), "medium", "low"),
        (Family.UNKNOWN, ("none", "default"), "high", "default"),
        (Family.UNKNOWN, ("default",), "none", "default"),
        (Family.PLAIN, ("low", "high"), "xhigh", "high"),
        (Family.GPT_OSS, ("none", "low"), "none", "none"),
    ],
)
def test_the_catalogue_has_the_last_word(family: Family, efforts: tuple[str, ...], asked: str, sent: str) -> None:
    """What it states of a model beats what its name suggests."""
    assert normalise(Wish(asked), family, efforts, json_or_tools=False).wish.effort == sent


EFFORTS = [
    # family -> what none, default, minimal, low, medium, high, xhigh become
    (Family.GPT_OSS, ("low", None, "low", "low", "medium", "high", "high")),
    (Family.QWEN_38, ("none", "default", "none", "low", "medium", "high", "high")),
    (Family.QWEN_3, ("none", "default", "default", "default", "default", "default", "default")),
    (Family.OPENAI_O, ("low", None, "low", "low", "medium", "high", "high")),
    (Family.GPT_5, ("minimal", None, "minimal", "low", "medium", "high", "high")),
    (Family.GPT_5_LATER, ("none", None, "none", "low", "medium", "high", "high")),
    (Family.GEMINI, ("low", None, "low", "low", "medium", "high", "high")),
    (Family.GEMINI_25_FLASH, ("none", None, "none", "low", "medium", "high", "high")),
    (Family.MISTRAL, ("none", None, "none", "none", "high", "high", "high")),
    (Family.PLAIN, (None, None, None, None, None, None, None)),
    (Family.UNKNOWN, ("none", "default", "minimal", "low", "medium", "high", "xhigh")),
]


@pytest.mark.parametrize("family, expected", EFFORTS)
def test_an_effort_becomes_the_nearest_that_the_family_has(family: Family, expected: tuple[str | None, ...]) -> None:
    """Never a 400 for an effort that has a neighbour, and always a note when it was moved."""
    asked = ("none", "default", "minimal", "low", "medium", "high", "xhigh")
    for effort, sent in zip(asked, expected, strict=True):
        found = normalise(Wish(effort), family, json_or_tools=False)
        assert found.wish.effort == sent
        assert bool(found.notes) is (sent != effort)


@pytest.mark.parametrize(
    "family, wish, json_or_tools, expected",
    [
        (Family.QWEN_38, Wish(format="raw"), True, Wish(format="parsed")),
        (Family.QWEN_38, Wish(format="raw"), False, Wish(format="raw")),
        (Family.QWEN_38, Wish(format="hidden"), True, Wish(format="hidden")),
        (Family.QWEN_38, Wish(include=False), True, Wish(include=False)),
        (Family.GPT_OSS, Wish(format="hidden"), False, Wish(include=False)),
        (Family.GPT_OSS, Wish(format="parsed"), False, Wish(include=True)),
        (Family.GPT_OSS, Wish(format="raw"), True, Wish(include=True)),
        (Family.GPT_OSS, Wish(include=False), False, Wish(include=False)),
        (Family.PLAIN, Wish("high", "raw"), True, Wish()),
        (Family.UNKNOWN, Wish("high", "hidden"), False, Wish("high", "hidden")),
    ],
)
def test_how_reasoning_is_shown(family: Family, wish: Wish, expected: Wish, *, json_or_tools: bool) -> None:
    """Raw never beside JSON or tools; gpt-oss by include_reasoning; nothing for models that do not reason."""
    found = normalise(wish, family, json_or_tools=json_or_tools)
    assert found.wish == expected
    assert bool(found.notes) is (wish != expected)


@pytest.mark.parametrize(
    "wish, param",
    [
        (Wish("much"), "reasoning_effort"),
        (Wish(format="pretty"), "reasoning_format"),
        (Wish(format="parsed", include=True), "reasoning_format"),
        (Wish(format="hidden", include=False), "reasoning_format"),
    ],
)
def test_contradictions_and_unknown_words_are_refused(wish: Wish, param: str) -> None:
    """As Groq does, for every family, naming the field."""
    for family in Family:
        with pytest.raises(InvalidBody) as refused:
            normalise(wish, family, json_or_tools=False)
        assert refused.value.param == param


@given(
    st.sampled_from(Family),
    st.builds(
        Wish, st.sampled_from((None, "default", *SCALE)), st.sampled_from((None, "hidden", "raw", "parsed")), st.none()
    ),
    st.booleans(),
)
def test_normalising_is_done_after_once(family: Family, wish: Wish, json_or_tools: bool) -> None:
    """What comes out is what the family takes, so it comes out again."""
    once = normalise(wish, family, json_or_tools=json_or_tools).wish
    again = normalise(once, family, json_or_tools=json_or_tools)
    assert (again.wish, again.notes) == (once, ())


def fields(**more: Any) -> Any:
    return decode_object(json.dumps({"model": "groq/compound", "messages": [], **more}).encode())


@pytest.mark.parametrize(
    "custom, tools",
    [
        (None, ["browser_search", "code_interpreter"]),
        ({}, ["browser_search", "code_interpreter"]),
        ({"models": {"answering_model": "x"}}, ["browser_search", "code_interpreter"]),
        ({"tools": {"enabled_tools": ["web_search"]}}, ["browser_search"]),
        ({"tools": {"enabled_tools": ["code_interpreter"]}}, ["code_interpreter"]),
        ({"tools": {"enabled_tools": ["web_search", "web_search"]}}, ["browser_search"]),
        ({"tools": {"enabled_tools": ["code_interpreter", "web_search"]}}, ["code_interpreter", "browser_search"]),
    ],
)
def test_a_compound_request_keeps_its_tools_at_the_successor(custom: Any, tools: list[str]) -> None:
    """Both tools where none were named; its own settings are gone, and the change is told."""
    asked = fields(compound_custom=custom, temperature=0.5)
    found = for_successor(asked)
    made = found.apply(asked)
    assert json.loads(bytes(made["tools"])) == [{"type": tool} for tool in tools]
    assert made.keys() == {"model", "messages", "temperature", "tools"}
    assert found.notes
    assert for_successor(fields()).changed.keys() == {"tools"}


def test_a_compound_request_without_tools_gets_none() -> None:
    """An empty list of enabled tools is a wish too."""
    asked = fields(compound_custom={"tools": {"enabled_tools": []}}, tools=None)
    assert for_successor(asked).apply(asked).keys() == {"model", "messages"}


@pytest.mark.parametrize("tool", ["wolfram_alpha", "visit_website", "browser_automation"])
def test_a_tool_without_a_successor_names_the_way(tool: str) -> None:
    """The refusal says which tool and that an MCP server of the operator's can take its place."""
    with pytest.raises(InvalidBody, match=f"{tool}.*no successor.*MCP server that the operator") as refused:
        for_successor(fields(compound_custom={"tools": {"enabled_tools": ["web_search", tool]}}))
    assert refused.value.param == "compound_custom.tools.enabled_tools"


@pytest.mark.parametrize(
    "more, param",
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"compound_custom": {"tools": {"enabled_tools": ["flying"]}}}, "compound_custom.tools.enabled_tools"),
        ({"compound_custom": {"tools": 3}}, "compound_custom"),
    ],
)
def test_tools_of_the_users_are_refused(more: dict[str, Any], param: str) -> None:
    """Compound never took them; the text names a model that does."""
    with pytest.raises(InvalidBody) as refused:
        for_successor(fields(**more))
    assert refused.value.param == param


def test_compound_goes_by_four_names() -> None:
    """The catalogue's ids and aliases of both systems, and no others."""
    for name in COMPOUND:
        assert is_compound(name)
        found = default_catalog().resolve(name)
        assert found is not None
        assert found.retired in {"groq/compound", "groq/compound-mini"}
    assert not is_compound("openai/gpt-oss-120b")
    assert built_in_tools(None) == ("browser_search", "code_interpreter")

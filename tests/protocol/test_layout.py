"""The order of a prompt for the provider's cache."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headgate.protocol.chat import parse_chat
from headgate.protocol.cleaning import NOTHING_TO_CLEAN
from headgate.protocol.layout import static_first

MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": st.text()}
    ),
    min_size=1,
    max_size=8,
)


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def laid_out(body: dict[str, Any]) -> dict[str, Any]:
    chat = parse_chat(json.dumps({"model": "m", **body}).encode())
    return {name: json.loads(bytes(raw)) for name, raw in static_first(chat).apply(chat.fields).items()}


@given(messages=MESSAGES)
def test_instructions_go_first_and_nothing_else_moves(messages: list[dict[str, str]]) -> None:
    """Each group keeps its own order, and nothing is lost or changed."""
    found = laid_out({"messages": messages})["messages"]
    instructions = [each for each in messages if each["role"] in {"system", "developer"}]
    assert found == instructions + [each for each in messages if each["role"] in {"user", "assistant"}]


def test_tools_are_in_one_order_whatever_order_they_came_in() -> None:
    """Two requests with the same tools share their prefix."""
    hello = [{"role": "user", "content": "hi"}]
    one = laid_out({"messages": hello, "tools": [tool("b"), tool("a")]})
    other = laid_out({"messages": hello, "tools": [tool("a"), tool("b")]})
    assert one == other


def test_what_is_in_order_is_left_alone() -> None:
    """Nothing is written anew for a prompt that needs nothing."""
    body = {"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
    assert static_first(parse_chat(json.dumps(body).encode())) is NOTHING_TO_CLEAN

"""Requests for the retired compound systems: served by their successor with its built-in tools, or told what to do."""

from typing import Any

import pytest
from tests.remedies.house import BIG, chat, open_house, pretend

LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


def compound(*tools: str) -> dict[str, Any]:
    """What a client writes to choose among compound's tools."""
    return {"compound_custom": {"tools": {"enabled_tools": list(tools)}}}


@pytest.mark.parametrize(
    "model, fields, tools",
    [
        ("groq/compound", {}, ["browser_search", "code_interpreter"]),
        ("compound-beta-mini", {}, ["browser_search", "code_interpreter"]),
        ("groq/compound-mini", compound("web_search"), ["browser_search"]),
        ("groq/compound", compound("code_interpreter"), ["code_interpreter"]),
        ("groq/compound", {**compound("web_search"), "tools": None, "tool_choice": "none"}, ["browser_search"]),
    ],
)
async def test_compound_is_served_by_its_successor(model: str, fields: dict[str, Any], tools: list[str]) -> None:
    """The successor is asked with the tools that compound had, and with no field that only compound knew."""
    async with open_house(pretend(), models=()) as house:
        answer = await house.ask(chat(model=model, **fields))
        assert answer.status == 200, answer.body
        assert answer.label("reason") == "retired"
        asked = house.seen[-1].body
        assert asked["model"] == BIG
        assert [tool["type"] for tool in asked["tools"]] == tools
        assert "compound_custom" not in asked


@pytest.mark.parametrize(
    "fields, param, says",
    [
        ({"tools": [LOOK_UP]}, "tools", "openai/gpt-oss-120b"),
        (compound("wolfram_alpha"), "compound_custom.tools.enabled_tools", "MCP server"),
        (compound("visit_website"), "compound_custom.tools.enabled_tools", "MCP server"),
        (compound("browser_automation"), "compound_custom.tools.enabled_tools", "MCP server"),
        (compound("teleport"), "compound_custom.tools.enabled_tools", "web_search"),
        ({"compound_custom": {"tools": 3}}, "compound_custom", "enabled_tools"),
    ],
)
async def test_what_has_no_successor_is_a_clear_refusal(fields: dict[str, Any], param: str, says: str) -> None:
    """Nothing is sent: the client is told which part cannot be served and what can take its place."""
    async with open_house(pretend(), models=()) as house:
        answer = await house.ask(chat(model="groq/compound", **fields))
        assert answer.status == 400
        assert answer.error["param"] == param
        assert says in answer.error["message"]
        assert not house.seen

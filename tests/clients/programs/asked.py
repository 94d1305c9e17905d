"""What every program asks, what shape it must get back, and how it reports: one line of JSON for each case.

A program is run as `python -m tests.clients.programs.NAME ROOT [CASE ...]`, ROOT being the gateway without a path;
without a case all are run. The test reads the same shapes to judge by.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, Field

SMALL = "openai/gpt-oss-20b"
LARGE = "openai/gpt-oss-120b"
RETIRED = "llama-3.3-70b-versatile"
"""The documentation of these libraries names it to this day; Groq took it away in August 2026."""
KEY = "gsk_of_the_client"

GREETING = "Say hello and tell me what you can do. [[tokens=40]]"
"""The simulator writes as many tokens as the directive says, which keeps the programs quick."""
QUESTION = "What is the weather in Pune?"
FORECAST = "Light rain, 24 degrees."
WISH = "Plan a trip through the hills for four days."


class Weather(BaseModel):
    """Look up the weather of a place."""

    city: str = Field(description="The name of the place")
    unit: Literal["celsius", "fahrenheit"]
    days: int = Field(ge=1, le=7)


class Stop(BaseModel):
    """One place of a trip."""

    place: str
    nights: int = Field(ge=1, le=10)


class Trip(BaseModel):
    """A trip with its places in order."""

    title: str
    season: Literal["spring", "summer", "autumn", "winter"]
    stops: list[Stop]
    remark: str | None = None


Told: TypeAlias = dict[str, Any]
Case: TypeAlias = Callable[[str], Told | Awaitable[Told]]

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "weather", "description": Weather.__doc__, "parameters": Weather.model_json_schema()},
}


def said(text: str | None, tokens: int, model: str | None) -> Told:
    """A whole answer, all tokens that it used, and the model that it names, where the library shows it."""
    return {"text": text, "tokens": tokens, "model": model}


def streamed(pieces: list[str]) -> Told:
    """What came, in the pieces in which it came."""
    return {"pieces": pieces}


def called(name: str, arguments: Mapping[str, Any], answer: str | None = None) -> Told:
    """A tool call with its parsed arguments, and what the model said to the result where it was told it."""
    return {"call": name, "arguments": dict(arguments), "text": answer}


def shaped(value: object) -> Told:
    """A structured answer, as data."""
    return {"value": value.model_dump() if isinstance(value, BaseModel) else value}


def main(cases: Mapping[str, Case]) -> None:
    """Run the cases that the command line names, and print what came of each."""
    root, names = sys.argv[1], sys.argv[2:] or list(cases)
    with asyncio.Runner() as runner:
        for name in names:
            print(json.dumps({"case": name, **_outcome(cases[name], root, runner)}), flush=True)


def _outcome(case: Case, root: str, runner: asyncio.Runner) -> Told:
    try:
        told = case(root)
        return told if isinstance(told, dict) else runner.run(_awaited(told))
    except Exception:  # noqa: BLE001 - whatever a library raises is what the test shows
        return {"failed": traceback.format_exc(limit=-6)}


async def _awaited(told: Awaitable[Told]) -> Told:
    return await told

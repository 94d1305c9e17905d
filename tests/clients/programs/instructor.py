"""instructor over the Groq SDK and over the OpenAI SDK, in the modes that each has."""

from typing import Any

import groq
import instructor
import openai
from instructor import Mode
from tests.clients.programs.asked import (
    GREETING,
    KEY,
    LARGE,
    QUESTION,
    RETIRED,
    SMALL,
    WISH,
    Case,
    Told,
    Trip,
    Weather,
    called,
    main,
    said,
    shaped,
    streamed,
)


def over_groq(root: str, mode: Mode = Mode.TOOLS) -> Any:
    return instructor.from_groq(groq.Groq(base_url=root, api_key=KEY, max_retries=0), mode=mode)


def over_async_groq(root: str, mode: Mode = Mode.TOOLS) -> Any:
    return instructor.from_groq(groq.AsyncGroq(base_url=root, api_key=KEY, max_retries=0), mode=mode)


def over_openai(root: str, mode: Mode) -> Any:
    return instructor.from_openai(openai.OpenAI(base_url=f"{root}/v1", api_key=KEY, max_retries=0), mode=mode)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def chat(root: str, model: str = SMALL) -> Told:
    answer = over_groq(root).create(model=model, messages=user(GREETING), response_model=None)
    return said(answer.choices[0].message.content, answer.usage.total_tokens, answer.model)


async def chat_async(root: str) -> Told:
    answer = await over_async_groq(root).create(model=SMALL, messages=user(GREETING), response_model=None)
    return said(answer.choices[0].message.content, answer.usage.total_tokens, answer.model)


def stream(root: str) -> Told:
    """What this library streams is a value that grows."""
    growing = over_groq(root, Mode.JSON_SCHEMA).create_partial(
        model=SMALL, messages=user(WISH), response_model=Trip, max_retries=0
    )
    return streamed([value.model_dump_json() for value in growing])


async def stream_async(root: str) -> Told:
    growing = over_async_groq(root, Mode.JSON_SCHEMA).create_partial(
        model=LARGE, messages=user(WISH), response_model=Trip, max_retries=0
    )
    return streamed([value.model_dump_json() async for value in growing])


def tools(root: str) -> Told:
    """The model of the answer is the tool: its name is the tool's, its fields are the arguments."""
    value, raw = over_groq(root).create_with_completion(
        model=SMALL, messages=user(QUESTION), response_model=Weather, max_retries=0
    )
    [call] = raw.choices[0].message.tool_calls
    return called(call.function.name, value.model_dump())


async def tools_async(root: str) -> Told:
    value, raw = await over_async_groq(root).create_with_completion(
        model=LARGE, messages=user(QUESTION), response_model=Weather, max_retries=0
    )
    [call] = raw.choices[0].message.tool_calls
    return called(call.function.name, value.model_dump())


def structured(make: Any, mode: Mode, model: str = SMALL) -> Case:
    def case(root: str) -> Told:
        return shaped(make(root, mode).create(model=model, messages=user(WISH), response_model=Trip, max_retries=0))

    return case


async def structured_async(root: str) -> Told:
    client = over_async_groq(root, Mode.JSON_SCHEMA)
    return shaped(await client.create(model=LARGE, messages=user(WISH), response_model=Trip, max_retries=0))


async def structured_many(root: str) -> Told:
    """Several values one after the other out of one stream."""
    items = over_async_groq(root).create_iterable(model=LARGE, messages=user(WISH), response_model=Trip, max_retries=0)
    trips = [item async for item in items]
    return shaped(trips[0])


CASES: dict[str, Case] = {
    "chat": chat,
    "chat, async": chat_async,
    "chat, retired model": lambda root: chat(root, RETIRED),
    "stream": stream,
    "stream, async": stream_async,
    "tool": tools,
    "tool, async": tools_async,
    "structured, TOOLS": structured(over_groq, Mode.TOOLS),
    "structured, JSON": structured(over_groq, Mode.JSON),
    "structured, JSON_SCHEMA": structured(over_groq, Mode.JSON_SCHEMA),
    "structured, MD_JSON": structured(over_groq, Mode.MD_JSON),
    "structured, TOOLS over openai": structured(over_openai, Mode.TOOLS, LARGE),
    "structured, TOOLS_STRICT over openai": structured(over_openai, Mode.TOOLS_STRICT, LARGE),
    "structured, JSON_SCHEMA over openai": structured(over_openai, Mode.JSON_SCHEMA, LARGE),
    "structured, retired model": structured(over_groq, Mode.TOOLS, RETIRED),
    "structured, async": structured_async,
    "structured, iterable": structured_many,
}

if __name__ == "__main__":
    main(CASES)

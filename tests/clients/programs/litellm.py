"""LiteLLM with its `groq/` prefix and our address as `api_base`."""

import json
from typing import Any

import litellm
from tests.clients.programs.asked import (
    FORECAST,
    GREETING,
    KEY,
    LARGE,
    QUESTION,
    RETIRED,
    SMALL,
    TOOL,
    WISH,
    Case,
    Told,
    Trip,
    called,
    main,
    said,
    shaped,
    streamed,
)

litellm.suppress_debug_info = True  # stdout is for results


def asking(root: str, content: str, model: str = SMALL, **options: object) -> dict[str, Any]:
    """What a call takes."""
    message = {"role": "user", "content": content}
    address = {"api_base": f"{root}/v1", "api_key": KEY, "num_retries": 0, "max_retries": 0}
    return {"model": f"groq/{model}", "messages": [message], **address, **options}


def chat(root: str, model: str = SMALL) -> Told:
    answer = litellm.completion(**asking(root, GREETING, model))
    return said(answer.choices[0].message.content, answer.usage.total_tokens, answer.model)


async def chat_async(root: str) -> Told:
    answer = await litellm.acompletion(**asking(root, GREETING))
    return said(answer.choices[0].message.content, answer.usage.total_tokens, answer.model)


def stream(root: str) -> Told:
    chunks = litellm.completion(**asking(root, GREETING, stream=True))
    return streamed([chunk.choices[0].delta.content or "" for chunk in chunks])


async def stream_async(root: str) -> Told:
    wanted = asking(root, GREETING, LARGE, stream=True, stream_options={"include_usage": True})
    chunks = await litellm.acompletion(**wanted)
    return streamed([chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices])


def _with_result(wanted: dict[str, Any], message: Any) -> tuple[Any, dict[str, Any]]:
    """The one call, and the next request with its result."""
    [call] = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": FORECAST}
    return call.function, {**wanted, "messages": [*wanted["messages"], message, result], "tool_choice": "auto"}


def tools(root: str) -> Told:
    wanted = asking(root, QUESTION, tools=[TOOL], tool_choice="auto")
    call, after = _with_result(wanted, litellm.completion(**wanted).choices[0].message)
    answer = litellm.completion(**after)
    return called(call.name, json.loads(call.arguments), answer.choices[0].message.content)


async def tools_async(root: str) -> Told:
    """The call comes out of a stream that the library puts together again."""
    wanted = asking(root, QUESTION, LARGE, tools=[TOOL], tool_choice="required")
    chunks = [chunk async for chunk in await litellm.acompletion(**wanted, stream=True)]
    whole = litellm.stream_chunk_builder(chunks)
    assert whole is not None
    call, after = _with_result(wanted, whole.choices[0].message)
    answer = await litellm.acompletion(**after)
    return called(call.name, json.loads(call.arguments), answer.choices[0].message.content)


def structured(root: str, model: str = SMALL) -> Told:
    answer = litellm.completion(**asking(root, WISH, model, response_format=Trip))
    return shaped(json.loads(answer.choices[0].message.content))


def structured_json_mode(root: str) -> Told:
    wish = f"{WISH} Answer in JSON by this schema: {json.dumps(Trip.model_json_schema())}"
    answer = litellm.completion(**asking(root, wish, response_format={"type": "json_object"}))
    return shaped(json.loads(answer.choices[0].message.content))


async def structured_async(root: str) -> Told:
    answer = await litellm.acompletion(**asking(root, WISH, LARGE, response_format=Trip))
    return shaped(json.loads(answer.choices[0].message.content))


async def structured_stream(root: str) -> Told:
    chunks = await litellm.acompletion(**asking(root, WISH, LARGE, response_format=Trip, stream=True))
    pieces = [chunk.choices[0].delta.content or "" async for chunk in chunks]
    return shaped(json.loads("".join(pieces)))


CASES: dict[str, Case] = {
    "chat": chat,
    "chat, async": chat_async,
    "chat, retired model": lambda root: chat(root, RETIRED),
    "stream": stream,
    "stream, async": stream_async,
    "tool": tools,
    "tool, async, streamed": tools_async,
    "structured, response_format": structured,
    "structured, json_object": structured_json_mode,
    "structured, retired model": lambda root: structured(root, RETIRED),
    "structured, async": structured_async,
    "structured, async, streamed": structured_stream,
}

if __name__ == "__main__":
    main(CASES)

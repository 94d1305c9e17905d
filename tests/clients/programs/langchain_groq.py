"""LangChain's ChatGroq as its users write it: invoke, stream, bind_tools, with_structured_output in its three ways."""

from collections.abc import Callable
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import PydanticOutputParser
from langchain_core.tools import StructuredTool
from langchain_groq import ChatGroq
from tests.clients.programs.asked import (
    FORECAST,
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


def _weather(**_arguments: object) -> str:
    """Look up the weather of a place."""
    return FORECAST


weather = StructuredTool.from_function(_weather, name="weather", args_schema=Weather)


def groq(root: str, model: str = SMALL) -> Any:
    return ChatGroq(model=model, base_url=root, api_key=KEY, max_retries=0)


def chat(root: str, model: str = SMALL) -> Told:
    answer = groq(root, model).invoke([("system", "Be brief."), ("human", GREETING)])
    return said(answer.text, answer.usage_metadata["total_tokens"], None)


async def chat_async(root: str) -> Told:
    answer = await groq(root).ainvoke(GREETING)
    return said(answer.text, answer.usage_metadata["total_tokens"], None)


def stream(root: str) -> Told:
    return streamed([chunk.text for chunk in groq(root).stream(GREETING)])


async def stream_async(root: str) -> Told:
    return streamed([chunk.text async for chunk in groq(root, LARGE).astream(GREETING)])


def tools(root: str) -> Told:
    bound = groq(root).bind_tools([weather])
    conversation: list[Any] = [HumanMessage(QUESTION)]
    asking: AIMessage = bound.invoke(conversation)
    [call] = asking.tool_calls
    conversation += [asking, ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"])]
    return called(call["name"], call["args"], bound.invoke(conversation).text)


async def tools_async(root: str) -> Told:
    bound = groq(root, LARGE).bind_tools([weather], tool_choice="any")
    gathered = None
    async for chunk in bound.astream(QUESTION):
        gathered = chunk if gathered is None else gathered + chunk
    assert gathered is not None
    [call] = gathered.tool_calls
    result = ToolMessage(FORECAST, tool_call_id=call["id"])
    answer = await groq(root, LARGE).ainvoke([HumanMessage(QUESTION), gathered, result])
    return called(call["name"], call["args"], answer.text)


def structured(method: str, **options: object) -> Callable[[str], Told]:
    """A case for one of the library's ways; JSON mode needs the word and the shape in the prompt."""
    told = PydanticOutputParser(pydantic_object=Trip).get_format_instructions()
    wish = f"{WISH}\n{told}" if method == "json_mode" else WISH

    def case(root: str) -> Told:
        return shaped(groq(root).with_structured_output(Trip, method=method, **options).invoke(wish))

    return case


async def structured_async(root: str) -> Told:
    return shaped(await groq(root, LARGE).with_structured_output(Trip, method="json_schema").ainvoke(WISH))


async def structured_stream(root: str) -> Told:
    shaping = groq(root, LARGE).with_structured_output(Trip.model_json_schema(), method="json_schema")
    values = [value async for value in shaping.astream(WISH)]
    return shaped(values[-1])


CASES: dict[str, Case] = {
    "chat": chat,
    "chat, async": chat_async,
    "chat, retired model": lambda root: chat(root, RETIRED),
    "stream": stream,
    "stream, async": stream_async,
    "tool": tools,
    "tool, async, streamed": tools_async,
    "structured, function_calling": structured("function_calling"),
    "structured, json_schema": structured("json_schema"),
    "structured, json_schema strict": structured("json_schema", strict=True),
    "structured, json_mode": structured("json_mode"),
    "structured, async": structured_async,
    "structured, async, streamed": structured_stream,
}

if __name__ == "__main__":
    main(CASES)

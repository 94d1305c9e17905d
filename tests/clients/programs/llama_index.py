"""LlamaIndex's Groq: complete, chat, its streams, function calls, structured prediction by tool, format and prompt."""

from typing import Any

from llama_index.core.llms import ChatMessage
from llama_index.core.output_parsers import PydanticOutputParser
from llama_index.core.program import LLMTextCompletionProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.groq import Groq
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

WISHED = PromptTemplate(WISH)


def groq(root: str, model: str = SMALL, **options: object) -> Any:
    return Groq(model=model, api_base=f"{root}/openai/v1", api_key=KEY, max_retries=0, **options)


def greeting() -> list[ChatMessage]:
    return [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=GREETING)]


def chat(root: str, model: str = SMALL) -> Told:
    answer = groq(root, model).chat(greeting())
    return said(answer.message.content, answer.raw.usage.total_tokens, answer.raw.model)


def complete(root: str) -> Told:
    answer = groq(root).complete(GREETING)
    return said(answer.text, answer.raw.usage.total_tokens, answer.raw.model)


async def chat_async(root: str) -> Told:
    answer = await groq(root).achat(greeting())
    return said(answer.message.content, answer.raw.usage.total_tokens, answer.raw.model)


def stream(root: str) -> Told:
    return streamed([piece.delta for piece in groq(root).stream_chat(greeting())])


async def stream_async(root: str) -> Told:
    return streamed([piece.delta async for piece in await groq(root, LARGE).astream_complete(GREETING)])


def _weather(city: str, unit: str, days: int) -> str:
    """Look up the weather of a place."""
    return f"{city}, {unit}, {days}: {FORECAST}"


TOOL = FunctionTool.from_defaults(_weather, name="weather", fn_schema=Weather)


def _with_result(model: Any, asking: Any) -> tuple[Any, list[ChatMessage]]:
    """The one call, and the conversation with its result."""
    [call] = model.get_tool_calls_from_response(asking)
    result = ChatMessage(role="tool", content=FORECAST, additional_kwargs={"tool_call_id": call.tool_id})
    return call, [ChatMessage(role="user", content=QUESTION), asking.message, result]


def tools(root: str) -> Told:
    model = groq(root)
    call, conversation = _with_result(model, model.chat_with_tools([TOOL], user_msg=QUESTION))
    return called(call.tool_name, call.tool_kwargs, model.chat(conversation).message.content)


async def tools_async(root: str) -> Told:
    model = groq(root, LARGE)
    asking = None
    async for piece in await model.astream_chat_with_tools([TOOL], user_msg=QUESTION, tool_required=True):
        asking = piece
    call, conversation = _with_result(model, asking)
    return called(call.tool_name, call.tool_kwargs, (await model.achat(conversation)).message.content)


def agent_tools(root: str) -> Told:
    """The library runs the tool itself."""
    done = groq(root).predict_and_call([TOOL], user_msg=QUESTION)
    [source] = done.sources
    return called(source.tool_name, source.raw_input["kwargs"], done.response)


def structured(root: str, model: str = SMALL) -> Told:
    return shaped(groq(root, model).structured_predict(Trip, WISHED))


def structured_format(root: str) -> Told:
    model = groq(root, should_use_structured_outputs=True)
    return shaped(model.structured_predict(Trip, WISHED))


def structured_prompt(root: str) -> Told:
    program = LLMTextCompletionProgram.from_defaults(
        output_parser=PydanticOutputParser(Trip), prompt=WISHED, llm=groq(root)
    )
    return shaped(program())


async def structured_async(root: str) -> Told:
    return shaped(await groq(root, LARGE).astructured_predict(Trip, WISHED))


async def structured_stream(root: str) -> Told:
    values = [value async for value in await groq(root, LARGE).astream_structured_predict(Trip, WISHED)]
    return shaped(values[-1])


CASES: dict[str, Case] = {
    "chat": chat,
    "chat, complete": complete,
    "chat, async": chat_async,
    "chat, retired model": lambda root: chat(root, RETIRED),
    "stream": stream,
    "stream, async": stream_async,
    "tool": tools,
    "tool, async, streamed": tools_async,
    "tool, predict_and_call": agent_tools,
    "structured, by tool": structured,
    "structured, by format": structured_format,
    "structured, by prompt": structured_prompt,
    "structured, retired model": lambda root: structured(root, RETIRED),
    "structured, async": structured_async,
    "structured, async, streamed": structured_stream,
}

if __name__ == "__main__":
    main(CASES)

"""pydantic-ai's agents over GroqModel: text, streams, tools, and the three ways to a typed output."""

from typing import Any

from groq import AsyncGroq
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.models.groq import GroqModel
from pydantic_ai.providers.groq import GroqProvider
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


def agent(root: str, model: str = SMALL, **options: Any) -> Any:
    client = AsyncGroq(base_url=root, api_key=KEY, max_retries=0)
    return Agent(GroqModel(model, provider=GroqProvider(groq_client=client)), retries=0, **options)


def chat(root: str, model: str = SMALL) -> Told:
    run = agent(root, model, instructions="Be brief.").run_sync(GREETING)
    return said(run.output, run.usage.total_tokens, run.response.model_name)


async def chat_async(root: str) -> Told:
    """The second turn replays the first answer with its reasoning."""
    talking = agent(root)
    first = await talking.run(GREETING)
    run = await talking.run("And what else?", message_history=first.all_messages())
    return said(run.output, run.usage.total_tokens, run.response.model_name)


def stream(root: str) -> Told:
    running = agent(root).run_stream_sync(GREETING)
    return streamed(list(running.stream_text(delta=True, debounce_by=None)))


async def stream_async(root: str) -> Told:
    async with agent(root, LARGE).run_stream(GREETING) as running:
        return streamed([piece async for piece in running.stream_text(delta=True, debounce_by=None)])


def weather(wanted: Weather) -> str:
    """Look up the weather of a place."""
    return f"{wanted.city}, {wanted.unit}, {wanted.days}: {FORECAST}"


def _told(run: Any) -> Told:
    parts = [part for message in run.all_messages() for part in message.parts if isinstance(part, ToolCallPart)]
    return called(parts[0].tool_name, parts[0].args_as_dict(), run.output)


def tools(root: str) -> Told:
    return _told(agent(root, tools=[weather]).run_sync(QUESTION))


async def tools_async(root: str) -> Told:
    return _told(await agent(root, LARGE, tools=[weather]).run(QUESTION))


def structured(output: Any, model: str = SMALL) -> Case:
    def case(root: str) -> Told:
        return shaped(agent(root, model, output_type=output).run_sync(WISH).output)

    return case


async def structured_async(root: str) -> Told:
    return shaped((await agent(root, LARGE, output_type=NativeOutput(Trip)).run(WISH)).output)


async def structured_stream(root: str) -> Told:
    async with agent(root, LARGE, output_type=NativeOutput(Trip, strict=True)).run_stream(WISH) as running:
        values = [value async for value in running.stream_output(debounce_by=None)]
    return shaped(values[-1])


CASES: dict[str, Case] = {
    "chat": chat,
    "chat, async": chat_async,
    "chat, retired model": lambda root: chat(root, RETIRED),
    "stream": stream,
    "stream, async": stream_async,
    "tool": tools,
    "tool, async": tools_async,
    "structured, tool output": structured(ToolOutput(Trip)),
    "structured, native output": structured(NativeOutput(Trip)),
    "structured, prompted output": structured(PromptedOutput(Trip)),
    "structured, retired model": structured(Trip, RETIRED),
    "structured, async": structured_async,
    "structured, async, streamed": structured_stream,
}

if __name__ == "__main__":
    main(CASES)

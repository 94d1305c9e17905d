"""`headgate chat`: one question from the terminal, to a gate in this process or to a running gateway."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.terminal import BAD_CONFIGURATION, FAILURE, TRY_LATER, Failed, put, put_json, say

if TYPE_CHECKING:
    from headgate.sdk import Answer, Event


def chat(
    text: Annotated[str, typer.Argument(help="What to ask; - reads it from stdin.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model or a tier, as headgate/fast.")] = None,
    stream: Annotated[bool, typer.Option(help="Show the answer while it is written.")] = True,
    base_url: Annotated[
        str | None, typer.Option(help="A running gateway (HEADGATE_BASE_URL); else a gate in this process.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="headgate.toml, for the gate in this process.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole answer as JSON.")] = False,
) -> None:
    """Ask something. The answer goes to stdout, where it came from to stderr."""
    asked = sys.stdin.read() if text == "-" else text
    url = base_url or os.environ.get("HEADGATE_BASE_URL") or None
    streams = stream and not as_json
    if url is None:
        import asyncio

        asyncio.run(_here(asked, model, config, streams=streams, as_json=as_json))
    else:
        from headgate.cli.remote import ask

        ask(url, asked, model, streams=streams, as_json=as_json)


async def _here(text: str, model: str | None, config: Path | None, *, streams: bool, as_json: bool) -> None:
    from headgate.runtime.settings import InvalidSettings
    from headgate.sdk import Headgate, HeadgateError

    try:
        gate = Headgate(config=config)
    except InvalidSettings as error:
        raise Failed(str(error), BAD_CONFIGURATION) from None
    if gate.settings.uses_simulator:
        say("There is no provider key, so the built-in simulator answers.")
    async with gate:
        try:
            if streams:
                answer = await _show(gate.stream(text, model=model))
            else:
                answer = await gate.chat(text, model=model)
        except HeadgateError as error:
            retry = getattr(error, "retry_after_s", None)
            raise Failed(str(error), FAILURE if retry is None else TRY_LATER) from None
    if as_json:
        put_json(answer.json())
    elif not streams:
        put(f"{answer.text}\n")
    say(_label(answer))


async def _show(events: AsyncIterator["Event"]) -> "Answer":
    from headgate.sdk import Done, Error, Token

    async for event in events:
        match event:
            case Token():
                put(event.text)
            case Done():
                put("\n")
                return event.answer
            case Error():
                put("\n")
                raise event.error
            case _:
                pass
    raise AssertionError("a stream ends in Done or Error")


def _label(answer: "Answer") -> str:
    used = "" if answer.usage is None else f", {answer.usage.prompt_tokens} + {answer.usage.completion_tokens} tokens"
    why = f", {answer.reason}" if answer.reason else ""
    calls = f", {answer.calls} call{'' if answer.calls == 1 else 's'}"
    return f"[{answer.source.value}: {answer.model_served}{calls}{used}{why}]"

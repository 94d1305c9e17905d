"""`headgate batch run`: a JSONL file of requests, line by line, through a running gateway or in this process.

The output holds what was answered, one line for each; running the same command again asks only for the rest.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from headgate.cli.loading import load
from headgate.cli.terminal import FAILURE, Failed, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from headgate.batch.asking import Ask
    from headgate.batch.direct import Direct
    from headgate.protocol.batches import Line

app = typer.Typer(no_args_is_help=True, help="Run files of requests.")

PARTLY: Final = 3
MOST_PROBLEMS: Final = 5
MOST_HOURS: Final = 168
SHOWN_CHARS: Final = 200


@app.callback()
def _batch() -> None:
    """So that `run` is a name of its own."""


@app.command("run")
def run(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Lines as for OpenAI's and Groq's batches.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where answers go. [default: stdout]")] = None,
    base_url: Annotated[str | None, typer.Option(help="A gateway that runs; else one is made for this.")] = None,
    config: Annotated[Path | None, typer.Option(help="headgate.toml or .yaml (HEADGATE_CONFIG).")] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=1_000, help="Lines under way at a time.")] = 32,
    within_h: Annotated[int, typer.Option(min=1, max=MOST_HOURS, help="Give up after so many hours.")] = 24,
) -> None:
    """Answer every line of FILE. Exit code 3: some lines were not answered; run it again for those."""
    import asyncio

    from headgate.cli.batch_asking import asking

    lines = _read(file)
    done = set() if output is None else _answered(output)
    left = [line for line in lines if line.custom_id not in done]
    if done:
        say(f"{len(lines) - len(left)} of {len(lines)} lines are answered already.")
    settings = None if base_url is not None else load(config)
    door = asking(base_url, settings)
    with _out(output) as out:
        failed = asyncio.run(_run(left, door, out, concurrency, within_h * 3_600.0))
    say(f"{len(left) - failed} of {len(left)} lines were answered.")
    if failed:
        raise typer.Exit(PARTLY if failed < len(lines) else FAILURE)


async def _run(
    lines: "list[Line]",
    door: "AbstractAsyncContextManager[Ask]",
    out: BinaryIO,
    concurrency: int,
    within_s: float,
) -> int:
    """Run the lines; how many were not answered."""
    from headgate.batch.direct import run_lines
    from headgate.runtime.clock import MonotonicClock

    clock, failed = MonotonicClock(), 0
    async with door as ask:
        with _progress(len(lines)) as advance:
            until = clock.now() + within_s
            async for result in run_lines(lines, ask, clock, concurrency=concurrency, until=until):
                failed += not result.is_done
                _put(result, out)
                advance()
    return failed


def _put(result: "Direct", out: BinaryIO) -> None:
    """An answer into the output; what failed is said."""
    from headgate.protocol.batches import answered_line

    answer, custom_id = result.answer, result.line.custom_id
    if not result.is_done:
        shown = answer.body[:SHOWN_CHARS].decode(errors="replace")
        say(f"{custom_id}: {answer.status} {' '.join(shown.split())}")
        return
    text = answered_line(answer.request_id, custom_id, answer.status, answer.request_id, answer.body, answer.label)
    out.write(text + b"\n")
    out.flush()


def _read(file: Path) -> "list[Line]":
    """All lines. Raises Failed with what is wrong with the first few."""
    from headgate.protocol.batches import LineProblem, duplicate, read_line

    found: dict[str, tuple[int, Line]] = {}
    problems = []
    for number, text in enumerate(file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not text.strip():
            continue
        read = read_line(text)
        if not isinstance(read, LineProblem) and read.custom_id in found:
            read = duplicate(read.custom_id, found[read.custom_id][0])
        if isinstance(read, LineProblem):
            problems.append(f"{file.name}, line {number}: {read.message}")
        else:
            found[read.custom_id] = number, read
    if problems:
        more = [f"and {len(problems) - MOST_PROBLEMS} more"] if len(problems) > MOST_PROBLEMS else []
        raise Failed("\n".join([*problems[:MOST_PROBLEMS], *more]))
    return [line for _, line in found.values()]


def _answered(output: Path) -> set[str]:
    """The custom_ids that an output holds. What a kill left of a last line is cut off."""
    from headgate.protocol.batches import read_result

    if not output.exists():
        return set()
    content = output.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with output.open("rb+") as opened:
            opened.truncate(len(whole))
    found = (read_result(text) for text in whole.splitlines())
    return {result.custom_id for result in found if result is not None}


@contextmanager
def _out(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        with output.open("ab") as opened:
            yield opened
    except OSError as error:
        raise Failed(f"{output} cannot be written: {error.strerror}") from None


@contextmanager
def _progress(total: int) -> "Iterator[Callable[[], None]]":
    """A bar on stderr, where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
    with Progress(console=console) as progress:
        task = progress.add_task("lines", total=total)
        yield lambda: progress.advance(task)

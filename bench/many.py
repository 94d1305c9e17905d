"""How much of a quota `chat_many` uses: real sockets to the pretend Groq, whose limiter is the judge.

    python -m bench.many [--seconds 40] [--priority batch]

Prints what was answered beside what the limiter could have let through in that time: the whole bucket at the start and
what drained since. Also how many were refused upstream, which should be none.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from headgate import Answer, Headgate
from headgate.catalog import default_catalog
from headgate.domain.limits import Dimension
from headgate.runtime.settings import load_settings
from headgate.simulator.groq import PretendGroq
from headgate.simulator.http import SimulatorServer
from headgate.simulator.script import Script
from headgate.simulator.settings import Organisation, SimulatorSettings

MODEL = "openai/gpt-oss-20b"
LIMITS = {Dimension.RPM: 600, Dimension.RPD: 100_000, Dimension.TPM: 60_000, Dimension.TPD: 10_000_000}


class Judge(PretendGroq):
    """A pretend Groq that counts refusals."""

    refused = 0

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: float) -> Script:
        script = super().handle(method, path, headers, body, now)
        self.refused += script.status == 429
        return script


def endless() -> Iterator[str]:
    """Requests of different lengths."""
    number = 0
    while True:
        number += 1
        yield f"request {number} " + "and some words more " * (number % 60)


async def run(seconds: float, priority: str) -> None:
    """One run."""
    organisation = Organisation("developer", limits={"*": LIMITS})
    judge = Judge(SimulatorSettings(keys={"gsk_a": "org_a"}, organisations={"org_a": organisation}), default_catalog())
    server = SimulatorServer(judge, "127.0.0.1", 1.0, None)
    await server.listen()
    told = ", ".join(f"{dimension} = {limit}" for dimension, limit in LIMITS.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "headgate.toml"
        path.write_text(
            f'[groq]\nendpoints = ["{server.base_url}"]\nkeys = [{{secret = "gsk_a", organisation = "org_a"}}]\n'
            f'[organisations.org_a]\nplan = "developer"\nlimits = {{ "*" = {{ {told} }} }}\n'
            "[routes.default]\nsubstitute = false\n",
            encoding="utf-8",
        )
        settings = load_settings(path, {})
    tokens = answers = most_waiting = 0
    async with Headgate(settings) as gate:
        room = (await gate.start()).driver.gate.room
        began = time.monotonic()
        async with gate.chat_many(endless(), model=MODEL, max_completion_tokens=400, priority=priority) as many:  # type: ignore[arg-type]
            async for answer in many:
                most_waiting = max(most_waiting, room.waiting())
                if isinstance(answer, Answer) and answer.usage is not None:
                    answers += 1
                    tokens += answer.usage.prompt_tokens + answer.usage.completion_tokens - answer.usage.cached_tokens
                if time.monotonic() - began > seconds:
                    break
            took_s, at_once = time.monotonic() - began, many.progress.most_at_once
    await server.close()
    limit = LIMITS[Dimension.TPM]
    could = limit * (1 + took_s / 60)
    steady = (tokens - limit) / (limit / 60 * took_s)
    print(f"answered    {answers} in {took_s:.1f} s, {tokens:,} tokens, at most {at_once} at once")
    print(f"capacity    {could:,.0f} tokens: {tokens / could:.1%} used; beyond the first bucket {steady:.1%}")
    print(f"refused     {judge.refused} upstream; most tickets in the waiting room {most_waiting}")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--priority", default="batch")
    options = parser.parse_args()
    asyncio.run(run(options.seconds, options.priority))


if __name__ == "__main__":
    main()

"""What asking small requests together saves: calls and tokens, beside the same requests asked by themselves.

    python -m bench.coalescing [--requests 400]

The pretend Groq counts prompt tokens as Groq does, template included. Its answers are words made from each request's
bytes, so only the prompt tokens of the two ways can be compared; those of the answers depend on the model. The texts
are 60 to 200 characters long, as messages to be classified are.
"""

import argparse
import asyncio
import random
import tempfile
from pathlib import Path

import uvloop

from headgate import Answer, Headgate
from headgate.domain.limits import Dimension
from headgate.runtime.settings import load_settings
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import Lengths, Organisation, Pace, SimulatorSettings

PLENTY = 1_000_000_000
MODEL = "openai/gpt-oss-20b"
QUICK = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=100.0)
SHORT = Lengths(median_tokens=6.0, sigma=0.2, longest_tokens=12, reasoning_medium_tokens=0.0)
WORDS = (
    "please",
    "send",
    "the",
    "amount",
    "today",
    "or",
    "your account",
    "will be closed",
    "thanks",
    "see you",
    "monday",
)
LABEL: dict[str, object] = {
    "type": "object",
    "properties": {"label": {"enum": ["spam", "ham"]}},
    "required": ["label"],
    "additionalProperties": False,
}
FORM: dict[str, object] = {"type": "json_schema", "json_schema": {"name": "label", "strict": True, "schema": LABEL}}
INSTRUCTIONS: tuple[tuple[str, str, dict[str, object] | None], ...] = (
    ("a line", "Say whether this message is spam or ham.", None),
    ("a line, with a schema", "Say whether this message is spam or ham.", FORM),
    ("a paragraph", "Judge the message by what it wants of its reader: money, haste, secrecy or a link. " * 8, None),
    ("a page", "Judge the message by what it wants of its reader: money, haste, secrecy or a link. " * 50, None),
)
SIZES = (5, 20, 50)


def settings_text(base_url: str, size: int) -> str:
    """A house without limits whose route gathers so many."""
    limits = "".join(f"{dimension.value} = {PLENTY}\n" for dimension in Dimension)
    return (
        f'[groq]\nbase_url = "{base_url}"\n[[groq.keys]]\nsecret = "gsk_bench"\norganisation = "bench"\n'
        f'[organisations.bench]\nplan = "developer"\n[organisations.bench.limits."*"]\n{limits}'
        f'[cache]\nenabled = false\n[routes.small]\nmodels = ["{MODEL}"]\n'
        f"coalesce = {{ window_ms = 1000, max_items = {size} }}\n"
    )


async def asked(
    gate: Headgate, texts: list[str], system: str, form: dict[str, object] | None, size: int, together: str
) -> list[Answer]:
    """All answers; as many at a time as a group holds."""
    answers: list[Answer] = []
    for first in range(0, len(texts), size):
        answers += await asyncio.gather(
            *(
                gate.chat(
                    [{"role": "system", "content": system}, {"role": "user", "content": text}],
                    model=MODEL,
                    route="small",
                    response_format=form,
                    coalesce="auto" if together == "auto" else "off",
                )
                for text in texts[first : first + size]
            )
        )
    return answers


def prompt_tokens(answers: list[Answer]) -> int:
    """What all prompts came to."""
    return sum(answer.usage.prompt_tokens for answer in answers if answer.usage is not None)


async def measure(requests: int) -> None:
    """Print the table."""
    dice = random.Random(5)
    texts = [f"{n}: {' '.join(dice.choices(WORDS, k=dice.randrange(12, 40)))}" for n in range(requests)]
    organisation = {"org_bench": Organisation(plan="developer", limits={MODEL: dict.fromkeys(Dimension, PLENTY)})}
    pretend = SimulatorSettings(
        pace=QUICK,
        lengths=SHORT,
        keys={"gsk_bench": "org_bench"},
        organisations=organisation,
        cache_hit_probability=0.0,
    )
    server = await serve_simulator(pretend)
    print("| instructions | at a time | calls | prompt tokens, alone | together | saved | asked alone after all |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for told, system, form in INSTRUCTIONS:
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "headgate.toml"
                path.write_text(settings_text(server.base_url, size), encoding="utf-8")
                settings = load_settings(path, {})
            async with Headgate(settings) as gate:
                alone = prompt_tokens(await asked(gate, texts, system, form, size, "off"))
                together = prompt_tokens(await asked(gate, texts, system, form, size, "auto"))
                coalescer = (await gate.start()).coalescer
                assert coalescer is not None
                total = coalescer.counts.total
            saved = 1 - together / alone
            calls = f"{total.calls + total.alone} for {requests}"
            print(f"| {told} | {size} | {calls} | {alone:,} | {together:,} | {saved:.0%} | {total.alone} |")
    await server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=400)
    uvloop.run(measure(parser.parse_args().requests))

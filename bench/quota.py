"""How much of the quota is used: twice the capacity of 4 organisations x 2 models over real HTTP, against the replay.

    python -m bench.quota                     # all cases, about two minutes each
    python -m bench.quota --case unset        # one of: asked, unset, wide, stranger

The pretend Groq runs in this process, the gateway in one of its own (`headgate serve`), clients call it over loopback.
The load is an application with four tasks that it names (`x-headgate-task`), each with its own lengths, half of the
requests streamed, Poisson arrivals. Tokens served are prompt plus output of answers that came from a model.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
from bench.replay import Bucket, Deployment, Served, Stranger, Wanted, replay

from headgate.catalog import default_catalog
from headgate.domain.limits import Dimension
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.limiter import Stranger as PretendStranger
from headgate.simulator.settings import Lengths, Organisation, SimulatorSettings
from headgate.simulator.tokens import count_prompt

MODELS = ("openai/gpt-oss-120b", "openai/gpt-oss-20b")
ORGANISATIONS = 4
OFFERED_S = 90.0
PATIENCE_S = 25.0
DEADLINE_S = 50.0
LIMITS = {Dimension.RPM: 30, Dimension.RPD: 1000, Dimension.TPM: 8000, Dimension.TPD: 200_000}
STRANGER_SHARE = 0.3
STRANGER_TOKENS = 60


@dataclass(frozen=True)
class Task:
    """A kind of request: how often, words of prompt, and the log-normal of its output in tokens."""

    name: str
    weight: int
    words: tuple[int, int]
    median_tokens: float
    sigma: float


TASKS = (
    Task("classify", 3, (60, 300), 12, 0.3),
    Task("extract", 3, (100, 500), 110, 0.25),
    Task("summarise", 2, (250, 700), 190, 0.25),
    Task("reply", 2, (40, 250), 220, 0.4),
)


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    max_tokens: int | None
    stranger: bool = False
    most_rejected_per_100: float = 1.0


CASES = (
    Case("asked", 512),
    Case("unset", None),
    Case("wide", 8192),
    Case("stranger", 512, stranger=True, most_rejected_per_100=5.0),
)


@dataclass
class Ask:
    """One request to be sent, and what became of it."""

    at_s: float
    model: str
    task: str
    text: str
    output_tokens: int
    stream: bool
    status: int = 0
    source: str = ""
    tokens: int = 0
    finish_reason: str = ""
    fitted: str = ""
    took_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


def make_load(seed: int, case: Case, capacity_tokens: float) -> list[Ask]:
    """Poisson arrivals whose true cost adds up to about twice the capacity."""
    dice = random.Random(seed)
    words = [
        "the",
        "order",
        "of",
        "a",
        "customer",
        "who",
        "asks",
        "about",
        "delivery",
        "and",
        "returns",
        "goods",
        "that",
        "came",
        "late",
        "or",
        "broken",
    ]
    asks: list[Ask] = []
    total = 0
    while total < 2 * capacity_tokens:
        task = dice.choices(TASKS, [t.weight for t in TASKS])[0]
        output = max(1, round(dice.lognormvariate(0, task.sigma) * task.median_tokens))
        text = " ".join(dice.choices(words, k=dice.randint(*task.words)))
        model = dice.choice(MODELS)
        ask = Ask(
            dice.uniform(0, OFFERED_S), model, task.name, f"{text} [[tokens={output}]]", output, dice.random() < 0.5
        )
        total += count_prompt(model, ask.text, 1, 0, []) + min(output, case.max_tokens or output)
        asks.append(ask)
    return sorted(asks, key=lambda each: each.at_s)


def make_replay(asks: list[Ask], case: Case) -> Served:
    """What the omniscient replay serves of the same arrivals."""
    catalog = default_catalog()
    stranger = None
    if case.stranger:
        stranger = Stranger(STRANGER_TOKENS, STRANGER_TOKENS / (STRANGER_SHARE * LIMITS[Dimension.TPM] / 60))
    deployments = [
        Deployment(
            model,
            Bucket(LIMITS[Dimension.TPM], LIMITS[Dimension.TPM] / 60),
            Bucket(LIMITS[Dimension.RPM], LIMITS[Dimension.RPM] / 60),
            (
                Bucket(LIMITS[Dimension.TPD], LIMITS[Dimension.TPD] / 86400),
                Bucket(LIMITS[Dimension.RPD], LIMITS[Dimension.RPD] / 86400),
            ),
            stranger,
        )
        for model in MODELS
        for _ in range(ORGANISATIONS)
    ]
    wanted = []
    for ask in asks:
        output = min(ask.output_tokens, case.max_tokens or ask.output_tokens)
        others = tuple(model for model in MODELS if model != ask.model)
        tokens = {model: count_prompt(model, ask.text, 1, 0, []) + output for model in MODELS}
        seconds = {model: output / (row.tokens_per_s or 400) for model in MODELS if (row := catalog.model(model))}
        wanted.append(Wanted(ask.at_s, (ask.model, *others), tokens, seconds))
    return replay(wanted, deployments, PATIENCE_S, DEADLINE_S)


def simulator_settings(seed: int, case: Case) -> SimulatorSettings:
    """The pretend Groq of a case."""
    names = [f"org_{n:026d}" for n in range(ORGANISATIONS)]
    strangers = tuple(
        PretendStranger(name, STRANGER_SHARE, model, STRANGER_TOKENS) for name in names for model in MODELS
    )
    return SimulatorSettings(
        seed=seed,
        keys={f"gsk_bench_{n}": name for n, name in enumerate(names)},
        organisations={name: Organisation("free") for name in names},
        any_key_organisation=False,
        lengths=Lengths(reasoning_low_tokens=0, reasoning_medium_tokens=0, reasoning_high_tokens=0),
        cache_hit_probability=0.0,
        strangers=strangers if case.stranger else (),
        tokens_per_chunk=8,
    )


CONFIG = """
[defaults]
deadline_s = 50.0
patience_s = 25.0
[models."qwen/qwen3.8-27b"]
substitute = false
"""


class Gateway:
    """`headgate serve` as a process of its own."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._folder = tempfile.TemporaryDirectory()
        self.url = ""

    async def __aenter__(self) -> Self:
        config = Path(self._folder.name) / "headgate.toml"
        config.write_text(CONFIG)
        port = _free_port()
        keys = {f"GROQ_API_KEY_{n + 1}": f"gsk_bench_{n}" for n in range(ORGANISATIONS)}
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GROQ_", "HEADGATE_"))}
        environment |= keys | {"GROQ_BASE_URL": self._upstream, "HEADGATE_CONFIG": str(config)}
        environment["HEADGATE_STORE__PATH"] = str(config.with_name("headgate.sqlite3"))
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headgate", "serve", "--port", str(port)),
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"http://127.0.0.1:{port}"
        await self._wait_until_ready()
        return self

    async def _wait_until_ready(self) -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(200):
                try:
                    async with session.get(f"{self.url}/readyz") as reply:
                        if reply.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise SystemExit("the gateway did not start")

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
        self._folder.cleanup()


def _free_port() -> int:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def send(session: aiohttp.ClientSession, url: str, ask: Ask, case: Case, started_at: float) -> None:
    """Wait for the request's instant, send it, and note what came."""
    await asyncio.sleep(max(0.0, started_at + ask.at_s - time.monotonic()))
    body: dict[str, object] = {"model": ask.model, "messages": [{"role": "user", "content": ask.text}]}
    if case.max_tokens is not None:
        body["max_completion_tokens"] = case.max_tokens
    if ask.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    sent_at = time.monotonic()
    async with session.post(f"{url}/v1/chat/completions", json=body, headers={"x-headgate-task": ask.task}) as reply:
        raw = await reply.read()
    ask.took_s = time.monotonic() - sent_at
    ask.status, ask.source = reply.status, reply.headers.get("x-headgate-source", "")
    ask.fitted = reply.headers.get("x-headgate-fitted", "")
    ask.headers = dict(reply.headers)
    if reply.status == 200:
        _read(ask, raw)


def _read(ask: Ask, raw: bytes) -> None:
    documents = [raw]
    if ask.stream:
        documents = [line[6:] for line in raw.split(b"\n") if line.startswith(b"data: {")]
    for document in documents:
        decoded = json.loads(document)
        if usage := decoded.get("usage"):
            ask.tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        for choice in decoded.get("choices", ()):
            ask.finish_reason = choice.get("finish_reason") or ask.finish_reason


async def run(case: Case, seed: int) -> bool:
    """Run one case and print its line; whether every bound holds."""
    capacity = ORGANISATIONS * len(MODELS) * LIMITS[Dimension.TPM] * (1 + OFFERED_S / 60)
    asks = make_load(seed, case, capacity * (1 - STRANGER_SHARE * case.stranger))
    ideal = make_replay(asks, case)
    simulator = await serve_simulator(simulator_settings(seed, case))
    statuses = watch(simulator)
    try:
        async with Gateway(simulator.base_url) as gateway:
            connector = aiohttp.TCPConnector(limit=0)
            timeout = aiohttp.ClientTimeout(total=DEADLINE_S + 10)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                started_at = time.monotonic()
                await asyncio.gather(*(send(session, gateway.url, ask, case, started_at) for ask in asks))
    finally:
        await simulator.close()
    return report(case, asks, ideal, statuses)


def watch(simulator: SimulatorServer) -> Counter[int]:
    """Count the statuses that the pretend Groq answers."""
    counts: Counter[int] = Counter()
    handle = simulator.groq.handle

    def counted(*args: object, **named: object) -> object:
        script = handle(*args, **named)  # type: ignore[arg-type]
        counts[script.status] += 1
        return script

    simulator.groq.handle = counted  # type: ignore[method-assign,assignment]
    return counts


def report(case: Case, asks: list[Ask], ideal: Served, statuses: Counter[int]) -> bool:
    """Print the figures of a case beside its bounds; whether all hold."""
    answered = [ask for ask in asks if ask.status == 200 and ask.source == "upstream"]
    local = sum(ask.source == "local" for ask in asks)
    refused = len(asks) - len(answered) - local
    tokens = sum(ask.tokens for ask in answered)
    cut = sum(
        ask.finish_reason == "length" and ask.tokens and ask.output_tokens < (case.max_tokens or 1 << 30)
        for ask in answered
    )
    rejected = 100 * (statuses[429] + statuses[413]) / max(1, statuses[200])
    share = tokens / ideal.tokens
    local_points = 100 * (local / len(asks) - ideal.unserved_share)
    checks = {
        f"tokens {100 * share:.1f} % of the replay's {ideal.tokens:,} (at least 98)": share >= 0.98,
        f"upstream 429 {rejected:.2f} per 100 successes (under {case.most_rejected_per_100:g})": rejected
        < case.most_rejected_per_100,
        f"cut {100 * cut / max(1, len(answered)):.2f} % (at most 1)": cut <= 0.01 * len(answered),
        f"local {local_points:+.1f} points to the replay's {100 * ideal.unserved_share:.1f} % (most +2)": local_points
        <= 2,
        f"refused {refused} (0)": refused == 0,
    }
    answered.sort(key=lambda ask: ask.took_s)
    p50 = answered[len(answered) // 2].took_s if answered else 0.0
    print(f"{case.name}: {len(asks)} requests, {len(answered)} by a model, {local} locally, p50 {p50:.1f} s")
    for text, holds in checks.items():
        print(f"  {'ok  ' if holds else 'FAIL'} {text}")
    print(f"  upstream {dict(statuses)}", flush=True)
    return all(checks.values())


def main() -> int:
    """Run the chosen cases; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=[case.name for case in CASES])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = [case for case in CASES if options.case in {None, case.name}]
    results = [asyncio.run(run(case, options.seed)) for case in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())

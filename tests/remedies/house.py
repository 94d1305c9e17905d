"""A whole house on loopback: pretend Groqs, a gateway over them, the real server, and a client. For tests of any room.

What the pretend Groq was asked is written down as it comes in, so that a test can look from the far side.
"""

import asyncio
import contextlib
import io
import random
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from headgate.assembly import make_gateway
from headgate.catalog import GROQ, PROVIDERS, Catalog, default_catalog
from headgate.decide.gate import Gate
from headgate.decide.policy import Policy
from headgate.decide.remedies import ROWS, Rows
from headgate.domain.fact import Alert, Fact
from headgate.domain.time import Instant
from headgate.runtime.settings import Settings, load_settings
from headgate.server.app import App
from headgate.server.gateway import Gateway
from headgate.server.listen import Server, bind, make_server
from headgate.simulator.groq import PretendGroq
from headgate.simulator.http import SimulatorServer
from headgate.simulator.profiles import PROFILES
from headgate.simulator.script import Ending, Part, Script
from headgate.simulator.settings import Lengths, Organisation, Pace, SimulatorSettings

BIG = "openai/gpt-oss-120b"
SMALL = "openai/gpt-oss-20b"
CHAT = "/v1/chat/completions"
QUICK = Policy(backoff_s=(0.03, 0.05))
SEED = 7
KEYS_ELSEWHERE = {"openai": "o", "mistral": "m", "gemini": "g", "openrouter": "r", "compatible": "c"}
"""What follows gsk_ in the one key of each other provider, by profile."""
OWN_MODEL = "my-model"
ALONE = "\n".join(
    f'[models."{model.id}"]\nsubstitute = false' for model in default_catalog().current() if model.id != BIG
)
"""No model of Groq's stands in for the big one."""
STOPS_WITHIN_S = 8.0
"""A house that does not come to an end fails its test instead of holding up all others."""
SHORT = Lengths(
    median_tokens=12.0, sigma=0.3, reasoning_low_tokens=0, reasoning_medium_tokens=0, reasoning_high_tokens=0
)
BRISK = Pace(network_s=0.002, queue_median_s=0.002, output_speed_factor=4.0)
LONG = Lengths(median_tokens=40.0, sigma=0.0, reasoning_low_tokens=0, reasoning_medium_tokens=0)
UNHURRIED = Pace(network_s=0.002, queue_median_s=0.002, output_speed_factor=0.2)
"""So slow that the events of a stream come one by one, however busy the machine is."""


@dataclass(frozen=True)
class Said:
    """What the pretend Groq says instead of thinking for itself, to whom and how often."""

    status: int
    body: bytes
    model: str | None = None
    key: str | None = None
    times: int = 1_000_000
    content_type: str = "application/json"


@dataclass(frozen=True)
class Seen:
    """One request as the pretend Groq saw it."""

    key: str
    model: str
    body: dict[str, Any]
    at: Instant


class WatchedGroq(PretendGroq):
    """A pretend Groq that writes down what it was asked, and sometimes says what it is told to say."""

    def __init__(self, settings: SimulatorSettings, catalog: Catalog, said: tuple[Said, ...] = ()) -> None:
        super().__init__(settings, catalog)
        self.seen: list[Seen] = []
        self._said = {each: each.times for each in said}

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: Instant) -> Script:
        asked = msgspec.json.decode(body) if body else {}
        seen = Seen(headers.get("authorization", "").removeprefix("Bearer gsk_"), asked.get("model", ""), asked, now)
        self.seen.append(seen)
        for said, left in self._said.items():
            if left and said.model in {None, seen.model} and said.key in {None, seen.key}:
                self._said[said] -= 1
                sent = (("content-type", said.content_type), ("content-length", str(len(said.body))))
                return Script(-len(self.seen), now, said.status, sent, (Part(0.0, said.body),), Ending.CLEAN, 0.0)
        return super().handle(method, path, headers, body, now)


@dataclass(frozen=True)
class Answer:
    """What the client was given."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a body or of a stream's last event; empty where there is none."""
        text = self.body
        if text.startswith((b"data:", b"event:")):
            lines = [line for line in text.split(b"\n") if line.startswith(b"data: {")]
            text = lines[-1].removeprefix(b"data: ") if lines else b"{}"
        try:
            decoded = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return {}
        found = decoded.get("error", {}) if isinstance(decoded, dict) else {}
        return found if isinstance(found, dict) else {}

    def label(self, name: str) -> str | None:
        """An `x-headgate-` header."""
        return self.headers.get(f"x-headgate-{name}")


@dataclass
class House:
    """Everything that runs, and what can be asked of it."""

    groqs: list[WatchedGroq]
    simulators: list[SimulatorServer]
    settings: Settings
    gateway: Gateway
    server: Server
    port: int
    client: aiohttp.ClientSession
    facts: list[Fact] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gate(self) -> Gate:
        return self.gateway.driver.gate

    @property
    def seen(self) -> list[Seen]:
        """What all pretend Groqs were asked, in the order of endpoints."""
        return [seen for groq in self.groqs for seen in groq.seen]

    def heard(self, profile: str) -> list[Seen]:
        """What one provider was asked."""
        return [seen for groq in self.groqs if groq.settings.profile == profile for seen in groq.seen]

    @property
    def alerts(self) -> list[str]:
        return [str(fact.kind) for fact in self.facts if isinstance(fact, Alert)]

    async def ask(self, body: Mapping[str, Any] | bytes | None = None, /, **headers: str) -> Answer:
        """Ask over HTTP; names of headers with `_` for `-`."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(chat() if body is None else body)
        named = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.fetch("POST", CHAT, data, named)

    async def fetch(
        self, method: str, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any request."""
        sent = None if data is None else io.BytesIO(data)
        async with self.client.request(method, self.url + path, data=sent, headers=headers) as response:
            chunks = bytearray()
            with contextlib.suppress(aiohttp.ClientPayloadError):
                async for chunk in response.content.iter_any():
                    chunks += chunk
            return Answer(response.status, {n.lower(): v for n, v in response.headers.items()}, bytes(chunks))


def chat(text: str = "hello", *, model: str = BIG, cap: int | None = 40, **fields: Any) -> dict[str, Any]:
    """A chat body."""
    capped = {} if cap is None else {"max_completion_tokens": cap}
    return {"model": model, "messages": [{"role": "user", "content": text}], **capped, **fields}


def pretend(
    *faults: Any, organisations: Mapping[str, Organisation] | None = None, keys: str = "ab", **more: Any
) -> SimulatorSettings:
    """Organisations org_a, org_b, ... on the developer plan, with keys gsk_a, gsk_b, ...; brisk, no cached prompts."""
    told: dict[str, Any] = {
        "keys": {f"gsk_{key}": f"org_{key}" for key in keys},
        "organisations": {f"org_{key}": Organisation(plan="developer") for key in keys} | dict(organisations or {}),
        "any_key_organisation": False,
        "cache_hit_probability": 0.0,
        "faults": tuple(faults),
        "tokens_per_chunk": 2,
        "lengths": SHORT,
        "pace": BRISK,
    }
    return SimulatorSettings(**told | more)


def one_after_another(*faults: Any, **more: Any) -> SimulatorSettings:
    """A pretend Groq that takes its time between the events of a stream."""
    return pretend(*faults, **{"pace": UNHURRIED, "lengths": LONG} | more)


def elsewhere(profile: str, *faults: Any, **more: Any) -> SimulatorSettings:
    """Another provider with one key (`KEYS_ELSEWHERE`): `open_house` puts it beside Groq."""
    return pretend(*faults, keys=KEYS_ELSEWHERE[profile], profile=profile, **more)


def also(simulator: SimulatorServer) -> str:
    """The table of another provider that is pretended: where it is, and what a server of one's own serves."""
    name = simulator.groq.settings.profile
    url = simulator.base_url + PROFILES[name].prefixes[0].removesuffix("/")
    served = ""
    if name not in PROVIDERS:
        keys = [f'{{ secret = "{secret}" }}' for secret in simulator.groq.settings.keys]
        served = f'\nmodels = ["{OWN_MODEL}"]\nkeys = [{", ".join(keys)}]'
    return f'[[providers]]\nname = "{name}"\nbase_url = "{url}"{served}'


def settings(
    urls: tuple[str, ...],
    *,
    keys: str = "a",
    models: tuple[str, ...] = (BIG,),
    route: str = "",
    toml: str = "",
    plan: str = "developer",
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """A gateway over these endpoints with those keys, whose default route has these models and impatient clients.

    Without models the route is that of every request that names one.
    """
    lines = ["[groq]", f"endpoints = {list(urls)}"]
    for key in keys:
        lines += ["[[groq.keys]]", f'name = "{key}"', f'secret = "gsk_{key}"', f'organisation = "org_{key}"']
        lines += [f"[organisations.org_{key}]", f'plan = "{plan}"']
    lines += ["[routes.default]", f"models = {list(models)}" if models else ""]
    always = ("deadline_s = 3.0", "patience_s = 0", "substitute = false")
    usual = [line for line in always if line.split()[0] not in route]
    lines += [*usual, route, toml]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "headgate.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return load_settings(path, environ or {})


@asynccontextmanager
async def open_house(
    simulated: SimulatorSettings | tuple[SimulatorSettings, ...],
    *,
    said: tuple[Said, ...] = (),
    rows: Rows = ROWS,
    keys: str = "a",
    models: tuple[str, ...] = (BIG,),
    route: str = "",
    toml: str = "",
    plan: str = "developer",
    policy: Policy = QUICK,
) -> AsyncIterator[House]:
    """Start it all on free ports of loopback, in this loop; stop it all at the end.

    Several simulators are several endpoints of Groq, but for those of another profile: they are providers beside it.
    """
    each = simulated if isinstance(simulated, tuple) else (simulated,)
    groqs = [WatchedGroq(one, default_catalog(), said if one is each[0] else ()) for one in each]
    simulators = [SimulatorServer(groq, "127.0.0.1", 1.0, None) for groq in groqs]
    for simulator in simulators:
        await simulator.listen()
    urls = tuple(simulator.base_url for simulator in simulators if simulator.groq.settings.profile == GROQ)
    others = [simulator for simulator in simulators if simulator.groq.settings.profile != GROQ]
    toml = "\n".join((toml, *map(also, others)))
    environ = {
        PROVIDERS[name].key_variable: f"gsk_{KEYS_ELSEWHERE[name]}"
        for name in (simulator.groq.settings.profile for simulator in others)
        if name in PROVIDERS
    }
    read = settings(urls, keys=keys, models=models, route=route, toml=toml, plan=plan, environ=environ)
    facts: list[Fact] = []
    gateway = make_gateway(read, dice=random.Random(SEED), observers=(facts.append,), rows=rows, policy=policy)
    app = App(gateway)
    server = make_server(app, read.server, app.hang_up)
    listening = bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.002)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client:
            port = listening.getsockname()[1]
            yield House(groqs, simulators, read, gateway, server, port, client, facts)
    except BaseException:
        server.stop()  # and, being called twice, waits for nobody
        raise
    finally:
        for simulator in simulators:
            await simulator.close()
        await gateway.stop()
        server.stop()
        async with asyncio.timeout(STOPS_WITHIN_S):
            await serving

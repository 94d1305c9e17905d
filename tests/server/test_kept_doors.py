"""What the store lets one ask: usage, limits and readiness, with a gateway in the loop of the test."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headgate.assembly import make_gateway
from headgate.protocol.client_json import InvalidBody
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.runtime.settings import load_settings
from headgate.server.app import App
from headgate.server.auth import Identity
from headgate.server.usage import read_query
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import Lengths, Pace, SimulatorSettings
from headgate.store.rows import UsageFilter
from headgate.store.sqlite import SqliteStore

MODEL = "openai/gpt-oss-20b"
QUICK = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=50.0)
SHORT = Lengths(median_tokens=20.0, sigma=0.2, longest_tokens=60, reasoning_medium_tokens=0.0)
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 40}


class Kept:
    """A gateway with a store, and clients of several tenants."""

    def __init__(self, app: App, store: SqliteStore | None, keys: dict[str, str]) -> None:
        self.store = store
        self._app = app
        self._keys = keys

    async def call(self, method: str, path: str, who: str = "", **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self._keys[who]}"} if who else {}
        transport = httpx.ASGITransport(self._app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            return await client.request(method, path, headers=headers, **more)

    async def ask(self, who: str = "", **more: Any) -> int:
        answer = await self.call("POST", "/v1/chat/completions", who, json={**BODY, **more})
        return answer.status_code

    async def get(self, path: str, who: str = "") -> Any:
        return (await self.call("GET", path, who)).json()


@contextlib.asynccontextmanager
async def kept(folder: Path, *tenants: str, has_store: bool = True) -> AsyncIterator[Kept]:
    """`boss` among the tenants has an operator's key."""
    made = {tenant: new_virtual_key(secrets.token_bytes, tenant=tenant, admin=tenant == "boss") for tenant in tenants}
    lines = [config_line(row) for _, row in made.values()]
    toml = folder / "headgate.toml"
    toml.write_text("\n".join(lines), encoding="utf-8")
    pretend = await serve_simulator(SimulatorSettings(pace=QUICK, lengths=SHORT))
    settings = load_settings(toml, {"GROQ_API_KEY": "gsk_one", "GROQ_BASE_URL": pretend.base_url})
    store = SqliteStore.open(folder / "headgate.sqlite3") if has_store else None
    gateway = make_gateway(settings, store=store, environment={})
    await gateway.start()
    try:
        yield Kept(App(gateway), store, {tenant: key for tenant, (key, _) in made.items()})
    finally:
        await gateway.stop()
        await pretend.close()


async def in_the_store(gateway: Kept, rows: int) -> None:
    """Wait until so many requests are accounted for."""
    assert gateway.store is not None
    async with asyncio.timeout(10):
        while len((await gateway.store.usage.page(UsageFilter())).rows) < rows:  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.01)


async def test_usage_of_a_tenant(tmp_path: Path) -> None:
    """Each sees its own; an operator sees whom they name, and everybody with `*`."""
    async with kept(tmp_path, "acme", "brick", "boss") as gateway:
        assert [await gateway.ask(who) for who in ("acme", "acme", "brick")] == [200] * 3
        await in_the_store(gateway, 3)
        (own,) = (await gateway.get("/v1/usage", "acme"))["data"]
        assert (own["model"], own["requests"]) == (MODEL, 2)
        assert own["prompt_tokens"] > 0
        assert float(own["cost_usd"]) == own["cost_nanousd"] / 1e9 > 0
        assert own["prompt_cache_hit_rate"] == round(own["cached_tokens"] / own["prompt_tokens"], 4)
        everybody = (await gateway.get("/v1/usage?by=tenant&tenant=*", "boss"))["data"]
        assert [(row["tenant"], row["requests"]) for row in everybody] == [("acme", 2), ("brick", 1)]
        (named,) = (await gateway.get("/openai/v1/usage?by=outcome&tenant=brick", "boss"))["data"]
        assert (named["outcome"], named["requests"]) == ("answered", 1)
        assert (await gateway.get("/v1/usage?until=2020-01-01", "acme"))["data"] == []
        refused = await gateway.call("GET", "/v1/usage?tenant=brick", "acme")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tenant")


@pytest.mark.parametrize(
    "query, param",
    [
        ({"by": ["day,colour"]}, "by"),
        ({"by": ["organisation"]}, "by"),
        ({"since": ["yesterday"]}, "since"),
        ({"until": ["2026-13-01"]}, "until"),
        ({"tenant": ["*"]}, "tenant"),
        ({"colour": ["red"]}, "colour"),
        ({"by": ["day", "model"]}, "by"),
    ],
)
def test_usage_query_refused(query: dict[str, list[str]], param: str) -> None:
    """What cannot be understood or is not allowed names its parameter."""
    with pytest.raises(InvalidBody) as problem:
        read_query(query, Identity(tenant="acme"), 1_000_000.0)
    assert problem.value.param == param


@pytest.mark.parametrize(
    "query, since, until",
    [
        ({}, 10_000_000.0 - 30 * 86_400, None),
        ({"since": ["1970-01-02"]}, 86_400.0, None),
        ({"since": ["1970-01-02T01:00:00+01:00"], "until": ["90000"]}, 86_400.0, 90_000.0),
        ({"until": ["5000000"]}, 5_000_000.0 - 30 * 86_400, 5_000_000.0),
    ],
)
def test_usage_times(query: dict[str, list[str]], since: float, until: float | None) -> None:
    """Dates are UTC unless they say otherwise; without a beginning it is thirty days before the end."""
    where, by = read_query(query, Identity(tenant="acme"), 10_000_000.0)
    assert (where.tenant, where.since, where.until, by) == ("acme", since, until, ("day", "model"))


async def test_limits(tmp_path: Path) -> None:
    """Levels and limits are for everybody who may come in, names of organisations for operators only."""
    async with kept(tmp_path, "acme", "boss") as gateway:
        assert await gateway.ask("acme") == 200
        (seen,) = (await gateway.get("/v1/limits", "acme"))["data"]
        (whole,) = (await gateway.get("/v1/limits", "boss"))["data"]
        assert (seen["organisation"], whole["organisation"]) == (None, "key-GROQ_API_KEY")
        buckets = {bucket["dimension"]: bucket for bucket in seen["buckets"]}
        assert (buckets["RPD"]["limit"], round(buckets["RPD"]["level"], 1)) == (1_000, 1.0)
        assert 0 < buckets["TPM"]["level"] <= buckets["TPM"]["limit"] == 8_000
        assert (seen["open"], seen["cooldown"], seen["is_usable"]) == (0, None, True)


async def test_no_store(tmp_path: Path) -> None:
    """Usage says what to set, readiness that there is none, and all else works."""
    async with kept(tmp_path, has_store=False) as gateway:
        assert await gateway.ask() == 200
        refused = await gateway.call("GET", "/v1/usage")
        assert refused.status_code == 501
        assert "[store]" in refused.json()["error"]["message"]
        assert (await gateway.get("/readyz"))["store"] == "none"


async def test_full_disk(tmp_path: Path) -> None:
    """Requests go on and readiness says so; with space again everything that was used is there."""
    async with kept(tmp_path) as gateway:
        assert gateway.store is not None
        assert (await gateway.get("/readyz"))["store"] == "ready"
        _, connection = gateway.store._connections
        connection.execute("PRAGMA max_page_count = 1").fetchone()
        assert [await gateway.ask(metadata={"n": "x" * 400}) for _ in range(12)] == [200] * 12
        async with asyncio.timeout(10):
            while (ready := await gateway.get("/readyz"))["store"] == "ready":
                assert await gateway.ask() in {200, 429}
        assert (ready["store"], ready["status"]) == ("full", "degraded")
        assert (await gateway.call("GET", "/readyz")).status_code == 200
        connection.execute("PRAGMA max_page_count = 1000000").fetchone()
        await in_the_store(gateway, 12)
        assert (await gateway.get("/readyz"))["store"] == "ready"

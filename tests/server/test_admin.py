"""The operators' listener over real sockets: who comes in, what it tells, and that it stands in nobody's way."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.remedies.house import BIG, SMALL, Answer, House, Said, chat, open_house, pretend

from headgate.assembly.admin import AdminListener, open_admin
from headgate.cache.entry import Entry
from headgate.cache.key import space_of
from headgate.cache.marks import marks_of
from headgate.cache.rules import CacheScope
from headgate.domain.fact import PromptScreened
from headgate.observe.tally import Tally
from headgate.runtime.admin_pass import AdminPass, pass_path, read_pass
from headgate.runtime.cache import Ticket
from headgate.runtime.settings import AdminSettings, Secret
from headgate.server.admin import Role
from headgate.server.admin_routes import ROUTES

TOKEN = "an operator's own token"
KEY = "0123456789" * 4


@dataclass
class Operated:
    """A house with its operators' listener."""

    house: House
    listener: AdminListener
    tally: Tally
    token: str
    folder: Path
    said: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """As an operator, unless headers say otherwise."""
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"} | headers
        sent = {name: text for name, text in sent.items() if text}
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        async with self.house.client.request(method, self.listener.url + path, data=data, headers=sent) as response:
            return Answer(response.status, {n.lower(): v for n, v in response.headers.items()}, await response.read())


@asynccontextmanager
async def operated(
    folder: Path, *, token: str | None = TOKEN, toml: str = "", said: tuple[Said, ...] = ()
) -> AsyncIterator[Operated]:
    """Start both; the listener takes any free port."""
    async with open_house(pretend(), toml=toml, said=said) as house:
        tally = Tally()
        asked = AdminSettings(port=0, token=None if token is None else Secret(token))
        told: list[str] = []
        listener = await open_admin(
            house.gateway, tally, msgspec.structs.replace(house.settings, admin=asked), told.append, folder
        )
        assert listener is not None
        left = read_pass(pass_path(folder, int(listener.url.rpartition(":")[2])))
        operated = Operated(house, listener, tally, token or (left.token if left else ""), folder, told)
        try:
            yield operated
        finally:
            await listener.stop()


def keep(at: Operated) -> Callable[[], bool]:
    """Keep an entry of the tenant `local` under KEY, with a tag; the question whether it is found again."""
    cache = at.house.gateway.cache
    assert cache is not None
    space = space_of(cache.root, CacheScope.TENANT, "local", None)
    assert space is not None
    ticket, wall_s = Ticket(KEY, space, (BIG,)), at.house.gateway.clock.wall()
    marks = marks_of("local", BIG, ("prices",))
    entry = Entry("chat", KEY, space.name, BIG, "groq", wall_s, 600.0, marks, None, b"{}")
    assert cache.keep(entry, ticket) is None

    def is_there() -> bool:
        found = cache.look_near(ticket)
        cache.counted(found)
        return found is not None

    return is_there


# Who comes in ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer hg_a_tenants_key",
        "Bearer gsk_a",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        TOKEN,
    ],
)
async def test_nobody_but_an_operator(tmp_path: Path, authorization: str) -> None:
    """Every path but those for anybody wants the whole token; no key of a tenant or a provider stands in for it."""
    async with operated(tmp_path) as at:
        for route in ROUTES:
            path = route.pattern.replace("{key}", KEY)
            answer = await at.ask(route.method, path, {"all": True}, authorization=authorization)
            if route.role is Role.ANYBODY:
                assert answer.status == 200
                continue
            assert answer.status == 401, path
            assert answer.error["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.body.decode()


async def test_a_key_that_opens_the_tenants_door(tmp_path: Path) -> None:
    """Also an admin's virtual key does not open the operators' one, and the token does not open the tenants'."""
    async with operated(tmp_path) as at:
        sent = {"authorization": f"Bearer {TOKEN}"}
        for path in ("/admin/cache", "/metrics", "/admin/health"):
            assert (await at.house.fetch("GET", path, headers=sent)).status == 404
        assert (await at.ask("POST", "/v1/chat/completions", chat())).status == 404


async def test_paths_that_nobody_may_learn_of(tmp_path: Path) -> None:
    """What there is is told to operators only."""
    async with operated(tmp_path) as at:
        assert (await at.ask("GET", "/secrets", authorization="")).status == 401
        unknown = await at.ask("GET", "/secrets")
        assert unknown.status == 404
        assert "/admin/cache/invalidate" in unknown.error["message"]
        wrong = await at.ask("PUT", "/admin/cache")
        assert wrong.status == 405
        assert wrong.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "host, status", [("127.0.0.1:8081", 200), ("localhost", 200), ("evil.example", 403), ("", 403)]
)
async def test_the_name_that_was_asked_for(tmp_path: Path, host: str, status: int) -> None:
    """A web page that points a name of its own at this machine is refused, whatever it sends."""
    async with operated(tmp_path) as at:
        port = int(at.listener.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"GET /admin/cache HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
        )
        writer.write(head.encode())
        first = (await reader.read()).split(b"\r\n")[0]
        writer.close()
        assert int(first.split()[1]) == status


async def test_no_browser_is_told_to_share(tmp_path: Path) -> None:
    """Answers are not kept, framed, sniffed or opened to other origins."""
    async with operated(tmp_path) as at:
        for answer in (await at.ask("GET", "/admin/cache"), await at.ask("GET", "/admin/cache", authorization="")):
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert not [name for name in answer.headers if name.startswith("access-control-")]


# The token ------------------------------------------------------------------------------------------------------------


async def test_a_token_made_at_start_is_left_for_its_user_only(tmp_path: Path) -> None:
    """In a file that nobody else can read, gone with the listener; nothing said names it."""
    async with operated(tmp_path, token=None) as at:
        path = pass_path(tmp_path, int(at.listener.url.rpartition(":")[2]))
        held = read_pass(path)
        assert isinstance(held, AdminPass)
        assert held.url == at.listener.url
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await at.ask("GET", "/admin/cache")).status == 200
        assert held.token not in repr(held)
        assert not at.said
    assert not path.exists()


async def test_two_starts_have_two_tokens(tmp_path: Path) -> None:
    """What was left by one opens no other."""
    async with operated(tmp_path / "one", token=None) as one, operated(tmp_path / "two", token=None) as two:
        assert one.token != two.token
        assert (await two.ask("GET", "/metrics", authorization=f"Bearer {one.token}")).status == 401


async def test_a_token_of_ones_own_is_written_nowhere(tmp_path: Path) -> None:
    """Who chose it has it."""
    folder = tmp_path / "state"
    async with operated(folder) as at:
        assert (await at.ask("GET", "/admin/cache")).status == 200
    assert not folder.exists()


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A token that nobody could find opens nothing, so there is no listener, and it is said why."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    async with open_house(pretend()) as house:
        told: list[str] = []
        asked = msgspec.structs.replace(house.settings, admin=AdminSettings(port=0))
        assert await open_admin(house.gateway, Tally(), asked, told.append, blocked) is None
        assert "HEADGATE_ADMIN_TOKEN" in told[0]


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """It is told, and the gateway answers all the same."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        async with open_house(pretend()) as house:
            told: list[str] = []
            asked = AdminSettings(port=other.getsockname()[1], token=Secret(TOKEN))
            settings = msgspec.structs.replace(house.settings, admin=asked)
            assert await open_admin(house.gateway, Tally(), settings, told.append, tmp_path) is None
            assert "cannot be had" in told[0]
            assert (await house.ask()).status == 200


# The cache ------------------------------------------------------------------------------------------------------------


async def test_what_the_cache_does_is_told(tmp_path: Path) -> None:
    """Look-ups, hits and sizes, as they are."""
    async with operated(tmp_path) as at:
        is_there = keep(at)
        assert is_there()
        assert is_there()
        await at.ask("DELETE", f"/admin/cache/{KEY}")
        assert not is_there()
        told = (await at.ask("GET", "/admin/cache")).json
        assert told["enabled"] is True
        stats = told["stats"]
        assert (stats["lookups"], stats["hits"], stats["misses"], stats["stored"]) == (3, 2, 1, 1)
        memory = stats["tiers"][0]
        assert (memory["name"], memory["hits"], memory["entries"]) == ("memory", 2, 0)
        assert memory["hit_rate"] == pytest.approx(2 / 3, abs=1e-3)


@pytest.mark.parametrize(
    "asked, goes",
    [
        ({"all": True}, True),
        ({"tenant": "local"}, True),
        ({"tenant": "another"}, False),
        ({"model": BIG}, True),
        ({"model": SMALL}, False),
        ({"tag": "prices"}, True),
        ({"tag": "weather"}, False),
    ],
)
async def test_a_class_of_entries_is_forgotten(tmp_path: Path, asked: dict[str, object], goes: bool) -> None:
    """What bears the mark is asked for again, what does not is still there."""
    async with operated(tmp_path) as at:
        is_there = keep(at)
        done = await at.ask("POST", "/admin/cache/invalidate", asked)
        assert done.status == 200
        assert done.json["complete"] is True
        assert done.json["tiers"]["memory"] == "marked"
        assert is_there() is not goes


async def test_an_answer_that_was_given_again_is_asked_for_anew(tmp_path: Path) -> None:
    """Through both doors: what a tenant was given from the cache is gone once an operator said so, by its tag and by
    the key that explain told; equal bytes that were ready to be answered too."""
    async with operated(tmp_path) as at:
        body = chat("what does it cost?", temperature=0)

        async def label(**headers: str) -> str | None:
            answer = await at.house.ask(body, x_headgate_cache_tags="prices", **headers)
            assert answer.status == 200
            return answer.label("cache")

        assert [await label() for _ in range(3)] == ["miss", "hit-memory", "hit-memory"]
        assert (await at.ask("POST", "/admin/cache/invalidate", {"tag": "prices"})).json["complete"] is True
        assert [await label() for _ in range(3)] == ["miss", "hit-memory", "hit-memory"]
        told = await at.house.ask(body, x_headgate_cache_tags="prices", x_headgate_explain="true")
        key = msgspec.json.decode(told.headers["x-headgate-explain"])["cache_key"]
        assert (await at.ask("DELETE", f"/admin/cache/{key}")).status == 200
        assert [await label() for _ in range(2)] == ["miss", "hit-memory"]
        stats = (await at.ask("GET", "/admin/cache")).json["stats"]
        assert (stats["misses"], stats["stored"]) == (3, 3)


async def test_one_entry_is_forgotten_by_its_key(tmp_path: Path) -> None:
    """By either way of saying it; a key that no tier has is a 404."""
    async with operated(tmp_path) as at:
        for method, path, body in (
            ("DELETE", f"/admin/cache/{KEY}", None),
            ("POST", "/admin/cache/invalidate", {"key": KEY}),
        ):
            is_there = keep(at)
            done = await at.ask(method, path, body)
            assert done.json["tiers"] == {"memory": "deleted"}
            assert not is_there()
        assert (await at.ask("DELETE", f"/admin/cache/{KEY}")).status == 404


@pytest.mark.parametrize(
    "body, status, told",
    [
        ({}, 400, "exactly one"),
        ({"tag": "a", "model": "b"}, 400, "exactly one"),
        ({"all": False}, 400, "exactly one"),
        ({"tags": "a"}, 400, "tags"),
        ({"tag": ""}, 400, "tag"),
        ({"tag": 5}, 400, "tag"),
        (b"{", 400, "cannot be understood"),
        (b"[]", 400, "cannot be understood"),
        (b'{"tag": "caf\xe9"}', 400, "cannot be understood"),
        (b'"' + b"x" * 70_000 + b'"', 413, "larger"),
    ],
)
async def test_what_cannot_be_understood(tmp_path: Path, body: Any, status: int, told: str) -> None:
    """It is refused in OpenAI's shape, and nothing is forgotten."""
    async with operated(tmp_path) as at:
        is_there = keep(at)
        answer = await at.ask("POST", "/admin/cache/invalidate", body)
        assert answer.status == status
        assert told in answer.error["message"]
        assert is_there()


async def test_a_body_that_is_not_json(tmp_path: Path) -> None:
    """What a form of a web page can send without asking is not taken."""
    async with operated(tmp_path) as at:
        sent = await at.ask("POST", "/admin/cache/invalidate", b'{"all":true}', **{"content-type": "text/plain"})
        assert sent.status == 415


async def test_a_tier_that_is_down(tmp_path: Path) -> None:
    """Its state and last fault are told, here and on the metrics page; forgetting is true here and not complete."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        toml = f'[cache]\nredis = "redis://127.0.0.1:{closed.getsockname()[1]}/0"'
        async with operated(tmp_path, toml=toml) as at:
            is_there = keep(at)
            done = await at.ask("POST", "/admin/cache/invalidate", {"tag": "prices"})
            assert done.status == 200
            assert done.json["complete"] is False
            assert done.json["tiers"] == {"memory": "marked", "redis": "down"}
            assert not is_there()
            (told,) = (await at.ask("GET", "/admin/cache")).json["health"]
            assert told["name"] == "redis"
            assert told["failures"] > 0
            assert told["fault"]
            found = samples((await at.ask("GET", "/metrics")).body)
            assert found["headgate_cache_tier_failures_total", ("redis",)] >= told["failures"]
            assert ("headgate_cache_tier_ready", ("redis",)) in found


async def test_a_cache_that_is_switched_off(tmp_path: Path) -> None:
    """It is told as such; what would change it is refused."""
    async with operated(tmp_path, toml="[cache]\nenabled = false") as at:
        assert (await at.ask("GET", "/admin/cache")).json == {
            "enabled": False,
            "stats": None,
            "warning": "",
            "health": [],
        }
        assert (await at.ask("POST", "/admin/cache/invalidate", {"all": True})).status == 409
        assert (await at.ask("DELETE", "/admin/cache/abc")).status == 409
        assert "headgate_cache" not in (await at.ask("GET", "/metrics")).body.decode()


# Metrics --------------------------------------------------------------------------------------------------------------


def samples(page: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample of a page by name and values of its labels, read by Prometheus' own parser."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


async def test_metrics_are_what_was_counted(tmp_path: Path) -> None:
    """Requests by source, calls by outcome, remedies, and the cache by tier, in the text that Prometheus reads."""
    broken = Said(503, b"{}", times=1)
    async with operated(tmp_path, said=(broken,)) as at:
        is_there = keep(at)
        assert is_there()
        await at.house.ask()
        await at.house.ask(b'{"model":"openai/gpt-oss-120b","messages":[]}')
        for fact in at.house.facts:
            at.tally.tell(fact)
        at.tally.tell(PromptScreened(0.0, "r", "local", ("violence", "rude"), is_blocked=True))
        answer = await at.ask("GET", "/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = samples(answer.body)
        assert found["headgate_requests_total", ("upstream",)] == 1
        assert found["headgate_calls_total", ("answered", "groq")] == 1
        assert found["headgate_calls_total", ("over_capacity", "groq")] == 1
        assert sum(v for (name, _), v in found.items() if name == "headgate_remedies_total") == 1
        assert found["headgate_cache_hits_total", ("memory",)] == 1
        assert found["headgate_cache_entries", ("memory",)] == 1
        assert found["headgate_prompts_screened_total", ("rude", "blocked")] == 1
        assert found["headgate_in_flight", ()] == 0
        assert found["headgate_keys", ()] == 1


async def test_counters_never_fall(tmp_path: Path) -> None:
    """A second scrape shows no less than the first."""
    async with operated(tmp_path) as at:
        before = samples((await at.ask("GET", "/metrics")).body)
        await at.house.ask(chat("more"))
        after = samples((await at.ask("GET", "/metrics")).body)
        falling = {name for name in before if name[0].endswith("_total") and after[name] < before[name]}
        assert not falling

"""The object tier that nobody named: a folder beside the store."""

from pathlib import Path

import httpx
import pytest
from tests.running_gateway import KEYS, RunningGateway, running_gateway

ASKED = {
    "model": "openai/gpt-oss-20b",
    "messages": [{"role": "user", "content": "Name a river."}],
    "temperature": 0,
    "max_completion_tokens": 30,
}


def asked(gateway: RunningGateway) -> tuple[str, str]:
    """What the cache did for the request, and what was answered."""
    answer = httpx.post(f"{gateway.v1}/chat/completions", json=ASKED, timeout=20)
    assert answer.status_code == 200
    return answer.headers["x-headgate-cache"], answer.json()["choices"][0]["message"]["content"]


def kept(folder: Path) -> list[Path]:
    """Entries that lie there."""
    return [path for path in folder.rglob("*") if path.is_file() and "entries" in path.parts]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where the store is to be."""
    return tmp_path / "kept" / "headgate.sqlite3"


def test_answers_outlive_the_process(store: Path) -> None:
    """The next gateway on the same store, with the same upstream, finds what the last one was answered."""
    with running_gateway() as upstream:
        environ = {**KEYS, "GROQ_BASE_URL": upstream.simulator.base_url}
        with running_gateway(store=store, environ=environ) as one:
            did, text = asked(one)
            assert did == "miss"
            assert one.eventually(lambda: len(kept(store.parent / "answers")) == 1)
        with running_gateway(store=store, environ=environ) as next_one:
            assert asked(next_one) == ("hit-object", text)
            assert asked(next_one) == ("hit-memory", text)


def test_another_upstream_has_a_folder_of_its_own(store: Path) -> None:
    """What one server answered is never given for what another would have."""
    for _ in range(2):  # each has a pretend Groq at an address of its own
        with running_gateway(store=store) as gateway:
            assert asked(gateway)[0] == "miss"
            assert gateway.eventually(lambda: len(kept(store.parent / "answers")) >= 1)
    assert len(list((store.parent / "answers").iterdir())) == 2


def test_it_can_be_switched_off(store: Path) -> None:
    """`[cache] object = "off"`: nothing of an answer is written."""
    with running_gateway(store=store, flags={"cache.object": "off"}) as gateway:
        assert asked(gateway)[0] == "miss"
        assert asked(gateway)[0] == "hit-memory"
    assert not (store.parent / "answers").exists()


def test_without_a_store_there_is_none(tmp_path: Path) -> None:
    """Whoever keeps nothing on disk keeps no answers there either."""
    with running_gateway() as gateway:
        assert gateway.gateway.cache is not None
        assert gateway.gateway.cache.far == ()
        assert asked(gateway)[0] == "miss"
    assert list(tmp_path.iterdir()) == []

"""`headgate usage` against a gateway that keeps a store, and the in-process SDK with one."""

import json
import urllib.request
from pathlib import Path

import pytest
from tests.cli.commands import WITHIN_S, address, headgate, started

from headgate.runtime.settings import load_settings
from headgate.sdk import Headgate, HeadgateError
from headgate.store.rows import UsageFilter

KEEPS = {"HEADGATE_STORE__ENABLED": "true"}


def ask(root: str) -> int:
    """One chat request."""
    body = {"model": "headgate/fast", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 8}
    request = urllib.request.Request(
        f"{root}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
        status: int = answer.status
        return status


def test_usage_command(tmp_path: Path) -> None:
    """A table for people, JSON for programs; what the gateway refuses is said with exit code 1."""
    store = str(tmp_path / "headgate.sqlite3")
    with started("serve", "--port", "0", "--store", store, environ=KEEPS) as (_, said):
        root = address(said)
        assert [ask(root), ask(root)] == [200, 200]
        rows = []
        for _ in range(20):  # rows are written a moment after the answer; each question takes longer than that
            told = headgate("usage", "--base-url", root, "--json", "--by", "provider")
            assert told.returncode == 0, told.stderr
            rows = json.loads(told.stdout)["data"]
            if rows and rows[0]["requests"] == 2:
                break
        assert [(row["provider"], row["requests"]) for row in rows] == [("simulator", 2)]
        table = headgate("usage", "--base-url", root).stdout
        assert "completion tokens" in table
        assert "cost usd" in table
        refused = headgate("usage", "--base-url", root, "--by", "colour")
        assert refused.returncode == 1
        assert "`by` is a list of" in refused.stderr
        port = {"HEADGATE_PORT": root.rpartition(":")[2]}
        by_port = headgate("usage", "--json", "--by", "provider", environ=port)
        assert json.loads(by_port.stdout)["data"] == rows
        assert headgate("jobs", "list", environ=port).returncode == 0
        both = headgate("usage", environ=port | {"HEADGATE_BASE_URL": "http://127.0.0.1:9"})
        assert "http://127.0.0.1:9 gave no answer" in both.stderr
    unreachable = headgate("usage", "--base-url", root)
    assert unreachable.returncode == 1
    assert "Is the gateway running? --base-url or HEADGATE_BASE_URL names another" in unreachable.stderr
    wrong = headgate("usage", environ={"HEADGATE_PORT": "99999"})
    assert (wrong.returncode, "from 1 to 65535" in wrong.stderr) == (2, True)


async def test_sdk_with_a_store(tmp_path: Path) -> None:
    """It keeps what `[store] enabled = true` asks for, and says whose file it is where another has it."""
    path = tmp_path / "headgate.sqlite3"
    settings = load_settings(None, {**KEEPS, "HEADGATE_STORE__PATH": str(path)})
    async with Headgate(settings) as gate:
        await gate.chat("hi", model="headgate/fast")
        with pytest.raises(HeadgateError, match="in use by process"):
            await Headgate(settings).start()
    async with Headgate(settings) as gate:
        gateway = await gate.start()
        assert gateway.store is not None
        (row,) = await gateway.store.usage.add_up(where=UsageFilter())
        assert row.requests == 1


async def test_sdk_without_being_asked(tmp_path: Path) -> None:
    """A file that is only named is the gateway's: the SDK leaves it alone."""
    path = tmp_path / "headgate.sqlite3"
    async with Headgate(load_settings(None, {"HEADGATE_STORE__PATH": str(path)})) as gate:
        await gate.chat("hi", model="headgate/fast")
    assert not path.exists()

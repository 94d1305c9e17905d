"""`headgate jobs` against a gateway that runs in a process of its own."""

import json
import time
from pathlib import Path

import httpx
from tests.cli.commands import WITHIN_S, address, headgate, started

KEEPS = {"HEADGATE_STORE__ENABLED": "true"}
LOCAL = {"kind": "local", "skill": "language", "text": "Good morning to all of you"}


def test_jobs_command(tmp_path: Path) -> None:
    """Listed for people and for programs, shown with the result; what cannot be done is said with exit code 1."""
    with started("serve", "--port", "0", "--store", str(tmp_path / "s.sqlite3"), environ=KEEPS) as (_, said):
        root = address(said)
        made = httpx.post(f"{root}/v1/jobs", json=LOCAL).raise_for_status().json()["id"]
        until, shown = time.monotonic() + WITHIN_S, ""
        while '"done"' not in shown:  # each look takes a process
            assert time.monotonic() < until
            looked = headgate("jobs", "show", made, "--base-url", root)
            assert looked.returncode == 0, looked.stderr
            shown = looked.stdout
        assert json.loads(shown)["result"]["code"] == "en"
        table = headgate("jobs", "list", "--base-url", root)
        assert made in table.stdout
        assert "1 done" in table.stderr
        told = json.loads(headgate("jobs", "list", "--status", "done", "--json", "--base-url", f"{root}/v1").stdout)
        assert [row["id"] for row in told["data"]] == [made]
        ended = headgate("jobs", "cancel", made, "--base-url", root)
        assert (ended.returncode, "status 'done'" in ended.stderr) == (1, True)
        missing = headgate("jobs", "show", "job_none", "--base-url", root)
        assert (missing.returncode, "No such job" in missing.stderr) == (1, True)
    unreachable = headgate("jobs", "list", "--base-url", root)
    assert (unreachable.returncode, "Is the gateway running?" in unreachable.stderr) == (1, True)

"""`headgate jobs` against a gateway that runs in a process of its own."""

import base64
import json
import re
import time
from pathlib import Path

import httpx
from tests.cli.commands import WITHIN_S, address, headgate, started

TOKEN = "an-operators-own-token"
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


def test_jobs_on_the_metrics_page(tmp_path: Path) -> None:
    """Jobs by kind and end, open and running ones, and deliveries by target, as Prometheus reads them."""
    config = tmp_path / "headgate.toml"
    secret = base64.b64encode(bytes(32)).decode()
    config.write_text(f'[webhooks.ops]\nurl = "http://127.0.0.1:9/"\nsecret = "whsec_{secret}"\n', encoding="utf-8")
    admin = {"HEADGATE_ADMIN__ENABLED": "true", "HEADGATE_ADMIN_PORT": "0", "HEADGATE_ADMIN_TOKEN": TOKEN}
    serve = ("serve", "--port", "0", "--config", str(config), "--store", str(tmp_path / "s.sqlite3"))
    with started(*serve, environ=KEEPS | admin | {"XDG_STATE_HOME": str(tmp_path)}) as (_, said):
        httpx.post(f"{address(said)}/v1/jobs", json={**LOCAL, "webhook": "ops"}).raise_for_status()
        found = re.search(r"Admin API on (http://[0-9.:]+):", said)
        assert found is not None
        until, page = time.monotonic() + WITHIN_S, ""
        while "headgate_deliveries_total{" not in page or 'status="done"' not in page:
            assert time.monotonic() < until, page
            page = httpx.get(f"{found[1]}/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    lines = page.splitlines()
    assert 'headgate_jobs_total{kind="local",status="done"} 1.0' in lines
    assert 'headgate_deliveries_total{outcome="failed",target="ops"} 1.0' in lines
    assert "headgate_jobs_open 0.0" in lines
    assert "headgate_jobs_running 0.0" in lines

"""`headgate cache` against a gateway that runs: found by its pass, opened by its token, honest about what was done."""

import json
import re
from pathlib import Path

import pytest
from tests.cli.commands import address, headgate, started


def environ(folder: Path, **more: str) -> dict[str, str]:
    """An admin listener on any free port, and the folder for state of its own."""
    return {"HEADGATE_ADMIN__ENABLED": "true", "HEADGATE_ADMIN_PORT": "0", "XDG_STATE_HOME": str(folder), **more}


def listener(said: str) -> str:
    """The address that the gateway said."""
    found = re.search(r"Admin API on (http://[0-9.:]+):", said)
    assert found is not None, said
    return found[1]


def test_the_only_gateway_is_found(tmp_path: Path) -> None:
    """Without an address and without a token: by what it left for this user."""
    with started("serve", "--port", "0", environ=environ(tmp_path)) as (_, said):
        assert "hga_" not in said
        shown = headgate("cache", "stats", environ=environ(tmp_path))
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.splitlines()[0].split()[:2] == ["tier", "look-ups"]
        assert shown.stdout.splitlines()[1].split()[0] == "memory"
        assert "Counted since the start; the hit rate is of the last 10 minutes" in shown.stderr
        assert "down: look-ups, writes and other questions that the tier did not answer" in shown.stderr
        told = json.loads(headgate("cache", "stats", "--json", environ=environ(tmp_path)).stdout)
        assert told["enabled"] is True
        done = headgate("cache", "invalidate", "--all", environ=environ(tmp_path))
        assert (done.returncode, done.stdout) == (0, "memory\tmarked\n")
        done = headgate("cache", "invalidate", "--tag", "prices", "--json", environ=environ(tmp_path))
        assert json.loads(done.stdout)["complete"] is True
    assert not list(tmp_path.rglob("admin-*.json"))


def test_a_token_of_ones_own(tmp_path: Path) -> None:
    """It opens from anywhere; without it, or with another, nothing does."""
    token = {"HEADGATE_ADMIN_TOKEN": "an-operators-own-token"}
    with started("serve", "--port", "0", environ=environ(tmp_path, **token)) as (_, said):
        url = {"HEADGATE_ADMIN_URL": listener(said)}
        assert headgate("cache", "stats", environ=environ(tmp_path, **token, **url)).returncode == 0
        none = headgate("cache", "stats", "--admin-url", listener(said), environ=environ(tmp_path))
        assert none.returncode == 1
        assert "HEADGATE_ADMIN_TOKEN" in none.stderr
        wrong = headgate("cache", "stats", environ=environ(tmp_path, HEADGATE_ADMIN_TOKEN="x" * 20, **url))
        assert wrong.returncode == 1
        assert "401" in wrong.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """The second gateway serves without an admin listener, and says so."""
    with started("serve", "--port", "0", environ=environ(tmp_path)) as (_, first):
        port = listener(first).rpartition(":")[2]
        with started("serve", "--port", "0", environ=environ(tmp_path, HEADGATE_ADMIN_PORT=port)) as (_, said):
            assert f"no admin listener: port {port}" in said
            assert address(said)
        assert headgate("cache", "stats", environ=environ(tmp_path)).returncode == 0


def test_the_port_picks_one_of_several(tmp_path: Path) -> None:
    """HEADGATE_ADMIN_PORT, which `serve` reads too, says which gateway is meant; without it several are a question."""
    with (
        started("serve", "--port", "0", environ=environ(tmp_path)) as (_, first),
        started("serve", "--port", "0", environ=environ(tmp_path)) as (_, second),
    ):
        ports = [listener(said).rpartition(":")[2] for said in (first, second)]
        for port in ports:
            one = headgate("cache", "stats", "--json", environ=environ(tmp_path, HEADGATE_ADMIN_PORT=port))
            assert one.returncode == 0, one.stderr
        asked = headgate("cache", "stats", environ=environ(tmp_path))
        assert (asked.returncode, "HEADGATE_ADMIN_PORT" in asked.stderr) == (2, True)
    gone = headgate("cache", "stats", environ=environ(tmp_path, HEADGATE_ADMIN_PORT=ports[0]))
    assert gone.returncode == 1
    assert f"http://127.0.0.1:{ports[0]}" in gone.stderr


def test_nobody_is_there(tmp_path: Path) -> None:
    """It is said what to do."""
    done = headgate("cache", "stats", environ=environ(tmp_path))
    assert done.returncode == 1
    assert "runs no gateway" in done.stderr
    url = {"HEADGATE_ADMIN_URL": "http://127.0.0.1:9", "HEADGATE_ADMIN_TOKEN": "x" * 20}
    done = headgate("cache", "stats", environ=environ(tmp_path, **url))
    assert done.returncode == 1
    assert "gave no answer" in done.stderr


@pytest.mark.parametrize("flags", [(), ("--all", "--tag", "x"), ("--key", "a", "--model", "b")])
def test_exactly_one_thing_is_forgotten(flags: tuple[str, ...], tmp_path: Path) -> None:
    """None or several are a mistake of usage, before anybody is asked."""
    done = headgate("cache", "invalidate", *flags, environ=environ(tmp_path))
    assert done.returncode == 2
    assert "exactly one" in done.stderr


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({"HEADGATE_ADMIN__HOST": "0.0.0.0"}, "without a token"),
        ({"HEADGATE_ADMIN_TOKEN": "short"}, "shorter than 16"),
        ({"HEADGATE_ADMIN__OPEN": "true"}, "means no setting"),
    ],
)
def test_settings_that_would_let_others_in(wrong: dict[str, str], told: str) -> None:
    """They are refused before anything listens, and no token is repeated."""
    done = headgate("serve", "--port", "0", environ=wrong | {"HEADGATE_ADMIN__ENABLED": "true"})
    assert done.returncode == 78
    assert told in done.stderr
    assert "short" not in done.stderr.replace("shorter", "")

"""The README is run: every curl and Python block against a started gateway, every TOML block through the settings."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import ROOT, WITHIN_S, address, environment, headgate, started

from headgate.catalog import TIERS
from headgate.runtime.settings import load_settings

WRITTEN = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"
BLOCKS = [(found[1], found[2]) for found in re.finditer(r"^```(\w+)\n(.*?)^```$", WRITTEN, re.MULTILINE | re.DOTALL)]
PYTHON = [text for language, text in BLOCKS if language == "python"]
CURL = [text for language, text in BLOCKS if language == "sh" and text.startswith("curl")]
COMMANDS = [text for language, text in BLOCKS if language == "sh" and not text.startswith("curl")]
TOML = [text for language, text in BLOCKS if language == "toml"]


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """A gateway as `./run` starts it in a fresh clone, on a free port."""
    with started("serve", "--port", "0") as (_, said):
        yield address(said)


def test_there_is_something_to_run() -> None:
    """The blocks are found, and none is of a kind that nobody runs."""
    assert (len(PYTHON), len(CURL), len(TOML)) == (6, 2, 1)
    assert {language for language, _ in BLOCKS} == {"python", "sh", "toml"}
    assert all(ADDRESS in text for text in CURL)


@pytest.mark.parametrize("block", PYTHON, ids=range(len(PYTHON)))
def test_python_block_runs(block: str, root: str) -> None:
    """As it stands, and it prints an answer."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.replace(ADDRESS, root)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env=environment(),
        cwd=ROOT / "tests",
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) > 3


@pytest.mark.parametrize("block", CURL, ids=range(len(CURL)))
def test_curl_block_runs(block: str, root: str) -> None:
    """As it stands, and a completion comes back; with `-i` its labels too."""
    done = subprocess.run(
        ["sh", "-c", block.replace(ADDRESS, root)], capture_output=True, text=True, timeout=WITHIN_S, check=True
    )
    head, _, body = done.stdout.rpartition("\n\n") if "-i" in block else ("", "", done.stdout)
    assert json.loads(body)["object"] == "chat.completion"
    if head:
        assert "200 OK" in head
        assert "x-headgate-model-served: openai/gpt-oss-20b" in head
        assert "x-headgate-reason: retired" in head


@pytest.mark.parametrize("block", TOML, ids=range(len(TOML)))
def test_toml_block_is_accepted(block: str, tmp_path: Path) -> None:
    """By the settings, with its routes."""
    path = tmp_path / "headgate.toml"
    path.write_text(block, encoding="utf-8")
    settings = load_settings(path, {})
    assert settings.routes["support"].local is False
    assert settings.routes["support"].patience_s == 10


def test_commands_that_are_named_exist() -> None:
    """The scripts are there and may be run, and `keys create` takes what is written."""
    for name in ("run", "test"):
        assert (ROOT / name).stat().st_mode & 0o111
    [line] = [line for text in COMMANDS for line in text.splitlines() if "keys create" in line]
    assert headgate(*line.partition("#")[0].split()[1:]).stdout.startswith("hg_")


def test_names_that_are_named_exist() -> None:
    """Tiers, files and links of the README."""
    listed = WRITTEN[WRITTEN.index("`headgate/fast`") : WRITTEN.index("or left to Headgate")]
    assert set(re.findall(r"`(?:headgate/)?([a-z-]+)`", listed)) <= set(TIERS)
    for link in re.findall(r"\]\(([^)]+)\)", WRITTEN):
        assert (ROOT / link).exists(), link

"""The examples of the pages on local skills and on packing are run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import ROOT, WITHIN_S, environment

PAGES = ("local.md", "context.md")
COMMANDS = [
    (page, found[1])
    for page in PAGES
    for found in re.finditer(
        r"^```sh\n((?!curl).*?)^```$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
]
PYTHON = re.search(
    r"^```python\n(.*?)^```$", (ROOT / "docs" / "local.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("page, block", COMMANDS, ids=[page for page, _ in COMMANDS])
def test_commands_of_a_page_run(page: str, block: str, tmp_path: Path) -> None:
    """Every line succeeds in a folder that holds no more than the repository does."""
    for name in ("src", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    script = f'set -e\nheadgate() {{ "{sys.executable}" -m headgate "$@"; }}\n{block}'
    done = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=4 * WITHIN_S,
        check=False,
        env=environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    said = {
        "local.md": 'refund\nrefund\n{"upi_id":"ramesh.k@okaxis","order":"4711"}\n',
        "context.md": "Where do I live?",
    }
    assert said[page] in done.stdout


def test_first_example_of_local_skills() -> None:
    """Its skills find what they are asked for."""
    assert PYTHON is not None
    known: dict[str, object] = {}
    results = []
    for line in PYTHON[1].splitlines():
        if line.startswith("from "):
            exec(line, known)
        elif line:
            results.append(eval(line, known))
    assert results == ["refund", "hi-Latn", "The shop in Pune was closed until 10:00."]


def test_blocks_are_found() -> None:
    """Each page has one that is run."""
    assert [page for page, _ in COMMANDS] == list(PAGES)

"""Running the commands as a person does: in a process of their own, with an environment of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHIN_S = 30
NOT_OURS = ("GROQ_", "HEADGATE_", "PYTHONDONTWRITEBYTECODE")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of ours from outside: no key, no upstream, no settings; and nothing kept that a test does not ask for.

    Python may write bytecode: without it each of some hundred commands compiles all that it imports.
    """
    clean = {name: text for name, text in os.environ.items() if not name.startswith(NOT_OURS)}
    own = {"PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "COLUMNS": "120", "HEADGATE_STORE__ENABLED": "false"}
    own |= {"HEADGATE_ADMIN__ENABLED": "false"}  # its port is one for the whole machine
    return {**clean, **own, **(more or {})}


def headgate(
    *arguments: str, environ: Mapping[str, str] | None = None, folder: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "headgate", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env=environment(environ),
        cwd=folder or ROOT / "tests",
    )


@contextmanager
def started(
    *arguments: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A command that serves, and what it said until it named its address and was silent for a moment."""
    process = subprocess.Popen(
        [sys.executable, "-m", "headgate", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(environ),
        cwd=folder or ROOT / "tests",
    )
    try:
        yield process, _greeting(process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=WITHIN_S)


def _greeting(process: subprocess.Popen[str]) -> str:
    """The lines to the last one that a greeting has."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "Groq SDK:" in line or "./run" in line:
            break
    return "".join(lines)


def address(said: str) -> str:
    """The root that a server said it listens on."""
    found = re.search(r"listens on (http://[0-9.]+:[0-9]+)", said)
    assert found is not None, said
    return found[1]

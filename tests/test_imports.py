"""What importing Headgate may do: read Python modules, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"

WATCHED_IMPORT = """
import _thread
import sys

MODULES = (".py", ".pyc", ".so", ".pyd", ".pth")
seen = []


def hook(event, args):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.fork", "os.exec"):
        seen.append(event)
    elif event == "open" and not str(args[0]).endswith(MODULES):
        seen.append(f"open {args[0]}")


def watch_thread_starts(name):
    # Python 3.11 has no audit event for threads.
    start = getattr(_thread, name, None)
    if start is not None:
        setattr(_thread, name, lambda *args, **options: (seen.append("thread"), start(*args, **options))[1])


watch_thread_starts("start_new_thread")
watch_thread_starts("start_joinable_thread")
sys.addaudithook(hook)
STATEMENTS
print("\\n".join(seen))
"""


def watched(statements: str) -> list[str]:
    """What a fresh interpreter did that an import may not do, while it ran these statements."""
    program = WATCHED_IMPORT.replace("STATEMENTS", statements)
    # -I -S: no environment, no site-packages start-up files; -B: nobody writes byte code beside us.
    paths = [str(SRC), *(path for path in sys.path if path.endswith("site-packages"))]
    start = f"import sys; sys.path[:0] = {paths!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", start + program],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


def test_import_touches_nothing_but_modules() -> None:
    """`import headgate` takes no socket, starts no thread or process and opens no file but Python modules."""
    assert watched("import headgate") == []


def test_import_of_the_pure_rooms_touches_nothing_but_modules() -> None:
    """The catalogue reads its data when it is asked, not when it is imported."""
    assert watched("import headgate.domain.request, headgate.catalog") == []


@pytest.mark.parametrize(
    "statements, expected",
    [
        ("import socket; socket.socket()", "socket.__new__"),
        ("import threading; threading.Thread(target=int).start()", "thread"),
        ("from headgate.catalog import default_catalog; default_catalog()", "open "),
    ],
)
def test_the_watch_sees_what_it_watches_for(statements: str, expected: str) -> None:
    """Sockets, threads and data files are noticed, so that the silence of the other tests means something."""
    assert any(event.startswith(expected) for event in watched(statements))


def test_version_is_the_package_version() -> None:
    """`headgate.__version__` and pyproject.toml cannot drift apart."""
    import tomllib

    import headgate

    project = tomllib.loads((SRC.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert headgate.__version__ == project["version"]


def test_unknown_name_is_an_attribute_error() -> None:
    """The lazy exports answer for what they know and refuse the rest as any module does."""
    import headgate

    with pytest.raises(AttributeError, match="has no attribute 'Headgates'"):
        _ = headgate.Headgates  # type: ignore[attr-defined]
    assert "Headgate" in dir(headgate)

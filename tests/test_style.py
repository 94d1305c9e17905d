"""The rules of the house that no linter knows. Limits only ever go down: when one breaks, mend the code."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "headgate"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

LONGEST_FILE_LINES = 500
LONGEST_FUNCTION_LINES = 60
PURE_ROOMS = ("domain", "catalog", "protocol", "quota", "local", "cache", "decide")
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "misc", "manager", "handler", "service"}

MAY_CATCH_EVERYTHING = ("runtime/driver.py", "server/", "sdk.py")
"""The driver and the doors: whatever happens there becomes an answer and a fact."""

ALLOWED_BROAD = {"local/mend.py": 1}
"""Counted exceptions: a foreign parser on hostile text, where whatever is raised means that it cannot be mended."""

HOSTS = (
    "pypi." + "org",
    "pythonhosted." + "org",
    "npmjs." + "org",
    "crates" + ".io",
    "--find-" + "links",
    "--index-" + "url",
)
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|Users|work)/\w+")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@cache
def tree(path: Path) -> ast.Module:
    """Several tests look at each file: it is parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def text_files() -> list[Path]:
    """What the repository holds or is about to hold, without binaries."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the repository")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_source_file_is_small(path: Path) -> None:
    """No file needs 500 lines and no function 60."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE_LINES, f"{lines} lines"
    long = [f"{node.name}: {length}" for node in functions(path) if (length := _length(node)) > LONGEST_FUNCTION_LINES]
    assert not long


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_source_file_says_what_it_owns(path: Path) -> None:
    """A file opens with a sentence, and its name is a question a reader has."""
    assert ast.get_docstring(tree(path)) or not path.read_text(encoding="utf-8").strip()
    assert path.stem not in BANNED_NAMES
    assert not BANNED_NAMES.intersection(path.relative_to(PACKAGE).parent.parts)


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_nothing_is_caught_wholesale(path: Path) -> None:
    """Broad `except` belongs to the driver and the doors; everywhere else a defect must surface."""
    if path.relative_to(PACKAGE).as_posix().startswith(MAY_CATCH_EVERYTHING):
        return
    broad = [node.lineno for node in nodes(path) if isinstance(node, ast.ExceptHandler) and _is_broad(node)]
    allowed = ALLOWED_BROAD.get(path.relative_to(PACKAGE).as_posix(), 0)
    assert len(broad) <= allowed, f"broad except in lines {broad}"


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_pure_room_rolls_no_dice_of_its_own(path: Path) -> None:
    """A pure room is given a `random.Random`: the module's functions would break replay from a seed."""
    if path.relative_to(PACKAGE).parts[0] not in PURE_ROOMS:
        return
    assert not list(_module_dice(tree(path)))


@pytest.mark.parametrize("path", TESTS, ids=names(TESTS))
def test_every_test_states_its_promise(path: Path) -> None:
    """The name is the situation, the docstring the promise."""
    silent = [node.name for node in functions(path) if node.name.startswith("test_") and not ast.get_docstring(node)]
    assert not silent


@pytest.mark.parametrize("path", TESTS, ids=names(TESTS))
def test_no_test_uses_mocks(path: Path) -> None:
    """The pretend Groq is the only double: nothing is patched or mocked."""
    used = {alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names}
    used |= {node.module or "" for node in nodes(path) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in used if name.split(".")[:2] == ["unittest", "mock"] or name == "mock"}
    assert not {argument.arg for node in functions(path) for argument in node.args.args} & {"monkeypatch", "mocker"}


def test_test_files_have_names_of_their_own() -> None:
    """Two files of one name in different rooms would be told apart only by chance."""
    stems = [path.stem for path in TESTS]
    assert len(stems) == len(set(stems)), sorted(stem for stem in set(stems) if stems.count(stem) > 1)


def test_every_pure_room_is_under_the_import_contract() -> None:
    """The contract of pyproject.toml names each pure room that is built."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contract = next(contract for contract in settings["contracts"] if contract["type"] == "forbidden")
    built = {f"headgate.{room}" for room in PURE_ROOMS if (PACKAGE / room / "__init__.py").exists()}
    assert built == set(contract["source_modules"])


def test_no_file_names_a_machine_or_a_registry() -> None:
    """What is committed works anywhere: no path of one machine, no address of one registry."""
    found = []
    for path in text_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in HOSTS if host in text]
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert not found


def test_locks_pin_everything_by_hash() -> None:
    """Both locks install with --require-hashes, and the dev lock holds every runtime pin as it is."""
    runtime, dev = (_pins(ROOT / name) for name in ("requirements.lock", "requirements-dev.lock"))
    assert runtime.items() <= dev.items()
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = re.split(r"\n(?=[a-z])", (ROOT / name).read_text(encoding="utf-8"))
        assert not [block for block in blocks if "==" in block and "--hash=sha256:" not in block]


@pytest.mark.parametrize(
    "code, expected",
    [
        ("try: pass\nexcept: pass", True),
        ("try: pass\nexcept Exception: pass", True),
        ("try: pass\nexcept (ValueError, BaseException): pass", True),
        ("try: pass\nexcept builtins.Exception: pass", True),
        ("try: pass\nexcept ValueError: pass", False),
        ("try: pass\nexcept BaseException:\n    print()\n    raise", False),
    ],
)
def test_broad_except_is_recognised(code: str, *, expected: bool) -> None:
    """The check above sees every way of writing it."""
    handlers = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ExceptHandler)]
    assert any(_is_broad(handler) for handler in handlers) is expected


@pytest.mark.parametrize(
    "code, expected",
    [
        ("import random\nrandom.random()", True),
        ("import random as r\nr.choice([1])", True),
        ("from random import choice", True),
        ("import random\nd = random.Random(1)\nd.random()", False),
        ("from random import Random", False),
    ],
)
def test_module_dice_are_recognised(code: str, *, expected: bool) -> None:
    """Seeded dice pass, the module's own do not, whatever they are called."""
    assert bool(list(_module_dice(ast.parse(code)))) is expected


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None:
        return False  # cleans up and lets it go on
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    called = {node.id if isinstance(node, ast.Name) else getattr(node, "attr", "") for node in caught}
    return not called.isdisjoint({"Exception", "BaseException"})


def _module_dice(module: ast.Module) -> Iterator[int]:
    aliases = {"random"}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname for alias in node.names if alias.name == "random" and alias.asname}
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            yield from (node.lineno for alias in node.names if alias.name != "Random")
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr != "Random":
            yield from (node.lineno for alias in aliases if node.value.id == alias)


def _pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE))

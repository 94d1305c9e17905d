"""Lines of TOML keys: every kind of heading, key and value that a settings file may have."""

import tomllib
from typing import Any

import pytest

from headgate.runtime.settings_lines import toml_lines

TEXT = """\
# a comment with [brackets] and = signs
title = "x"

[server]            # line 4
port = 8080
host = '127.0.0.1'

[organisations.acme]
plan = "free"
[organisations."big one".limits."openai/gpt-oss-20b"]
TPM = 1_000

[[providers]]
name = "one"
endpoints = [
    "http://a/v1",  # ] not the end
    "http://b/v1",
]
keys = [
    { env = "A", organisation = "x" },
    { env = "B" },
]

[[providers]]
name = \"\"\"two
lines, a # no comment, and [[no heading]]
\"\"\"
[providers.extra]
deep = 1

[env.production]
server.port = 9000
"server"."host" = "x"
"""


@pytest.mark.parametrize(
    "path, line",
    [
        (("title",), 2),
        (("server",), 4),
        (("server", "port"), 5),
        (("server", "host"), 6),
        (("organisations", "acme", "plan"), 9),
        (("organisations", "big one", "limits", "openai/gpt-oss-20b", "TPM"), 11),
        (("providers", 0, "name"), 14),
        (("providers", 0, "endpoints", 1), 17),
        (("providers", 0, "keys", 0, "organisation"), 20),
        (("providers", 0, "keys", 1, "env"), 21),
        (("providers", 1), 24),
        (("providers", 1, "name"), 25),
        (("providers", 1, "extra", "deep"), 29),
        (("env", "production", "server", "port"), 32),
        (("env", "production", "server", "host"), 33),
    ],
)
def test_key_stands_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    """An error message leads to the very line."""
    assert toml_lines(TEXT)[path] == line


def test_every_key_has_a_line() -> None:
    """Whatever tomllib reads from the text, its place is known."""
    known = toml_lines(TEXT)
    assert set(_paths(tomllib.loads(TEXT))) <= set(known)


@pytest.mark.parametrize("text", ["", "a", "[", "a = [", 'a = "', "[[x]\n", "= 1", "a = {b", "\x00", "a." * 5_000])
def test_text_that_is_not_toml_gives_what_it_gives(text: str) -> None:
    """Finding lines never raises: the reader of the values has already said what is wrong."""
    assert isinstance(toml_lines(text), dict)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, item in inner for each in [(*path, key), *_paths(item, (*path, key))]]

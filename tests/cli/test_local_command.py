"""`headgate local SKILL`: results on stdout, how sure and why on stderr, exit codes."""

from pathlib import Path

import msgspec
import pytest
from tests.cli.commands import headgate

from headgate.cli import skill_commands
from headgate.local.skills import SKILLS

MESSAGE = "Please refund order 4711 to ramesh.k@okaxis today."


def test_commands_are_the_skills() -> None:
    """Every skill has its command and every command its skill."""
    assert list(skill_commands.SKILLS) == list(SKILLS)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("classify", MESSAGE, "-o", "labels=refund,delivery"), "refund"),
        (("classify", MESSAGE, "-o", 'labels=[{"name":"money","keywords":["refund"]}]'), "money"),
        (("language", MESSAGE), "en"),
        (("summary", MESSAGE, "-o", "max_sentences=1"), MESSAGE),
    ],
)
def test_text_in_and_answer_out(arguments: tuple[str, ...], said: str) -> None:
    """The answer alone is data; confidence and evidence are for the person."""
    done = headgate("local", *arguments)
    assert (done.returncode, done.stdout) == (0, f"{said}\n"), done.stderr
    assert "[confidence 0." in done.stderr or "[confidence 1." in done.stderr


def test_standard_input_and_json() -> None:
    """Without a text, or with -, it is read from the pipe; --json gives the whole result."""
    for dash in ((), ("-",)):
        done = headgate("local", "extract", *dash, "--json", stdin=MESSAGE)
        told = msgspec.json.decode(done.stdout)
        assert told["entities"][0]["value"] == "ramesh.k@okaxis"
        assert told["evidence"]


def test_list_names_skills_and_personas() -> None:
    """What there is, as a table and as JSON."""
    assert "helpdesk" in headgate("local", "list").stdout
    told = msgspec.json.decode(headgate("local", "list", "--json").stdout)
    assert [row["id"] for row in told["data"]] == list(SKILLS)


def test_option_is_read_from_a_file(tmp_path: Path) -> None:
    """A schema is too long for a command line; a file that is not there is said."""
    schema = {"type": "object", "properties": {"upi_id": {"type": "string"}}, "required": ["upi_id"]}
    file = tmp_path / "schema.json"
    file.write_bytes(msgspec.json.encode(schema))
    done = headgate("local", "fill", MESSAGE, "-o", f"schema=@{file}")
    assert msgspec.json.decode(done.stdout) == {"upi_id": "ramesh.k@okaxis"}
    gone = headgate("local", "fill", MESSAGE, "-o", f"schema=@{tmp_path / 'none.json'}")
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "none.json" in gone.stderr


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_the_text_does_not_give_is_named(more: tuple[str, ...]) -> None:
    """A schema that is filled in part ends with exit code 3, and the required fields that are missing on stderr."""
    schema = '{"properties":{"upi_id":{"type":"string"},"order":{"type":"string"}},"required":["upi_id","order"]}'
    part = headgate("local", "fill", "Pay ramesh.k@okaxis", "-o", f"schema={schema}", *more)
    assert part.returncode == 3
    assert "ramesh.k@okaxis" in part.stdout
    assert "missing: order" in part.stderr.splitlines()
    whole = headgate("local", "fill", "Pay ramesh.k@okaxis\nOrder: 4711", "-o", f"schema={schema}", *more)
    assert whole.returncode == 0, whole.stderr
    assert "missing:" not in whole.stderr


def test_no_label_fits() -> None:
    """No answer is said to be one, and on stderr."""
    done = headgate("local", "classify", "I want my money back", "-o", "labels=refund,delivery")
    assert (done.returncode, done.stdout) == (0, "")
    assert "none of the labels fits" in done.stderr.splitlines()


def test_broken_json_is_placed(tmp_path: Path) -> None:
    """What is wrong with it and where, for a file as for a value."""
    file = tmp_path / "bad.json"
    file.write_text('{"properties": {\n  "a": }}', encoding="utf-8")
    done = headgate("local", "fill", "a", "-o", f"schema=@{file}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file} is not valid JSON" in done.stderr
    assert "line 2, column 8" in done.stderr
    typed = headgate("local", "classify", "a", "-o", 'labels=[{"name":"a"')
    assert (typed.returncode, "the value is not valid JSON" in typed.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (("classify", "a"), "labels"),
        (("summary", "a", "-o", "max_sentences"), "NAME=VALUE"),
        (("language", "a", "-o", "mode=x"), "mode"),
        (("reply", "a", "-o", "persona=nobody"), "nobody"),
    ],
)
def test_wrong_options_are_said(arguments: tuple[str, ...], complaint: str) -> None:
    """Exit code 2 and a sentence that names the option."""
    done = headgate("local", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr

"""The commands besides `serve`: data on stdout, the rest on stderr, exit codes that scripts can rely on."""

import json
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.commands import ROOT, address, headgate, started
from tests.running_gateway import QUICK, SHORT, running_gateway

import headgate as package
from headgate.cli.pages import architecture_parts, controls_page
from headgate.cli.pages_settings import configuration_page
from headgate.runtime.settings import load_settings
from headgate.runtime.settings_model import SettingsFile
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import SimulatorSettings
from headgate.store.sqlite import SqliteStore


def test_version() -> None:
    """Of the package."""
    assert headgate("--version").stdout == f"headgate {package.__version__}\n"


def test_help_names_every_command() -> None:
    """And exits with 0; a word that is no command exits with 2."""
    done = headgate("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("serve", "chat", "models", "keys", "config", "docs", "sim"))
    assert headgate("sevre").returncode == 2


def test_help_imports_little() -> None:
    """What only some command needs is not loaded for the others: that is what keeps `--help` quick."""
    done = headgate("--help", environ={"PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "headgate.cli" in loaded
    assert not loaded & {"asyncio", "msgspec", "uvicorn", "headgate.sdk", "headgate.assembly", "headgate.catalog"}


def test_models_as_a_table_and_as_json() -> None:
    """Running models only, unless all are asked for; nothing but data on stdout."""
    table = headgate("models")
    assert table.stderr == ""
    assert "openai/gpt-oss-20b" in table.stdout
    assert "llama3-8b-8192" not in table.stdout
    rows = {row["id"]: row for row in json.loads(headgate("models", "--json", "--all").stdout)}
    assert rows["llama3-8b-8192"]["lifecycle"] == "retired"
    assert rows["openai/gpt-oss-20b"]["limits"]["free"]["RPM"] == 30


def test_models_of_a_configuration(tmp_path: Path) -> None:
    """What headgate.toml adds is listed."""
    path = tmp_path / "headgate.toml"
    path.write_text('[models."my/model"]\ncontext_window_tokens = 8192\nmax_output_tokens = 2048\n', encoding="utf-8")
    assert "my/model" in headgate("models", "--config", str(path)).stdout


def test_key_is_shown_once_and_its_lines_hold_no_secret() -> None:
    """The first line is the key; the rest is TOML with its hash, which settings accept."""
    more = ("--scope", "chat", "--scope", "audio", "--expires", "2099-01-01T00:00:00+00:00")
    done = headgate("keys", "create", "--name", 'it\'s "mine"', "--admin", *more)
    key, _, lines = done.stdout.partition("\n\n")
    [row] = tomllib.loads(lines)["auth"]["virtual_keys"]
    assert key.startswith("hg_")
    assert key not in lines
    assert key.rpartition("_")[2][:20] not in lines
    assert row["admin"] is True
    assert row["scopes"] == ["chat", "audio"]
    assert row["name"] == 'it\'s "mine"'
    assert row["expires"].year == 2099


@pytest.mark.parametrize(
    "option", ["--expires=yesterday", "--expires=2001-01-01", "--expires=0d", "--scope=chats", "--scope=Chat"]
)
def test_key_that_would_never_be_of_use(option: str) -> None:
    """A usage error."""
    done = headgate("keys", "create", option)
    assert done.returncode == 2
    assert done.stdout == ""


def test_config_check_masks_secrets(tmp_path: Path) -> None:
    """It shows where settings come from and no key of any kind."""
    path = tmp_path / "headgate.toml"
    made = headgate("keys", "create").stdout
    path.write_text('[server]\nport = 9999\n[auth]\npepper = "salt-and-pepper"\n', encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8") + made.partition("\n\n")[2], encoding="utf-8")
    environ = {"GROQ_API_KEY": "gsk_secret_thing", "GROQ_ORG_1": "org_mine"}
    for arguments in (("config", "check", str(path)), ("config", "check", "--json", str(path))):
        done = headgate(*arguments, environ=environ)
        assert done.returncode == 0
        assert "9999" in done.stdout
        assert "org_mine" in done.stdout
        assert "***" in done.stdout
        for secret in ("gsk_secret_thing", "salt-and-pepper", made.split('hash = "')[1][:20]):
            assert secret not in done.stdout + done.stderr


def test_config_check_refuses(tmp_path: Path) -> None:
    """Exit code 78."""
    path = tmp_path / "headgate.yaml"
    path.write_text("server:\n  port: high\n", encoding="utf-8")
    done = headgate("config", "check", str(path))
    assert done.returncode == 78
    assert "headgate.yaml, line 2: server.port" in done.stderr


@pytest.mark.parametrize(
    "toml, told",
    [
        ('[cache]\nobject = "ftp://x/y"', "cache.object: is no place for objects"),
        ('[cache]\nobject = "headgate.toml/folder"', "cache.object: cannot be used: Not a directory"),
        ('[cache]\nobject = "s3://bucket?colour=red"', "no option 'colour'"),
        ('[cache]\nredis = "redis://host:port"', "cache.redis: is not the URL of a Redis"),
        ('[schedules.x]\nevery = "1h"\nmodel = "gpt-oss-20"', "schedules.x.model: there is no model 'gpt-oss-20'"),
        ('[local.safety]\nfiles = ["missing.txt"]', "'missing.txt' cannot be read: No such file or directory"),
    ],
)
def test_config_check_refuses_what_serve_refuses(tmp_path: Path, toml: str, told: str) -> None:
    """The parts that the settings ask for are checked too, in the same words."""
    (tmp_path / "headgate.toml").write_text(toml, encoding="utf-8")
    checked = headgate("config", "check", folder=tmp_path)
    served = headgate("serve", "--port", "0", folder=tmp_path)
    assert checked.returncode == served.returncode == 78
    assert told in checked.stderr
    assert checked.stderr in served.stderr


def test_config_check_makes_nothing(tmp_path: Path) -> None:
    """Not even the folder of the object tier."""
    (tmp_path / "headgate.toml").write_text('[cache]\nobject = "answers"\n', encoding="utf-8")
    assert headgate("config", "check", folder=tmp_path).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["headgate.toml"]


def database(path: Path, statement: str) -> None:
    """A database of SQLite that Headgate did not make."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("place", ["headgate.toml/store.sqlite3", "folder", "foreign.sqlite3", "newer.sqlite3"])
def test_config_check_looks_at_the_store(tmp_path: Path, place: str) -> None:
    """A store that `headgate serve` could not use is told, in its words and with what to do; and left as it is."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "headgate.toml").write_text("", encoding="utf-8")
    database(tmp_path / "foreign.sqlite3", "CREATE TABLE customers (a)")
    database(tmp_path / "newer.sqlite3", "CREATE TABLE schema_version AS SELECT 99 AS version, 0 AS at")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    environ = {"HEADGATE_STORE__ENABLED": "true", "HEADGATE_STORE__PATH": place}
    checked = headgate("config", "check", folder=tmp_path, environ=environ)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    served = headgate("serve", "--port", "0", folder=tmp_path, environ=environ)
    assert checked.returncode == served.returncode == 78
    assert checked.stderr in served.stderr
    told = {"folder": "Is a directory", "foreign.sqlite3": "a file of its own", "newer.sqlite3": "a later one"}
    assert told.get(place, "Not a directory") in checked.stderr
    assert "Give this one a store of its own" in checked.stderr


def test_config_check_of_a_store_that_is_none(tmp_path: Path) -> None:
    """A start would move such a file aside, which nobody should learn from it."""
    (tmp_path / "notes.txt").write_text("no database " * 100, encoding="utf-8")
    environ = {"HEADGATE_STORE__ENABLED": "true", "HEADGATE_STORE__PATH": "notes.txt"}
    done = headgate("config", "check", folder=tmp_path, environ=environ)
    assert done.returncode == 78
    assert "notes.txt is no whole SQLite database" in done.stderr
    assert "move it aside" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_config_check_of_a_store_that_will_do(tmp_path: Path) -> None:
    """One that is not there yet is not made, and one in use is read beside its owner, who notices nothing."""
    environ = {"HEADGATE_STORE__ENABLED": "true", "HEADGATE_STORE__PATH": "new/store.sqlite3"}
    done = headgate("config", "check", folder=tmp_path, environ=environ)
    assert (done.returncode, "store: new/store.sqlite3, which is not there yet" in done.stdout) == (0, True)
    assert list(tmp_path.iterdir()) == []
    store = SqliteStore.open(tmp_path / "new" / "store.sqlite3")
    for _ in ("in use", "closed"):
        done = headgate("config", "check", folder=tmp_path, environ=environ)
        assert (done.returncode, "store: new/store.sqlite3\n" in done.stdout) == (0, True)
        store.close_now()
    store = SqliteStore.open(store.path)
    assert (store.opened.left_by, store.opened.was_checked) == ("", False)
    store.close_now()
    assert sorted(path.name for path in store.path.parent.iterdir()) == [
        "store.sqlite3",
        "store.sqlite3-files",
        "store.sqlite3-owner",
    ]


def test_chat_in_this_process() -> None:
    """The answer goes to stdout, where it came from to stderr; a stream and a whole answer read the same."""
    whole = headgate("chat", "hi", "--no-stream", "-m", "headgate/fast")
    streamed = headgate("chat", "-", "-m", "headgate/fast", stdin="hi")
    assert whole.returncode == streamed.returncode == 0
    assert whole.stdout == streamed.stdout != "\n"
    assert "[upstream: openai/gpt-oss-20b, 1 call" in streamed.stderr
    assert json.loads(headgate("chat", "hi", "--json").stdout)["object"] == "chat.completion"


def test_chat_with_a_running_gateway() -> None:
    """The same by `--base-url` or HEADGATE_BASE_URL; what it refuses is exit code 1, try later is 75."""
    with running_gateway() as gateway:
        for url in (gateway.root, gateway.v1):
            done = headgate("chat", "hi", "--base-url", url)
            assert done.returncode == 0
            assert done.stdout.strip()
            assert "source: upstream" in done.stderr
        unknown = headgate("chat", "hi", "-m", "no/such", environ={"HEADGATE_BASE_URL": gateway.root})
        assert unknown.returncode == 1
        assert "not known here" in unknown.stderr
    gone = headgate("chat", "hi", "--base-url", gateway.root)
    assert gone.returncode == 1
    assert "Is the gateway running?" in gone.stderr


def test_chat_when_it_is_worth_trying_later(tmp_path: Path) -> None:
    """Exit code 75 where the refusal says when, here and over HTTP."""
    path = tmp_path / "headgate.toml"
    path.write_text("[defaults]\npatience_s = 0.05\nlocal = false\n", encoding="utf-8")
    fault = Fault(FaultKind.RATE_LIMITED, value="TPD", delay_s=900.0)
    with running_gateway(
        simulator=SimulatorSettings(pace=QUICK, lengths=SHORT, faults=(fault,)), config=path
    ) as gateway:
        environ = {"GROQ_BASE_URL": gateway.simulator.base_url, "GROQ_API_KEY": "gsk_x"}
        assert headgate("chat", "hi", "--config", str(path), environ=environ).returncode == 75
        assert headgate("chat", "hi", "--base-url", gateway.root).returncode == 75


def test_sim_serves_a_pretend_groq() -> None:
    """A gateway can be put before it; a plan that does not exist is a usage error."""
    with started("sim", "--port", "0", "--speed", "50", "--plan", "developer") as (_, said):
        environ = {"GROQ_BASE_URL": address(said), "GROQ_API_KEY": "gsk_any"}
        assert headgate("chat", "hi", environ=environ).returncode == 0
    assert headgate("sim", "--plan", "golden").returncode == 2


def test_sim_worlds_are_reached() -> None:
    """The command hands its arguments over."""
    done = headgate("sim", "worlds", "--help")
    assert done.returncode == 0
    assert "--seeds" in done.stdout


def test_generated_pages_are_committed() -> None:
    """`headgate docs` writes what stands in docs/: a change of the code without its page fails here."""
    docs = ROOT / "docs"
    assert (docs / "controls.md").read_text(encoding="utf-8") == controls_page()
    assert (docs / "configuration.md").read_text(encoding="utf-8") == configuration_page()
    architecture = (docs / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name, text in architecture_parts().items():
        assert f"<!-- begin {name} -->\n{text}\n<!-- end {name} -->" in architecture
    assert len(architecture.splitlines()) < 300


def test_docs_commands_print_the_pages() -> None:
    """Each page has its command."""
    assert headgate("docs", "controls").stdout == controls_page()
    assert headgate("docs", "configuration").stdout == configuration_page()
    assert "<!-- begin remedies -->" in headgate("docs", "architecture").stdout


def test_docs_are_updated_in_place(tmp_path: Path) -> None:
    """What people wrote around the generated parts stays; without the page it says where to run it."""
    assert headgate("docs", "update", str(tmp_path)).returncode == 1
    page = tmp_path / "ARCHITECTURE.md"
    page.write_text("above\n<!-- begin remedies -->\nold\n<!-- end remedies -->\nbelow\n", encoding="utf-8")
    assert headgate("docs", "update", str(tmp_path)).returncode == 0
    written = page.read_text(encoding="utf-8")
    part = architecture_parts()["remedies"]
    assert written == f"above\n<!-- begin remedies -->\n{part}\n<!-- end remedies -->\nbelow\n"
    assert (tmp_path / "controls.md").read_text(encoding="utf-8") == controls_page()


def test_every_section_is_documented() -> None:
    """A section that is read and not in docs/configuration.md would be a secret."""
    page = configuration_page()
    for name in SettingsFile.__struct_fields__:
        assert f"[{name}" in page, name


def test_defaults_of_the_page_are_those_of_the_settings() -> None:
    """The page says what settings without any file are."""
    settings = load_settings(None, {})
    page = configuration_page()
    assert f"| `port` | whole number, 0 to 65,535 | `{settings.server.port}` |" in page
    assert f"| `deadline_s` | number, above 0 to 3,600.0 | `{settings.defaults.deadline_s}` |" in page

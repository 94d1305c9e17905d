"""Settings: what is read from where, what wins, what is refused with its line and fix, and that no secret shows."""

import traceback
from contextlib import chdir
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.domain.limits import Dimension
from headgate.runtime.settings import InvalidSettings, Passthrough, Secret, Settings, find_settings_file, load_settings

CANARY = "gsk_canary_0123456789abcdef"
ROW = 'id = "abcdefgh"\nhash = "s1:' + "0" * 64 + '"'

TOML = """\
[server]
port = 9000
host = "127.0.0.1"

[groq]
base_url = "http://127.0.0.1:9999"
keys = [{ secret = "file-key", organisation = "acme", name = "main" }]

[[providers]]
name = "ollama"
base_url = "http://127.0.0.1:11434/v1"
models = ["llama-local"]

[organisations.acme]
plan = "developer"
limits."*".TPM = 100_000

[routes.default]
substitute = false
deadline_s = 20

[routes.chat]
models = ["openai/gpt-oss-20b", "llama-local"]
max_attempts = 3

[models."openai/gpt-oss-20b"]
tokens_per_s = 900

[env.production.server]
port = 443
[env.production.routes.chat]
max_attempts = 1
"""

YAML = """\
server:
  port: 9000
  host: 127.0.0.1
groq:
  base_url: http://127.0.0.1:9999
  keys:
    - secret: file-key
      organisation: acme
      name: main
providers:
  - name: ollama
    base_url: http://127.0.0.1:11434/v1
    models: [llama-local]
organisations:
  acme:
    plan: developer
    limits: {"*": {TPM: 100000}}
routes:
  default: {substitute: false, deadline_s: 20}
  chat:
    models: [openai/gpt-oss-20b, llama-local]
    max_attempts: 3
models:
  openai/gpt-oss-20b: {tokens_per_s: 900}
env:
  production:
    server: {port: 443}
    routes: {chat: {max_attempts: 1}}
"""


def load(tmp_path: Path, text: str = "", name: str = "headgate.toml", **environ: str) -> Settings:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ)


def refusal(tmp_path: Path, text: str = "", name: str = "headgate.toml", **environ: str) -> str:
    with pytest.raises(InvalidSettings) as raised:
        load(tmp_path, text, name, **environ)
    return str(raised.value)


# What is read ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, text", [("headgate.toml", TOML), ("headgate.yaml", YAML)])
def test_file_is_read(tmp_path: Path, name: str, text: str) -> None:
    """Every section arrives where it belongs, the same from TOML and from YAML."""
    read = load(tmp_path, text, name)
    assert read.server.port == 9000
    assert [str(end.origin + end.prefix) for end in read.groq.endpoints] == ["http://127.0.0.1:9999/openai/v1"]
    assert [(key.name, key.secret.reveal(), key.organisation) for key in read.groq.keys] == [
        ("main", "file-key", "acme")
    ]
    assert [(each.name, each.models) for each in read.providers[1:]] == [("ollama", ("llama-local",))]
    assert read.organisations["acme"].plan == "developer"
    assert read.organisations["acme"].limits == {"*": {Dimension.TPM: 100_000}}
    assert read.models == {"openai/gpt-oss-20b": {"tokens_per_s": 900}}
    assert not read.uses_simulator


def test_route_inherits_from_the_default_route_and_the_defaults(tmp_path: Path) -> None:
    """Own words, then `[routes.default]`, then `[defaults]`; patience never outlasts the deadline."""
    read = load(tmp_path, TOML)
    chat = read.route("chat")
    assert chat is not None
    assert (chat.max_attempts, chat.substitute, chat.deadline_s, chat.patience_s) == (3, False, 20.0, 20.0)
    assert (chat.max_calls, chat.first_token_target_s, chat.local) == (6, 10.0, True)
    assert read.route(None) == read.routes["default"]
    assert read.route("nothing") is None


@pytest.mark.parametrize(
    "given_local, is_local", [('"off"', False), ("false", False), ('"auto"', True), ("true", True)]
)
def test_local_answers_can_be_switched_off_for_a_route(tmp_path: Path, given_local: str, is_local: bool) -> None:
    """By the words of the control and by true and false."""
    assert load(tmp_path, f"[routes.default]\nlocal = {given_local}").routes["default"].local is is_local


def test_nothing_configured_uses_the_simulator(tmp_path: Path) -> None:
    """No key and no upstream: the defaults of the design, and only the simulator can answer."""
    read = load(tmp_path)
    assert read.uses_simulator
    assert (read.server.host, read.server.port, read.server.max_body_bytes) == ("127.0.0.1", 8080, 4 * 1024 * 1024)
    route = read.routes["default"]
    assert (route.deadline_s, route.patience_s, route.first_token_target_s) == (50.0, 25.0, 10.0)
    assert (route.max_attempts, route.max_calls, route.substitute) == (2, 6, True)
    assert read.auth.passthrough is Passthrough.WITH_KEY


@pytest.mark.parametrize(
    "text, environ",
    [
        ("", {"GROQ_API_KEY": "k"}),
        ("", {"GROQ_BASE_URL": "http://h"}),
        ('[groq]\nbase_url = "http://h"', {}),
        ('[groq]\nkeys = [{ secret = "k" }]', {}),
        ('[[providers]]\nname = "p"\nbase_url = "http://h/v1"', {}),
    ],
)
def test_key_or_upstream_puts_the_simulator_away(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    """Whoever names a real upstream never talks to the pretend one."""
    assert not load(tmp_path, text, **environ).uses_simulator


def test_overlay_wins_over_the_file_and_the_environment_over_both(tmp_path: Path) -> None:
    """File, overlay, environment, flags: the later wins, and what a layer does not name stays."""
    path = tmp_path / "headgate.toml"
    path.write_text(TOML)
    environ = {"HEADGATE_ENV": "production"}
    overlaid = load_settings(path, environ)
    assert overlaid.environment == "production"
    assert (overlaid.server.port, overlaid.server.host) == (443, "127.0.0.1")
    assert overlaid.routes["chat"].max_attempts == 1
    assert overlaid.routes["chat"].models == ("openai/gpt-oss-20b", "llama-local")
    environ["HEADGATE_PORT"] = "444"
    assert load_settings(path, environ).server.port == 444
    assert load_settings(path, environ, flags={"server.port": 445, "server.host": None}).server.port == 445


@pytest.mark.parametrize(
    "variable, text, path, value",
    [
        ("HEADGATE_PORT", "1", "server.port", 1),
        ("HEADGATE_HOST", "localhost", "server.host", "localhost"),
        ("HEADGATE_LOG_LEVEL", "debug", "server.log_level", "debug"),
        ("HEADGATE_SERVER__PORT", "0", "server.port", 0),
        ("HEADGATE_SERVER__INSECURE_OPEN", "yes", "server.insecure_open", True),
        ("HEADGATE_DEFAULTS__DEADLINE_S", "7.5", "defaults.deadline_s", 7.5),
        ("HEADGATE_UPSTREAM__IDLE_S", "3", "upstream.idle_s", 3.0),
        ("HEADGATE_AUTH__PASSTHROUGH", "never", "auth.passthrough", "never"),
        ("HEADGATE_AUTH__PEPPER", "123", "auth.pepper", Secret("123")),
        ("HEADGATE_LOCAL__ENABLED", "off", "local.enabled", False),
        ("HEADGATE_WAITING_ROOM__MAX_TICKETS", "5", "waiting_room.max_tickets", 5),
    ],
)
def test_environment_variable_sets_a_key(tmp_path: Path, variable: str, text: str, path: str, value: object) -> None:
    """Each variable means one key, and its text is read as that key's type."""
    found: Any = load(tmp_path, **{variable: text})
    for step in path.split("."):
        found = getattr(found, step)
    assert found == value


def test_environment_variable_reaches_routes_and_lists(tmp_path: Path) -> None:
    """Names of routes match without case, lists are written with commas or as TOML."""
    environ = {"HEADGATE_ROUTES__CHAT__TIER": "fast", "HEADGATE_ROUTES__BULK__MODELS": "openai/gpt-oss-20b, x/y"}
    text = '[routes.Chat]\nmax_calls = 4\n[groq]\nmodels = ["x/y"]'
    read = load(tmp_path, text, **environ)
    assert (read.routes["Chat"].tier, read.routes["Chat"].max_calls) == ("fast", 4)
    assert read.routes["bulk"].models == ("openai/gpt-oss-20b", "x/y")


@pytest.mark.parametrize(
    "variable, text",
    [
        ("HEADGATE_PORT", "tcp://10.0.0.7:8080"),
        ("HEADGATE_SERVICE_HOST", "10.0.0.7"),
        ("HEADGATE_PORT_8080_TCP_ADDR", "10.0.0.7"),
        ("HEADGATE_API_KEY", "hg_x"),
        ("HEADGATE_SERVER__PORT", ""),
    ],
)
def test_variables_that_others_set_change_nothing(tmp_path: Path, variable: str, text: str) -> None:
    """A service named headgate in a cluster brings variables of its own; empty ones mean nothing."""
    assert load(tmp_path, **{variable: text}) == load(tmp_path)


def test_sections_of_later_issues_are_accepted_and_named(tmp_path: Path) -> None:
    """They are not refused, and nobody is left to believe that they work."""
    assert load(tmp_path, "[budgets]\nday_usd = 1\n[alerts]\nurl = 1").inactive == ("budgets", "alerts")


def test_file_is_searched_for(tmp_path: Path) -> None:
    """HEADGATE_CONFIG names the file; one that is not there is an error, not a shrug, and so are two in one folder."""
    path = tmp_path / "mine.yaml"
    path.write_text("server: {port: 7}")
    assert find_settings_file({"HEADGATE_CONFIG": str(path)}) == path
    assert load_settings(None, {"HEADGATE_CONFIG": str(path)}).server.port == 7
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load_settings(None, {"HEADGATE_CONFIG": str(tmp_path / "none.toml")})
    (tmp_path / "headgate.toml").write_text("[server]\nport = 8")
    with chdir(tmp_path):
        assert load_settings(None, {}).server.port == 8
        (tmp_path / "headgate.yaml").write_text("server: {port: 9}")
        with pytest.raises(InvalidSettings, match=r"headgate\.toml: lies beside headgate\.yaml\. Fix: keep one"):
            load_settings(None, {})


# Provider keys --------------------------------------------------------------------------------------------------------


def test_groq_keys_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """GROQ_API_KEY is the first, gaps are allowed, empty ones do not count, GROQ_ORG_n belongs to key n."""
    environ = {
        "GROQ_API_KEY_10": "k10",
        "GROQ_API_KEY_2": " k2\n",
        "GROQ_API_KEY": "k1",
        "GROQ_API_KEY_3": "",
        "GROQ_ORG_1": "acme",
        "GROQ_ORG_10": "beta",
    }
    keys = load(tmp_path, **environ).groq.keys
    assert [(key.name, key.secret.reveal(), key.organisation) for key in keys] == [
        ("GROQ_API_KEY", "k1", "acme"),
        ("GROQ_API_KEY_2", "k2", None),
        ("GROQ_API_KEY_10", "k10", "beta"),
    ]


@pytest.mark.parametrize(
    "environ, complaint",
    [
        ({"GROQ_API_KEY": "a-key", "GROQ_API_KEY_1": "b-key"}, "both give key 1"),
        ({"GROQ_API_KEY": "a-key", "GROQ_API_KEY_1": "a-key"}, "both give key 1"),
        ({"GROQ_API_KEY": "a-key", "GROQ_API_KEY_2": "a-key"}, "is the same key as GROQ_API_KEY"),
        ({"GROQ_API_KEY_0": "a-key"}, "number the keys"),
        ({"GROQ_API_KEY_01": "a-key"}, "number the keys"),
        ({"GROQ_API_KEY_MAIN": "a-key"}, "number the keys"),
        ({"GROQ_API_KEY": "two words"}, "blanks"),
        ({"GROQ_API_KEY": '"a-key"'}, "begins with a quote"),
        ({"GROQ_API_KEY_2": "'a-key'"}, "begins with a quote"),
        ({"GROQ_API_KEY": "kéy"}, "characters that no key has"),
        ({"GROQ_API_KEY": "a-key", "GROQ_ORG_1": "a:b"}, "GROQ_ORG_1"),
        ({"GROQ_API_KEY": "a-key", "GROQ_ORG_3": "acme"}, "there is no GROQ_API_KEY_3"),
        ({"OPENAI_API_KEY": "a-key", "OPENAI_ORG_2": "acme"}, "there is no OPENAI_API_KEY_2"),
    ],
)
def test_doubtful_keys_are_refused(tmp_path: Path, environ: dict[str, str], complaint: str) -> None:
    """A key given twice or misnamed is an error that names the variable and never the key."""
    message = refusal(tmp_path, **environ)
    assert complaint in message
    assert not any(secret in message for secret in ("a-key", "b-key", "two words", "kéy"))


def test_keys_of_file_and_environment_join(tmp_path: Path) -> None:
    """Both pools are one; the file may name the variable that holds a key; the same key twice is an error."""
    text = '[groq]\nkeys = [{ secret = "one" }, { env = "MY_KEY", organisation = "acme" }]'
    keys = load(tmp_path, text, MY_KEY="two", GROQ_API_KEY_2="three").groq.keys
    assert [(key.name, key.secret.reveal()) for key in keys] == [
        ("groq-key-1", "one"),
        ("MY_KEY", "two"),
        ("GROQ_API_KEY_2", "three"),
    ]
    assert "is the same key as" in refusal(tmp_path, text, MY_KEY="two", GROQ_API_KEY="one")
    assert "the environment has no MY_KEY" in refusal(tmp_path, text)


@pytest.mark.parametrize("variable", ["GROQ_BASE_URL", "GROQ_API_URL"])
@pytest.mark.parametrize(
    "url, prefix",
    [
        ("http://h:1", "/openai/v1"),
        ("http://h:1/", "/openai/v1"),
        ("http://h:1/openai/v1", "/openai/v1"),
        ("http://h:1/openai/v1/", "/openai/v1"),
        ("http://h:1/proxy", "/proxy/openai/v1"),
        ("http://h:1/v1", "/v1"),
    ],
)
def test_both_forms_of_the_upstream_are_understood(tmp_path: Path, variable: str, url: str, prefix: str) -> None:
    """The host root of the Groq SDK and the address that ends in /openai/v1, in either variable."""
    endpoint = load(tmp_path, **{variable: url}).groq.endpoints[0]
    assert (endpoint.origin, endpoint.prefix) == ("http://h:1", prefix)


def test_two_upstream_variables_must_agree(tmp_path: Path) -> None:
    """The same upstream in both forms is fine, two different ones are an error."""
    assert load(tmp_path, GROQ_BASE_URL="http://h", GROQ_API_URL="http://h/openai/v1").groq.endpoints
    assert "two different" in refusal(tmp_path, GROQ_BASE_URL="http://h", GROQ_API_URL="http://i/openai/v1")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, parts",
    [
        ("[server]\nprot = 1", ["headgate.toml, line 2", "server.prot", "no such key", "'port'"]),
        ("\n[sever]\nport = 1", ["headgate.toml, line 2", "sever", "'server'"]),
        ('[server]\n\nport = "80"', ["line 3", "server.port", "expected `int`, got `str`", "whole number"]),
        ("[server]\nport = true", ["line 2", "server.port", "got `bool`"]),
        ("[server]\nport = 70000", ["line 2", "<= 65535"]),
        ("[server]\nmax_body_bytes = 1", ["line 2", ">= 1024"]),
        ('[server]\nlog_level = "loud"', ["line 2", "use one of debug, info"]),
        ("server = 1", ["line 1", "server", "expected a table"]),
        ("[server]\nport = 99999", ["line 2", "expected `int` <= 65535", "Fix: write a whole number from 0 to 65535"]),
        (
            "[routes.x]\ncoalesce = { max_items = 1 }",
            ["max_items", "expected `int` >= 2", "Fix: write a whole number from 2 to 100"],
        ),
        (
            "[routes.x.similar]\nthreshold = 1.8",
            ["line 2", "threshold", "Fix: write a number from 0.5 to 1"],
        ),
        ("[cache]\nredis_ttl_s = 0", ["line 2", "Fix: write a number above 0 and up to 2592000"]),
        ('[webhooks.x]\nurl = ""', ["line 2", "Fix: write at least 1 character"]),
        (
            '[schedules.x]\ndaily = "25:00"',
            ["line 2", "schedules.x.daily", "Fix: write HH:MM in UTC, from 00:00 to 23:59, as 06:00"],
        ),
        (
            '[schedules.x]\nevery = "6 hours"',
            ["line 2", "schedules.x.every", "Fix: write a number from 1 to 9999 and m, h or d, as 15m, 6h or 1d"],
        ),
        ("[defaults]\ndeadline_s = nan", ["line 2", "defaults.deadline_s"]),
        ("[defaults]\ndeadline_s = -1", ["line 2", "> 0"]),
        ("[defaults]\nmax_attempts = 11", ["line 2", "<= 10"]),
        ("[routes.x]\n\nmax_atempts = 1", ["line 3", "routes.x.max_atempts", "'max_attempts'"]),
        ("[routes.x]\nmodels = 'a'", ["line 2", "routes.x.models", "expected a list"]),
        ("[routes.x]\nmodels = [\n'openai/gpt-oss-20b',\n'opnai/gpt-oss-20b']", ["line 4", "models[2]", "no model"]),
        ("[routes.x]\ntier = 'fsat'", ["line 2", "no tier", "'fast'"]),
        ("[routes.x]\nmax_calls = 1", ["routes.x.max_calls", "1 calls do not hold 2 attempts"]),
        ("[organisations.a]\nplan = 'fre'", ["line 2", "no plan", "'free'"]),
        ("[organisations.a.limits.'*']\nTPX = 1", ["line 2", "TPX", "use one of RPM"]),
        (
            "[models.'openai/gpt-oss-20b']\ntokens_per_ss = 1",
            ["line 2", "tokens_per_ss: no such key", "Fix: did you mean 'tokens_per_s'"],
        ),
        ("[[providers]]\nbase_url = 'http://h/v1'", ["line 1", "providers[1].name", "is missing"]),
        ("[[providers]]\nname = 'a'", ["line 1", "providers[1].base_url", "is missing"]),
        (
            "[[providers]]\nname='a'\nbase_url='http://h'\n[[providers]]\nname='a'\nbase_url='http://i'",
            ["line 5", "providers[2].name", "another provider"],
        ),
        ("[[providers]]\nname='groq'\nbase_url='http://h'", ["line 2", "another provider"]),
        ("[groq]\nbase_url = 'ftp://h'", ["line 2", "groq.base_url", "http://"]),
        ("[groq]\nendpoints = [\n'http://h',\n'http://u:p@h']", ["line 4", "groq.endpoints[2]"]),
        ("[groq]\nbase_url = 'http://h'\nendpoints = ['http://i']", ["line 2", "beside `endpoints`"]),
        ("[groq]\nkeys = [{}]", ["line 2", "groq.keys[1]", "`secret` or `env`"]),
        ("[groq]\nkeys = [{ secret = '' }]", ["line 2", "groq.keys[1].secret", "is empty"]),
        ("[auth]\npassthrough = 'sometimes'", ["line 2", "with-key, always, never"]),
        (f"[[auth.virtual_keys]]\n{ROW}\ntenant = ''", ["line 4", "auth.virtual_keys[1].tenant"]),
        ("[[auth.virtual_keys]]\nid = 'abcdefgh'\nhash = 'x'", ["line 3", "auth.virtual_keys[1].hash"]),
        (f"[[auth.virtual_keys]]\n{ROW}\n[[auth.virtual_keys]]\n{ROW}", ["line 5", "is the id of two keys"]),
        (f"[[auth.virtual_keys]]\n{ROW.replace('s1:', 'h1:')}", ["line 3", "auth.pepper is not set"]),
        (f"[[auth.virtual_keys]]\n{ROW}\nexpires = 2027-01-01", ["line 4", "expires", "with its zone"]),
        ("[env.production.server]\nprot = 1", ["line 2", "server.prot", "'port'"]),
        ("env = 1", ["line 1", "expected tables by name"]),
        ("[server]\nport = ", ["line 2", "is not TOML"]),
        ("a = 1\na = 2", ["line 2", "is not TOML"]),
        ("[server]\nport = 1" + "0" * 5_000, ["headgate.toml"]),
        ('[routes.x]\nmodels = ["openai/gpt-oss-20b"]\ntier = "fast"', ["line 3", "routes.x.tier", "headgate/fast"]),
    ],
)
def test_wrong_file_is_refused_with_line_key_and_fix(tmp_path: Path, text: str, parts: list[str]) -> None:
    """The message leads to the line, names the key and what is wrong with it, and says what to write."""
    message = refusal(tmp_path, text)
    assert all(part in message for part in parts), message
    assert "Fix: " in message


@pytest.mark.parametrize(
    "text, parts",
    [
        ("server:\n  prot: 1", ["headgate.yaml, line 2", "server.prot", "'port'"]),
        ("server:\n  port: '80'", ["line 2", "expected `int`, got `str`"]),
        ("server:\n  port: 1\n  port: 2", ["line 3", "server.port", "given twice"]),
        ("server: [", ["is not YAML"]),
        ("- a", ["line 1", "not a table"]),
        ("1: 2", ["line 1", "not text"]),
        ("a: &x [*x]", ["headgate.yaml"]),
        ("server: !!python/object:os.system {}", ["line 1"]),
        ("auth: {virtual_keys: [{id: 2001-99-99}]}", ["headgate.yaml"]),
        ("routes:\n  x:\n    models:\n      - openai/gpt-oss-20b\n      - 7", ["line 5", "routes.x.models[2]"]),
    ],
)
def test_wrong_yaml_is_refused_with_its_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    """YAML is as strict as TOML: no key twice, no objects, no aliases without end."""
    message = refusal(tmp_path, text, "headgate.yaml")
    assert all(part in message for part in parts), message


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    """A few lines cannot grow to millions of nodes."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "nodes" in refusal(tmp_path, "\n".join(lines), "headgate.yaml")


@pytest.mark.parametrize(
    "environ, parts",
    [
        ({"HEADGATE_PROT": "1"}, ["HEADGATE_PROT", "means no setting", "'HEADGATE_PORT'"]),
        ({"HEADGATE_SERVER__PROT": "1"}, ["means no setting", "'HEADGATE_SERVER__PORT'"]),
        ({"HEADGATE_SERVR__PORT": "1"}, ["means no setting", "'HEADGATE_SERVER__PORT'"]),
        ({"HEADGATE_SERVER__PORT__X": "1"}, ["goes deeper"]),
        ({"HEADGATE_SERVER__PORT": "abc"}, ["environment variable HEADGATE_SERVER__PORT", "server.port", "number"]),
        ({"HEADGATE_PORT": "99999"}, ["environment variable HEADGATE_PORT", "65535"]),
        ({"HEADGATE_SERVER__INSECURE_OPEN": "maybe"}, ["HEADGATE_SERVER__INSECURE_OPEN", "true or false"]),
        ({"HEADGATE_ENV": "prodution"}, ["HEADGATE_ENV", "'production'"]),
        ({"GROQ_BASE_URL": "api.groq.com"}, ["GROQ_BASE_URL", "http://"]),
    ],
)
def test_wrong_environment_is_refused_by_its_name(tmp_path: Path, environ: dict[str, str], parts: list[str]) -> None:
    """A misspelt variable is an error, not something that silently does nothing."""
    message = refusal(tmp_path, TOML, **environ)
    assert all(part in message for part in parts), message


def test_overlay_that_is_not_chosen_is_checked_too(tmp_path: Path) -> None:
    """What would fail in production fails on the desk."""
    text = "[env.staging.server]\nport = 1\n[env.production.server]\nport = 'x'"
    assert "line 4" in refusal(tmp_path, text, HEADGATE_ENV="staging")


@pytest.mark.parametrize(
    "host, text, environ, may_listen",
    [
        ("127.0.0.1", "", {}, True),
        ("127.8.8.8", "", {}, True),
        ("::1", "", {}, True),
        ("localhost", "", {}, True),
        ("0.0.0.0", "", {}, False),
        ("::", "", {}, False),
        ("192.168.1.4", "", {}, False),
        ("example.com", "", {}, False),
        ("127.0.0.1.example.com", "", {}, False),
        ("0.0.0.0", f"[[auth.virtual_keys]]\n{ROW}", {}, True),
        ("0.0.0.0", "", {"HEADGATE_SERVER__INSECURE_OPEN": "true"}, True),
    ],
)
def test_open_door_listens_on_loopback_only(
    tmp_path: Path, host: str, text: str, environ: dict[str, str], may_listen: bool
) -> None:
    """Without virtual keys nobody beyond this machine is let in, unless the operator insists."""
    if may_listen:
        assert load(tmp_path, text, HEADGATE_HOST=host, **environ).server.host == host
    else:
        assert "insecure_open" in refusal(tmp_path, text, HEADGATE_HOST=host, **environ)


# Secrets and nonsense -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f'[groq]\nkeys = [{{ secret = "{CANARY}" }}]\n[server]\nport = "x"',
        f'[groq]\nkeys = [{{ secret = "{CANARY}", nmae = "x" }}]',
        f'[groq]\nkeys = ["{CANARY}"]',
        f'[groq]\nkeys = "{CANARY}"',
        f'[groq]\nsecret = "{CANARY}"',
        f"[groq]\n{CANARY} = 1",
        f'[groq]\nbase_url = "http://user:{CANARY}@host"',
        f'[groq]\nbase_url = "http://host?key={CANARY}"',
        f'[groq]\nkeys = [{{ secret = "{CANARY} " }}]',
        f'[groq]\nkeys = [{{ secret = "{CANARY}" }}, {{ secret = "{CANARY}" }}]',
        f'[auth]\npepper = "{CANARY}"\npasthrough = 1',
        f'[server]\nlog_level = "{CANARY}"',
        f'[server]\nhost = "{CANARY} "',
        f'pepper = "{CANARY}',
    ],
)
def test_refusal_shows_no_secret(tmp_path: Path, text: str) -> None:
    """Neither the message nor a traceback with all local variables holds a secret, of the file or the environment."""
    with pytest.raises(InvalidSettings) as raised:
        load(tmp_path, text, GROQ_API_KEY_7=CANARY + "7")
    own_frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    shown = [frame for frame in own_frames.stack if "/src/headgate/" in frame.filename]
    assert shown
    assert CANARY not in f"{raised.value} {raised.value!r} {vars(raised.value)} {[frame.locals for frame in shown]}"
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_settings_show_no_secret(tmp_path: Path) -> None:
    """Printed settings can stand in a bug report."""
    text = f'[groq]\nkeys = [{{ secret = "{CANARY}" }}]\n[auth]\npepper = "{CANARY}2"'
    read = load(tmp_path, text, GROQ_API_KEY=CANARY + "3")
    assert CANARY not in f"{read!r} {read}"
    with pytest.raises(TypeError):
        msgspec.json.encode(read)


SECTIONS = st.sampled_from(
    [
        "server",
        "groq",
        "providers",
        "routes",
        "auth",
        "env",
        "models",
        "organisations",
        "defaults",
        "local",
        "cache",
        "x",
    ]
)
KEYS = st.sampled_from(
    [
        "port",
        "host",
        "keys",
        "name",
        "base_url",
        "default",
        "models",
        "virtual_keys",
        "id",
        "plan",
        "tier",
        "limits",
        "*",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.datetimes()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@settings(max_examples=150, deadline=None)
@given(values=st.dictionaries(SECTIONS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_no_file_raises_anything_but_invalid_settings(tmp_path_factory: pytest.TempPathFactory, values: object) -> None:
    """Whatever stands in a file is either settings or a refusal."""
    import yaml

    _try(tmp_path_factory.getbasetemp() / "fuzz.yaml", yaml.safe_dump(values).encode(), {})


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=60) | st.text("[]{}=\"'.#\n a1_-:&*!|>@", max_size=60).map(str.encode))
def test_no_bytes_raise_anything_but_invalid_settings(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Neither reader lets an error of its own through."""
    for name in ("fuzz_bytes.toml", "fuzz_bytes.yaml"):
        _try(tmp_path_factory.getbasetemp() / name, raw, {})


@settings(max_examples=150, deadline=None)
@given(
    environ=st.dictionaries(
        st.sampled_from(["HEADGATE_", "GROQ_API_KEY", "GROQ_ORG_", "GROQ_BASE_URL", "HEADGATE_ENV"]).flatmap(
            lambda start: st.text("_12PORTSEVRAUHMDLGQK", max_size=14).map(lambda end: start + end)
        ),
        st.text(max_size=12),
        max_size=4,
    )
)
def test_no_environment_raises_anything_but_invalid_settings(
    tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]
) -> None:
    """Whatever the environment holds is either settings or a refusal."""
    _try(tmp_path_factory.getbasetemp() / "fuzz_env.toml", b"", environ)


def _try(path: Path, raw: bytes, environ: dict[str, str]) -> None:
    path.write_bytes(raw)
    refused = None
    try:
        load_settings(path, environ)
    except InvalidSettings as error:
        refused = error
    assert refused is None or "Fix: " in str(refused)

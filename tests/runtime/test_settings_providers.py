"""Providers besides Groq: known ones by their keys, one's own servers by their address, chains and strategies."""

from pathlib import Path

import pytest

from headgate.assembly import catalog_of
from headgate.catalog import DialectName
from headgate.runtime.settings import Failover, InvalidSettings, Strategy, load_settings

OWN_SERVER = """
[[providers]]
name = "ollama"
base_url = "http://127.0.0.1:11434/v1"
models = ["llama-local"]
"""

TWO_OF_A_NAME = """
[groq]
keys = [{ name = "main", secret = "gsk_a" }]
[[providers]]
name = "mistral"
keys = [{ name = "main", secret = "m-1" }]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "headgate.toml"
    path.write_text(text)
    return path


def test_known_providers_take_part_once_they_have_a_key(tmp_path: Path) -> None:
    """A key in the environment is enough: address and dialect are known, and the order is that of the default chain."""
    environ = {
        "OPENROUTER_API_KEY": "or-1",
        "OPENAI_API_KEY": "sk-1",
        "OPENAI_API_KEY_2": "sk-2",
        "MISTRAL_API_KEY": "",
    }
    settings = load_settings(written(tmp_path, ""), environ)
    assert [provider.name for provider in settings.providers] == ["groq", "openai", "openrouter"]
    openai = settings.providers[1]
    assert [key.name for key in openai.keys] == ["OPENAI_API_KEY", "OPENAI_API_KEY_2"]
    assert (openai.dialect, openai.endpoints[0].origin) == (DialectName.OPENAI, "https://api.openai.com")
    assert not settings.uses_simulator
    assert catalog_of(settings).chain == ("groq", "openai", "openrouter")


def test_own_server_needs_an_address_and_no_key(tmp_path: Path) -> None:
    """vLLM, Ollama and their like: models are asked for with the provider's name before them, or by their bare name."""
    settings = load_settings(written(tmp_path, OWN_SERVER), {})
    ollama = settings.providers[-1]
    assert ollama.dialect is DialectName.COMPATIBLE
    assert [key.secret.reveal() for key in ollama.keys] == [""]
    catalog = catalog_of(settings)
    for name in ("ollama/llama-local", "llama-local"):
        resolution = catalog.resolve(name)
        assert resolution is not None
        assert resolution.candidates == ("ollama/llama-local",)
        assert resolution.elsewhere[0] == "openai/gpt-oss-120b"


def test_own_server_says_more_of_its_model(tmp_path: Path) -> None:
    """`[models."NAME/MODEL"]` adds to what the list of the provider says; nothing has to be said twice."""
    more = '[models."ollama/llama-local"]\ncontext_window_tokens = 8_000\ntiers = ["fast"]\n'
    model = catalog_of(load_settings(written(tmp_path, OWN_SERVER + more), {})).model("llama-local")
    assert model is not None
    assert (model.provider, model.sent_as(), model.context_window_tokens) == ("ollama", "llama-local", 8_000)


def test_known_provider_may_stand_in_the_file(tmp_path: Path) -> None:
    """Its table needs no address; a proxy of it has one; keys of file and environment go together."""
    text = '[[providers]]\nname = "mistral"\nbase_url = "http://h:1/v1"\nkeys = [{ secret = "m-file" }]\n'
    mistral = load_settings(written(tmp_path, text), {"MISTRAL_API_KEY": "m-env"}).providers[1]
    assert mistral.dialect is DialectName.MISTRAL
    assert mistral.endpoints[0].origin == "http://h:1"
    assert [key.secret.reveal() for key in mistral.keys] == ["m-file", "m-env"]


def test_route_has_a_chain_a_strategy_and_weights(tmp_path: Path) -> None:
    """What a route leaves out comes from the default route, then from the defaults."""
    text = """
[defaults]
strategy = "least-cost"
[routes.default]
providers = ["groq", "mistral"]
[routes.spread]
models = ["openai/gpt-oss-20b", "openai/gpt-oss-120b"]
strategy = "weighted"
weights = { "openai/gpt-oss-20b" = 30, "openai/gpt-oss-120b" = 70 }
failover = "at-once"
"""
    settings = load_settings(written(tmp_path, text), {})
    default, spread = settings.routes["default"], settings.routes["spread"]
    assert (default.strategy, default.failover) == (Strategy.LEAST_COST, Failover.AFTER_WAIT)
    assert (spread.strategy, spread.failover) == (Strategy.WEIGHTED, Failover.AT_ONCE)
    assert spread.providers == ("groq", "mistral")
    assert spread.weights == {"openai/gpt-oss-20b": 30, "openai/gpt-oss-120b": 70}


@pytest.mark.parametrize(
    "text, environ, says",
    [
        ('[routes.r]\nproviders = ["opnai"]', {}, ["routes.r.providers", "openai"]),
        ('[routes.r]\nstrategy = "fastest"', {}, ["routes.r.strategy"]),
        ('[routes.r]\nweights = { "openai/gpt-oss-2b" = 1 }', {}, ["line 2", "weighs nobody", "openai/gpt-oss-20b"]),
        ("[routes.r]\nweights = { groqq = 1 }", {}, ["routes.r.weights.groqq", "the name of a provider"]),
        (TWO_OF_A_NAME, {}, ["main", "groq", "mistral"]),
        ("", {"OPENAI_API_KEY": "a", "OPENAI_API_KEY_1": "b"}, ["both give key 1"]),
        ("", {"GEMINI_API_KEY_X": "a"}, ["GEMINI_API_KEY_1"]),
        ("", {"MISTRAL_API_KEY": "a b"}, ["MISTRAL_API_KEY"]),
    ],
)
def test_mistake_is_named(tmp_path: Path, text: str, environ: dict[str, str], says: list[str]) -> None:
    """The message names the key or the variable, and what was meant."""
    with pytest.raises(InvalidSettings) as caught:
        load_settings(written(tmp_path, text), environ)
    for part in says:
        assert part in str(caught.value)

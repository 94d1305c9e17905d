"""The libraries with which people call Groq, each a program in an environment of its own against a served gateway.

The gateway is what `./run` starts: no key, the built-in simulator on its free plan. Each library gets its own, so that
none uses up what another needs.
"""

import json
import subprocess
from itertools import product
from typing import Any

import pytest
from tests.cli.commands import ROOT, address, environment, started
from tests.clients.programs.asked import LARGE, SMALL, Trip, Weather

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
LIBRARIES = ("instructor", "langchain_groq", "litellm", "llama_index", "pydantic_ai")
KINDS = ("chat", "stream", "tool", "structured")
CLIENT = {
    "PYTHONPATH": "",
    "NO_PROXY": "127.0.0.1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it asks the network for prices when it is imported
    "LANGSMITH_TRACING": "false",
}
WITHIN_S = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv-clients: ./test without arguments installs it"),
]


def outcomes(library: str, root: str) -> dict[str, dict[str, Any]]:
    """What the library's program told of each of its cases."""
    done = subprocess.run(
        [PYTHON, "-m", f"tests.clients.programs.{library}", root],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        env=environment(CLIENT),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {outcome.pop("case"): outcome for outcome in told}


def judge(case: str, told: dict[str, Any]) -> None:
    """An assertion fails where the outcome is not what the case asked for."""
    assert "failed" not in told, told["failed"]
    match case.partition(",")[0]:
        case "chat":
            assert told["text"].strip()
            assert told["tokens"] > 0, "an answer that no model gave"
            assert told["model"] in {SMALL, LARGE, None}
        case "stream":
            assert len(told["pieces"]) > 1
            assert "".join(told["pieces"]).strip()
        case "tool":
            assert told["call"].lower() == "weather"
            Weather.model_validate(told["arguments"], strict=True)
            assert told["text"] is None or told["text"].strip()
        case "structured":
            Trip.model_validate(told["value"], strict=True)
        case kind:
            pytest.fail(f"nothing says how to judge {kind!r}")


@pytest.mark.parametrize("library", LIBRARIES)
def test_library_completes_every_case(library: str) -> None:
    """A chat, a stream, a tool call and a structured answer, blocking and not; a retired model is served too."""
    with started("serve", "--port", "0") as (_, said):
        told = outcomes(library, address(said))
    asked = {(case.partition(",")[0], "async" in case) for case in told}
    assert asked == set(product(KINDS, (False, True)))
    assert any("retired model" in case for case in told)
    for case, outcome in told.items():
        judge(case, outcome)


@pytest.mark.parametrize(
    "case, told",
    [
        ("chat", {"failed": "Traceback"}),
        ("chat", {"text": " ", "tokens": 5, "model": SMALL}),
        ("chat", {"text": "No model can answer now.", "tokens": 0, "model": SMALL}),
        ("chat, async", {"text": "Hello", "tokens": 5, "model": "headgate/local"}),
        ("stream", {"pieces": ["whole"]}),
        ("stream", {"pieces": ["", ""]}),
        ("tool", {"call": "wether", "arguments": {"city": "Pune", "unit": "celsius", "days": 1}, "text": "Rain"}),
        ("tool", {"call": "weather", "arguments": {"city": "Pune", "unit": "kelvin", "days": 1}, "text": "Rain"}),
        ("tool", {"call": "weather", "arguments": {"city": "Pune", "unit": "celsius", "days": "1"}, "text": "Rain"}),
        ("tool", {"call": "weather", "arguments": {"city": "Pune", "unit": "celsius", "days": 1}, "text": ""}),
        ("structured", {"value": {"title": "Hills", "season": "winter"}}),
        ("structured", {"value": None}),
    ],
)
def test_what_is_not_an_answer_is_seen(case: str, told: dict[str, Any]) -> None:
    """The judge above lets none of these through."""
    with pytest.raises((AssertionError, ValueError)):
        judge(case, told)

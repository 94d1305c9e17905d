"""The keyword arguments of the in-process door: one list, the same controls as over HTTP."""

import inspect
import subprocess
import sys

import msgspec
import pytest

import headgate
import headgate.sdk
from headgate import Headgate, HeadgateSync, InvalidRequest
from headgate.sdk.options import CONTROL_FIELDS, ChatOptions, body_of

NAMES = set(ChatOptions.__annotations__)


def test_every_control_is_an_argument() -> None:
    """A control that HTTP has and the SDK has not would be a second list."""
    assert CONTROL_FIELDS - {"background", "webhook"} <= NAMES, "those two are arguments of `converse`"


@pytest.mark.parametrize("method", [Headgate.chat, Headgate.stream, HeadgateSync.chat, HeadgateSync.stream])
def test_help_shows_every_argument(method: object) -> None:
    """All four methods show the same keywords in their signature."""
    shown = inspect.signature(method).parameters  # type: ignore[arg-type]
    assert set(shown) >= NAMES
    assert all(shown[name].kind is inspect.Parameter.KEYWORD_ONLY for name in NAMES)


def test_body_is_what_a_client_would_send() -> None:
    """Controls go into the `headgate` object, parameters into the body, a keyword beats `extra_body`."""
    options = {"agent": "a", "user": "u", "top_p": 0.5, "seed": None, "extra_body": {"top_p": 1, "n": 1}}
    body = msgspec.json.decode(body_of("hi", None, options, stream=True))
    assert body == {
        "model": "headgate/auto",
        "messages": [{"role": "user", "content": "hi"}],
        "top_p": 0.5,
        "n": 1,
        "user": "u",
        "stream": True,
        "headgate": {"agent": "a", "user": "u"},
    }


def test_controls_in_extra_body_are_kept() -> None:
    """They are laid under the keywords."""
    extra = {"headgate": {"agent": "under", "task": "t"}}
    body = msgspec.json.decode(body_of("hi", "m", {"agent": "over", "extra_body": extra}, stream=False))
    assert body["headgate"] == {"agent": "over", "task": "t"}
    assert "stream" not in body


@pytest.mark.parametrize("extra", ["text", [1]])
def test_extra_body_that_is_no_mapping(extra: object) -> None:
    """Said so, by name."""
    with pytest.raises(InvalidRequest, match="extra_body"):
        body_of("hi", None, {"extra_body": extra}, stream=False)


def test_public_names_are_there_and_cost_nothing_before() -> None:
    """Everything that `headgate` names can be had; importing it alone loads none of it."""
    assert all(getattr(headgate, name) is getattr(headgate.sdk, name) for name in headgate.__all__)
    program = "import sys, headgate; print(len([name for name in sys.modules if name.startswith('headgate')]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "1"

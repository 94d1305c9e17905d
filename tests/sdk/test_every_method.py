"""Every method of the groq, openai and anthropic SDKs that has an endpoint here is driven, blocking and awaited.

The methods are read off the SDKs as installed: one that is neither in `sdk_calls` nor excepted below fails the test.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import anthropic
import groq
import openai
import pytest
from tests.cli.commands import address, started
from tests.sdk.sdk_calls import CALLS, opened

RESOURCES = {
    "groq": ("chat", "embeddings", "audio", "models", "files", "batches"),
    "openai": ("chat", "responses", "embeddings", "audio", "moderations", "models", "files", "batches"),
    "anthropic": ("messages",),
}
"""What we offer of each SDK; the rest of OpenAI's and Anthropic's has no endpoint at Groq or here."""

HOWS = ("blocking", "awaited")
DEPRECATED = "ignore::DeprecationWarning"
"""What an SDK advises against is driven all the same."""
VIEWS = ("with_raw_response", "with_streaming_response")

EXCEPTED = {
    "groq.models.delete": "deletes a fine-tuned model; there are none",
    "openai.models.delete": "deletes a fine-tuned model; there are none",
    **{
        f"openai.chat.completions.{name}": "manages completions that OpenAI stored; nothing is stored here"
        for name in ("list", "retrieve", "update", "delete", "messages.list", *(f"messages.{view}" for view in VIEWS))
    },
    **{
        f"openai.responses.{name}": "manages responses that OpenAI stored; ours are stateless, as Groq's are"
        for name in ("retrieve", "cancel", "delete", "input_items.list", *(f"input_items.{view}" for view in VIEWS))
    },
    "openai.responses.compact": "makes items that only OpenAI can read again",
    "openai.responses.connect": "a websocket, which Groq does not offer",
    **{
        f"openai.responses.input_tokens.{name}": "not offered by Groq; Anthropic's count_tokens is"
        for name in ("count", *VIEWS)
    },
    **{
        f"openai.audio.{name}": "voices of one's own are OpenAI's only"
        for name in (
            *(f"voice_consents.{name}" for name in ("create", "retrieve", "update", "list", "delete", *VIEWS)),
            *(f"voices.{name}" for name in ("create", "delete", *VIEWS)),
        )
    },
    **{
        f"anthropic.messages.batches.{name}": "batches are taken in the form of OpenAI and Groq"
        for name in ("create", "retrieve", "list", "delete", "cancel", "results", *VIEWS)
    },
}
"""Methods that belong to these resources and are not offered, with the reason."""

CLIENTS: dict[tuple[str, str], Callable[..., Any]] = {
    ("groq", "blocking"): groq.Groq,
    ("groq", "awaited"): groq.AsyncGroq,
    ("openai", "blocking"): openai.OpenAI,
    ("openai", "awaited"): openai.AsyncOpenAI,
    ("anthropic", "blocking"): anthropic.Anthropic,
    ("anthropic", "awaited"): anthropic.AsyncAnthropic,
}
TRANSPORTS: dict[tuple[str, str], Callable[..., Any]] = {
    ("groq", "blocking"): groq.DefaultHttpxClient,
    ("groq", "awaited"): groq.DefaultAsyncHttpxClient,
    ("openai", "blocking"): openai.DefaultHttpxClient,
    ("openai", "awaited"): openai.DefaultAsyncHttpxClient,
    ("anthropic", "blocking"): anthropic.DefaultHttpxClient,
    ("anthropic", "awaited"): anthropic.DefaultAsyncHttpxClient,
}


def client(sdk: str, how: str, root: str = "http://127.0.0.1:9") -> Any:
    """An SDK's client for a gateway. Certificates, which nothing here uses, would take longer than the calls."""
    transport = TRANSPORTS[sdk, how](verify=False)
    base = f"{root}/v1" if sdk == "openai" else root
    return CLIENTS[sdk, how](base_url=base, api_key="any", max_retries=0, http_client=transport)


def methods(resource: Any, name: str) -> Iterator[str]:
    """The public methods below a resource; its views count where it has methods of its own to look at."""
    public = [attribute for attribute in dir(resource) if not attribute.startswith("_")]
    own = {attribute for attribute in public if attribute not in VIEWS and callable(getattr(resource, attribute))}
    yield from (f"{name}.{attribute}" for attribute in sorted(own))
    for attribute in public:
        below = getattr(resource, attribute)
        if attribute in VIEWS:
            yield from [f"{name}.{attribute}"] if own else []
        elif attribute not in own and type(below).__module__.startswith(f"{name.partition('.')[0]}.resources"):
            yield from methods(below, f"{name}.{attribute}")


def all_methods(how: str) -> set[str]:
    """Of every SDK's clients of one kind."""
    return {
        method
        for sdk, names in RESOURCES.items()
        for resource in names
        for method in methods(getattr(client(sdk, how), resource), f"{sdk}.{resource}")
    }


@pytest.mark.parametrize("how", HOWS)
def test_no_method_is_forgotten(how: str) -> None:
    """Each is driven or excepted, never both, and nothing is named that the SDK does not have."""
    found = all_methods(how)
    assert found - CALLS.keys() - EXCEPTED.keys() == set()
    assert (CALLS.keys() | EXCEPTED.keys()) - found == set()
    assert CALLS.keys() & EXCEPTED.keys() == set()


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A gateway as `./run` starts it for each SDK, so that none uses up another's free plan; with its own store."""
    with ExitStack() as stack:

        @cache
        def root(sdk: str) -> str:
            kept = tmp_path_factory.mktemp(sdk) / "headgate.sqlite3"
            environ = {"HEADGATE_STORE__ENABLED": "true", "HEADGATE_STORE__PATH": str(kept)}
            _, said = stack.enter_context(started("serve", "--port", "0", environ=environ))
            return address(said)

        yield root


async def drive(name: str, how: str, roots: Callable[[str], str]) -> None:
    """Make the call of a method with a client of its own."""
    sdk = name.partition(".")[0]
    async with opened(client(sdk, how, roots(sdk))) as made:
        await CALLS[name](made)


@pytest.mark.filterwarnings(DEPRECATED)
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", sorted(CALLS))
async def test_method_is_driven(name: str, how: str, roots: Callable[[str], str]) -> None:
    """It does what the SDK promises of it, against a gateway over the built-in simulator."""
    await drive(name, how, roots)

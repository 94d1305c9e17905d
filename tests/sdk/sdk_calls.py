"""One small call for each method of the groq, openai and anthropic SDKs that has an endpoint here.

Each call is written once and takes a blocking client or one that awaits: `got`, `every` and `opened` see to the
difference. A call fails by assertion or by what the SDK raises.
"""

import inspect
import io
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from pydantic import BaseModel

Call: TypeAlias = Callable[[Any], Awaitable[None]]

SMALL = "openai/gpt-oss-20b"
LARGE = "openai/gpt-oss-120b"
"""Each has 30 requests a minute on the free plan, so the calls are shared between them."""
TEXT = "Say hello. [[tokens=20]]"
MESSAGES = [{"role": "user", "content": TEXT}]
CHAT: dict[str, Any] = {"model": SMALL, "messages": MESSAGES}
RESPONSE: dict[str, Any] = {"model": LARGE, "input": TEXT}
MESSAGE: dict[str, Any] = {"model": SMALL, "messages": MESSAGES, "max_tokens": 200}
EMBEDDING: dict[str, Any] = {"model": "headgate/local-embeddings", "input": ["a headgate", "a channel"]}
MODERATION: dict[str, Any] = {"model": "openai/gpt-oss-safeguard-20b", "input": "How do I grow tomatoes?"}
SPEECH: dict[str, Any] = {
    "model": "canopylabs/orpheus-v1-english",
    "input": "Hello.",
    "voice": "hannah",
    "response_format": "wav",
}


class City(BaseModel):
    """What a structured answer is to be."""

    name: str
    people: int


def silence() -> tuple[str, bytes]:
    """A named recording of one second in which nobody speaks."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32_000))
    return "silence.wav", file.getvalue()


TRANSCRIPTION: dict[str, Any] = {"model": "whisper-large-v3-turbo", "file": silence()}
TRANSLATION: dict[str, Any] = {"model": "whisper-large-v3", "file": silence()}


async def got(value: Any) -> Any:
    """The value, awaited where it has to be."""
    return await value if inspect.isawaitable(value) else value


async def every(stream: Any) -> list[Any]:
    """All that comes out of a stream of either kind."""
    if hasattr(stream, "__aiter__"):
        return [item async for item in stream]
    return list(stream)


@asynccontextmanager
async def opened(manager: Any) -> AsyncIterator[Any]:
    """A context of either kind."""
    if hasattr(manager, "__aenter__"):
        async with manager as entered:
            yield entered
    else:
        with manager as entered:
            yield entered


CALLS: dict[str, Call] = {}
"""By the name of the method, the SDK's first: `groq.chat.completions.create`."""


def drives(*names: str) -> Callable[[Call], Call]:
    """Enter a call under the methods that it drives; it is given the client."""

    def enter(call: Call) -> Call:
        for name in names:
            assert name not in CALLS, name
            CALLS[name] = call
        return call

    return enter


@drives("groq.chat.completions.create", "openai.chat.completions.create")
async def completes(client: Any) -> None:
    whole = await got(client.chat.completions.create(**CHAT))
    assert whole.choices[0].message.content
    assert whole.usage.total_tokens > 0
    chunks = await every(await got(client.chat.completions.create(**CHAT, stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


@drives("openai.chat.completions.parse")
async def completes_typed(client: Any) -> None:
    answer = await got(client.chat.completions.parse(**CHAT, response_format=City))
    assert isinstance(answer.choices[0].message.parsed, City)


@drives("openai.chat.completions.stream")
async def completes_in_events(client: Any) -> None:
    async with opened(client.chat.completions.stream(**CHAT, response_format=City)) as stream:
        kinds = {event.type for event in await every(stream)}
        final = await got(stream.get_final_completion())
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert isinstance(final.choices[0].message.parsed, City)


@drives("groq.models.list", "openai.models.list")
async def lists_models(client: Any) -> None:
    assert SMALL in {model.id for model in (await got(client.models.list())).data}


@drives("groq.models.retrieve", "openai.models.retrieve")
async def retrieves_a_model(client: Any) -> None:
    assert (await got(client.models.retrieve(SMALL))).id == SMALL


@drives("groq.embeddings.create", "openai.embeddings.create")
async def embeds(client: Any) -> None:
    made = await got(client.embeddings.create(**EMBEDDING))
    assert [row.index for row in made.data] == [0, 1]
    assert len(made.data[0].embedding) == len(made.data[1].embedding) > 0


@drives("openai.moderations.create")
async def moderates(client: Any) -> None:
    assert (await got(client.moderations.create(**MODERATION))).results[0].flagged is False


@drives("groq.audio.speech.create", "openai.audio.speech.create")
async def speaks(client: Any) -> None:
    spoken = await got(client.audio.speech.create(**SPEECH))
    assert (await got(spoken.read())).startswith(b"RIFF")


@drives("groq.audio.transcriptions.create", "openai.audio.transcriptions.create")
async def transcribes(client: Any) -> None:
    create = client.audio.transcriptions.create
    assert (await got(create(**TRANSCRIPTION))).text
    told = await got(create(**TRANSCRIPTION, response_format="verbose_json"))
    assert told.duration == 1.0


@drives("groq.audio.translations.create", "openai.audio.translations.create")
async def translates(client: Any) -> None:
    assert (await got(client.audio.translations.create(**TRANSLATION))).text


@drives("openai.responses.create")
async def responds(client: Any) -> None:
    whole = await got(client.responses.create(**RESPONSE))
    assert whole.output_text
    events = await every(await got(client.responses.create(**RESPONSE, stream=True)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"


@drives("openai.responses.parse")
async def responds_typed(client: Any) -> None:
    assert isinstance((await got(client.responses.parse(**RESPONSE, text_format=City))).output_parsed, City)


@drives("openai.responses.stream")
async def responds_in_events(client: Any) -> None:
    async with opened(client.responses.stream(**RESPONSE)) as stream:
        kinds = {event.type for event in await every(stream)}
        final = await got(stream.get_final_response())
    assert {"response.output_text.delta", "response.completed"} <= kinds
    assert final.output_text


async def a_file(client: Any) -> Any:
    """A batch's input with one line, as it was stored."""
    line = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": CHAT}
    file = ("lines.jsonl", json.dumps(line).encode() + b"\n")
    return await got(client.files.create(file=file, purpose="batch"))


@drives("groq.files.create", "openai.files.create")
async def stores_a_file(client: Any) -> None:
    assert (await a_file(client)).filename == "lines.jsonl"


@drives("groq.files.list", "openai.files.list")
async def lists_files(client: Any) -> None:
    stored = await a_file(client)
    assert stored.id in {file.id for file in (await got(client.files.list())).data}


@drives("groq.files.content", "openai.files.content")
async def reads_a_file(client: Any) -> None:
    content = await got(client.files.content((await a_file(client)).id))
    assert json.loads(await got(content.read()))["custom_id"] == "one"


@drives("openai.files.retrieve_content")
async def reads_a_file_in_the_old_way(client: Any) -> None:
    stored = await a_file(client)
    assert '"one"' in await got(client.files.retrieve_content(stored.id))


@drives("groq.files.info")
async def is_told_of_a_file(client: Any) -> None:
    stored = await a_file(client)
    assert (await got(client.files.info(stored.id))).bytes == stored.bytes


@drives("openai.files.retrieve")
async def retrieves_a_file(client: Any) -> None:
    stored = await a_file(client)
    assert (await got(client.files.retrieve(stored.id))).bytes == stored.bytes


@drives("openai.files.wait_for_processing")
async def waits_for_a_file(client: Any) -> None:
    waiting = client.files.wait_for_processing((await a_file(client)).id, poll_interval=0.01, max_wait_seconds=1)
    assert (await got(waiting)).status == "processed"


@drives("groq.files.delete", "openai.files.delete")
async def deletes_a_file(client: Any) -> None:
    stored = await a_file(client)
    assert (await got(client.files.delete(stored.id))).deleted
    assert stored.id not in {file.id for file in (await got(client.files.list())).data}


async def a_batch(client: Any) -> Any:
    """A batch of one line, as it was accepted."""
    source = (await a_file(client)).id
    endpoint = "/v1/chat/completions"
    return await got(client.batches.create(input_file_id=source, endpoint=endpoint, completion_window="24h"))


@drives("groq.batches.create", "openai.batches.create")
async def begins_a_batch(client: Any) -> None:
    assert (await a_batch(client)).status in {"validating", "in_progress", "finalizing", "completed"}


@drives("groq.batches.retrieve", "openai.batches.retrieve")
async def retrieves_a_batch(client: Any) -> None:
    begun = await a_batch(client)
    assert (await got(client.batches.retrieve(begun.id))).input_file_id == begun.input_file_id


@drives("groq.batches.list", "openai.batches.list")
async def lists_batches(client: Any) -> None:
    begun = await a_batch(client)
    assert begun.id in {batch.id for batch in (await got(client.batches.list())).data}


@drives("groq.batches.cancel", "openai.batches.cancel")
async def cancels_a_batch(client: Any) -> None:
    """One line may be done before the cancelling arrives."""
    begun = await a_batch(client)
    assert (await got(client.batches.cancel(begun.id))).status in {"cancelling", "cancelled", "completed"}


@drives("anthropic.messages.create")
async def answers_a_message(client: Any) -> None:
    whole = await got(client.messages.create(**MESSAGE))
    assert any(block.type == "text" and block.text for block in whole.content)
    events = await every(await got(client.messages.create(**MESSAGE, stream=True)))
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]


@drives("anthropic.messages.stream")
async def answers_a_message_in_events(client: Any) -> None:
    async with opened(client.messages.stream(**MESSAGE)) as stream:
        assert "".join(await every(stream.text_stream))
        assert (await got(stream.get_final_message())).stop_reason == "end_turn"


@drives("anthropic.messages.parse")
async def answers_a_message_typed(client: Any) -> None:
    answer = await got(client.messages.parse(**MESSAGE, output_format=City))
    assert isinstance(answer.parsed_output, City)


@drives("anthropic.messages.count_tokens")
async def counts_the_tokens_of_a_message(client: Any) -> None:
    assert (await got(client.messages.count_tokens(model=SMALL, messages=MESSAGES))).input_tokens > 0


async def _reads_raw(client: Any, resource: str, method: str, arguments: Mapping[str, Any]) -> None:
    """What `with_raw_response` adds: the headers, and the body parsed when one likes."""
    raw = await got(getattr(_at(client, resource).with_raw_response, method)(**arguments))
    assert raw.headers["x-request-id"]
    assert await got(raw.parse()) is not None


async def _reads_streaming(client: Any, resource: str, method: str, arguments: Mapping[str, Any]) -> None:
    """What `with_streaming_response` adds: the headers before the body."""
    async with opened(getattr(_at(client, resource).with_streaming_response, method)(**arguments)) as reply:
        assert reply.headers["x-request-id"]
        assert await got(reply.read())


def _at(client: Any, resource: str) -> Any:
    for name in resource.split("."):
        client = getattr(client, name)
    return client


_SHARED: dict[str, tuple[str, Mapping[str, Any]]] = {
    "chat.completions": ("create", CHAT),
    "models": ("list", {}),
    "embeddings": ("create", EMBEDDING),
    "audio.speech": ("create", SPEECH),
    "audio.transcriptions": ("create", TRANSCRIPTION),
    "audio.translations": ("create", TRANSLATION),
    "files": ("list", {}),
    "batches": ("list", {}),
}
_OPENAI_ONLY: dict[str, tuple[str, Mapping[str, Any]]] = {
    "responses": ("create", RESPONSE),
    "moderations": ("create", MODERATION),
}
VIEWED: dict[str, dict[str, tuple[str, Mapping[str, Any]]]] = {
    "groq": _SHARED,
    "openai": _SHARED | _OPENAI_ONLY,
    "anthropic": {"messages": ("create", MESSAGE)},
}
"""With which method each resource is looked at through its two views."""

for _sdk, _resources in VIEWED.items():
    for _resource, (_method, _arguments) in _resources.items():
        for _view, _reads in (("with_raw_response", _reads_raw), ("with_streaming_response", _reads_streaming)):
            _call = partial(_reads, resource=_resource, method=_method, arguments=_arguments)
            drives(f"{_sdk}.{_resource}.{_view}")(_call)

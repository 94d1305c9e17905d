"""What the in-process door has besides chats: vectors, sounds, verdicts, batches, models, over a pretend Groq."""

import asyncio
import inspect
import io
import math
import subprocess
import sys
import tomllib
import typing
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from tests.running_gateway import KEYS, QUICK, SHORT

from headgate import (
    BatchResult,
    Headgate,
    HeadgateError,
    HeadgateSync,
    InvalidRequest,
    Model,
    Refused,
    Segment,
    UpstreamRefused,
)
from headgate.catalog import default_catalog
from headgate.domain.answer import RefusalCode, Source
from headgate.local.embedding import embed as own_vectors
from headgate.protocol.audio import EXTENSIONS
from headgate.runtime.settings import load_settings
from headgate.sdk import AnswerStream, AnswerStreamSync, AudioFile, CallOptions, ChatOptions, Many, ManySync
from headgate.sdk.embedding import read_vectors
from headgate.sdk.options import CONTROL_FIELDS
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.offer import Offer
from headgate.simulator.settings import SimulatorSettings

OURS = "headgate/local-embeddings"
VECTORS = "nomic-embed-text-v1_5"
FULL, TURBO = "whisper-large-v3", "whisper-large-v3-turbo"
VOICE = "canopylabs/orpheus-v1-english"
GUARD = "meta-llama/llama-prompt-guard-2-86m"
JUDGE = "openai/gpt-oss-safeguard-20b"
SMALL = "openai/gpt-oss-20b"
LISTENER = "house/listener"
TOML = f"""
[models."{VECTORS}"]
kind = "embedding"
context_window_tokens = 8192
max_output_tokens = 8192

[models."{LISTENER}"]
kind = "transcription"
can = ["audio"]
context_window_tokens = 448
max_output_tokens = 448
"""
MANY_KEYS = {f"GROQ_API_KEY{'' if n == 1 else f'_{n}'}": f"gsk_{n}" for n in range(1, 9)}
"""More minutes of the free plan than one test needs."""


def wav(seconds: float, rate: int = 8000) -> bytes:
    """Silence, of one byte per sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(rate)
        out.writeframes(b"\x80" * round(rate * seconds))
    return file.getvalue()


class House:
    """A gate and the pretend Groq that it asks."""

    def __init__(self, gate: Headgate, server: SimulatorServer) -> None:
        self.gate = gate
        self.server = server

    async def assert_nothing_is_held(self) -> None:
        """No reservation, no upload."""
        gateway = await self.gate.start()
        inner = gateway.driver.gate
        inner.ledger.check(gateway.clock.now())
        running = (at for model in inner.catalog.current() for at in inner.pool.deployments(model.id))
        assert not any(inner.ledger.open_count(deployment) for deployment in running)
        assert gateway.spools.held_bytes == 0

    @property
    def was_asked(self) -> bool:
        """Whether anything was metered at the pretend Groq."""
        return bool(self.server.groq.limiter.accounts)


@asynccontextmanager
async def house(
    *faults: Fault, toml: str = "", environ: dict[str, str] | None = None, tmp: Path
) -> AsyncIterator[House]:
    """A gate with some models of its own over a quick pretend Groq with these faults."""
    config = tmp / "headgate.toml"
    config.write_text(TOML + toml)
    simulated = SimulatorSettings(pace=QUICK, lengths=SHORT, faults=faults, offer=Offer(embeddings=True))
    catalog = default_catalog().with_overrides({LISTENER: tomllib.loads(TOML)["models"][LISTENER]})
    server = await serve_simulator(simulated, catalog=catalog)
    try:
        settings = load_settings(config, {"GROQ_BASE_URL": server.base_url, **(environ or KEYS)})
        async with Headgate(settings) as gate:
            yield House(gate, server)
    finally:
        await server.close()


Opened = Callable[..., Any]


@pytest.fixture
def open_house(tmp_path: Path) -> Opened:
    """`house` with a place for its settings."""

    def opened(*faults: Fault, **rest: Any) -> Any:
        return house(*faults, tmp=tmp_path, **rest)

    return opened


# Vectors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [None, 256, 1024])
async def test_vectors_without_a_model_are_our_own(open_house: Opened, dimensions: int | None) -> None:
    """They are labelled so, cost nothing, and ask nobody; one text is a list of one."""
    texts = ["the first text", "the second text"]
    async with open_house() as at:
        found = await at.gate.embed(texts, dimensions=dimensions)
        alone = await at.gate.embed(texts[0], dimensions=dimensions)
        assert not at.was_asked
    assert found.vectors == tuple(map(tuple, own_vectors(texts, dimensions or 512)))
    assert alone.vectors == found.vectors[:1]
    assert (found.source, found.model, found.provider) == (Source.LOCAL, OURS, "")
    assert (found.cost_usd, found.calls, found.raw) == (Decimal(0), 0, b"")
    assert found.request_id != alone.request_id
    assert repr(found) == f"<Embeddings from {OURS}, local>"


async def test_vectors_of_a_provider(open_house: Opened) -> None:
    """One for each text, as the provider has them, with its usage and its body."""
    async with open_house() as at:
        found = await at.gate.embed(("one", "two", "three"), model=VECTORS, agent="librarian")
        alone = await at.gate.embed("two", model=VECTORS)
        story = at.gate.story(found.request_id)
        await at.assert_nothing_is_held()
    assert len(found.vectors) == 3
    assert found.vectors[1] == alone.vectors[0] != found.vectors[0]
    assert all(math.isfinite(number) for vector in found.vectors for number in vector)
    assert (found.source, found.model_served, found.provider) == (Source.UPSTREAM, VECTORS, "groq")
    assert found.usage is not None
    assert found.usage.prompt_tokens > alone.usage.prompt_tokens > 0
    assert found.raw.startswith(b"{")
    assert story is not None
    assert story.agent == "librarian"


def test_vectors_that_came_in_another_order() -> None:
    """Their numbers count, not their places; without numbers their places do."""
    assert read_vectors(b'{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1,0.5]}]}') == ((1, 0.5), (2,))
    assert read_vectors(b'{"data":[{"embedding":[2]},{"embedding":[1]}]}') == ((2,), (1,))


# Sounds ---------------------------------------------------------------------------------------------------------------


async def test_sound_however_it_is_given(open_house: Opened, tmp_path: Path) -> None:
    """A path, bytes, and open files are heard alike, from where a file stands; nothing is left of them."""
    sound, path = wav(12), tmp_path / "talk.wav"
    path.write_bytes(sound)
    async with open_house(environ=MANY_KEYS) as at:
        with path.open("rb") as opened:
            shifted = io.BytesIO(b"skipped" + sound)
            shifted.seek(7)
            given: list[AudioFile] = [path, str(path), sound, bytearray(sound), io.BytesIO(sound), shifted, opened]
            heard = [await at.gate.transcribe(each) for each in given]
        await at.assert_nothing_is_held()
    first = heard[0]
    assert first.text == str(first) != ""
    assert all(each.text == first.text for each in heard)
    assert (first.language, first.duration_s) == ("English", 12.0)
    assert first.segments[0].start_s == 0.0
    assert first.segments[-1].end_s == 12.0
    assert "".join(segment.text for segment in first.segments) == first.text
    assert first.words == ()
    assert (first.source, first.model_asked, first.model_served) == (Source.UPSTREAM, "headgate/audio", TURBO)
    assert first.cost_usd == Decimal("0.000133333")  # 12 s at $0.04 an hour
    assert first.usage is not None
    assert first.usage.audio_s == 12


async def test_large_sound_goes_by_a_file(open_house: Opened) -> None:
    """What does not fit into memory's part is heard as well."""
    async with open_house() as at:
        heard = await at.gate.transcribe(io.BytesIO(wav(200)), model=TURBO)
        await at.assert_nothing_is_held()
    assert heard.duration_s == 200.0


async def test_words_and_what_else_may_be_said(open_house: Opened) -> None:
    """Words have times, and come beside the segments."""
    async with open_house() as at:
        heard = await at.gate.transcribe(
            wav(4), model=FULL, language="de", prompt="Wehr", temperature=0.5, words=True, task="minutes"
        )
        story = at.gate.story(heard.request_id)
    assert heard.language == "German"
    assert [word.text for word in heard.words] == heard.text.split()
    assert all(word.start_s <= word.end_s <= 4.0 for word in heard.words)
    assert isinstance(heard.segments[0], Segment)
    assert story is not None
    assert story.task == "minutes"


async def test_sound_whose_name_is_told(open_house: Opened) -> None:
    """`filename` tells the format of what says nothing of it by itself."""
    async with open_house() as at:
        for each in (b"\0" * 8000, io.BytesIO(b"\0" * 8000)):
            assert (await at.gate.transcribe(each, filename="talk.webm")).text


async def test_translation(open_house: Opened) -> None:
    """It goes to a model that can, also from an address."""
    async with open_house() as at:
        said = await at.gate.translate(wav(3))
        fetched = await at.gate.translate(url="https://example.com/talk.mp3", model=TURBO)
    assert (said.model_served, said.duration_s) == (FULL, 3.0)
    assert fetched.model_served == FULL
    assert fetched.text


async def test_model_that_tells_no_times(open_house: Opened) -> None:
    """It is asked for what it can say; the length is the file's own."""
    async with open_house() as at:
        heard = await at.gate.transcribe(wav(5), model=LISTENER, route="default")
    assert heard.model_served == LISTENER
    assert heard.text
    assert heard.duration_s == 5.0


async def test_default_route_of_chat_models_can_hear_and_judge(open_house: Opened) -> None:
    """A default route that names chat models says nothing of who hears or judges."""
    async with open_house(toml=f'[routes.default]\nmodels = ["{SMALL}"]\n') as at:
        assert (await at.gate.transcribe(wav(1))).model_served == TURBO
        assert (await at.gate.transcribe(wav(1), model=FULL)).model_served == FULL
        assert (await at.gate.translate(wav(1))).model_served == FULL
        assert (await at.gate.moderate("hello")).model_served == JUDGE


class Nameless(io.BytesIO):
    """A file whose name is a number, as one opened by its descriptor has."""

    name = 3


STARTS = {
    b"RIFF\x00\x00\x00\x00WAVE": "wav",
    b"fLaC\x00": "flac",
    b"OggS\x00": "ogg",
    b"ID3\x04": "mp3",
    b"\xff\xfb\x90": "mp3",
    b"\x00\x00\x00\x20ftypM4A ": "m4a",
    b"\x1aE\xdf\xa3": "webm",
}


@pytest.mark.parametrize("start", STARTS)
async def test_format_by_what_the_bytes_begin_with(open_house: Opened, start: bytes) -> None:
    """A sound without a name of use has the name of its format when it goes out; a name of use beats it."""
    from headgate.sdk.hearing import _extension

    assert _extension("", start) == STARTS[start] in EXTENSIONS
    assert _extension("recording.tmp", start) == STARTS[start]
    assert _extension("recording.opus", start) == "opus"
    if STARTS[start] == "wav":
        async with open_house() as at:
            assert (await at.gate.transcribe(Nameless(wav(2)))).duration_s == 2.0


async def test_sounds_that_are_refused(open_house: Opened, tmp_path: Path) -> None:
    """Each in words that help, before anybody is asked; a file that is not there is an OSError as everywhere."""
    text = tmp_path / "talk.wav"
    text.write_text("hello")
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "file or url"),
        ({"file": wav(1), "url": "https://example.com/a.mp3"}, "only one of"),
        ({"file": "https://example.com/a.mp3"}, "`url=`"),
        ({"file": 7}, "`file` is a path"),
        ({"file": b"no sound at all"}, "one of the following types"),
        ({"file": wav(1), "language": "xx"}, "ISO 639-1"),
        ({"file": wav(1), "temperature": 3}, "between 0 and 1"),
        ({"file": wav(1), "model": SMALL}, "chat model"),
        ({"file": wav(1), "priority": "first"}, "priority"),
        ({"file": wav(3)}, "20,000 bytes"),
    ]
    async with open_house(toml="[audio]\nmax_file_bytes = 20000\n") as at:
        for arguments, word in refused:
            with pytest.raises(InvalidRequest, match=word):
                await at.gate.transcribe(**arguments)
        with text.open() as opened, pytest.raises(InvalidRequest, match="reading bytes"):
            await at.gate.transcribe(cast("BinaryIO", opened))
        with pytest.raises(FileNotFoundError):
            await at.gate.transcribe(tmp_path / "nothing.wav")
        await at.assert_nothing_is_held()
        assert not at.was_asked


async def test_no_room_for_a_sound(open_house: Opened) -> None:
    """More than may be held at all is refused with the setting, and may be tried again."""
    async with open_house(toml="[audio]\nmax_file_bytes = 1000000\nmax_held_bytes = 1000000\n") as at:
        gateway = await at.gate.start()
        gateway.spools.held_bytes = 990_000
        with pytest.raises(Refused, match="max_held_bytes") as raised:
            await at.gate.transcribe(wav(2))
        assert raised.value.code is RefusalCode.NO_CAPACITY
        assert raised.value.retry_after_s is not None
        assert gateway.spools.held_bytes == 990_000


async def test_speech_is_saved(open_house: Opened, tmp_path: Path) -> None:
    """Sound with its type and its price by characters, that a file takes."""
    async with open_house() as at:
        spoken = await at.gate.speak("hello there", model=VOICE, voice="troy", speed=1.5)
        await at.assert_nothing_is_held()
    assert (spoken.content_type, spoken.audio[:4]) == ("audio/wav", b"RIFF")
    assert (spoken.model_served, spoken.cost_usd) == (VOICE, Decimal("0.000242"))
    spoken.save(tmp_path / "hello.wav")
    assert (tmp_path / "hello.wav").read_bytes() == spoken.audio


# Verdicts -------------------------------------------------------------------------------------------------------------


async def test_verdicts_are_in_order(open_house: Opened) -> None:
    """One for each text; the labels are of all calls together, the story is the first one's."""
    texts = [f"text {number}" for number in range(6)]
    async with open_house() as at:
        found = await at.gate.moderate(texts, model=GUARD)
        alone = [await at.gate.moderate(text, model=GUARD) for text in texts[:2]]
        story = at.gate.story(found.request_id)
        await at.assert_nothing_is_held()
    assert [result.category_scores["prompt-attack"] for result in found.results[:2]] == [
        each.results[0].category_scores["prompt-attack"] for each in alone
    ]
    assert found.calls == found.attempts == 6
    assert found.cost_usd > alone[0].cost_usd > Decimal(0)
    assert found.usage is not None
    assert found.usage.prompt_tokens > alone[0].usage.prompt_tokens
    assert found.flagged == any(result.flagged for result in found.results)
    assert all(result.flagged == any(result.categories.values()) for result in found.results)
    assert story is not None


async def test_no_verdict_is_made_up(open_house: Opened) -> None:
    """When one of the texts gets none, all of it is an error and everything is settled."""
    async with open_house(Fault(FaultKind.SERVER_ERROR, containing="text 3")) as at:
        with pytest.raises(Refused) as raised:
            await at.gate.moderate([f"text {number}" for number in range(5)], model=GUARD)
        await at.assert_nothing_is_held()
    assert raised.value.code is RefusalCode.UPSTREAM_FAILED


# Batches and models ---------------------------------------------------------------------------------------------------


def line(text: str, **fields: Any) -> dict[str, Any]:
    """A line of a batch: a chat, unless its body is another."""
    said = [{"role": "user", "content": text}]
    return {"body": {"model": SMALL, "messages": said, "max_completion_tokens": 20}} | fields


async def test_batch_is_answered_in_order(open_house: Opened) -> None:
    """A result for each line; one that is refused says why and ends no other; lines may go to other endpoints."""
    vectors = {"custom_id": "v", "url": "/v1/embeddings", "body": {"model": VECTORS, "input": "a"}}
    wrong = line("three", body={"model": "no/such", "messages": []})
    lines = [line("one"), line("two", custom_id="second"), wrong, vectors]
    async with open_house() as at:
        results = await at.gate.run_batch(lines, concurrency=2)
        none = await at.gate.run_batch([])
        story = at.gate.story(results[0].request_id)
        await at.assert_nothing_is_held()
    assert none == ()
    assert [result.custom_id for result in results] == ["0", "second", "2", "v"]
    assert [(result.is_done, result.status) for result in results] == [
        (True, 200),
        (True, 200),
        (False, results[2].status),
        (True, 200),
    ]
    assert results[2].status in {400, 404}
    assert isinstance(results[0], BatchResult)
    assert cast("dict[str, Any]", results[0].json())["model"] == SMALL
    assert "error" in cast("dict[str, Any]", results[2].json())
    assert story is not None


async def test_batch_runs_out_of_time(open_house: Opened) -> None:
    """What could not be answered by then says so instead of waiting for ever."""
    async with open_house(Fault(FaultKind.RATE_LIMITED, delay_s=60.0)) as at:
        async with asyncio.timeout(4):
            (result,) = await at.gate.run_batch([line("one")], within_s=0.1)
        await at.assert_nothing_is_held()
    assert (result.is_done, result.status) == (False, 504)


BAD_BATCHES: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
    ([line("one"), {"custom_id": "x"}], {}, r"requests\[1\].*body"),
    ([line("one", url="/v1/nothing")], {}, r"requests\[0\].url"),
    ([line("one", custom_id="x"), line("two", custom_id="x")], {}, "custom_id 'x'"),
    ([line("one", body={"model": object()})], {}, "written as JSON"),
    ([line("one")], {"concurrency": 0}, "at least 1"),
]


async def test_batches_that_are_refused(open_house: Opened) -> None:
    """The line at fault is named before any is asked."""
    async with open_house() as at:
        for lines, options, word in BAD_BATCHES:
            with pytest.raises(InvalidRequest, match=word):
                await at.gate.run_batch(lines, **options)
        assert not at.was_asked


async def test_models_are_those_that_can_be_asked(open_house: Opened) -> None:
    """Each with what it is for."""
    async with open_house() as at:
        found = await at.gate.models()
        assert found == (await at.gate.start()).models()
    kinds = {model.id: model.kind for model in found}
    assert all(isinstance(model, Model) for model in found)
    assert (kinds[VECTORS], kinds[VOICE], kinds[SMALL]) == ("embedding", "speech", "chat")


# Errors and controls, the same for all --------------------------------------------------------------------------------

Call = Callable[..., Awaitable[Any]]
CALLS: dict[str, Callable[[Headgate], Call]] = {
    "embed": lambda gate: lambda **more: gate.embed("one", model=VECTORS, **more),
    "transcribe": lambda gate: lambda **more: gate.transcribe(wav(1), model=FULL, **more),
    "translate": lambda gate: lambda **more: gate.translate(wav(1), model=FULL, **more),
    "speak": lambda gate: lambda **more: gate.speak("one", model=VOICE, voice="troy", **more),
    "moderate": lambda gate: lambda **more: gate.moderate("one", model=GUARD, **more),
}


@pytest.mark.parametrize("name", CALLS)
async def test_arguments_that_make_no_request(open_house: Opened, name: str) -> None:
    """Controls and keywords are checked as those of chats are, and a mistyped one says which was meant."""
    async with open_house() as at:
        call = CALLS[name](at.gate)
        with pytest.raises(InvalidRequest, match="did you mean `priority`"):
            await call(prority="batch")
        with pytest.raises(InvalidRequest, match="deadline"):
            await call(deadline_ms=0)
        with pytest.raises(InvalidRequest, match="extra_body"):
            await call(extra_body=3)
        with pytest.raises(HeadgateError, match="no route `nowhere`"):
            await call(route="nowhere")
        assert not at.was_asked


@pytest.mark.parametrize("name", CALLS)
async def test_nobody_can_answer(open_house: Opened, name: str) -> None:
    """Refused, with what was tried; no answer is ever made up for these."""
    async with open_house(Fault(FaultKind.SERVER_ERROR)) as at:
        with pytest.raises(Refused) as raised:
            await CALLS[name](at.gate)()
        await at.assert_nothing_is_held()
    assert raised.value.code is RefusalCode.UPSTREAM_FAILED
    assert raised.value.tried
    assert raised.value.request_id


@pytest.mark.parametrize("name", CALLS)
async def test_caller_gives_up(open_house: Opened, name: str) -> None:
    """Cancelling the task ends the call and settles what it held."""
    async with open_house(Fault(FaultKind.SLOW, delay_s=30.0)) as at:
        task = asyncio.ensure_future(CALLS[name](at.gate)())
        async with asyncio.timeout(4):
            while not at.server.groq.limiter.calls:  # noqa: ASYNC110 - the system has no event for a test
                await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await at.assert_nothing_is_held()


async def test_provider_refuses_the_request_itself(open_house: Opened) -> None:
    """Its own words come through as for chats."""
    async with open_house() as at:
        with pytest.raises(UpstreamRefused, match="valid media file") as raised:
            await at.gate.transcribe(b"RIFF, but nothing else of a sound", model=FULL)
        await at.assert_nothing_is_held()
    assert raised.value.status == 400


# Both doors -----------------------------------------------------------------------------------------------------------


def test_every_endpoint_without_await(tmp_path: Path) -> None:
    """The synchronous door gives the same results."""
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(2))
    with HeadgateSync(load_settings(None, {}), simulate=True) as gate:
        assert len(gate.embed(["one", "two"]).vectors) == 2
        assert gate.transcribe(path, words=True).words
        assert gate.translate(path).model_served == FULL
        assert gate.speak("hello", model=VOICE, voice="troy").audio.startswith(b"RIFF")
        assert len(gate.moderate(["one", "two"], model=GUARD).results) == 2
        assert gate.run_batch([line("one")])[0].is_done
        assert SMALL in {model.id for model in gate.models()}
        with pytest.raises(InvalidRequest, match="dimensions"):
            gate.embed("one", dimensions=3)


def public(door: type[object]) -> set[str]:
    return {name for name, each in inspect.getmembers(door) if not name.startswith("_") and inspect.isfunction(each)}


def test_both_doors_have_the_same_methods() -> None:
    """By name; only `start` is for those who await."""
    assert public(Headgate) - {"start"} == public(HeadgateSync)


@pytest.mark.parametrize("name", sorted(public(HeadgateSync) | {"__init__"}))
def test_both_doors_have_the_same_signatures(name: str) -> None:
    """Arguments, defaults and types, and the result but for how it is waited for."""
    awaited, plain = (inspect.signature(getattr(door, name)) for door in (Headgate, HeadgateSync))
    assert [each.replace(annotation=None) for each in awaited.parameters.values()] == [
        each.replace(annotation=None) for each in plain.parameters.values()
    ]
    types, others = (typing.get_type_hints(getattr(door, name)) for door in (Headgate, HeadgateSync))
    result, other = types.pop("return"), others.pop("return")
    assert {key: str(kind) for key, kind in types.items()} == {key: str(kind) for key, kind in others.items()}
    counterparts = {
        (str(AnswerStream), str(AnswerStreamSync)),
        (str(Many), str(ManySync)),
        ("headgate.sdk.conversing.Conversation[~T]", "headgate.sdk.conversing_sync.ConversationSync[~T]"),
    }
    assert (str(result), str(other)) in {(str(other), str(other)), *counterparts}


@pytest.mark.parametrize("name", CALLS)
def test_help_shows_every_control(name: str) -> None:
    """Keywords that make sense for any request, and none that only chats have."""
    options = set(typing.get_type_hints(CallOptions))
    shown = set(inspect.signature(getattr(Headgate, name)).parameters)
    assert options <= shown
    assert options - {"extra_body"} <= CONTROL_FIELDS
    assert not (set(typing.get_type_hints(ChatOptions)) - options - {"temperature", "response_format"}) & shown


def test_numpy_is_loaded_when_vectors_are_made() -> None:
    """Not by importing the door, and not by making one."""
    program = "import sys; from headgate import Headgate; Headgate(simulate=True); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "False"

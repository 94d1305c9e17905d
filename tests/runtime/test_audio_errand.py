"""How one sound is asked about at different providers, and what their replies are worth."""

from typing import Any

import msgspec
import pytest

from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.domain.answer import Reply
from headgate.domain.limits import Deployment
from headgate.protocol.audio import AudioAsk
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialects import DIALECTS
from headgate.runtime.errand_audio import AudioErrand, FormUpload, Sound
from headgate.runtime.spool import Spools
from headgate.runtime.upstream import Body

CATALOG = default_catalog()
JSON = {"content-type": "application/json"}


def call_to(model: str, number: int = 1) -> a.Call:
    return a.Call(number, Deployment.of("p", "o", model), "key", 0, "r", 0, 10.0, 10.0)


def ask_for(response_format: str = "json", **fields: Any) -> AudioAsk:
    return AudioAsk(model="whisper-large-v3", translates=False, response_format=response_format, **fields)


async def sound(length_s: float, *, is_measured: bool = True) -> Sound:
    spool = Spools(1 << 30).new()
    await spool.add(b"sound")
    return Sound(spool, "wav", length_s, is_measured)


async def written(body: Body) -> bytes:
    if isinstance(body, bytes):
        return body
    return b"".join([chunk async for chunk in body.chunks()])


def write(errand: AudioErrand, model_id: str, dialect: str, number: int = 1) -> Body:
    model = CATALOG.model(model_id)
    assert model is not None
    return errand.write(call_to(model_id, number), model, DIALECTS[dialect])


async def test_each_provider_is_told_its_own_name_of_the_model() -> None:
    """The same sound goes to whoever serves; only the model's name differs."""
    errand = AudioErrand(ask_for(), await sound(20.0), "b0")
    for number, (model, dialect, name) in enumerate(
        [("whisper-large-v3-turbo", "groq", b"whisper-large-v3-turbo"), ("openai/whisper-1", "openai", b"whisper-1")]
    ):
        form = await written(write(errand, model, dialect, number))
        assert b'name="model"\r\n\r\n' + name + b"\r\n" in form
        assert form.endswith(b"\r\n\r\nsound\r\n--b0--\r\n")
    assert errand.content_type == b"multipart/form-data; boundary=b0"


async def test_least_that_is_billed_is_the_provider_s_own() -> None:
    """Three seconds are ten at Groq and three at OpenAI; ten are reserved before it is known who serves."""
    errand = AudioErrand(ask_for(), await sound(2.5), "b0")
    assert errand.reserved_s == 10
    for number, (model, dialect, billed_s) in enumerate(
        [("whisper-large-v3", "groq", 10), ("openai/whisper-1", "openai", 3)]
    ):
        write(errand, model, dialect, number)
        reply = errand.read(call_to(model, number), b'{"text":"hi"}', JSON)
        assert isinstance(reply, Reply)
        assert reply.usage is not None
        assert reply.usage.audio_s == billed_s


async def test_unknown_length_is_asked_for() -> None:
    """A guess is held until the verbose reply says better; the client sees none of it."""
    errand = AudioErrand(ask_for("text"), await sound(44.4, is_measured=False), "b0")
    form = await written(write(errand, "whisper-large-v3", "groq"))
    assert b"\r\n\r\nverbose_json\r\n" in form
    assert errand.reserved_s == 45
    body = msgspec.json.encode({"text": " hi", "duration": 31.2, "segments": []})
    reply = errand.read(call_to("whisper-large-v3"), body, JSON)
    assert isinstance(reply, Reply)
    assert reply.usage is not None
    assert reply.usage.audio_s == 32
    assert errand.given(call_to("whisper-large-v3"), body) == b" hi"
    assert errand.fitted(1) == "text->verbose_json"
    assert "45 s were reserved" in errand.notes[0]


async def test_reply_that_does_not_say_the_length_of_a_url() -> None:
    """A model that is no Whisper writes no verbose reply: what was reserved is what is booked."""
    model = CATALOG.with_overrides({"own/ears": {"kind": "transcription", "context_window_tokens": 1}}).model(
        "own/ears"
    )
    assert model is not None
    errand = AudioErrand(ask_for(url="https://a.test/a.wav"), None, "b0")
    body = errand.write(call_to("own/ears"), model, DIALECTS["groq"])
    assert isinstance(body, bytes)
    assert b"\r\n\r\njson\r\n" in body
    reply = errand.read(call_to("own/ears"), b'{"text":"hi"}', JSON)
    assert isinstance(reply, Reply)
    assert reply.usage is not None
    assert reply.usage.audio_s == errand.reserved_s == 10


@pytest.mark.parametrize(
    "ask, dialect, param",
    [
        (ask_for(url="https://a.test/a.wav"), "openai", "url"),
        (ask_for(url="https://a.test/a.wav"), "compatible", "url"),
    ],
)
def test_provider_that_takes_no_url(ask: AudioAsk, dialect: str, param: str) -> None:
    """Only Groq fetches sounds: elsewhere nothing is sent, and the client is told why."""
    with pytest.raises(InvalidBody) as refused:
        write(AudioErrand(ask, None, "b0"), "openai/whisper-1", dialect)
    assert refused.value.param == param


async def test_model_without_times_makes_no_subtitles() -> None:
    """What cannot be made of the reply is not asked for."""
    model = CATALOG.with_overrides({"own/ears": {"kind": "transcription", "context_window_tokens": 1}}).model(
        "own/ears"
    )
    assert model is not None
    errand = AudioErrand(ask_for("srt"), await sound(3.0), "b0")
    with pytest.raises(InvalidBody) as refused:
        errand.write(call_to("own/ears"), model, DIALECTS["openai"])
    assert refused.value.param == "response_format"


async def test_upload_knows_whether_it_was_read_to_its_end() -> None:
    """Given away is what was asked for beyond the last piece; a new reading begins anew."""
    body = write(AudioErrand(ask_for(), await sound(3.0), "b0"), "whisper-large-v3", "groq")
    assert isinstance(body, FormUpload)
    await written(body)
    seen = [body.is_given]
    chunks = body.chunks()
    await anext(chunks)
    seen.append(body.is_given)
    await chunks.aclose()
    seen.append(body.is_given)
    assert seen == [True, False, False]

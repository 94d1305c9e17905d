"""The pretend Whisper and Orpheus: the rules of their requests, what they charge, and the real SDK at their doors."""

import io
import wave
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import groq as groq_sdk
import openai
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from tests.simulator.asking import KEY, ORG, decoded, error, groq, sent
from tests.simulator.uploading import TURBO, WHISPER, flac, form, mp3, ogg, send, served, upload, wav

from headgate.domain.limits import Dimension
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.forms import MOST_PARTS, read_form
from headgate.simulator.offer import Offer
from headgate.simulator.settings import Organisation
from headgate.simulator.speech import VOICES

TRANSCRIPTIONS = "audio/transcriptions"
TRANSLATIONS = "audio/translations"
ORPHEUS = "canopylabs/orpheus-v1-english"
SPOKEN = {"model": ORPHEUS, "input": "hello there", "voice": "troy", "response_format": "wav"}
FILE = ("a.wav", wav(4))
ALL: Any = ("json", "text", "verbose_json")


# ----------------------------------------------------------------------------------------------- rules of transcription


@pytest.mark.parametrize(
    "route, fields, file, status, code, text",
    [
        (TRANSCRIPTIONS, {}, FILE, 200, None, None),
        (TRANSLATIONS, {}, FILE, 200, None, None),
        (TRANSLATIONS, {"language": "en"}, FILE, 200, None, None),
        (TRANSCRIPTIONS, {"language": "de", "temperature": "0.5", "prompt": "names"}, FILE, 200, None, None),
        (TRANSCRIPTIONS, {}, ("A.WAV", wav(1)), 200, None, None),
        (TRANSCRIPTIONS, {}, ("a.webm", bytes(9000)), 200, None, None),
        (TRANSCRIPTIONS, {"url": "https://example.com/a.mp3"}, None, 200, None, None),
        (TRANSCRIPTIONS, {"url": "https://example.com/sound"}, None, 200, None, None),
        (TRANSCRIPTIONS, {"url": f"data:audio/wav;base64,{b64encode(wav(1)).decode()}"}, None, 200, None, None),
        (TRANSLATIONS, {"model": TURBO}, FILE, 400, None, "does not support translate"),
        (TRANSLATIONS, {"language": "de"}, FILE, 400, None, "must be `en`"),
        (TRANSLATIONS, {"timestamp_granularities[]": "word"}, FILE, 400, None, "unsupported"),
        (TRANSCRIPTIONS, {"model": "openai/gpt-oss-120b"}, FILE, 400, None, "does not support transcribe"),
        (TRANSCRIPTIONS, {"model": "nope"}, FILE, 404, "model_not_found", "does not exist"),
        (TRANSCRIPTIONS, {"model": "distil-whisper-large-v3-en"}, FILE, 400, "model_decommissioned", "decommissioned"),
        (TRANSCRIPTIONS, {}, None, 400, None, "file or url must be provided"),
        (TRANSCRIPTIONS, {"url": "https://example.com/a.mp3"}, FILE, 400, None, "only one of file or url"),
        (TRANSCRIPTIONS, {"url": "https://example.com/a.txt"}, None, 400, "unsupported_audio_format", "flac mp3"),
        (TRANSCRIPTIONS, {"url": "file:///etc/passwd"}, None, 400, None, "valid http or https url"),
        (TRANSCRIPTIONS, {"url": "data:audio/wav;base64,!!"}, None, 400, None, "valid media file"),
        (TRANSCRIPTIONS, {}, ("a.oga", wav(4)), 400, "unsupported_audio_format", "flac mp3"),
        (TRANSCRIPTIONS, {}, ("wav", wav(4)), 400, "unsupported_audio_format", "flac mp3"),
        (TRANSCRIPTIONS, {}, ("a.wav", b"no sound at all"), 400, None, "is it a valid media file?"),
        (TRANSCRIPTIONS, {}, ("a.mp3", b""), 400, None, "is it a valid media file?"),
        (TRANSCRIPTIONS, {}, ("a.wav", wav(0.005)), 400, "audio_too_short", "0.01 seconds"),
        (TRANSCRIPTIONS, {"response_format": "srt"}, FILE, 400, None, "response_format must be one of"),
        (TRANSCRIPTIONS, {"response_format": "vtt"}, FILE, 400, None, "response_format must be one of"),
        (TRANSCRIPTIONS, {"timestamp_granularities[]": "word"}, FILE, 400, None, "must be `verbose_json`"),
        (TRANSCRIPTIONS, {"timestamp_granularities[]": "line"}, FILE, 400, None, "must be one of [word segment]"),
        (TRANSCRIPTIONS, {"language": "xx"}, FILE, 400, None, "language must be one of"),
        (TRANSCRIPTIONS, {"temperature": "1.5"}, FILE, 400, None, "temperature must be between"),
        (TRANSCRIPTIONS, {"temperature": "warm"}, FILE, 400, None, "temperature must be between"),
        (TRANSCRIPTIONS, {"prompt": "x" * 904}, FILE, 400, None, "896 characters or fewer, but provided prompt"),
        (TRANSCRIPTIONS, {"stream": "true"}, FILE, 400, None, "property 'stream' is unsupported"),
    ],
)
def test_audio_request_is_judged(
    route: str,
    fields: dict[str, str],
    file: tuple[str, bytes] | None,
    status: int,
    code: str | None,
    text: str | None,
) -> None:
    """Every rule of groq-api 10, each with the refusal that names it."""
    script = upload(groq(), route, {"model": WHISPER} | fields, file)
    assert script.status == status, script.body
    if text is not None:
        assert error(script).get("code") == code
        assert text in error(script)["message"]


@pytest.mark.parametrize(
    "name, data", [("a.wav", wav(30)), ("a.flac", flac(30)), ("a.mp3", mp3(30)), ("a.ogg", ogg(30))]
)
def test_length_of_a_real_file_is_measured(name: str, data: bytes) -> None:
    """Thirty seconds of each format are heard as thirty, and about two and a half words a second come of them."""
    told = decoded(upload(groq(), TRANSCRIPTIONS, {"model": WHISPER, "response_format": "verbose_json"}, (name, data)))
    assert told["duration"] == pytest.approx(30, abs=0.1)
    assert 70 <= len(told["text"].split()) <= 80


def test_same_sound_is_the_same_text() -> None:
    """The text comes from the bytes: equal uploads agree, others differ, and it begins with a space."""
    first, again = (decoded(upload(groq(), TRANSCRIPTIONS, {"model": WHISPER}, FILE))["text"] for _ in range(2))
    other = decoded(upload(groq(), TRANSCRIPTIONS, {"model": WHISPER}, ("b.wav", wav(5))))["text"]
    assert first == again != other
    assert first.startswith(" ")


@pytest.mark.parametrize("form_name, kind", [("json", "application/json"), ("text", "text/plain; charset=utf-8")])
def test_brief_formats(form_name: str, kind: str) -> None:
    """Json has the text and the request's id, text is nothing but the text."""
    script = upload(groq(), TRANSCRIPTIONS, {"model": WHISPER, "response_format": form_name}, FILE)
    assert sent(groq(), script)["content-type"] == kind
    if form_name == "json":
        assert decoded(script)["x_groq"]["id"] == sent(groq(), script)["x-request-id"]
    else:
        assert script.body.startswith(b" ")


@pytest.mark.parametrize(
    "granularities, keys",
    [
        ([], {"segments"}),
        (["word"], {"words"}),
        (["segment"], {"segments"}),
        (["word", "segment"], {"words", "segments"}),
    ],
)
def test_verbose_answer_covers_the_sound(granularities: list[str], keys: set[str]) -> None:
    """Words and segments, as asked, run from 0 to the end without gaps and say the text."""
    fields: dict[str, Any] = {"model": WHISPER, "response_format": "verbose_json", "language": "de"}
    told = decoded(
        upload(groq(), TRANSCRIPTIONS, fields | {"timestamp_granularities[]": granularities}, ("a.wav", wav(61)))
    )
    assert {"words", "segments"} & told.keys() == keys
    assert (told["task"], told["language"]) == ("transcribe", "German")
    for name in keys:
        pieces = told[name]
        assert pieces[0]["start"] == 0
        assert pieces[-1]["end"] == pytest.approx(61, abs=0.05)
        assert all(a["end"] == b["start"] for a, b in pairwise(pieces))
        said = "".join(p["text"] for p in pieces) if name == "segments" else " " + " ".join(p["word"] for p in pieces)
        assert said == told["text"]


def test_upload_is_too_large_for_the_plan() -> None:
    """Above its plan's size an upload is a 413 about bytes; a paid plan takes more."""
    offer = Offer(attachment_bytes_free=50_000, attachment_bytes_paid=100_000)
    big = ("a.wav", wav(8))
    refused = upload(groq(offer=offer), TRANSCRIPTIONS, {"model": WHISPER}, big)
    assert (refused.status, error(refused)["code"]) == (413, "request_too_large")
    paid = groq(offer=offer, organisation=Organisation(plan="developer"))
    assert upload(paid, TRANSCRIPTIONS, {"model": WHISPER}, big).status == 200
    assert upload(paid, TRANSCRIPTIONS, {"model": WHISPER, "url": "https://e.com/a.mp3?bytes=100001"}).status == 413


# -------------------------------------------------------------------------------------------------------------- charges


@pytest.mark.parametrize("url, billed_s", [("?seconds=1", 10), ("?seconds=10.2", 11), ("?seconds=230", 230)])
def test_seconds_are_charged_at_admission(url: str, billed_s: int) -> None:
    """At least ten seconds, rounded up, in both audio buckets; the headers tell the hour's."""
    pretend = groq()
    script = upload(pretend, TRANSCRIPTIONS, {"model": TURBO, "url": f"https://example.com/a.mp3{url}"})
    for dimension in (Dimension.ASH, Dimension.ASD):
        assert pretend.level(ORG, TURBO, dimension, 0.0) == billed_s
    headers = sent(pretend, script)
    assert headers["x-ratelimit-limit-audio-seconds"] == "7200"
    assert 7200 - billed_s <= int(headers["x-ratelimit-remaining-audio-seconds"]) <= 7200 - billed_s + 3
    assert headers["x-ratelimit-reset-audio-seconds"].endswith("s")
    assert headers["x-ratelimit-limit-requests"] == "2000"
    assert "x-ratelimit-limit-tokens" not in headers
    later = script.ends_at_s + 1
    assert pretend.level(ORG, TURBO, Dimension.ASH, later) == pytest.approx(billed_s - later * 2, abs=0.01)


@pytest.mark.parametrize(
    "level, seconds, text, wait_s",
    [(6445, 1601, "Limit 7200, Used 6445, Requested 1601. Please try again in 7m3s.", 423), (5956, 2336, "9m6s.", 546)],
)
def test_full_hour_of_audio_is_announced_as_groq_did(level: float, seconds: int, text: str, wait_s: int) -> None:
    """A level and an ask that were seen live give the message and the wait that were seen."""
    pretend = groq()
    pretend.limiter.set_level(ORG, WHISPER, Dimension.ASH, level, 0.0)
    url = {"model": WHISPER, "url": f"https://example.com/a.mp3?seconds={seconds}"}
    refused = upload(pretend, TRANSCRIPTIONS, url)
    assert refused.status == 429
    assert "on seconds of audio per hour (ASPH): " in error(refused)["message"]
    assert text in error(refused)["message"]
    assert (error(refused)["type"], error(refused)["code"]) == ("seconds", "rate_limit_exceeded")
    assert dict(refused.headers)["retry-after"] == str(wait_s)
    assert upload(pretend, TRANSCRIPTIONS, url, now=wait_s).status == 200


def test_full_day_and_too_long_a_sound() -> None:
    """The day's bucket has its own name; more than an hour's worth in one request is a 413."""
    pretend = groq()
    pretend.limiter.set_level(ORG, WHISPER, Dimension.ASD, 28_800.0, 0.0)
    day = upload(pretend, TRANSCRIPTIONS, {"model": WHISPER}, FILE)
    assert "seconds of audio per day (ASPD)" in error(day)["message"]
    long = upload(groq(), TRANSCRIPTIONS, {"model": WHISPER, "url": "https://e.com/a.mp3?seconds=7201"})
    assert (long.status, error(long)["code"]) == (413, "rate_limit_exceeded")


def test_twentieth_request_of_a_minute_is_the_last() -> None:
    """RPM holds for sound as for chat."""
    pretend = groq()
    statuses = [upload(pretend, TRANSCRIPTIONS, {"model": WHISPER}, FILE).status for _ in range(21)]
    assert statuses == [200] * 20 + [429]


@pytest.mark.parametrize(
    "fault, status",
    [
        (Fault(FaultKind.OVER_CAPACITY), 503),
        (Fault(FaultKind.SERVER_ERROR), 500),
        (Fault(FaultKind.BAD_GATEWAY), 502),
        (Fault(FaultKind.INVALID_KEY), 401),
        (Fault(FaultKind.ACCESS_DENIED), 403),
        (Fault(FaultKind.RATE_LIMITED), 429),
        (Fault(FaultKind.NO_DONE), 200),
    ],
)
def test_faults_strike_sound_too(fault: Fault, status: int) -> None:
    """Statuses strike as in chat; a rule that only chat can break by does nothing and is not used up."""
    pretend = groq(fault)
    script = upload(pretend, TRANSCRIPTIONS, {"model": WHISPER}, FILE)
    assert script.status == status
    if status == 429:
        assert error(script)["type"] == "seconds"


def test_slow_fault_delays_the_text() -> None:
    """SLOW moves the whole reply and its settlement."""
    quick, slow = groq(), groq(Fault(FaultKind.SLOW, delay_s=5.0))
    ends = [upload(each, TRANSCRIPTIONS, {"model": WHISPER}, FILE).ends_at_s for each in (quick, slow)]
    assert ends[1] == pytest.approx(ends[0] + 5.0)


# ---------------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize(
    "kind, body",
    [
        ("application/json", b"{}"),
        ("multipart/form-data", form([("model", WHISPER)])),
        ("multipart/form-data; boundary=other", form([("model", WHISPER)])),
        ("multipart/form-data; boundary=b0undary", form([("model", WHISPER)])[:-8]),
        ("multipart/form-data; boundary=b0undary", form([(f"f{i}", "x") for i in range(MOST_PARTS + 1)])),
    ],
)
def test_what_is_no_form_is_refused(kind: str, body: bytes) -> None:
    """Another type, no boundary, a foreign one, a cut body, too many parts: None, and a 400 at the door."""
    assert read_form(kind, body) is None
    headers = {"authorization": f"Bearer {KEY}", "content-type": kind}
    assert groq().handle("POST", f"/v1/{TRANSCRIPTIONS}", headers, body, 0.0).status == 400


@effort(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=300), fields=st.lists(st.tuples(st.sampled_from("abc"), st.text("xyz\r\n- é", max_size=20)))
)
def test_form_gives_back_what_was_put_in(data: bytes, fields: list[tuple[str, str]]) -> None:
    """Whatever bytes and texts go into a form come out of it, unless they hold the boundary."""
    read = read_form("multipart/form-data; boundary=b0undary", form(fields, ("f.bin", data)))
    assert read is not None
    assert read.files["file"].data == data
    assert [(n, v) for n in "abc" for v in read.fields.get(n, [])] == sorted(fields, key=lambda pair: pair[0])


@effort(max_examples=100, deadline=None)
@given(
    data=st.binary(max_size=200),
    head=st.sampled_from([b"", b"RIFF", b"OggS\x00\x02", b"fLaC", b"ID3\x03", b"\xff\xfb\x90"]),
)
@pytest.mark.parametrize("extension", ["wav", "mp3", "flac", "ogg", "m4a", "opus"])
def test_no_upload_raises(extension: str, head: bytes, data: bytes) -> None:
    """Garbage of every kind is answered, with 200 or 400."""
    file = (f"x.{extension}", head + data)
    assert upload(groq(), TRANSCRIPTIONS, {"model": WHISPER}, file).status in (200, 400)


# --------------------------------------------------------------------------------------------------------------- speech


@pytest.mark.parametrize(
    "fields, status, text",
    [
        ({}, 200, ""),
        ({"response_format": None}, 200, ""),
        ({"sample_rate": 8000, "speed": 1.5}, 200, ""),
        ({"model": "canopylabs/orpheus-arabic-saudi", "voice": "noura"}, 200, ""),
        ({"response_format": "mp3"}, 400, "response_format must be one of [wav]"),
        ({"voice": "noura"}, 400, "voice must be one of"),
        ({"input": "x" * 201}, 400, "200 characters or fewer"),
        ({"input": ""}, 400, "'input'"),
        ({"sample_rate": 12345}, 400, "sample_rate"),
        ({"speed": 9}, 400, "speed"),
        ({"pitch": 1}, 400, "property 'pitch' is unsupported"),
        ({"model": WHISPER}, 400, "does not support speech"),
        ({"model": "playai-tts"}, 400, "decommissioned"),
    ],
)
def test_speech_request_is_judged(fields: dict[str, Any], status: int, text: str) -> None:
    """The rules of the Orpheus models."""
    script = send(groq(), "POST", "audio/speech", SPOKEN | fields)
    assert script.status == status
    if text:
        assert text in error(script)["message"]


@pytest.mark.parametrize(
    "text, rate_hz, speed", [("hi", 24_000, 1.0), ("word " * 40, 8000, 1.0), ("word " * 40, 48_000, 2.0)]
)
def test_speech_is_a_real_wav_file(text: str, rate_hz: int, speed: float) -> None:
    """The header is true, and fifteen characters of text are a second of sound."""
    script = send(groq(), "POST", "audio/speech", SPOKEN | {"input": text, "sample_rate": rate_hz, "speed": speed})
    with wave.open(io.BytesIO(script.body)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate_hz)
        assert file.getnframes() / rate_hz == pytest.approx(max(0.1, len(text) / 15 / speed), abs=0.01)
    assert dict(script.headers)["content-length"] == str(len(script.body))
    assert len(script.parts) > 1


def test_characters_are_charged_as_tokens() -> None:
    """Six texts of 200 characters fill the minute of 1,200; the seventh waits."""
    pretend = groq()
    statuses = [send(pretend, "POST", "audio/speech", SPOKEN | {"input": "x" * 200}).status for _ in range(7)]
    assert statuses == [200] * 6 + [429]
    assert pretend.level(ORG, ORPHEUS, Dimension.TPM, 0.0) == 1200


def test_terms_must_be_accepted_first() -> None:
    """A model whose terms are wanted answers with the code that says so."""
    pretend = groq(offer=Offer(terms_wanted=(ORPHEUS,)))
    refused = send(pretend, "POST", "audio/speech", SPOKEN)
    assert (refused.status, error(refused)["code"]) == (400, "model_terms_required")


def test_every_running_speech_model_has_voices() -> None:
    """The table of voices knows the models of the catalogue."""
    running = {model.id for model in groq().catalog.current() if model.kind == "speech"}
    assert running == VOICES.keys()


# ---------------------------------------------------------------------------------------------------- the SDK's methods


@pytest.mark.parametrize("form_name", ALL)
@pytest.mark.parametrize("source", ["tuple", "url", "path"])
async def test_groq_sdk_transcribes(form_name: Any, source: str, tmp_path: Path) -> None:
    """Every format of a file tuple, a path and a url."""
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(12))
    asked: dict[str, Any] = {"url": "https://example.com/a.ogg?seconds=12"} if source == "url" else {}
    if source != "url":
        asked = {"file": path if source == "path" else ("speech.wav", wav(12))}
    async with served() as (_, client):
        told: Any = await client.audio.transcriptions.create(model=WHISPER, response_format=form_name, **asked)
    text = told if isinstance(told, str) else told.text
    assert 28 <= len(text.split()) <= 32


async def test_groq_sdk_asks_for_words_and_translates() -> None:
    """Granularities arrive as the SDK writes them, and a translation is English."""
    async with served() as (_, client):
        told: Any = await client.audio.transcriptions.create(
            model=TURBO,
            file=("a.flac", flac(20)),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            language="fr",
        )
        moved: Any = await client.audio.translations.create(
            model=WHISPER, file=("a.mp3", mp3(20)), response_format="verbose_json"
        )
        with pytest.raises(groq_sdk.BadRequestError) as refused:
            await client.audio.translations.create(model=TURBO, file=("a.mp3", mp3(20)))
    assert len(told.words) == 50
    assert told.segments[-1]["end"] == 20
    assert told.language == "French"
    assert (moved.task, moved.language) == ("translate", "English")
    assert "translate" in str(refused.value)


async def test_groq_sdk_speaks_into_a_file(tmp_path: Path) -> None:
    """Speech whole and streamed gives the same WAV file."""
    async with served() as (_, client):
        whole = await client.audio.speech.create(
            model=ORPHEUS, voice="hannah", input="Good morning", response_format="wav"
        )
        await whole.write_to_file(tmp_path / "whole.wav")
        async with client.audio.speech.with_streaming_response.create(
            model=ORPHEUS, voice="hannah", input="Good morning", response_format="wav"
        ) as streamed:
            await streamed.stream_to_file(tmp_path / "streamed.wav")
    assert (tmp_path / "whole.wav").read_bytes() == (tmp_path / "streamed.wav").read_bytes()
    with wave.open(str(tmp_path / "whole.wav")) as file:
        assert file.getnframes() > 0


async def test_openai_sdk_transcribes_and_speaks() -> None:
    """The other SDK says the same requests in its own way."""
    async with (
        served() as (server, _),
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{server.base_url}/openai/v1") as client,
    ):
        told = await client.audio.transcriptions.create(model=WHISPER, file=("a.wav", wav(10)))
        sound = await client.audio.speech.create(model=ORPHEUS, voice="troy", input="hello", response_format="wav")
    assert len(told.text.split()) == 25
    assert sound.content.startswith(b"RIFF")


async def test_cut_fault_breaks_the_speech() -> None:
    """Half of the bytes come, and the SDK sees that more was promised."""
    async with served(Fault(FaultKind.CUT)) as (_, client):
        with pytest.raises(groq_sdk.APIConnectionError):
            await client.audio.speech.create(model=ORPHEUS, voice="troy", input="hello", response_format="wav")


async def test_twenty_megabytes_arrive_on_the_wire() -> None:
    """A large upload is read in time that grows with its size, and heard as long as it is."""
    async with served() as (_, client):
        told: Any = await client.audio.transcriptions.create(
            model=WHISPER, file=("a.wav", wav(2500)), response_format="verbose_json"
        )
    assert told.duration == 2500
    assert len(told.text.split()) == 6250

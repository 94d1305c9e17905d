"""What clients say about a sound, how it is said to a provider, and what is made of the reply."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.audio import (
    EXTENSIONS,
    LANGUAGES,
    UNSUPPORTED_FORMAT,
    AudioAsk,
    extension_of,
    form_head,
    form_parts,
    form_tail,
    read_fields,
    read_json,
)
from headgate.protocol.audio_reply import Segment, Transcript, billed_s, format_from, read_transcript, written_as
from headgate.protocol.client_json import InvalidBody

MODEL = ("model", "whisper-large-v3")


def asked(*pairs: tuple[str, str], translates: bool = False, has_file: bool = True) -> AudioAsk:
    return read_fields([MODEL, *pairs], translates=translates, has_file=has_file)


@pytest.mark.parametrize("name", [*(f"talk.{each}" for each in EXTENSIONS), "TALK.WAV", "a.b.Mp3", "ü ü.flac"])
def test_extension_that_groq_takes(name: str) -> None:
    """The name alone decides, in any case."""
    assert extension_of(name) in EXTENSIONS


@pytest.mark.parametrize("name", ["upload", "talk.oga", "talk.aac", "talk.", ".wav", "wav", "", "talk.wav.exe"])
def test_extension_that_groq_refuses(name: str) -> None:
    """No extension and any other are refused before a call is spent, in Groq's words and with its code."""
    with pytest.raises(InvalidBody) as refused:
        extension_of(name)
    assert refused.value.code == UNSUPPORTED_FORMAT
    assert refused.value.message.startswith("file must be one of the following types: [flac mp3")


def test_fields_of_a_form() -> None:
    """Every field that the SDKs send is understood; granularities are sent once for each."""
    ask = asked(
        ("language", "de"),
        ("prompt", "Schleuse"),
        ("response_format", "verbose_json"),
        ("temperature", "0.2"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("stream", "false"),
        ("headgate", '{"priority": "batch"}'),
    )
    assert ask == AudioAsk(
        model="whisper-large-v3",
        translates=False,
        language="de",
        prompt="Schleuse",
        response_format="verbose_json",
        temperature="0.2",
        granularities=("word", "segment"),
        controls={"priority": "batch"},
    )


def test_empty_fields_count_as_left_out() -> None:
    """`-F language=` is how forms leave a field out."""
    assert asked(("language", ""), ("prompt", ""), ("response_format", "")) == asked()


@pytest.mark.parametrize(
    "pairs, translates, param",
    [
        ([("model", "whisper-1")], False, "model"),
        ([("language", "klingon")], False, "language"),
        ([("language", "EN")], False, "language"),
        ([("language", "de")], True, "language"),
        ([("prompt", "x" * 897)], False, "prompt"),
        ([("response_format", "diarized_json")], False, "response_format"),
        ([("temperature", "1.1")], False, "temperature"),
        ([("temperature", "-0.1")], False, "temperature"),
        ([("temperature", "nan")], False, "temperature"),
        ([("temperature", "warm")], False, "temperature"),
        ([("timestamp_granularities[]", "word")], False, "timestamp_granularities"),
        (
            [("timestamp_granularities[]", "line"), ("response_format", "verbose_json")],
            False,
            "timestamp_granularities",
        ),
        ([("timestamp_granularities[]", "word"), ("response_format", "verbose_json")], True, "timestamp_granularities"),
        ([("stream", "true")], False, "stream"),
        ([("chunking_strategy", "auto")], False, "chunking_strategy"),
        ([("include[]", "logprobs")], False, "include[]"),
        ([("colour", "red")], False, "colour"),
        ([("url", "https://a.test/a.wav")], False, "url"),
        ([("headgate", "fast")], False, "headgate"),
        ([("headgate", "[" * 5000)], False, "headgate"),
        ([("headgate", "[1]")], False, "headgate"),
    ],
)
def test_field_that_cannot_be_right(pairs: list[tuple[str, str]], translates: bool, param: str) -> None:
    """Refused with the name of the field, and nothing was sent."""
    with pytest.raises(InvalidBody) as refused:
        asked(*pairs, translates=translates)
    assert refused.value.param == param
    assert len(refused.value.message) < 400


@pytest.mark.parametrize("has_file", [True, False])
def test_no_model(has_file: bool) -> None:
    """A request names its model."""
    with pytest.raises(InvalidBody) as refused:
        read_fields([("url", "https://a.test/a.wav")], translates=False, has_file=has_file)
    assert refused.value.param == "model"


@pytest.mark.parametrize(
    "url", ["", "ftp://a.test/a.wav", "file:///etc/passwd", "https://a.test/a b.wav", "https://a\n"]
)
def test_neither_file_nor_good_url(url: str) -> None:
    """One of both must be there, and an address must be one that a provider may fetch."""
    with pytest.raises(InvalidBody):
        asked(("url", url), has_file=False)


def test_every_language_of_the_sdk_is_known() -> None:
    """The list is the SDK's own."""
    from typing import get_args, get_type_hints

    from groq.types.audio.transcription_create_params import TranscriptionCreateParams

    hint = get_type_hints(TranscriptionCreateParams)["language"]
    literal = next(each for each in get_args(hint) if each is not str)
    assert set(get_args(literal)) == LANGUAGES


def test_json_body_with_a_url() -> None:
    """What batch lines look like is taken at the door as well; numbers may be numbers."""
    body = b"""{"model": "whisper-large-v3", "url": "https://a.test/a.wav", "temperature": 0.5, "language": null,
        "response_format": "verbose_json", "timestamp_granularities": ["word"], "headgate": {"session": "s"}}"""
    ask = read_json(body, translates=False)
    assert (ask.url, ask.temperature, ask.language, ask.granularities) == (
        "https://a.test/a.wav",
        "0.5",
        None,
        ("word",),
    )
    assert ask.controls == {"session": "s"}


@pytest.mark.parametrize(
    "body, param",
    [
        (b'{"model": "m", "file": "UklGRg=="}', "file"),
        (b'{"model": "m"}', "file"),
        (b'{"model": "m", "url": "https://a.test", "stream": true}', "stream"),
        (b'{"model": "m", "url": "https://a.test", "timestamp_granularities": "word"}', "timestamp_granularities"),
        (b'{"model": "m", "url": {"a": 1}}', "url"),
        (b'{"model": "m", "model": "n", "url": "https://a.test"}', "model"),
        (b"[]", None),
    ],
)
def test_json_body_that_cannot_be_right(body: bytes, param: str | None) -> None:
    """Refused with the name of the field."""
    with pytest.raises(InvalidBody) as refused:
        read_json(body, translates=False)
    assert refused.value.param == param


def parsed(content_type: str, form: bytes) -> list[tuple[str, str | None, bytes]]:
    """Name, filename and bytes of each part, by another's parser."""
    _, options = parse_options_header(content_type)
    parts: list[tuple[str, str | None, bytes]] = []
    value, data, ended = bytearray(), bytearray(), []

    def header(chunk: bytes, start: int, end: int) -> None:
        value.extend(chunk[start:end])

    def part_data(chunk: bytes, start: int, end: int) -> None:
        data.extend(chunk[start:end])

    def end_part() -> None:
        names = dict(re.findall(r'(\w+)="([^"]*)"', value.decode()))
        parts.append((names["name"], names.get("filename"), bytes(data)))
        value.clear()
        data.clear()

    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_header_value": header,
            "on_part_data": part_data,
            "on_part_end": end_part,
            "on_end": lambda: ended.append(True),
        },
    )
    parser.write(form)
    assert ended
    return parts


@given(prompt=st.text(max_size=200), sound=st.binary(max_size=300))
def test_form_for_the_provider_says_what_was_asked(prompt: str, sound: bytes) -> None:
    """Whatever is in the prompt and the sound, the form holds these parts and no other."""
    ask = AudioAsk(model="x", translates=False, prompt=prompt, language="en", granularities=("word", "segment"))
    parts = form_parts(ask, model="whisper-1", response_format="verbose_json")
    form = form_head("b0undary", parts, "ogg") + sound + form_tail("b0undary", has_file=True)
    assert parsed("multipart/form-data; boundary=b0undary", form) == [
        ("model", None, b"whisper-1"),
        ("response_format", None, b"verbose_json"),
        ("language", None, b"en"),
        ("prompt", None, prompt.encode("utf-8", "replace")),
        ("timestamp_granularities[]", None, b"word"),
        ("timestamp_granularities[]", None, b"segment"),
        ("file", "audio.ogg", sound),
    ]


def test_form_without_a_file() -> None:
    """A url is a field like any other."""
    ask = AudioAsk(model="x", translates=False, url="https://a.test/a.wav", temperature="0")
    form = form_head("b", form_parts(ask, model="m", response_format="json"), None) + form_tail("b", has_file=False)
    assert [name for name, _, _ in parsed("multipart/form-data; boundary=b", form)] == [
        "model",
        "response_format",
        "url",
        "temperature",
    ]


@pytest.mark.parametrize(
    "wanted, writes_verbose, length_known, asked_for",
    [
        ("json", True, True, "json"),
        ("text", True, True, "text"),
        ("json", True, False, "verbose_json"),
        ("text", True, False, "verbose_json"),
        ("json", False, False, "json"),
        ("srt", True, True, "verbose_json"),
        ("vtt", True, True, "verbose_json"),
        ("verbose_json", True, True, "verbose_json"),
    ],
)
def test_format_that_the_provider_is_asked_for(
    wanted: str, writes_verbose: bool, length_known: bool, asked_for: str
) -> None:  # fmt: skip
    """As the client wants it, unless the length of the sound or the times of subtitles are to be had from the reply."""
    assert format_from(wanted, writes_verbose=writes_verbose, length_known=length_known) == asked_for


VERBOSE = {
    "task": "transcribe",
    "language": "English",
    "duration": 3723.5,
    "text": " One. Two --> three.",
    "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 1.5, "text": " One.", "tokens": [1], "avg_logprob": -0.1},
        {"id": 1, "seek": 0, "start": 3722.04, "end": 3723.5, "text": " Two -->\n\n three.", "tokens": [2]},
    ],
    "x_groq": {"id": "req_1"},
}


def transcript_of(body: object, asked_for: str = "verbose_json") -> Transcript:
    read = read_transcript(asked_for, msgspec.json.encode(body), {"content-type": "application/json"})
    assert isinstance(read, Transcript)
    return read


@pytest.mark.parametrize(
    "wanted, made",
    [
        ("json", '{"text":" One. Two --> three.","x_groq":{"id":"req_1"}}'),
        ("text", " One. Two --> three."),
        (
            "srt",
            "1\n00:00:00,000 --> 00:00:01,500\nOne.\n\n2\n01:02:02,040 --> 01:02:03,500\nTwo -> three.\n\n",
        ),
        (
            "vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nOne.\n\n01:02:02.040 --> 01:02:03.500\nTwo -> three.\n\n",
        ),
    ],
)
def test_what_is_made_of_a_verbose_reply(wanted: str, made: str) -> None:
    """The client's format, as the provider would have written it; no text can break out of its subtitle."""
    assert written_as(wanted, transcript_of(VERBOSE)).decode() == made


def test_subtitles_without_segments() -> None:
    """One over everything; none at all where nothing was said."""
    assert written_as("srt", Transcript("Hello", 2.0)) == b"1\n00:00:00,000 --> 00:00:02,000\nHello\n\n"
    assert written_as("vtt", Transcript(" ", 2.0)) == b"WEBVTT\n\n"
    assert written_as("srt", Transcript("", 2.0, (Segment(5.0, 1.0, "late"),))).startswith(
        b"1\n00:00:05,000 --> 00:00:05"
    )


@pytest.mark.parametrize(
    "body, duration_s",
    [
        (VERBOSE, 3723.5),
        ({"text": "a", "duration": "8.47"}, 8.47),
        ({"text": "a", "usage": {"type": "duration", "seconds": 9}}, 9.0),
        ({"text": "a", "usage": {"type": "tokens", "input_tokens": 14}}, None),
        ({"text": "a", "duration": -1}, None),
        ({"text": "a", "duration": 1e300}, None),
        ({"text": "a", "duration": "long"}, None),
        ({"text": "a", "x_groq": {"id": "r"}}, None),
    ],
)
def test_length_by_the_reply(body: object, duration_s: float | None) -> None:
    """Its duration, or what OpenAI bills; nothing that cannot be."""
    assert transcript_of(body).duration_s == duration_s


@pytest.mark.parametrize(
    "asked_for, body, kind",
    [
        ("json", b'{"text": "tor', FailureKind.MALFORMED_BODY),
        ("json", b"{}", FailureKind.MALFORMED_BODY),
        ("verbose_json", b"a text", FailureKind.MALFORMED_BODY),
        ("text", b"\xff\xfe", FailureKind.MALFORMED_BODY),
    ],
)
def test_reply_that_is_no_transcript(asked_for: str, body: bytes, kind: FailureKind) -> None:
    """A failure with its kind, never an answer."""
    headers = {"content-type": "text/plain" if asked_for == "text" else "application/json"}
    read = read_transcript(asked_for, body, headers)
    assert isinstance(read, Failure)
    assert read.kind is kind


def test_error_inside_a_200() -> None:
    """Some providers answer 200 and mean an error, whatever format was asked for."""
    body = b'{"error": {"message": "Rate limit reached", "code": 429}}'
    for asked_for in ("json", "text", "verbose_json"):
        assert isinstance(read_transcript(asked_for, body, {"content-type": "application/json"}), Failure)


@pytest.mark.parametrize("duration_s, least_s, billed", [(0.01, 10, 10), (10.0, 10, 10), (10.01, 10, 11), (0.5, 0, 1)])
def test_seconds_that_are_billed(duration_s: float, least_s: int, billed: int) -> None:
    """Whole seconds, and at least what the provider always bills."""
    assert billed_s(duration_s, least_s) == billed

"""The body of POST /audio/speech: what each family of voices takes."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.protocol.speech import InvalidBody, parse_speech, speech_to_upstream

ENGLISH = "canopylabs/orpheus-v1-english"
ARABIC = "canopylabs/orpheus-arabic-saudi"
OTHER = "openai/gpt-4o-mini-tts"


def body(**fields: object) -> bytes:
    """The least request, and `fields`."""
    return json.dumps({"model": ENGLISH, "input": "Hello.", "voice": "troy", **fields}).encode()


def sent(model: str, **fields: object) -> dict[str, object]:
    """What the provider of `model` would read."""
    decoded: dict[str, object] = json.loads(speech_to_upstream(parse_speech(body(**fields)), model=model))
    return decoded


def test_a_request_is_read_and_counted_in_characters() -> None:
    """A character is a code point: what the price is made of."""
    read = parse_speech(
        body(input="né 👍🏽", speed=1.5, sample_rate=24000, response_format="wav", headgate={"task": "t"})
    )
    assert (read.model, read.voice, read.characters, read.speed) == (ENGLISH, "troy", 5, 1.5)
    assert (read.sample_rate, read.response_format, read.controls) == (24000, "wav", {"task": "t"})


def test_orpheus_is_always_asked_for_wav() -> None:
    """Its provider's own default is a format that it does not write."""
    least = {"model": ENGLISH, "input": "Hello.", "voice": "troy", "response_format": "wav"}
    assert sent(ENGLISH) == sent(ENGLISH, response_format="wav", speed=None, headgate={}) == least


def test_fields_arrive_as_they_came() -> None:
    """The served model replaces the asked one, everything else is the client's."""
    fields = {"voice": {"id": "v"}, "instructions": "calm", "response_format": "opus", "speed": 2}
    assert sent(OTHER, **fields) == {"model": OTHER, "input": "Hello.", **fields}


def test_two_hundred_characters_are_the_most_for_orpheus() -> None:
    """At the limit it is sent; one more is refused with what to do."""
    assert sent(ENGLISH, input="é" * 200)["input"] == "é" * 200
    with pytest.raises(InvalidBody, match=r"201 characters and .* at most 200: split it") as refused:
        sent(ENGLISH, input="é" * 201)
    assert refused.value.param == "input"
    assert sent(OTHER, input="é" * 201)


@pytest.mark.parametrize(
    "model, fields, param, remedy",
    [
        (ENGLISH, {"voice": "alloy"}, "voice", "autumn, diana, hannah, austin, daniel, troy"),
        (ENGLISH, {"voice": "noura"}, "voice", "autumn"),
        (ARABIC, {"voice": "troy"}, "voice", "abdullah, fahad, sultan, lulwa, noura, aisha"),
        (ENGLISH, {"response_format": "mp3"}, "response_format", "use wav"),
        (OTHER, {"response_format": "midi"}, "response_format", "use mp3"),
        (ENGLISH, {"speed": 0.4}, "speed", "from 0.5 to 5"),
        (ENGLISH, {"instructions": "calm"}, "instructions", "leave it out"),
        (ENGLISH, {"stream_format": "sse"}, "stream_format", "leave it out"),
        (ENGLISH, {"sample_rate": 11025}, "sample_rate", "use one of 8000"),
        (ENGLISH, {"input": ""}, "input", "text to be spoken"),
        (ENGLISH, {"voice": None}, "voice", "Name a voice"),
        (ENGLISH, {"emotion": "sad"}, "emotion", "leave it out"),
        (OTHER, {"input": "a" * 4097}, "input", "at most 4096"),
    ],
)
def test_what_a_family_cannot_do_is_refused(model: str, fields: dict[str, object], param: str, remedy: str) -> None:
    """With the field and what would do."""
    with pytest.raises(InvalidBody) as refused:
        sent(model, **fields)
    assert refused.value.param == param
    assert remedy in refused.value.message


def test_an_arabic_voice_speaks_arabic() -> None:
    """Each language has its own voices."""
    assert sent(ARABIC, voice="noura")["voice"] == "noura"


@given(st.binary(max_size=40))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes) -> None:
    """Nothing but `InvalidBody` is raised."""
    with suppress(InvalidBody):
        parse_speech(data)

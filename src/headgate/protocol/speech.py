"""The body of POST /audio/speech: read once, checked against the family of the model that will serve it, written again.

What a family can say, in which voices and formats, is a row here (groq-api.md 10, read 2026-11-20; OpenAI's from its
SDK 3.52). A text is billed by its characters.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.protocol.client_json import InvalidBody, decode_object, decode_value, invalid_field

__all__ = ["InvalidBody", "Speech", "VoiceFamily", "family_of", "parse_speech", "speech_to_upstream"]

SAMPLE_RATES: Final = frozenset({8000, 16000, 22050, 24000, 32000, 44100, 48000})

_NULL: Final = Raw(b"null")


class VoiceFamily(Struct, frozen=True, kw_only=True):
    """What the models of one kind take. Empty `voices` means any; `formats` has the default first."""

    name: str
    max_characters: int
    voices: tuple[str, ...]
    formats: tuple[str, ...]
    fields: frozenset[str]
    slowest: float
    fastest: float


_ORPHEUS_FIELDS: Final = frozenset({"model", "input", "voice", "response_format", "speed", "sample_rate"})
ORPHEUS_ENGLISH: Final = VoiceFamily(
    name="Orpheus English",
    max_characters=200,
    voices=("autumn", "diana", "hannah", "austin", "daniel", "troy"),
    formats=("wav",),
    fields=_ORPHEUS_FIELDS,
    slowest=0.5,
    fastest=5,
)
ORPHEUS_ARABIC: Final = VoiceFamily(
    name="Orpheus Arabic",
    max_characters=200,
    voices=("abdullah", "fahad", "sultan", "lulwa", "noura", "aisha"),
    formats=("wav",),
    fields=_ORPHEUS_FIELDS,
    slowest=0.5,
    fastest=5,
)
ANY_OTHER: Final = VoiceFamily(
    name="other",
    max_characters=4096,
    voices=(),
    formats=("mp3", "opus", "aac", "flac", "wav", "pcm", "ogg", "mulaw"),
    fields=_ORPHEUS_FIELDS | {"instructions", "stream_format"},
    slowest=0.25,
    fastest=5,
)


class Speech(Struct, frozen=True, kw_only=True):
    """One request. `characters` is what it is billed by; `voice` is None where it is an object of the provider's."""

    model: str
    input: str
    characters: int
    voice: str | None
    response_format: str | None
    speed: float | None
    sample_rate: int | None
    controls: dict[str, object]
    fields: dict[str, Raw]


class _Body(Struct, gc=False):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: Annotated[str, Meta(min_length=1)]
    voice: str | dict[str, object]
    response_format: str | None = None
    speed: Annotated[float, Meta(gt=0, le=10)] | None = None
    sample_rate: int | None = None
    instructions: str | None = None
    stream_format: str | None = None
    headgate: dict[str, object] | None = None


_HINTS: Final = {
    "model": 'Name a model, for example "canopylabs/orpheus-v1-english".',
    "input": "Give the text to be spoken.",
    "voice": "Name a voice.",
    "speed": "Use a number, 1 being normal, or leave it out.",
    "sample_rate": "Use a whole number of samples per second, or leave it out.",
    "headgate": "It is an object of controls.",
}
_TYPED: Final = frozenset(_Body.__struct_fields__)
_decode_body: Final = msgspec.json.Decoder(_Body).decode
_encode: Final = msgspec.json.Encoder().encode


def parse_speech(body: bytes) -> Speech:
    """The client's body, before it is known which model serves it. Raises `InvalidBody`."""
    fields = decode_object(body)
    for name in fields.keys() - _TYPED:
        raise InvalidBody(f"{name!r} is not a field of this endpoint: leave it out.", name)
    try:
        read = _decode_body(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error, _HINTS) from None
    if read.sample_rate is not None and read.sample_rate not in SAMPLE_RATES:
        rates = ", ".join(map(str, sorted(SAMPLE_RATES)))
        raise InvalidBody(f"'sample_rate' is {read.sample_rate}: use one of {rates}.", "sample_rate")
    return Speech(
        model=read.model,
        input=read.input,
        characters=len(read.input),
        voice=read.voice if isinstance(read.voice, str) else None,
        response_format=read.response_format,
        speed=read.speed,
        sample_rate=read.sample_rate,
        controls=read.headgate or {},
        fields=fields,
    )


def family_of(model: str) -> VoiceFamily:
    """The row that a model id belongs to, whoever serves it."""
    name = model.lower()
    if "orpheus" not in name:
        return ANY_OTHER
    return ORPHEUS_ARABIC if "arabic" in name else ORPHEUS_ENGLISH


def speech_to_upstream(speech: Speech, *, model: str) -> bytes:
    """The body for the provider of `model`, its format always named. Raises `InvalidBody` for what it cannot do."""
    family = family_of(model)
    _check(speech, model, family)
    kept = {name: raw for name, raw in speech.fields.items() if name not in {"model", "headgate"} and raw != _NULL}
    for name, raw in kept.items():
        decode_value(name, raw)
    return _encode({"model": model, "response_format": family.formats[0], **kept})


def _check(speech: Speech, model: str, family: VoiceFamily) -> None:
    if speech.characters > family.max_characters:
        raise InvalidBody(
            f"'input' has {speech.characters} characters and {model} speaks at most {family.max_characters}: "
            "split it at sentences and ask for each.",
            "input",
        )
    if family.voices and speech.voice not in family.voices:
        raise InvalidBody(f"'voice' must be one of {', '.join(family.voices)} for {model}.", "voice")
    if speech.response_format is not None and speech.response_format not in family.formats:
        raise InvalidBody(
            f"'response_format' is {speech.response_format!r}, which {model} does not write: use "
            f"{', '.join(family.formats)}.",
            "response_format",
        )
    if speech.speed is not None and not family.slowest <= speech.speed <= family.fastest:
        raise InvalidBody(f"'speed' must be from {family.slowest} to {family.fastest} for {model}.", "speed")
    for name in speech.fields.keys() - family.fields - {"headgate"}:
        if speech.fields[name] != _NULL:
            raise InvalidBody(f"{name!r} is not known to {model}: leave it out.", name)

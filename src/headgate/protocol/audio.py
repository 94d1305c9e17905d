"""What a client may say to POST /audio/transcriptions and /audio/translations, in a form or in JSON, and how it is
written as a form for the provider. The sound itself is not read here: it lies between the form's head and its tail.

The rules are those of groq-api.md 10 and of the types of the groq SDK 1.7.0 (read 2026-11-20); `srt` and `vtt`, which
OpenAI's clients expect and Groq does not write, are made of a verbose reply (`headgate.protocol.audio_reply`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from headgate.protocol.client_json import InvalidBody, decode_object, decode_value

EXTENSIONS: Final = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "opus", "wav", "webm")
"""Groq decides the format of a file by its name alone; `opus` is accepted though the docs do not list it."""
UNSUPPORTED_FORMAT: Final = "unsupported_audio_format"
JSON, TEXT, VERBOSE, SRT, VTT = "json", "text", "verbose_json", "srt", "vtt"
FORMATS: Final = (JSON, TEXT, VERBOSE, SRT, VTT)
GRANULARITIES: Final = ("word", "segment")
MOST_PROMPT_CHARACTERS: Final = 896
"""Groq counts 224 tokens as four characters each."""
_CODES: Final = """
en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk
te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo
ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jv su yue
"""
LANGUAGES: Final = frozenset(_CODES.split())
"""Whisper's, by their codes of ISO 639."""

_MANY: Final = "timestamp_granularities"
_NAMES: Final = frozenset(
    {"model", "url", "language", "prompt", "response_format", "temperature", "stream", "headgate", _MANY}
)
_OPENAI_ONLY: Final = frozenset(
    {"chunking_strategy", "include", "keywords", "known_speaker_names", "known_speaker_references", "languages"}
)


class AudioAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One request without its sound. `controls` are those of the field `headgate`; `url` is given instead of a file."""

    model: str
    translates: bool
    url: str | None = None
    language: str | None = None
    prompt: str | None = None
    response_format: str = JSON
    temperature: str | None = None
    granularities: tuple[str, ...] = ()
    controls: Mapping[str, object] = {}


def extension_of(filename: str) -> str:
    """The extension that decides the format. Raises `InvalidBody` in Groq's words for any other, and for none."""
    name, dot, extension = filename.rpartition(".")
    if not dot or not name or extension.lower() not in EXTENSIONS:
        raise InvalidBody(
            f"file must be one of the following types: [{' '.join(EXTENSIONS)}]", "file", UNSUPPORTED_FORMAT
        )
    return extension.lower()


def read_fields(pairs: Iterable[tuple[str, str]], *, translates: bool, has_file: bool) -> AudioAsk:
    """The fields of a form in their order. Raises `InvalidBody`. A field that is empty counts as left out."""
    fields: dict[str, str] = {}
    many: list[str] = []
    for raw_name, value in pairs:
        name = raw_name.removesuffix("[]")
        if name == _MANY:
            many.append(value)
        elif name in fields:
            raise InvalidBody(f"{name!r} is given twice; give it once.", name)
        elif name != raw_name:
            raise InvalidBody(_unknown(raw_name), raw_name)
        else:
            fields[name] = value
    given = {name: value for name, value in fields.items() if value}
    controls = _controls(given.pop("headgate", None))
    return _ask(given, many, controls, translates=translates, has_file=has_file)


def read_json(body: bytes, *, translates: bool) -> AudioAsk:
    """The same as a JSON body, which names a `url` since it can hold no file. Raises `InvalidBody`."""
    given: dict[str, str] = {}
    many: list[str] = []
    controls: Mapping[str, object] = {}
    for name, raw in decode_object(body).items():
        value = decode_value(name, raw)
        if name == "headgate":
            controls = _object(value)
        elif name == _MANY and value is not None:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise InvalidBody(f"{_MANY!r} must be a list of `word` and `segment`.", _MANY)
            many = value
        elif name == "file":
            raise InvalidBody("A JSON body can hold no file: send a form (multipart/form-data), or a `url`.", "file")
        elif value is not None:
            given[name] = _text(name, value)
    return _ask(given, many, controls, translates=translates, has_file=False)


def _text(name: str, value: object) -> str:
    """A JSON value as it would stand in a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidBody(f"{name!r} must be a text or a number.", name)


def _ask(
    given: dict[str, str], many: Sequence[str], controls: Mapping[str, object], *, translates: bool, has_file: bool
) -> AudioAsk:
    for name in given.keys() - _NAMES:
        raise InvalidBody(_unknown(name), name)
    model, url = given.get("model"), given.get("url")
    if not model or len(model) > 256:
        raise InvalidBody('`model` is required: name one, for example "whisper-large-v3-turbo".', "model")
    if has_file and url:
        raise InvalidBody("only one of file or url may be provided", "url")
    if not has_file and not url:
        raise InvalidBody("file or url must be provided", "file")
    if url and not (url.startswith(("https://", "http://", "data:")) and url.isprintable() and " " not in url):
        raise InvalidBody("`url` must be an http, https or data address without blanks.", "url")
    _check_stream(given.get("stream"))
    written = given.get("response_format", JSON)
    _check_format(written, many, translates=translates)
    _check_words(given.get("language"), given.get("prompt"), translates=translates)
    _check_temperature(given.get("temperature"))
    return AudioAsk(
        model=model,
        translates=translates,
        url=url,
        language=given.get("language"),
        prompt=given.get("prompt"),
        response_format=written,
        temperature=given.get("temperature"),
        granularities=tuple(dict.fromkeys(many)),
        controls=controls,
    )


def _unknown(name: str) -> str:
    shown = "".join(char if char.isprintable() else "?" for char in name[:60])
    if shown.removesuffix("[]") in _OPENAI_ONLY:
        return f"`{shown}` is known to OpenAI's newer models only, not to Whisper: leave it out."
    return f"property '{shown}' is unsupported"


def _check_stream(stream: str | None) -> None:
    if stream is not None and stream.lower() not in {"false", "0"}:
        text = "`stream` is not possible: these models answer when they have heard everything. Leave it out."
        raise InvalidBody(text, "stream")


def _check_format(written: str, many: Sequence[str], *, translates: bool) -> None:
    if written not in FORMATS:
        raise InvalidBody(f"response_format must be one of [{' '.join(FORMATS)}]", "response_format")
    if not many:
        return
    if translates:
        raise InvalidBody("`timestamp_granularities` is for transcriptions only: leave it out.", _MANY)
    if not set(many) <= set(GRANULARITIES):
        raise InvalidBody(f"{_MANY} must be one of [{' '.join(GRANULARITIES)}]", _MANY)
    if written != VERBOSE:
        raise InvalidBody(f"response_format must be `{VERBOSE}` to use {_MANY}", _MANY)


def _check_words(language: str | None, prompt: str | None, *, translates: bool) -> None:
    if translates and language not in {None, "en"}:
        text = "language must be `en` for translations: it is the language that is translated into, not the one spoken."
        raise InvalidBody(text, "language")
    if language is not None and language not in LANGUAGES:
        raise InvalidBody("language must be a code of ISO 639-1 that Whisper knows, such as `en` or `de`", "language")
    if prompt is not None and len(prompt) > MOST_PROMPT_CHARACTERS:
        text = (
            f"prompt length must be {MOST_PROMPT_CHARACTERS} characters or fewer, "
            f"but provided prompt contains {len(prompt)} characters"
        )
        raise InvalidBody(text, "prompt")


def _check_temperature(temperature: str | None) -> None:
    try:
        fits = temperature is None or 0.0 <= float(temperature) <= 1.0
    except ValueError:
        fits = False
    if not fits:
        raise InvalidBody("temperature must be between 0 and 1", "temperature")


def _controls(text: str | None) -> Mapping[str, object]:
    if text is None:
        return {}
    try:
        return _object(msgspec.json.decode(text))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidBody(
            '`headgate` must be a JSON object of controls, as {"priority": "batch"}.', "headgate"
        ) from None


def _object(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidBody('`headgate` must be an object of controls, as {"priority": "batch"}.', "headgate")
    return value


def form_parts(ask: AudioAsk, *, model: str, response_format: str) -> list[tuple[str, str]]:
    """The fields for the provider, in order; `model` is its own name for the one that serves."""
    optional = (
        ("url", ask.url),
        ("language", ask.language),
        ("prompt", ask.prompt),
        ("temperature", ask.temperature),
    )
    parts = [("model", model), ("response_format", response_format)]
    parts += [(name, value) for name, value in optional if value is not None]
    return parts + [(f"{_MANY}[]", each) for each in ask.granularities]


def form_head(boundary: str, parts: Iterable[tuple[str, str]], extension: str | None) -> bytes:
    """Everything before the bytes of the file; all but the end of a form without one (`extension` is None).

    The client's own name for the file goes no further: only its extension means anything to the provider. Values
    cannot end their part early as long as nobody who wrote them can guess the boundary.
    """
    lines = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts
    ]
    if extension is not None:
        lines.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="audio.{extension}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
    return "".join(lines).encode("utf-8", "replace")


def form_tail(boundary: str, *, has_file: bool) -> bytes:
    """What ends a form."""
    return f"\r\n--{boundary}--\r\n".encode() if has_file else f"--{boundary}--\r\n".encode()

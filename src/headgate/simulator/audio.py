"""Transcription and translation: what a request may say, and the work that comes of it.

Rules are from groq-api 10; texts of refusals are live ones where one is known.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog, Kind, Model
from headgate.domain.time import Seconds
from headgate.simulator import errors, transcripts
from headgate.simulator.errors import Rejection
from headgate.simulator.forms import Form, Upload, read_form
from headgate.simulator.languages import LANGUAGES
from headgate.simulator.limiter import Charge
from headgate.simulator.running import running
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.sounds import Sound, sound_of
from headgate.simulator.transcripts import Heard
from headgate.simulator.visit import Visit, Work

LEAST_S: Final[Seconds] = 0.01
LEAST_BILLED_S: Final = 10
MOST_PROMPT_CHARACTERS: Final = 896
LEAST_WORK_S: Final[Seconds] = 0.05
FORMATS: Final = ("json", "text", "verbose_json")
GRANULARITIES: Final = frozenset({"word", "segment"})
_NAMES: Final = frozenset(
    {"model", "url", "language", "prompt", "response_format", "temperature", "timestamp_granularities"}
)

TOO_SHORT: Final = errors.invalid(
    f"Audio file is too short. Minimum audio length is {LEAST_S} seconds.", "file", "audio_too_short"
)
NOT_A_FORM: Final = errors.invalid("request Content-Type isn't multipart/form-data")


def read(visit: Visit, catalog: Catalog, settings: SimulatorSettings) -> Work | Rejection:
    """The work of an uploaded request; the route says whether it is a translation."""
    form = read_form(visit.headers.get("content-type", ""), visit.body)
    if form is None:
        return NOT_A_FORM
    return _work(_plain_fields(form), form.files.get("file"), visit, catalog, settings)


def read_line(body: Mapping[str, Any], visit: Visit, catalog: Catalog, settings: SimulatorSettings) -> Work | Rejection:
    """The work of one line of a batch, which is JSON and has no file."""
    fields: dict[str, list[str]] = {}
    for name, value in body.items():
        values = value if isinstance(value, list) else [value]
        fields[name] = [each if isinstance(each, str) else msgspec.json.encode(each).decode() for each in values]
    return _work(fields, None, visit, catalog, settings)


def _plain_fields(form: Form) -> dict[str, list[str]]:
    return {name.removesuffix("[]"): values for name, values in form.fields.items()}


def _work(
    fields: Mapping[str, list[str]],
    upload: Upload | None,
    visit: Visit,
    catalog: Catalog,
    settings: SimulatorSettings,
) -> Work | Rejection:
    translates = visit.route.endswith("translations")
    model = _model(_first(fields, "model"), catalog, settings, translates=translates)
    if isinstance(model, Rejection):
        return model
    wrong = next((found for check in _CHECKS if (found := check(fields, translates)) is not None), None)
    if wrong is not None:
        return wrong
    sound = sound_of(upload, _first(fields, "url"))
    if isinstance(sound, Rejection):
        return sound
    offer = settings.offer
    if sound.size_bytes > (offer.attachment_bytes_free if visit.plan == "free" else offer.attachment_bytes_paid):
        return errors.BODY_TOO_LARGE
    if sound.duration_s < LEAST_S:
        return TOO_SHORT
    form = _first(fields, "response_format") or "json"
    write = _writer(form, _heard(fields, sound, translates=translates), visit.request_id)
    billed_s = ceil(max(LEAST_BILLED_S, sound.duration_s))
    return Work(
        model.id,
        f"{sound.name}\x1e{_first(fields, 'prompt') or ''}",
        Charge(1, 0, 0, 0, billed_s),
        max(LEAST_WORK_S, sound.duration_s / offer.audio_seconds_per_s) / settings.pace.output_speed_factor,
        write,
        "text/plain; charset=utf-8" if form == "text" else "application/json",
    )


def _writer(form: str, heard: Heard, request_id: str) -> Callable[[], bytes]:
    match form:
        case "text":
            return partial(transcripts.plain, heard)
        case "verbose_json":
            return partial(transcripts.verbose, heard, request_id)
        case _:
            return partial(transcripts.brief, heard, request_id)


def _heard(fields: Mapping[str, list[str]], sound: Sound, *, translates: bool) -> Heard:
    language = "en" if translates else _first(fields, "language") or "en"
    return Heard(
        sound.digest,
        sound.duration_s,
        "translate" if translates else "transcribe",
        LANGUAGES[language],
        float(_first(fields, "temperature") or 0.0),
        frozenset(fields.get("timestamp_granularities") or ("segment",)),
    )


def _first(fields: Mapping[str, list[str]], name: str) -> str | None:
    values = fields.get(name)
    return values[0] if values else None


def _model(name: str | None, catalog: Catalog, settings: SimulatorSettings, *, translates: bool) -> Model | Rejection:
    model = running(name, catalog, settings)
    if isinstance(model, Rejection):
        return model
    if model.kind is not Kind.TRANSCRIPTION or (translates and not model.translates):
        return errors.invalid(f"The model `{model.id}` does not support {'translate' if translates else 'transcribe'}")
    return model


def _check_names(fields: Mapping[str, list[str]], translates: bool) -> Rejection | None:
    unknown = next((name for name in fields if name not in _NAMES), None)
    if unknown is None and translates and "timestamp_granularities" in fields:
        unknown = "timestamp_granularities"
    return errors.invalid(f"property '{unknown}' is unsupported") if unknown else None


def _check_format(fields: Mapping[str, list[str]], _translates: bool) -> Rejection | None:
    form = _first(fields, "response_format")
    if form is not None and form not in FORMATS:
        return errors.invalid(f"response_format must be one of [{' '.join(FORMATS)}]", "response_format")
    wanted = fields.get("timestamp_granularities")
    if wanted is None:
        return None
    if not GRANULARITIES.issuperset(wanted):
        return errors.invalid("timestamp_granularities must be one of [word segment]", "timestamp_granularities")
    if form != "verbose_json":
        text = "response_format must be `verbose_json` to use timestamp_granularities"
        return errors.invalid(text, "timestamp_granularities")
    return None


def _check_language(fields: Mapping[str, list[str]], translates: bool) -> Rejection | None:
    language = _first(fields, "language")
    if language is None or language == "en" or (language in LANGUAGES and not translates):
        return None
    if translates:
        return errors.invalid("language must be `en` for translations", "language")
    return errors.invalid(f"language must be one of the following values: [{' '.join(LANGUAGES)}]", "language")


def _check_values(fields: Mapping[str, list[str]], _translates: bool) -> Rejection | None:
    prompt, temperature = _first(fields, "prompt") or "", _first(fields, "temperature")
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        return errors.invalid(
            f"prompt length must be {MOST_PROMPT_CHARACTERS} characters or fewer, "
            f"but provided prompt contains {len(prompt)} characters"
        )
    try:
        fits = temperature is None or 0.0 <= float(temperature) <= 1.0
    except ValueError:
        fits = False
    return None if fits else errors.invalid("temperature must be between 0 and 1", "temperature")


_CHECKS: Final[tuple[Callable[[Mapping[str, list[str]], bool], Rejection | None], ...]] = (
    _check_names,
    _check_format,
    _check_language,
    _check_values,
)

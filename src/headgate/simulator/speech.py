"""Text to speech: the rules of the Orpheus models, and a real WAV file that says nothing but a tone.

Rules are from groq-api 10. The documented formats and default are left over from an older family; these write WAV only.
"""

import struct
from functools import lru_cache, partial
from math import ceil, pi, sin
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog, Kind
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.limiter import Charge
from headgate.simulator.running import running
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.visit import Visit, Work

MOST_CHARACTERS: Final = 200
CHARACTERS_PER_S: Final = 15.0
SPOKEN_SECONDS_PER_S: Final = 8.0
"""How much speech a second of work makes."""

SAMPLE_RATE_HZ: Final = 24_000
SAMPLE_RATES_HZ: Final = (8000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
SPEEDS: Final = (0.5, 5.0)
PIECES: Final = 8
VOICES: Final = {
    "canopylabs/orpheus-v1-english": ("autumn", "diana", "hannah", "austin", "daniel", "troy"),
    "canopylabs/orpheus-arabic-saudi": ("abdullah", "fahad", "sultan", "lulwa", "noura", "aisha"),
}
_FIELDS: Final = frozenset({"model", "input", "voice", "response_format", "sample_rate", "speed"})
_TONE_HZ: Final = 200
_LOUDNESS: Final = 6000


def read(visit: Visit, catalog: Catalog, settings: SimulatorSettings) -> Work | Rejection:
    """The work of a request; its charge counts characters where chat counts tokens."""
    try:
        raw = msgspec.json.decode(visit.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return errors.NOT_JSON
    if not isinstance(raw, dict):
        return errors.NOT_JSON
    model = running(raw.get("model"), catalog, settings)
    if isinstance(model, Rejection):
        return model
    if model.kind is not Kind.SPEECH:
        return errors.invalid(f"The model `{model.id}` does not support speech")
    wrong = _wrong(raw, VOICES.get(model.id, ()))
    if wrong is not None:
        return wrong
    text: str = raw["input"]
    rate_hz = raw.get("sample_rate") or SAMPLE_RATE_HZ
    spoken_s = max(0.1, len(text) / CHARACTERS_PER_S / (raw.get("speed") or 1.0))
    return Work(
        model.id,
        text,
        Charge(1, len(text), len(text), 0),
        spoken_s / SPOKEN_SECONDS_PER_S / settings.pace.output_speed_factor,
        partial(wav, spoken_s, rate_hz),
        "audio/wav",
        PIECES,
    )


def _wrong(raw: dict[str, Any], voices: tuple[str, ...]) -> Rejection | None:
    unknown = next((name for name in raw if name not in _FIELDS), None)
    if unknown is not None:
        return errors.invalid(f"property '{unknown}' is unsupported")
    text, voice, form = raw.get("input"), raw.get("voice"), raw.get("response_format")
    if not isinstance(text, str) or not text:
        return errors.invalid("'input' : property 'input' is missing", "input")
    if len(text) > MOST_CHARACTERS:
        message = f"input must be {MOST_CHARACTERS} characters or fewer, but provided input contains {len(text)}"
        return errors.invalid(f"{message} characters", "input")
    if voice not in voices:
        return errors.invalid(f"voice must be one of the following voices: [{' '.join(voices)}]", "voice")
    if form not in (None, "wav"):
        return errors.invalid("response_format must be one of [wav]", "response_format")
    if raw.get("sample_rate") not in (None, *SAMPLE_RATES_HZ):
        rates = " ".join(map(str, SAMPLE_RATES_HZ))
        return errors.invalid(f"sample_rate must be one of [{rates}]", "sample_rate")
    speed = raw.get("speed")
    if speed is None or (isinstance(speed, int | float) and SPEEDS[0] <= speed <= SPEEDS[1]):
        return None
    return errors.invalid(f"speed must be between {SPEEDS[0]} and {SPEEDS[1]}", "speed")


def wav(duration_s: float, rate_hz: int) -> bytes:
    """A WAV file of one channel and 16 bits: a low tone of that length, its header true."""
    samples = ceil(duration_s * rate_hz)
    period = _period(rate_hz)
    sound = (period * (samples * 2 // len(period) + 1))[: samples * 2]
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(sound), b"WAVE", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16
    )
    return head + struct.pack("<4sI", b"data", len(sound)) + sound


@lru_cache(maxsize=len(SAMPLE_RATES_HZ))
def _period(rate_hz: int) -> bytes:
    """One swing of the tone."""
    samples = rate_hz // _TONE_HZ
    return b"".join(struct.pack("<h", int(_LOUDNESS * sin(2 * pi * i / samples))) for i in range(samples))

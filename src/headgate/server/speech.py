"""The door of `POST /audio/speech`: JSON in, sound out."""

from headgate.catalog import Kind
from headgate.domain.answer import Refusal
from headgate.domain.limits import Amounts
from headgate.protocol.speech import parse_speech
from headgate.runtime.errand_speech import SpeechErrand
from headgate.server.controls import read_controls
from headgate.server.fetching import fetch, sized
from headgate.server.visit import Visit


async def speech(visit: Visit, body: bytes, started_at: float) -> None:
    """Answer one request. What it takes is its characters, which are counted as tokens."""
    asked = parse_speech(body)
    controls = read_controls(visit.scope["headers"], asked.controls, visit.identity)
    fixed = Amounts(input_tokens=asked.characters)
    request = sized(visit, asked.model, Kind.SPEECH, controls, fixed, started_at)
    if isinstance(request, Refusal):
        await visit.refuse(request)
        return
    errand = SpeechErrand(asked)
    await fetch(visit, request, errand, controls, started_at, lambda: errand.sound_type)

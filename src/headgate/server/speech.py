"""The door of `POST /audio/speech`: JSON in, sound out."""

from headgate.catalog import Kind
from headgate.domain.answer import Refusal
from headgate.domain.limits import Amounts
from headgate.domain.request import Request
from headgate.protocol.speech import Speech, parse_speech
from headgate.runtime.errand_speech import SpeechErrand
from headgate.server.controls import Controls, read_controls
from headgate.server.fetching import Asker, fetch, sized
from headgate.server.visit import Visit


async def speech(visit: Visit, body: bytes, started_at: float) -> None:
    """Answer one request."""
    asked = parse_speech(body)
    controls = read_controls(visit.scope["headers"], asked.controls, visit.identity)
    request = request_of(visit, asked, controls, started_at)
    if isinstance(request, Refusal):
        await visit.refuse(request)
        return
    errand = SpeechErrand(asked)
    await fetch(visit, request, errand, controls, started_at, lambda: errand.sound_type)


def request_of(asker: Asker, asked: Speech, controls: Controls, now: float) -> Request | Refusal:
    """The facts of a request. What it takes is its characters, which are counted as tokens."""
    return sized(asker, asked.model, Kind.SPEECH, controls, Amounts(input_tokens=asked.characters), now)

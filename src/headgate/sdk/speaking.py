"""Owns `speak`: a text and a voice in, a sound out."""

from collections.abc import Mapping

from headgate.protocol.speech import parse_speech
from headgate.runtime.errand_speech import SpeechErrand
from headgate.sdk.asking import Asking
from headgate.sdk.options import call_body
from headgate.sdk.reading import brought
from headgate.sdk.results import Speech, facts
from headgate.server.speech import request_of


async def sound_of(asking: Asking, fields: Mapping[str, object], options: Mapping[str, object]) -> Speech:
    """The sound of a text; `fields` are those of the body. Raises a HeadgateError."""
    with asking.understood():
        asked = parse_speech(call_body(fields, options))
        controls = asking.controls(asked.controls)
        found = request_of(asking, asked, controls, asking.gateway.now())
    errand = SpeechErrand(asked)
    answered = await asking.gateway.driver.ask(asking.allowed(found), errand)
    body = brought(answered)
    return Speech(audio=body, content_type=errand.sound_type, **facts(answered, body, controls.inactive))

"""Speech as an errand: a text that is spoken, its sound as it came."""

from collections.abc import Mapping
from typing import Final

from headgate.catalog import Model
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply, Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.request import Request
from headgate.local.skills import Supplies
from headgate.local.template import LocalAnswer
from headgate.protocol.dialect import Dialect
from headgate.protocol.errors import classify
from headgate.protocol.speech import Speech, speech_to_upstream
from headgate.runtime.errand import JSON

SPEECH_PATH: Final = "/audio/speech"
ANY_SOUND: Final = "application/octet-stream"


class SpeechErrand:
    """A text and its voice. `sound_type` is the content type of the sound that came."""

    __slots__ = ("_asked", "sound_type")

    path = SPEECH_PATH
    content_type = JSON
    include_usage = False

    def __init__(self, asked: Speech) -> None:
        self._asked = asked
        self.sound_type = ANY_SOUND

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:  # noqa: ARG002
        return speech_to_upstream(self._asked, model=model.sent_as())

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:  # noqa: ARG002
        """Providers tell no usage of speech. Characters are what is billed, and what Groq's limits count as tokens."""
        kind = headers.get("content-type", ANY_SOUND)
        if kind.partition(";")[0].strip() == "application/json":
            return classify(200, body, headers)
        if not body:
            return Failure(FailureKind.MALFORMED_BODY, status=200, message="The reply holds no sound.")
        self.sound_type = kind
        characters = self._asked.characters
        return Reply("stop", Usage(characters, 0, characters=characters))

    def given(self, call: a.Call, body: bytes) -> bytes:  # noqa: ARG002
        return body

    def check(self, body: bytes) -> str:  # noqa: ARG002 nobody listens here
        return ""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> None:  # noqa: ARG002
        return None

    def answer_locally(self, request: Request, reason: str, supplies: Supplies) -> LocalAnswer | None:  # noqa: ARG002
        return None

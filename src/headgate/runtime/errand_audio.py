"""The errand of a transcription or translation: a form around a spooled sound, written anew for each call."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

import msgspec

from headgate.catalog import Model
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply, Usage
from headgate.domain.failure import Failure
from headgate.domain.request import Request
from headgate.domain.time import Seconds
from headgate.local.skills import Supplies
from headgate.local.template import LocalAnswer
from headgate.protocol.audio import SRT, VERBOSE, VTT, AudioAsk, form_head, form_parts, form_tail
from headgate.protocol.audio_reply import Transcript, billed_s, format_from, read_transcript, written_as
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialect import Dialect
from headgate.runtime.spool import Spool
from headgate.runtime.upstream import Body

LEAST_RESERVED_S: Final = 10
"""What Groq bills at least (groq-api.md 10); also what is reserved for a `url`, whose length nobody knows before."""


class Sound(msgspec.Struct, frozen=True):
    """An uploaded sound. `length_s` is what it states; where it states nothing, a guess, and not `is_measured`."""

    spool: Spool
    extension: str
    length_s: Seconds
    is_measured: bool


def _writes_verbose(model: Model) -> bool:
    """Whether a model tells the times of what it heard."""
    return "whisper" in model.sent_as().lower()


class FormUpload:
    """A form as the body of a call: its head, the sound from the spool, its tail."""

    __slots__ = ("_head", "_spool", "_tail", "is_given", "size_bytes")

    def __init__(self, head: bytes, spool: Spool, tail: bytes) -> None:
        self._head = head
        self._spool = spool
        self._tail = tail
        self.size_bytes = len(head) + spool.size_bytes + len(tail)
        self.is_given = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        self.is_given = False
        yield self._head
        async with aclosing(self._spool.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk
        yield self._tail
        self.is_given = True


class _Asked(msgspec.Struct):
    """What one call asked for, and what it brought."""

    response_format: str
    least_billed_s: int
    transcript: Transcript | None = None


class AudioErrand:
    """One sound to be heard. `boundary` is a secret of this request: then no field can end its part early. Whoever
    `wants_all` is given what each model can tell at most, verbose or not, instead of the one format of the ask."""

    __slots__ = ("_asked", "_boundary", "_sound", "_wants_all", "ask", "content_type", "path")

    include_usage = False

    def __init__(self, ask: AudioAsk, sound: Sound | None, boundary: str, *, wants_all: bool = False) -> None:
        self.ask = ask
        self.path = "/audio/translations" if ask.translates else "/audio/transcriptions"
        self.content_type = f"multipart/form-data; boundary={boundary}".encode()
        self._boundary = boundary
        self._sound = sound
        self._wants_all = wants_all
        self._asked: dict[int, _Asked] = {}

    @property
    def reserved_s(self) -> int:
        """Seconds of audio that a call may take."""
        return LEAST_RESERVED_S if self._sound is None else billed_s(self._sound.length_s, LEAST_RESERVED_S)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the client may want to know of how the call was made."""
        sound = self._sound
        if sound is None:
            return (f"the length of the url is not known: {LEAST_RESERVED_S} s were reserved",)
        if not sound.is_measured:
            return (f"the file states no length: {self.reserved_s} s were reserved by its size",)
        return ()

    def fitted(self, call: int) -> str:
        """What the call asked for instead of what the client did, as `srt->verbose_json`; "" where that is the same."""
        asked = self._asked[call].response_format
        return "" if asked == self.ask.response_format else f"{self.ask.response_format}->{asked}"

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> Body:
        ask, sound = self.ask, self._sound
        if ask.url is not None and dialect.name != "groq":
            raise InvalidBody(f"{model.id} takes no `url`: send the file itself.", "url")
        verbose = _writes_verbose(model)
        if ask.response_format in {SRT, VTT} and not verbose:
            raise InvalidBody(f"{model.id} gives no times to make subtitles of: ask a Whisper.", "response_format")
        length_known = sound is not None and sound.is_measured
        wanted = VERBOSE if self._wants_all and verbose else ask.response_format
        asked = format_from(wanted, writes_verbose=verbose, length_known=length_known)
        self._asked[call.number] = _Asked(asked, model.min_billed_audio_s)
        parts = form_parts(ask, model=model.sent_as(), response_format=asked)
        head = form_head(self._boundary, parts, None if sound is None else sound.extension)
        tail = form_tail(self._boundary, has_file=sound is not None)
        return head + tail if sound is None else FormUpload(head, sound.spool, tail)

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:
        """The usage is by the reply's own word on the length; else by the file's, else by what was reserved."""
        asked = self._asked[call.number]
        transcript = read_transcript(asked.response_format, body, headers)
        if isinstance(transcript, Failure):
            return transcript
        asked.transcript = transcript
        length_s = transcript.duration_s
        if length_s is None:
            length_s = self.reserved_s if self._sound is None else self._sound.length_s
        return Reply("stop", Usage(0, 0, audio_s=billed_s(length_s, asked.least_billed_s)))

    def given(self, call: a.Call, body: bytes) -> bytes:
        asked = self._asked[call.number]
        if self._wants_all or asked.response_format == self.ask.response_format:
            return body
        assert asked.transcript is not None
        return written_as(self.ask.response_format, asked.transcript)

    def check(self, body: bytes) -> str:  # noqa: ARG002 - what was heard is what was said
        return ""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> bytes | None:  # noqa: ARG002
        return None

    def answer_locally(self, request: Request, reason: str, supplies: Supplies) -> LocalAnswer | None:  # noqa: ARG002
        return None

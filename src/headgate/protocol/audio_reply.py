"""What a provider answers to audio: read once, and written as the client asked for it.

A reply in the format `text` or `json` does not say how long the sound was. Where that is not known from elsewhere, or
where subtitles are wanted, the provider is asked for `verbose_json`, and the client's own form is made of it here.
"""

from collections.abc import Mapping, Sequence
from math import ceil, isfinite
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.domain.failure import Failure, FailureKind
from headgate.domain.time import Seconds
from headgate.protocol.audio import JSON, SRT, TEXT, VERBOSE, VTT
from headgate.protocol.errors import classify

MEDIA_TYPES: Final[Mapping[str, bytes]] = {
    JSON: b"application/json",
    VERBOSE: b"application/json",
    TEXT: b"text/plain; charset=utf-8",
    SRT: b"text/plain; charset=utf-8",
    VTT: b"text/vtt; charset=utf-8",
}
LONGEST_S: Final = 10_000_000.0
"""Longer sounds are mistakes."""

_EMPTY: Final = frozenset({b"", b"null"})
_NONE: Final = Raw(b"null")


class Segment(Struct, frozen=True, gc=False):
    """One stretch of speech."""

    start: float = 0.0
    end: float = 0.0
    text: str = ""


class _Usage(Struct, gc=False):
    seconds: float | None = None


class Transcript(Struct, frozen=True):
    """A reply in short. `duration_s` is None where it does not say how long the sound was."""

    text: str
    duration_s: Seconds | None = None
    segments: tuple[Segment, ...] = ()
    x_groq: Raw = _NONE


class _Body(Struct, gc=False):
    text: str | None = None
    duration: float | str | None = None
    segments: tuple[Segment, ...] | None = None
    usage: _Usage | None = None
    x_groq: Raw = _NONE
    error: Raw = _NONE


_decode: Final = msgspec.json.Decoder(_Body).decode
_encode: Final = msgspec.json.Encoder().encode


def format_from(wanted: str, *, writes_verbose: bool, length_known: bool) -> str:
    """The format to ask a provider for, so that the wanted one and the length of the sound can be had from it."""
    if wanted in {SRT, VTT} or (writes_verbose and not length_known):
        return VERBOSE
    return wanted


def read_transcript(asked: str, body: bytes, headers: Mapping[str, str]) -> Transcript | Failure:
    """What a 200 says that was asked for in the format `asked`, or why it is no answer."""
    if asked == TEXT and not headers.get("content-type", "").startswith("application/json"):
        try:
            return Transcript(body.decode())
        except UnicodeDecodeError:
            return Failure(FailureKind.MALFORMED_BODY, status=200, message="The reply is not UTF-8.", body=body)
    try:
        read = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return classify(200, body, {})
    if read.text is None or bytes(read.error) not in _EMPTY:
        return classify(200, body, {})
    return Transcript(read.text, _duration_s(read), read.segments or (), read.x_groq)


def _duration_s(read: _Body) -> Seconds | None:
    given = read.usage.seconds if read.duration is None and read.usage is not None else read.duration
    try:
        duration_s = None if given is None else float(given)
    except ValueError:
        return None
    if duration_s is None or not isfinite(duration_s) or not 0.0 <= duration_s <= LONGEST_S:
        return None
    return duration_s


def billed_s(duration_s: Seconds, least_s: int) -> int:
    """Whole seconds that a provider counts."""
    return max(least_s, ceil(duration_s))


def written_as(wanted: str, transcript: Transcript) -> bytes:
    """The transcript of a verbose reply in the client's format, which is any but verbose itself."""
    match wanted:
        case "json":
            extra = {} if bytes(transcript.x_groq) in _EMPTY else {"x_groq": transcript.x_groq}
            return _encode({"text": transcript.text, **extra})
        case "text":
            return transcript.text.encode()
        case "srt":
            cues = enumerate(_cues(transcript), 1)
            return "".join(f"{n}\n{_srt(a)} --> {_srt(b)}\n{text}\n\n" for n, (a, b, text) in cues).encode()
        case "vtt":
            return (
                "WEBVTT\n\n" + "".join(f"{_vtt(a)} --> {_vtt(b)}\n{t}\n\n" for a, b, t in _cues(transcript))
            ).encode()
        case _:
            raise AssertionError(f"{wanted} is not made here")


def _cues(transcript: Transcript) -> Sequence[tuple[Seconds, Seconds, str]]:
    """Start, end and text of each subtitle; one over everything where the reply has no segments."""
    segments = transcript.segments or (Segment(0.0, transcript.duration_s or 0.0, transcript.text),)
    cues = ((max(0.0, each.start), max(0.0, each.start, each.end), _cue_text(each.text)) for each in segments)
    return [cue for cue in cues if cue[2]]


def _cue_text(text: str) -> str:
    """On one line, as a blank one would end the cue, and without the arrow that would begin another."""
    return " ".join(text.split()).replace("-->", "->")


def _srt(at_s: Seconds) -> str:
    return _vtt(at_s).replace(".", ",")


def _vtt(at_s: Seconds) -> str:
    all_ms = round(min(at_s, LONGEST_S) * 1000)
    all_s, ms = divmod(all_ms, 1000)
    minutes, s = divmod(all_s, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{s:02}.{ms:03}"

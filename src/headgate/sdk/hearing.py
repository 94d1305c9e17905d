"""Owns `transcribe` and `translate`: a sound in, what was said out.

A sound is a path, bytes, a file that is open, or the `url` of one. Whisper is asked for everything it can tell, since
that costs nothing more.
"""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import closing
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import msgspec

from headgate.domain.failure import Failure
from headgate.protocol.audio import JSON, VERBOSE, extension_of, read_fields
from headgate.protocol.audio_reply import read_transcript
from headgate.protocol.client_json import InvalidBody
from headgate.runtime.errand_audio import AudioErrand, Sound
from headgate.runtime.outcome import Answered
from headgate.runtime.spool import PIECE_BYTES, Spool, SpoolFullError
from headgate.sdk.asking import Asking
from headgate.sdk.options import call_form
from headgate.sdk.problems import refused
from headgate.sdk.reading import brought
from headgate.sdk.results import Segment, Transcript, Word, facts
from headgate.server.audio import BOUNDARY_BYTES, no_room, request_of, sound_of, too_large

AUDIO_TIER: Final = "headgate/audio"
AudioFile: TypeAlias = str | PathLike[str] | bytes | bytearray | BinaryIO
"""A path, the bytes themselves, or a file open for reading bytes."""

WORD_FIELDS: Final[Mapping[str, object]] = {
    "response_format": VERBOSE,
    "timestamp_granularities": ("word", "segment"),
}
"""What asks for the time of each word."""

_STARTS: Final = (
    (b"RIFF", 0, "wav"),
    (b"fLaC", 0, "flac"),
    (b"OggS", 0, "ogg"),
    (b"ID3", 0, "mp3"),
    (b"\xff\xfb", 0, "mp3"),
    (b"\xff\xf3", 0, "mp3"),
    (b"\xff\xf2", 0, "mp3"),
    (b"ftyp", 4, "m4a"),
    (b"\x1aE\xdf\xa3", 0, "webm"),
)
"""What stands where at the beginning of the formats that providers take, by their own definitions."""
_HEAD_BYTES: Final = 8


class _Body(msgspec.Struct):
    language: str | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Word, ...] | None = None


_decode: Final = msgspec.json.Decoder(_Body).decode


async def transcript_of(
    asking: Asking,
    file: AudioFile | None,
    filename: str | None,
    fields: Mapping[str, object],
    options: Mapping[str, object],
    *,
    translates: bool,
) -> Transcript:
    """What is said in a sound; `fields` are those of the form. Raises a HeadgateError, and OSError of the file."""
    with closing(asking.gateway.spools.new()) as spool, asking.understood():
        ask = read_fields(call_form(fields, options), translates=translates, has_file=file is not None)
        controls = asking.controls(ask.controls)
        sound = None if file is None else await _sound(asking, spool, file, filename)
        wants_all = not ask.granularities
        errand = AudioErrand(ask, sound, secrets.token_hex(BOUNDARY_BYTES), wants_all=wants_all)
        request = asking.allowed(request_of(asking, ask, errand.reserved_s, controls, asking.gateway.now()))
        answered = await asking.gateway.driver.ask(request, errand)
    return _transcript(asking, answered, sound, controls.inactive)


def _transcript(asking: Asking, answered: Answered, sound: Sound | None, inactive: tuple[str, ...]) -> Transcript:
    body = brought(answered)
    try:
        told = _decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise asking.unreadable(error, body) from None
    said = read_transcript(JSON, body, {})
    if isinstance(said, Failure):
        raise asking.unreadable(ValueError(said.message), body)
    duration_s = said.duration_s
    if duration_s is None and sound is not None and sound.is_measured:
        duration_s = sound.length_s
    return Transcript(
        text=said.text,
        language=told.language or "",
        duration_s=duration_s,
        segments=told.segments or (),
        words=told.words or (),
        **facts(answered, body, inactive),
    )


# Sounds ---------------------------------------------------------------------------------------------------------------


async def _sound(asking: Asking, spool: Spool, file: AudioFile, filename: str | None) -> Sound:
    """The sound with its length. Raises InvalidBody and a HeadgateError."""
    most = asking.gateway.audio.max_file_bytes
    try:
        if isinstance(file, bytes | bytearray):
            await _add(asking, spool, bytes(file), most)
            name, head = filename or "", bytes(file[:_HEAD_BYTES])
        elif isinstance(file, str) and file.startswith(("https://", "http://", "data:")):
            raise InvalidBody("An address is given as `url=`, a path as `file`.", "file")
        elif isinstance(file, str | PathLike):
            path = Path(file)
            with await asyncio.to_thread(path.open, "rb") as opened:
                head = await _copy(asking, spool, opened, most)
            name = filename or path.name
        elif callable(getattr(file, "read", None)):
            head = await _copy(asking, spool, file, most)
            name = filename or _name_of(file)
        else:
            raise InvalidBody("`file` is a path, bytes, or a file open for reading bytes.", "file")
        await spool.finish()
    except SpoolFullError:
        raise refused(no_room(), asking.name) from None
    return await sound_of(spool, _extension(name, head))


async def _copy(asking: Asking, spool: Spool, file: BinaryIO, most: int) -> bytes:
    """Everything from where the file stands; its first bytes."""
    head = b""
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        if not isinstance(piece, bytes):
            raise InvalidBody("`file` must be open for reading bytes: open(path, 'rb').", "file")
        head = head or piece[:_HEAD_BYTES]
        await _add(asking, spool, piece, most)
    return head


async def _add(asking: Asking, spool: Spool, piece: bytes, most: int) -> None:
    if spool.size_bytes + len(piece) > most:
        raise refused(too_large(most), asking.name)
    await spool.add(piece)


def _name_of(file: BinaryIO) -> str:
    name = getattr(file, "name", "")
    return Path(fspath(name)).name if isinstance(name, str | PathLike) else ""


def _extension(name: str, head: bytes) -> str:
    """By the name; else by what the bytes begin with. Raises InvalidBody."""
    try:
        return extension_of(name)
    except InvalidBody:
        for sign, at, extension in _STARTS:
            if head[at : at + len(sign)] == sign:
                return extension
        raise

"""The doors of `POST /audio/transcriptions` and `/audio/translations`: a form with a file, or JSON with a `url`.

The file is spooled as it comes and handed on as it is taken; nobody holds it whole. Time counts from its last byte.
"""

import asyncio
import secrets
from typing import Final

import msgspec

from headgate.catalog import Kind, Model
from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.limits import Amounts
from headgate.domain.request import Need, Request
from headgate.protocol.audio import AudioAsk, read_fields, read_json
from headgate.protocol.audio_reply import MEDIA_TYPES
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.openai import error_body
from headgate.runtime.audio_length import guessed_s, measured_s
from headgate.runtime.errand_audio import AudioErrand, Sound
from headgate.runtime.outcome import Answered
from headgate.runtime.spool import Spool, SpoolFullError
from headgate.server import visit as door
from headgate.server.controls import Controls, InvalidControl, read_controls
from headgate.server.errors import invalid
from headgate.server.fetching import Asker, named
from headgate.server.gateway import Gateway
from headgate.server.labels import JSON, NO_RETRY, labels, lines_of
from headgate.server.multipart import MOST_FIELD_BYTES, FileTooLargeError, FormReader
from headgate.server.outcome import Outgoing, overhead_s, told
from headgate.server.uploading import IDLE_S, received
from headgate.server.visit import Visit

FULL_RETRY_S: Final = 5.0
MOST_AROUND_BYTES: Final = MOST_FIELD_BYTES + 64 * 1024
"""What a form may hold besides its file."""
BOUNDARY_BYTES: Final = 16


class Taken(msgspec.Struct, frozen=True):
    """One request that was read: what is asked, and the sound unless it is a `url`."""

    ask: AudioAsk
    sound: Sound | None


async def transcribe(visit: Visit) -> None:
    """What was said, in its own language."""
    await _hear(visit, translates=False)


async def translate(visit: Visit) -> None:
    """What was said, in English."""
    await _hear(visit, translates=True)


async def _hear(visit: Visit, *, translates: bool) -> None:
    gateway, tenant = visit.gateway, visit.identity.tenant
    if not gateway.enter(tenant):
        await visit.refuse(door.busy())
        return
    spool = gateway.spools.new()
    try:
        taken = await _taken(visit, spool, translates=translates)
        if isinstance(taken, Taken):
            await _answer(visit, taken)
        elif isinstance(taken, Refusal):
            await visit.refuse(taken)
        elif taken is not None:
            body = error_body(taken.message, "invalid_request_error", taken.code, taken.param)
            await visit.reply(body, 400, (JSON, NO_RETRY))
    finally:
        spool.close()
        gateway.leave(tenant)


# Reading -------------------------------------------------------------------------------------------------------------


async def _taken(visit: Visit, spool: Spool, *, translates: bool) -> Taken | Refusal | InvalidBody | None:
    """The request; why it cannot be one; None when the client left before its end."""
    most = visit.gateway.audio.max_file_bytes
    try:
        if visit.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() == JSON[1]:
            body = await door.read_json(visit.scope, visit.receive, visit.headers, visit.gateway.max_body_bytes)
            return Taken(read_json(body, translates=translates), None) if isinstance(body, bytes) else body
        form = FormReader(visit.headers.get(b"content-type", b""), most)
        stated = visit.headers.get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > most + MOST_AROUND_BYTES:
            return too_large(most)
        if not await received(visit.receive, form, spool):
            return None
        ask = read_fields(form.fields, translates=translates, has_file=form.extension is not None)
        return Taken(ask, None if form.extension is None else await sound_of(spool, form.extension))
    except InvalidBody as problem:
        return problem
    except FileTooLargeError:
        return too_large(most)
    except SpoolFullError:
        return no_room()
    except TimeoutError:
        return invalid(f"Nothing of the upload came for {IDLE_S:.0f} seconds.", status=408)


async def sound_of(spool: Spool, extension: str) -> Sound:
    """The sound with its length, by the file's own word if it can be read and believed."""
    length_s = await asyncio.to_thread(measured_s, spool.sound(), spool.size_bytes)
    if length_s is None:
        return Sound(spool, extension, guessed_s(spool.size_bytes), is_measured=False)
    return Sound(spool, extension, length_s, is_measured=True)


def no_room() -> Refusal:
    """503 for a sound that cannot be kept while it is asked about."""
    text = "There is no room for more uploads at the moment (setting audio.max_held_bytes, or the disk is full)."
    return Refusal(RefusalCode.NO_CAPACITY, text, 503, FULL_RETRY_S)


def too_large(most: int) -> Refusal:
    """413 that names the setting."""
    text = f"The file is larger than {most:,} bytes (setting audio.max_file_bytes): cut it up, or give its `url`."
    return invalid(text, "file", status=413)


# Answering -----------------------------------------------------------------------------------------------------------


async def _answer(visit: Visit, taken: Taken) -> None:
    gateway, identity = visit.gateway, visit.identity
    started_at = gateway.now()
    try:
        controls = read_controls(visit.scope["headers"], taken.ask.controls, identity)
    except InvalidControl as problem:
        await visit.refuse(problem.refusal)
        return
    errand = AudioErrand(taken.ask, taken.sound, secrets.token_hex(BOUNDARY_BYTES))
    request = request_of(visit, taken.ask, errand.reserved_s, controls, started_at)
    if isinstance(request, Refusal):
        await visit.refuse(request)
        return
    watch = visit.watch()
    try:
        answered = await gateway.driver.ask(request, errand, identity.own_key)
        watch.stop()
        marks = labels(
            answered,
            overhead_s=overhead_s(gateway, answered, started_at),
            explain=controls.inactive if controls.explain else None,
            notes=errand.notes,
        )
        await door.send_whole(visit.scope, visit.send, *_outgoing(gateway, answered, errand, marks))
    except asyncio.CancelledError:
        if not watch.gone:
            raise
    finally:
        watch.stop()


def request_of(asker: Asker, ask: AudioAsk, reserved_s: int, controls: Controls, now: float) -> Request | Refusal:
    """The request's facts. Only models that hear are candidates, whatever route or tier was named."""
    needs = Need.TRANSLATION if ask.translates else Need.NONE
    request = asker.gateway.intake.request_for(
        ask.model,
        Kind.TRANSCRIPTION,
        controls,
        fixed=Amounts(audio_s=reserved_s),
        request_id=asker.name,
        tenant=asker.identity.tenant,
        now=now,
        own_key=asker.identity.own_key_id,
        needs=needs,
    )
    if isinstance(request, Refusal):
        return request
    able, elsewhere = (
        tuple(name for name in names if _is_able(asker.gateway.catalog.model(name), ask))
        for names in (request.candidates, request.elsewhere)
    )
    if not able and not elsewhere and controls.tier is None:  # a route of chat models says nothing of who can hear
        able = tuple(
            name
            for name in named(asker, ask.model, Kind.TRANSCRIPTION, needs)
            if _is_able(asker.gateway.catalog.model(name), ask)
        )
    if not able and not elsewhere:
        what = "translates into English" if ask.translates else "transcribes"
        return invalid(f"No model that may serve `{ask.model[:100]}` here {what}: try `whisper-large-v3`.", "model")
    if ask.url is not None and able:
        elsewhere = ()  # only Groq fetches a sound by itself
    return msgspec.structs.replace(request, candidates=able or elsewhere, elsewhere=elsewhere if able else ())


def _is_able(model: Model | None, ask: AudioAsk) -> bool:
    return model is not None and model.kind is Kind.TRANSCRIPTION and (model.translates or not ask.translates)


def _outgoing(gateway: Gateway, answered: Answered, errand: AudioErrand, marks: bytes) -> Outgoing:
    """What goes out: the transcript in the format that was asked for, or why there is none."""
    if answered.finish.ending is not Ending.ANSWER:
        return told(gateway, answered, marks)
    assert answered.body is not None
    head = [(b"content-type", MEDIA_TYPES[errand.ask.response_format])]
    fitted = errand.fitted(answered.finish.call)
    if fitted:
        head.append((b"x-headgate-fitted", fitted.encode()))
    return 200, lines_of(head) + marks, answered.body

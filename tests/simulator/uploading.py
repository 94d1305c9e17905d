"""Uploading to the pretend Groq: forms as clients write them, and small real sound files of any length."""

import io
import struct
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import groq
import msgspec
from tests.simulator.asking import KEY, settings

from headgate.simulator.faults import Fault
from headgate.simulator.groq import PretendGroq
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.script import Script
from headgate.simulator.settings import Pace

BOUNDARY = "b0undary"
WHISPER = "whisper-large-v3"
TURBO = "whisper-large-v3-turbo"
FAST = Pace(network_s=0.0, queue_median_s=0.001, output_speed_factor=200.0)


def wav(seconds: float, rate_hz: int = 8000) -> bytes:
    """Silence as a WAV file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate_hz)
        file.writeframes(b"\x80" * round(seconds * rate_hz))
    return made.getvalue()


def flac(seconds: float) -> bytes:
    """A FLAC file of a head and nothing else: 16 kHz, one channel, 16 bits."""
    numbers = 16_000 << 44 | 0 << 41 | 15 << 36 | round(seconds * 16_000)
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + numbers.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info


def mp3(seconds: float) -> bytes:
    """Empty MP3 frames of 128 kbit/s at 44.1 kHz, 26.12 ms each."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    return frame * round(seconds * 44_100 / 1152)


def ogg(seconds: float) -> bytes:
    """An Ogg file of three Vorbis pages at 16 kHz: the head, the comments, and one that says how long it is."""
    head = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, 16_000, 0, 64_000, 0, 0xB8, 1)
    comments = b"\x03vorbis" + struct.pack("<II", 0, 0) + b"\x01"
    pages = ((2, 0, head), (0, 0, comments), (4, round(seconds * 16_000), b"\x00"))
    return b"".join(
        b"OggS\x00" + struct.pack("<BqIIIBB", kind, granule, 1, number, 0, 1, len(data)) + data
        for number, (kind, granule, data) in enumerate(pages)
    )


def form(fields: Sequence[tuple[str, str]], file: tuple[str, bytes] | None = None) -> bytes:
    """A multipart body."""
    parts = [f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields]
    if file is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file[0]}"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + file[1] + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def upload(
    groq: PretendGroq,
    route: str,
    fields: Mapping[str, str | list[str]],
    file: tuple[str, bytes] | None = None,
    now: float = 0.0,
    key: str = KEY,
) -> Script:
    """Send a form."""
    pairs = [(name, each) for name, value in fields.items() for each in (value if isinstance(value, list) else [value])]
    headers = {"authorization": f"Bearer {key}", "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    return groq.handle("POST", f"/openai/v1/{route}", headers, form(pairs, file), now)


def send(
    groq: PretendGroq,
    method: str,
    route: str,
    body: object = None,
    now: float = 0.0,
    key: str = KEY,
    headers: Mapping[str, str] | None = None,
) -> Script:
    """Send JSON, or nothing."""
    data = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
    told = {"authorization": f"Bearer {key}"} | dict(headers or {})
    return groq.handle(method, f"/openai/v1/{route}", told, data, now)


@asynccontextmanager
async def served(*faults: Fault, **told: Any) -> AsyncIterator[tuple[SimulatorServer, groq.AsyncGroq]]:
    """A simulator on a port of its own and the Groq SDK at its door."""
    server = await serve_simulator(settings(*faults, **({"pace": FAST} | told)))
    client = groq.AsyncGroq(api_key=KEY, base_url=server.base_url, max_retries=0)
    try:
        async with client:
            yield server, client
    finally:
        await server.close()

"""Spooled sounds: where they lie, what they take, and how long they are."""

import asyncio
import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.runtime.audio_length import LEAST_BYTES_PER_S, MOST_READS, guessed_s, measured_s
from headgate.runtime.errand_audio import FormUpload
from headgate.runtime.spool import IN_MEMORY_BYTES, PIECE_BYTES, Spool, SpoolFullError, Spools

MANY = 1 << 40
PIECE = bytes(range(256)) * 100


async def spooled(room: Spools, size_bytes: int) -> tuple[Spool, bytes]:
    """A spool with so many bytes, added in pieces of no round size."""
    data = (PIECE * (size_bytes // len(PIECE) + 1))[:size_bytes]
    spool = room.new()
    for at in range(0, size_bytes, 70_001):
        await spool.add(data[at : at + 70_001])
    await spool.finish()
    return spool, data


@pytest.mark.parametrize(
    "size_bytes, on_disk",
    [
        (1, False),
        (IN_MEMORY_BYTES - 1, False),
        (IN_MEMORY_BYTES, True),
        (IN_MEMORY_BYTES + 100_000, True),
        (3 * IN_MEMORY_BYTES + 1, True),
    ],
)
async def test_bytes_come_back_as_often_as_they_are_asked_for(size_bytes: int, *, on_disk: bool) -> None:
    """From memory or from the disk, the same each time, in pieces of a bounded size; closing gives the room back."""
    room = Spools(MANY)
    spool, data = await spooled(room, size_bytes)
    assert spool.is_on_disk is on_disk
    assert room.held_bytes == spool.size_bytes == size_bytes
    for _ in range(2):
        chunks = [chunk async for chunk in spool.chunks()]
        assert b"".join(chunks) == data
        assert max(map(len, chunks)) <= PIECE_BYTES
    spool.close()
    spool.close()
    assert room.held_bytes == 0


async def test_form_around_a_sound_is_as_long_as_it_says() -> None:
    """Head, sound and tail, each time it is read."""
    room = Spools(MANY)
    spool, data = await spooled(room, IN_MEMORY_BYTES + 5)
    upload = FormUpload(b"head", spool, b"tail")
    for _ in range(2):
        whole = b"".join([chunk async for chunk in upload.chunks()])
        assert whole == b"head" + data + b"tail"
        assert len(whole) == upload.size_bytes
    spool.close()


async def test_room_is_shared() -> None:
    """What one holds, another cannot have; what is refused is not counted."""
    room = Spools(100_000)
    first, _ = await spooled(room, 80_000)
    second = room.new()
    await second.add(bytes(20_000))
    with pytest.raises(SpoolFullError):
        await second.add(b"x")
    second.close()
    assert room.held_bytes == 80_000
    first.close()


async def test_closing_while_a_thread_writes() -> None:
    """A client that leaves in the middle of a write leaves no file open and breaks nobody else's."""
    room = Spools(MANY)
    spool = room.new()
    adding = asyncio.ensure_future(spool.add(bytes(8 * IN_MEMORY_BYTES)))
    await asyncio.sleep(0)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    spool.close()
    assert room.held_bytes == 0
    assert spool.sound().closed


def wav(seconds: float, *, claims_bytes: int | None = None) -> bytes:
    """8 kHz, one byte a sample; `claims_bytes` is what the header says instead of the truth."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(b"\x80" * round(8000 * seconds))
    data = bytearray(file.getvalue())
    if claims_bytes is not None:
        data[40:44] = struct.pack("<I", claims_bytes)
    return bytes(data)


def length_of(data: bytes) -> float | None:
    return measured_s(io.BytesIO(data), len(data))


@pytest.mark.parametrize("seconds", [0.01, 1.0, 61.5])
def test_length_that_a_file_states(seconds: float) -> None:
    """As its header has it."""
    assert length_of(wav(seconds)) == pytest.approx(seconds, abs=0.01)


async def test_length_of_a_sound_on_the_disk() -> None:
    """Measured where it lies, and sent on from its beginning afterwards."""
    spool, data = Spools(MANY).new(), wav(400.0)
    for at in range(0, len(data), PIECE_BYTES):
        await spool.add(data[at : at + PIECE_BYTES])
    await spool.finish()
    assert spool.is_on_disk
    assert measured_s(spool.sound(), spool.size_bytes) == pytest.approx(400.0)
    assert b"".join([chunk async for chunk in spool.chunks()]) == data
    spool.close()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"not a sound at all " * 100,
        bytes(10_000),
        wav(1.0, claims_bytes=0xFFFFFFFF),
        wav(3600.0, claims_bytes=8),
    ],
    ids=["empty", "torn", "text", "zeros", "too long", "too short"],
)
def test_length_that_cannot_be(data: bytes) -> None:
    """None, which makes the caller guess: headers of streams and lies say what their size contradicts."""
    assert length_of(data) is None


@given(
    start=st.sampled_from(
        [b"ID3\x04\x00\x00", b"OggS\x00\x02", b"fLaC", b"\x00\x00\x00\x20ftypM4A ", b"RIFF", b"\xff\xfb"]
    ),
    rest=st.binary(max_size=400),
)
def test_hostile_file(start: bytes, rest: bytes) -> None:
    """Whatever the bytes are: a length that they allow, or none. Never an error."""
    data = start + rest
    length_s = length_of(data)
    assert length_s is None or 0 <= length_s <= len(data) / LEAST_BYTES_PER_S


class Counting(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


def test_file_that_takes_long_to_measure() -> None:
    """A reader that is led on and on is stopped: the thread is given back."""
    frames = b"\xff\xfb\x90\x00" * 400_000  # one MPEG frame header after another, and nothing in them
    file = Counting(frames)
    measured_s(file, len(frames))
    assert 0 < file.reads <= MOST_READS + 2


def test_guess_by_size() -> None:
    """64 kbit/s."""
    assert guessed_s(80_000) == 10.0

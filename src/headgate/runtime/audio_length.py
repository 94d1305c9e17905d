"""How long a sound is, by what stands in its file: read with a budget, believed within reason, never a failure."""

from typing import BinaryIO, Final, cast

from tinytag import TinyTag, TinyTagException

from headgate.domain.time import Seconds

MOST_READS: Final = 20_000
MOST_READ_BYTES: Final = 64 * 1024 * 1024
LEAST_BYTES_PER_S: Final = 250
"""2 kbit/s: no codec of speech is thriftier."""
MOST_BYTES_PER_S: Final = 4_000_000
"""32 kbit/ms: more than studio sound, and than the videos that phones make."""
USUAL_BYTES_PER_S: Final = 8_000
"""64 kbit/s: what stands for a sound whose length is not known; most compressed speech is a little larger."""


def measured_s(file: BinaryIO, size_bytes: int) -> Seconds | None:
    """The length that the file states; None where it states none that can be true. Reads the file: call it in a thread.

    What the bytes are decides, not the file's name; what tinytag cannot read (webm) has no length here either.
    """
    try:
        file.seek(0)
        tag = TinyTag.get(file_obj=cast("BinaryIO", _Budgeted(file)), tags=False)
    except (TinyTagException, OSError, ValueError):  # ValueError: closed meanwhile
        return None
    length_s = tag.duration
    if length_s is None or not size_bytes / MOST_BYTES_PER_S <= length_s <= size_bytes / LEAST_BYTES_PER_S:
        return None
    return length_s


def guessed_s(size_bytes: int) -> Seconds:
    """A length for a sound that states none."""
    return size_bytes / USUAL_BYTES_PER_S


class _Budgeted:
    """A file that ends a reader who reads on and on, as a hostile one may make it do."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._reads = 0
        self._read_bytes = 0
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if size >= 0 else MOST_READ_BYTES)
        self._reads += 1
        self._read_bytes += len(data)
        if self._reads > MOST_READS or self._read_bytes > MOST_READ_BYTES:
            raise OSError("the file takes too long to measure")
        return data

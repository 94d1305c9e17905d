"""How long a sound is and what stands for it: uploads are measured in memory, urls are never fetched.

The sound of a url is pretended: its length comes from its query (`seconds=`, and `bytes=` where its size matters) or
from its own digest. A `data:` url has its bytes at hand.
"""

import binascii
import io
from base64 import b64decode
from hashlib import blake2b
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from tinytag import TinyTag, TinyTagException

from headgate.domain.time import Seconds
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.forms import Upload

EXTENSIONS: Final = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "opus", "wav", "webm")
MEASURED: Final = frozenset({"flac", "mp3", "mpga", "m4a", "mp4", "ogg", "opus", "wav"})
"""What can be measured; the length of the others follows their size."""

ASSUMED_BYTES_PER_S: Final = 4000
"""32 kbit/s, about what browsers record as webm."""

LONGEST_PRETENDED_S: Final = 100_000

UNSUPPORTED_FORMAT: Final = errors.invalid(
    f"file must be one of the following types: [{' '.join(EXTENSIONS)}]", code="unsupported_audio_format"
)
NOT_MEDIA: Final = errors.invalid("could not process file - is it a valid media file?")
NO_FILE: Final = errors.invalid("file or url must be provided", "file")


class Sound(msgspec.Struct, frozen=True):
    """What is to be heard: its length, its size and a digest that stands for it."""

    digest: bytes
    duration_s: Seconds
    size_bytes: int
    name: str


def sound_of(upload: Upload | None, url: str | None) -> Sound | Rejection:
    """The sound of a request, which brings either a file or a url."""
    if upload is not None and url:
        return errors.invalid("only one of file or url may be provided", "url")
    if upload is not None:
        return _uploaded(upload)
    if not url:
        return NO_FILE
    if url.startswith("data:"):
        return _inline(url)
    return _pretended(url)


def _uploaded(upload: Upload) -> Sound | Rejection:
    """Only the name decides the format, as at Groq; what the bytes are shows when they are decoded."""
    extension = upload.filename.rpartition(".")[2].lower() if "." in upload.filename else ""
    if extension not in EXTENSIONS:
        return UNSUPPORTED_FORMAT
    duration_s = _measured(upload.filename, upload.data, extension)
    if duration_s is None:
        return NOT_MEDIA
    return Sound(blake2b(upload.data, digest_size=16).digest(), duration_s, len(upload.data), upload.filename)


def _measured(filename: str, data: bytes, extension: str) -> Seconds | None:
    if not data:
        return None
    if extension not in MEASURED:
        return len(data) / ASSUMED_BYTES_PER_S
    try:
        return TinyTag.get(filename, file_obj=io.BytesIO(data), tags=False).duration
    except TinyTagException:
        return None


def _inline(url: str) -> Sound | Rejection:
    """A `data:` url, whose bytes are at hand."""
    head, _, encoded = url.removeprefix("data:").partition(",")
    kind = head.partition(";")[0].rpartition("/")[2].removeprefix("x-")
    try:
        data = b64decode(encoded, altchars=b"-_" if "-" in encoded or "_" in encoded else None, validate=True)
    except (binascii.Error, ValueError):
        return NOT_MEDIA
    return _uploaded(Upload(f"url.{kind}", data))


def _pretended(url: str) -> Sound | Rejection:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    extension = parts.path.rpartition("/")[2].rpartition(".")[2].lower()
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return errors.invalid("url must be a valid http or https url", "url")
    if "." in parts.path.rpartition("/")[2] and extension not in EXTENSIONS:
        return UNSUPPORTED_FORMAT  # a path without any extension is not known to be refused
    digest = blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    told = {name: values[0] for name, values in parse_qs(parts.query).items()}
    drawn_s = 1 + int.from_bytes(digest[:4], "big") % 600
    duration_s = min(_number(told.get("seconds"), drawn_s), LONGEST_PRETENDED_S)
    return Sound(digest, duration_s, int(_number(told.get("bytes"), 0.0)), url)


def _number(text: str | None, otherwise: float) -> float:
    """A number of a query; another where it is none."""
    try:
        value = float(text) if text else otherwise
    except ValueError:
        return otherwise
    return value if 0.0 <= value < 1e15 else otherwise

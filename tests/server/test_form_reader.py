"""Forms read as they come: however the bytes are cut, the same fields and the same file."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.protocol.client_json import InvalidBody
from headgate.server.multipart import FileTooLargeError, FormReader

KIND = b"multipart/form-data; boundary=b0undary"
LIMIT_BYTES = 1000


def form_of(fields: dict[str, str], file: bytes | None, filename: str = "a.wav") -> bytes:
    """As httpx writes it, which is what the SDKs use."""
    files = {"file": (filename, file)} if file is not None else {"file": (None, b"")}
    request = httpx.Request("POST", "http://a.test", data=fields, files=files, headers={"content-type": KIND.decode()})
    return request.read()


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@given(
    fields=st.dictionaries(st.sampled_from(["model", "prompt", "language"]), st.text(max_size=30)),
    file=st.one_of(
        st.binary(min_size=1, max_size=200), st.sampled_from([b"\r\n--b0undar", b"\r\n--b0undary"[:-1] * 9])
    ),
    cuts=st.lists(st.integers(0, 5000), max_size=12),
)
def test_cuts_make_no_difference(fields: dict[str, str], file: bytes, cuts: list[int]) -> None:
    """Fields in order, the file byte for byte, whatever the network made of the body; a near-boundary is only bytes."""
    reader = FormReader(KIND, LIMIT_BYTES)
    got = b""
    for piece in pieces_of(form_of(fields, file), cuts):
        reader.feed(piece)
        got += b"".join(reader.take())
    reader.finish()
    assert got == file
    assert reader.file_bytes == len(file)
    assert reader.extension == "wav"
    assert reader.fields == list(fields.items())


@given(file=st.binary(min_size=1, max_size=50), end=st.integers(1, 200))
def test_torn_form_is_never_whole(file: bytes, end: int) -> None:
    """A body that stops anywhere before its last boundary is refused, not believed."""
    form = form_of({"model": "m"}, file)
    reader = FormReader(KIND, LIMIT_BYTES)
    reader.feed(form[: max(0, len(form) - 2 - end)])  # the last two bytes are a line's end
    with pytest.raises(InvalidBody, match="ends too early"):
        reader.finish()


@given(garbage=st.binary(max_size=300))
def test_garbage_is_refused_or_read(garbage: bytes) -> None:
    """Nothing but a refusal comes of any bytes."""
    reader = FormReader(KIND, LIMIT_BYTES)
    try:
        reader.feed(b"--b0undary\r\n" + garbage)
        reader.finish()
    except (InvalidBody, FileTooLargeError):
        pass


def test_file_over_the_limit_is_noticed_at_once() -> None:
    """The reader stops with the byte that is too many, and does not wait for the end."""
    form = form_of({}, bytes(LIMIT_BYTES + 1))
    reader = FormReader(KIND, LIMIT_BYTES)
    with pytest.raises(FileTooLargeError):
        reader.feed(form[: -len(b"\r\n--b0undary--\r\n")])


def test_wrong_name_is_noticed_before_the_file() -> None:
    """What cannot be heard is not waited for."""
    form = form_of({}, bytes(100), "a.doc")
    reader = FormReader(KIND, LIMIT_BYTES)
    with pytest.raises(InvalidBody) as refused:
        reader.feed(form[: form.index(b"\r\n\r\n") + 4])
    assert refused.value.code == "unsupported_audio_format"

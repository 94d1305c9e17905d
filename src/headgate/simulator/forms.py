"""Reading multipart forms: fields by name in their order, and at most a few files. Linear in the size of the body."""

from typing import TYPE_CHECKING, Final

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_PARTS: Final = 64
MOST_FIELD_BYTES: Final = 1024 * 1024


class Upload(msgspec.Struct, frozen=True):
    """One uploaded file as the client named it."""

    filename: str
    data: bytes


class Form(msgspec.Struct, frozen=True):
    """A decoded form. A name that comes several times keeps all its values; of files of one name the last wins."""

    fields: dict[str, list[str]]
    files: dict[str, Upload]

    def first(self, name: str) -> str | None:
        """The first value of a field."""
        values = self.fields.get(name)
        return values[0] if values else None


def read_form(content_type: str, body: bytes) -> Form | None:
    """The form, or None for what is no complete multipart form or has too many parts."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        return None
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError:
        return None
    return reader.form if reader.is_whole else None


class _Reader:
    """Collects what the parser finds. Data come as spans of the body, so a file is copied twice, whatever its size."""

    __slots__ = ("_data", "_disposition", "_name", "_parts", "_value", "form", "is_whole")

    def __init__(self) -> None:
        self.form = Form({}, {})
        self.is_whole = False
        self._parts = 0
        self._name = b""
        self._value = b""
        self._disposition = b""
        self._data: list[bytes] = []

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise FormParserError(f"more than {MOST_PARTS} parts")
        self._data = []
        self._disposition = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def _end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name, data = _text(options.get(b"name", b"")), b"".join(self._data)
        filename = options.get(b"filename")
        if filename is not None:
            self.form.files[name] = Upload(_text(filename), data)
        elif len(data) > MOST_FIELD_BYTES:
            raise FormParserError(f"a field of more than {MOST_FIELD_BYTES} bytes")
        else:
            self.form.fields.setdefault(name, []).append(_text(data))

    def _finish(self) -> None:
        self.is_whole = True


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")

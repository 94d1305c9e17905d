"""Reads a form with one file as it comes: fields are kept, the file's bytes are passed on, and nothing grows unbounded.

Pure: it is fed, and asked what it has. What the fields mean stands in `protocol.audio`.
"""

from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from headgate.protocol.audio import extension_of
from headgate.protocol.client_json import InvalidBody

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_PARTS: Final = 64
MOST_PART_HEADERS: Final = 8
MOST_HEADER_BYTES: Final = 4 * 1024
"""Of one header of a part."""
MOST_NAME_BYTES: Final = 100
MOST_FIELD_BYTES: Final = 1024 * 1024
"""Of all fields together, files not counted: a `url` may hold a short sound itself."""
FORM: Final = b"multipart/form-data"

_DISPOSITION: Final = b"content-disposition"


class FileTooLargeError(Exception):
    """The file is larger than is taken."""


class FormReader:
    """One form. Feed it all bytes, then `finish`; `take` gives what came of the file since the last time.

    Everything raises `InvalidBody` for a form that cannot be right; `feed` raises FileTooLargeError. A file that is no
    sound may have any name, and its `extension` is empty.
    """

    def __init__(self, content_type: bytes, most_file_bytes: int, *, is_sound: bool = True) -> None:
        kind, options = parse_options_header(content_type.decode("latin-1"))
        boundary = options.get(b"boundary")
        if kind != FORM or not boundary:
            raise InvalidBody("request Content-Type isn't multipart/form-data with a boundary")
        self.fields: list[tuple[str, str]] = []
        self.extension: str | None = None
        self.filename = ""
        self._is_sound = is_sound
        self.file_bytes = 0
        self._most_file_bytes = most_file_bytes
        self._pieces: list[bytes] = []
        self._parts = 0
        self._field_bytes = 0
        self._name = ""
        self._in_file = False
        self._value = bytearray()
        self._header_name = b""
        self._header_value = b""
        self._disposition: bytes | None = None
        self._is_whole = False
        try:
            self._parser = MultipartParser(
                boundary, self._callbacks(), max_header_count=MOST_PART_HEADERS, max_header_size=MOST_HEADER_BYTES
            )
        except FormParserError as error:
            raise InvalidBody(f"The form cannot be read: {error}.") from None

    def feed(self, data: bytes) -> None:
        """Read on."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidBody(f"The form cannot be read: {error}.") from None

    def take(self) -> list[bytes]:
        """The file's bytes that have not been taken yet."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def finish(self) -> None:
        """The body is over: the form must be, too."""
        if not self._is_whole:
            raise InvalidBody("The form ends too early: its last boundary is missing.")
        if self.extension is not None and not self.file_bytes:
            raise InvalidBody("The file is empty.", "file")

    def _callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise InvalidBody(f"The form has more than {MOST_PARTS} parts.")
        self._disposition = None
        self._value = bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == _DISPOSITION:
            if self._disposition is not None:
                raise InvalidBody("A part of the form has two headers `content-disposition`.")
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _end_headers(self) -> None:
        kind, options = parse_options_header((self._disposition or b"").decode("latin-1"))
        name = options.get(b"name")
        if kind != b"form-data" or not name or len(name) > MOST_NAME_BYTES:
            raise InvalidBody("A part of the form has no name.")
        self._name = name.decode("utf-8", "replace")
        filename = options.get(b"filename")
        self._in_file = filename is not None
        if filename is None:
            if self._name == "file":
                raise InvalidBody("`file` must be sent as a file, with its name.", "file")
            return
        if self._name != "file" or self.extension is not None:
            raise InvalidBody("Send one file, as `file`.", self._name)
        self.filename = filename.decode("utf-8", "replace")
        self.extension = extension_of(self.filename) if self._is_sound else ""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            self._field_bytes += end - start
            if self._field_bytes > MOST_FIELD_BYTES:
                raise InvalidBody(f"The fields of the form are larger than {MOST_FIELD_BYTES:,} bytes.", self._name)
            self._value += data[start:end]
            return
        self.file_bytes += end - start
        if self.file_bytes > self._most_file_bytes:
            raise FileTooLargeError
        self._pieces.append(data[start:end])

    def _end_part(self) -> None:
        if self._in_file:
            return
        try:
            self.fields.append((self._name, self._value.decode()))
        except UnicodeDecodeError:
            raise InvalidBody(f"{self._name!r} is not UTF-8.", self._name) from None

    def _end(self) -> None:
        self._is_whole = True

"""Content encodings that were never asked for: gzip and deflate are undone within bounds, others are refused."""

import zlib
from typing import Final

from headgate.runtime.upstream import ReplyLimits, UpstreamErrorKind

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
_RAW_DEFLATE: Final = -zlib.MAX_WBITS
_KNOWN: Final = frozenset({"gzip", "x-gzip", "deflate"})
IDENTITY: Final = frozenset({"", "identity"})


class BadContentError(Exception):
    """Encoded content that must not be passed on."""

    def __init__(self, kind: UpstreamErrorKind, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail


class Inflater:
    """Undoes one content encoding, and stops at the size and at the ratio that the limits name."""

    __slots__ = ("_coding", "_inflate", "_limits", "_read_bytes", "_written_bytes")

    def __init__(self, coding: str, limits: ReplyLimits) -> None:
        """`coding` is the content-encoding header. Raises BadContentError if it is not one that we undo."""
        self._coding = coding.strip().lower()
        if self._coding not in _KNOWN:
            raise BadContentError(UpstreamErrorKind.MALFORMED, "content-encoding is neither identity, gzip nor deflate")
        self._limits = limits
        self._inflate: zlib._Decompress | None = None
        self._read_bytes = 0
        self._written_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The decoded content of the next encoded bytes; perhaps none. Raises BadContentError."""
        if not data:
            return b""
        if self._inflate is None:
            self._inflate = zlib.decompressobj(self._window(data[0]))
        self._read_bytes += len(data)
        limits = self._limits
        allowed = min(limits.max_body_bytes, max(limits.inflation_grace_bytes, limits.max_inflation * self._read_bytes))
        try:
            decoded = self._inflate.decompress(data, allowed - self._written_bytes + 1)
        except zlib.error:
            raise BadContentError(UpstreamErrorKind.MALFORMED, "compressed content does not decode") from None
        self._written_bytes += len(decoded)
        if self._written_bytes > allowed:
            raise BadContentError(UpstreamErrorKind.TOO_LARGE, "compressed content inflates beyond the limit")
        if self._inflate.unused_data:
            raise BadContentError(UpstreamErrorKind.MALFORMED, "bytes follow the compressed content")
        return decoded

    @property
    def is_whole(self) -> bool:
        """True if the compressed content has come to its own end, or there was none at all."""
        return self._inflate is None or self._inflate.eof

    def _window(self, first: int) -> int:
        # "deflate" should be a zlib stream, whose first byte ends in 8, but some servers send it bare.
        bare = self._coding == "deflate" and first & 0x0F != 8
        return _RAW_DEFLATE if bare else _GZIP_OR_ZLIB

"""TLS between a connection and its transport, on memory buffers.

The event loop's own TLS keeps encrypted bytes in a buffer that cannot be seen from outside, so it cannot tell whether
a request was written. Here everything encrypted goes to the plain transport at once, and that one knows.
"""

import ssl
from typing import Final

MAX_RECORD_BYTES: Final = 16 * 1024
"""What one TLS record carries at most, and so what one read returns."""


class TlsLayer:
    """The client's end of one TLS connection: bytes in, bytes out, no I/O. Any method may raise ssl.SSLError."""

    __slots__ = ("_incoming", "_outgoing", "_session", "is_ended")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._incoming, self._outgoing, server_side=False, server_hostname=host)
        self.is_ended = False
        """True once the peer has said that nothing follows."""

    def handshake(self, received: bytes = b"") -> bool:
        """Go on with the handshake; True when it is done."""
        self._incoming.write(received)
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def outgoing(self) -> bytes:
        """Take the encrypted bytes that must go to the peer now."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def encrypt(self, data: bytes) -> bytes:
        self._session.write(data)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """The content of the records that are complete; perhaps none."""
        self._incoming.write(received)
        pieces = []
        try:
            while self._incoming.pending or self._session.pending():
                piece = self._session.read(MAX_RECORD_BYTES)
                if not piece:
                    self.is_ended = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def verifying_context() -> ssl.SSLContext:
    """The system's trust, and HTTP/1.1 only."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_context(context: ssl.SSLContext) -> None:
    """Raise ValueError for a context that would talk to a peer without knowing who it is."""
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise ValueError("the TLS context must verify certificates and host names")


def describe(error: ssl.SSLError) -> str:
    """Why TLS failed, in OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    return str(error.reason or "TLS failed").replace("_", " ").lower()

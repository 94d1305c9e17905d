"""What tests of webhooks share: a receiver that listens, checks signatures as Standard Webhooks says, and keeps all."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

SIGNING_KEY: Final = bytes(range(32))
SECRET: Final = f"whsec_{base64.b64encode(SIGNING_KEY).decode()}"
WITHIN_S: Final = 30.0


@dataclass(frozen=True)
class Heard:
    """One delivery as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def is_signed(self) -> bool:
        """Whether the signature is one of the standard's over id, timestamp and body."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        made = base64.b64encode(hmac.new(SIGNING_KEY, signed, hashlib.sha256).digest()).decode()
        return f"v1,{made}" in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """Listens on a free port. `says` decides the status by how many came before; 302 leads to /elsewhere."""

    says: Callable[[int], int] = lambda _: 204
    heard: list[Heard] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def ids(self) -> set[str]:
        return {each.id for each in tuple(self.heard)}

    def wait_for(self, question: Callable[["Receiver"], bool]) -> None:
        """Return once the answer is yes."""
        until = time.monotonic() + WITHIN_S
        while not question(self):
            assert time.monotonic() < until, f"heard {len(self.heard)} deliveries within {WITHIN_S} s"
            threading.Event().wait(0.01)


@contextlib.contextmanager
def receiver(says: Callable[[int], int] = lambda _: 204) -> Iterator[Receiver]:
    """A receiver from here to the end of the block."""
    made = Receiver(says)

    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = made.says(len(made.heard))
            made.heard.append(Heard(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            if status == 302:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hook(name: str, url: str, more: str = "") -> str:
    """Settings of one target."""
    return f'[webhooks.{name}]\nurl = "{url}"\nsecret = "{SECRET}"\n{more}\n'

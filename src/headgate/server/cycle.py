"""Owns one request of our own server and its answer: what of the body is here, who is told that its client left, and
how a whole answer goes out at once. Its connection (`connection.py`) says what came, and begins it.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from headgate.domain.time import NEVER, Instant
from headgate.protocol.openai import error_body
from headgate.server.labels import DIRECT, JSON, Header
from headgate.server.unframed import Unframed
from headgate.server.watch import Watch

if TYPE_CHECKING:
    from headgate.server.connection import Connection

BROKEN: Final = error_body("Something is broken in this gateway; its log says what.", "api_error", "internal_error")
STOPPING: Final = error_body("This gateway is stopping. Ask again: another may answer.", "api_error", "no_capacity")
_GONE: Final = {"type": "http.disconnect"}
_log: Final = logging.getLogger("uvicorn.error")


class Cycle(RequestResponseCycle):
    """One request and its answer.

    Beyond ASGI it gives a whole body, takes a whole answer and tells of a client who leaves, without waiting. uvicorn's
    own way waits for each, needs a task to notice leaving, and looks through every header twice with regular
    expressions for what cannot be in ours: for thirteen headers that is a tenth of a request. A door finds it as
    `DIRECT` in the scope.
    """

    task: asyncio.Task[None] | None = None
    watch: Watch | None = None
    taken_bytes = 0
    paced_at: Instant = NEVER
    paced_bytes = 0
    scope: Any

    def __init__(self, protocol: "Connection", scope: dict[str, Any], *, keep_alive: bool) -> None:
        self.scope = scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.access_log = False
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.chunks: list[bytes] = []
        self.waiting_bytes = 0
        self.more_body = True
        self.was_read = self.was_told = False
        self.waiter: asyncio.Future[None] | None = None
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding = None
        self.expected_content_length = 0
        self.shared = protocol.shared
        self._resume_reading = protocol.resume_reading
        self._tasks = protocol.tasks

    @property
    def message_event(self) -> Any:  # type: ignore[override]
        """What uvicorn sets for whoever waits; nothing is made for it before somebody does."""
        return self

    def set(self) -> None:
        """Something is new: part of the body, its end, or the client is gone."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def run_asgi(self, app: Any) -> None:
        """Answer, and say when it is over. A task that is cancelled before it begins says nothing, but only the end of
        the process does that."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:  # noqa: BLE001 - the outermost frame of a request
            await self._broke(error)
        else:
            if not self.response_complete and not self.disconnected:
                await self._broke(None)
        finally:
            self.on_response, self._resume_reading, self.watch = _nothing, _nothing, None
            del self.scope[DIRECT]  # a ring would be left to the garbage collector
            if self.task is not None:
                self._tasks.discard(self.task)
                self.task = None

    def body_now(self) -> bytes | None:
        """The whole body, if it is here already and nobody has taken any of it; None when it is to be received."""
        if self.more_body or self.was_read or self.waiting_for_100_continue or self.disconnected:
            return None
        self.was_told = True
        return self.take()

    def watched(self) -> Watch:
        """A watch of the client who waits for this answer."""
        watch = self.watch = Watch(self.task)
        if self.disconnected:
            watch.left()
        return watch

    def answer_now(self, status: int, lines: bytes, body: bytes) -> bool:
        """Answer, if nothing stands in the way; False when the answer must go the usual way, as one to HEAD, which has
        a body's length and no body."""
        if self.response_started or self.disconnected or self.flow.write_paused or self.scope["method"] == "HEAD":
            return False
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        before = self.shared.default_lines(self.default_headers)
        self.transport.write(b"".join((STATUS_LINE[status], before, lines, end, body)))
        if self.waiter is not None:
            self.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True

    async def _broke(self, error: BaseException | None) -> None:
        is_stopping = isinstance(error, asyncio.CancelledError)  # at the end of a drain, and uvicorn says how many
        if not is_stopping:
            what = "a defect behind a whole answer" if self.response_complete else "a request without its whole answer"
            _log.error(what, exc_info=error)
        if self.response_complete:
            return
        if self.response_started:
            self.transport.close()
            self.on_response()
        elif is_stopping:
            await self._end(503, STOPPING, (b"retry-after", b"1"))
        else:
            await self._end(500, BROKEN)

    async def _end(self, status: int, body: bytes, *more: Header) -> None:
        """The last answer of a connection, in the shape that clients read. SDKs ask again by themselves."""
        head = [JSON, *more, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body})

    async def receive(self) -> Any:
        """What came of the body since the last time; waits for it, or for the client's leaving."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self._resume_reading()
        while not (self.chunks or (not self.more_body and not self.was_told)):
            if self.disconnected or self.response_complete:
                break
            self.waiter = asyncio.get_running_loop().create_future()
            try:
                await self.waiter
            finally:
                self.waiter = None
        if self.disconnected or self.response_complete:
            return _GONE
        self.was_told = not self.more_body
        return {"type": "http.request", "body": self.take(), "more_body": self.more_body}

    def take(self) -> bytes:
        """What came of the body since the last time. Reading goes on: without it nobody would see the client leave."""
        chunks = self.chunks
        if self.more_body:
            self.taken_bytes += self.waiting_bytes
        self._resume_reading()
        self.chunks, self.waiting_bytes, self.was_read = [], 0, True
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def keeps_pace(self, now: Instant, window_s: float, least_bytes_per_s: int) -> bool:
        """Whether the body comes as fast as it must, told from one window to the next; each begins when it is asked."""
        came = self.taken_bytes + self.waiting_bytes
        if self.paced_at == NEVER or self.waiting_for_100_continue:
            self.paced_at, self.paced_bytes = now, came
            return True
        if now - self.paced_at < window_s:
            return True
        is_enough = came - self.paced_bytes >= least_bytes_per_s * (now - self.paced_at)
        self.paced_at, self.paced_bytes = now, came
        return is_enough


class OldCycle(Unframed, Cycle):
    """One of HTTP/1.0, which knows no answer before the answer."""

    def __init__(self, protocol: "Connection", scope: dict[str, Any], *, keep_alive: bool) -> None:
        super().__init__(protocol, scope, keep_alive=keep_alive)
        self.waiting_for_100_continue = False


def _nothing() -> None:
    pass

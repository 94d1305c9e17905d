"""A TCP relay that makes a healthy server look ill: late, thin, mute, gone, or coming and going."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

CHUNK_BYTES = 64 * 1024


class ToxicRelay:
    """Relays to a port on loopback. What it does to the bytes can be changed while it runs: `latency_s` for each chunk
    of the server's, `bytes_per_s` of its width, `is_mute` to let nothing through."""

    def __init__(self, to_port: int) -> None:
        self.latency_s = 0.0
        self.bytes_per_s = 0.0
        self.is_mute = False
        self.accepted = 0
        self.port = 0
        self._to_port = to_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    async def open(self) -> None:
        """Listen, at the same port as before."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections, and reset those that there are."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
                self._writers.add(back)
                ways = [
                    asyncio.ensure_future(self._pass(reader, back, ill=False)),
                    asyncio.ensure_future(self._pass(there, writer, ill=True)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    back.transport.abort()
                    self._writers.discard(back)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, ill: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if ill and self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if ill and self.bytes_per_s:
                    await asyncio.sleep(len(chunk) / self.bytes_per_s)
                if not self.is_mute:
                    writer.write(chunk)
                    await writer.drain()

"""Owns how `headgate batch run` asks: over HTTP at a gateway that runs, or at the doors of one made in this process."""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final

from headgate.batch.asking import Ask, LineAnswer
from headgate.cli.terminal import Failed

if TYPE_CHECKING:
    from headgate.runtime.settings import Settings
    from headgate.runtime.upstream import Headers, Upstream

TRY_MS: Final = b"3600000"
BASE: Final = "/v1"
NO_ANSWER: Final = b'{"error":{"message":"The gateway gave no answer.","code":"no_answer"}}'


def asking(base_url: str | None, settings: "Settings | None") -> AbstractAsyncContextManager[Ask]:
    """What answers lines while it is entered. Raises Failed for an address that is none."""
    if base_url is not None:
        return _remote(base_url)
    assert settings is not None, "without an address a gateway is made"
    return _in_process(settings)


@asynccontextmanager
async def _in_process(settings: "Settings") -> AsyncIterator[Ask]:
    from headgate.assembly import make_gateway
    from headgate.sdk.demo import UPSTREAM, start_simulator
    from headgate.server.lines import LineDoor, intake_for_lines

    simulator = None
    if settings.uses_simulator:
        settings, simulator = await start_simulator(settings)
    upstream = "groq" if simulator is None else UPSTREAM
    gateway = make_gateway(settings, upstream=upstream, environment=os.environ)
    try:
        await gateway.start()
        intake = intake_for_lines(gateway, settings.routes, substitute=settings.batch.substitute)
        yield LineDoor(gateway.beside(intake))
    finally:
        await gateway.stop()
        if simulator is not None:
            await simulator.close()


@asynccontextmanager
async def _remote(url: str) -> AsyncIterator[Ask]:
    from headgate.runtime.upstream import Endpoint
    from headgate.runtime.upstream_proxy import open_upstream

    try:
        endpoint = Endpoint.parse(url if url.rstrip("/").endswith(BASE) else f"{url.rstrip('/')}{BASE}")
    except ValueError as error:
        raise Failed(f"--base-url: {error}.", 2) from None
    upstream = open_upstream(endpoint, environment=os.environ)
    try:
        yield _Remote(upstream, os.environ.get("HEADGATE_API_KEY", ""))
    finally:
        await upstream.close()


class _Remote:
    """`Ask` (batch/asking.py) at a gateway's address. The tenant is whoever the key belongs to."""

    def __init__(self, upstream: "Upstream", key: str) -> None:
        self._upstream = upstream
        self._headers: Headers = (
            (b"content-type", b"application/json"),
            (b"x-headgate-priority", b"batch"),
            (b"x-headgate-local", b"off"),
            (b"x-headgate-deadline-ms", TRY_MS),
            (b"x-headgate-patience-ms", TRY_MS),
            *([(b"authorization", b"Bearer " + key.encode())] if key else []),
        )

    async def __call__(self, tenant: str, url: str, body: bytes) -> LineAnswer:  # noqa: ARG002
        from headgate.runtime.upstream import Timeouts, UpstreamError

        timeouts = Timeouts(first_byte_s=3_700.0, total_s=3_800.0)
        path = self._upstream.endpoint.path(url.removeprefix(BASE))
        try:
            response = await self._upstream.request("POST", path, self._headers, body, timeouts)
        except UpstreamError:
            return LineAnswer(503, "", NO_ANSWER)
        after = response.headers.get("retry-after", "")
        reason = response.headers.get("x-headgate-reason")
        return LineAnswer(
            response.status,
            response.headers.get("x-request-id", ""),
            response.body,
            float(after) if after.isascii() and after.isdigit() else None,
            None if reason is None else {"reason": reason},
        )

"""Takes an upload in: a form's file goes from the connection to its spool, no faster than the spool takes it."""

import asyncio
from typing import Final

from headgate.runtime.spool import Spool
from headgate.server.multipart import FormReader
from headgate.server.visit import Receive

IDLE_S: Final = 60.0
"""The longest silence within an upload."""


async def received(receive: Receive, form: FormReader, spool: Spool) -> bool:
    """Read the form to its end; False when the client left. Raises TimeoutError for a silence longer than `IDLE_S`,
    and what form and spool raise."""
    more = True
    while more:
        async with asyncio.timeout(IDLE_S):
            message = await receive()
        if message["type"] == "http.disconnect":
            return False
        form.feed(message.get("body", b""))
        for piece in form.take():
            await spool.add(piece)
        more = message.get("more_body", False)
    form.finish()
    await spool.finish()
    return True

"""Owns `headgate chat --base-url`: the same question to a gateway that runs somewhere else."""

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from headgate.cli.terminal import FAILURE, TRY_LATER, Failed, complaint, put, say
from headgate.cli.whereabouts import no_answer
from headgate.sdk import Token
from headgate.sdk.options import body_of
from headgate.sdk.reading import StreamReading

if TYPE_CHECKING:
    from headgate.runtime.upstream import Upstream

LABELS: Final = ("source", "model-served", "attempts", "calls", "fitted", "cost-usd", "reason")


def ask(url: str, text: str, model: str | None, *, streams: bool, as_json: bool) -> None:
    """Ask the gateway at `url` (its root, or its address ending in /v1) with HEADGATE_API_KEY. Raises Failed."""
    from headgate.runtime.upstream import Endpoint, UpstreamError
    from headgate.runtime.upstream_proxy import open_upstream

    try:
        endpoint = Endpoint.parse(url if url.rstrip("/").endswith("/v1") else f"{url.rstrip('/')}/v1")
    except ValueError as error:
        raise Failed(f"--base-url: {error}.", 2) from None

    async def go() -> None:
        upstream = open_upstream(endpoint)
        try:
            await _ask(upstream, body_of(text, model, {}, stream=streams), as_json=as_json)
        except UpstreamError as error:
            raise no_answer(url, error) from None
        finally:
            await upstream.close()

    asyncio.run(go())


async def _ask(upstream: "Upstream", body: bytes, *, as_json: bool) -> None:
    import msgspec

    from headgate.protocol.reply import answer_text
    from headgate.runtime.upstream import Timeouts

    key = os.environ.get("HEADGATE_API_KEY", "")
    headers = [(b"content-type", b"application/json")]
    if key:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    stream = await upstream.open("POST", upstream.endpoint.path("/chat/completions"), headers, body, Timeouts())
    if stream.status == 200 and stream.headers.get("content-type", "").startswith("text/event-stream"):
        reading = StreamReading()
        async for chunk in stream:
            for event in reading.feed(chunk):
                if isinstance(event, Token):
                    put(event.text)
        put("\n")
        if reading.error is not None:
            raise Failed(reading.error[0])
    else:
        whole = b"".join([chunk async for chunk in stream])
        if stream.status != 200:
            raise Failed(complaint(stream.status, whole), TRY_LATER if "retry-after" in stream.headers else FAILURE)
        put(f"{msgspec.json.format(whole, indent=2).decode()}\n" if as_json else f"{answer_text(whole)}\n")
    say(_label(stream.headers))


def _label(headers: Mapping[str, str]) -> str:
    found = [f"{name}: {headers[f'x-headgate-{name}']}" for name in LABELS if f"x-headgate-{name}" in headers]
    return f"[{', '.join(found)}]"

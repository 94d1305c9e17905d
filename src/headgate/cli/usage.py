"""`headgate usage`: what was used and what it cost, asked of a running gateway."""

import os
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

import typer

from headgate.cli import whereabouts
from headgate.cli.terminal import Failed, complaint, console, put
from headgate.cli.whereabouts import BASE_URL_HELP, no_answer

if TYPE_CHECKING:
    from headgate.runtime.upstream import Upstream

COUNTS: Final = ("requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")


def usage(
    by: Annotated[
        str, typer.Option(help="What to add up by: day, model, provider, user, agent, task, route, source, outcome.")
    ] = "day,model",
    since: Annotated[str | None, typer.Option(help="From this date on, as 2026-11-01. [default: 30 days ago]")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this date.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Another tenant, or * for all: operators' keys only.")] = None,
    base_url: Annotated[str | None, typer.Option(help=BASE_URL_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What the gateway says, as JSON.")] = False,
) -> None:
    """What was used and what it cost, by day and model. HEADGATE_API_KEY is the key where the gateway wants one."""
    import asyncio

    import msgspec

    asked = {"by": by, "since": since, "until": until, "tenant": tenant}
    url = whereabouts.base_url(base_url)
    body = asyncio.run(_fetch(url, urlencode({name: value for name, value in asked.items() if value is not None})))
    if as_json:
        put(msgspec.json.format(body, indent=2).decode() + "\n")
    else:
        _show(msgspec.json.decode(body)["data"], by.split(","))


async def _fetch(url: str, query: str) -> bytes:
    from headgate.runtime.upstream import Endpoint, UpstreamError
    from headgate.runtime.upstream_proxy import open_upstream

    try:
        endpoint = Endpoint.parse(url if url.rstrip("/").endswith("/v1") else f"{url.rstrip('/')}/v1")
    except ValueError as error:
        raise Failed(f"--base-url: {error}.", 2) from None
    upstream = open_upstream(endpoint)
    try:
        return await _answer(upstream, endpoint.path(f"/usage?{query}"))
    except UpstreamError as error:
        raise no_answer(url, error) from None
    finally:
        await upstream.close()


async def _answer(upstream: "Upstream", path: str) -> bytes:
    from headgate.runtime.upstream import Timeouts

    key = os.environ.get("HEADGATE_API_KEY", "")
    headers = [(b"authorization", b"Bearer " + key.encode())] if key else []
    stream = await upstream.open("GET", path, headers, b"", Timeouts())
    whole = b"".join([chunk async for chunk in stream])
    if stream.status != 200:
        raise Failed(complaint(stream.status, whole))
    return whole


def _show(rows: list[dict[str, object]], by: list[str]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in by:
        table.add_column(name, no_wrap=True)
    for name in COUNTS:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(str(row.get(name, "")) for name in by), *(_number(row.get(name, "")) for name in COUNTS))
    console().print(table)


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)

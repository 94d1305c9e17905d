"""`headgate jobs`: what a running gateway does in the background, listed, shown and cancelled."""

import os
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from headgate.cli import whereabouts
from headgate.cli.terminal import Failed, complaint, console, put, say
from headgate.cli.whereabouts import BASE_URL_HELP, no_answer

if TYPE_CHECKING:
    from headgate.runtime.upstream import Upstream

COLUMNS: Final = ("id", "kind", "status", "attempts", "created_at", "problem")

app = typer.Typer(
    help="What a running gateway does in the background. HEADGATE_API_KEY is the key where the gateway wants one.",
    no_args_is_help=True,
)

BaseUrl = Annotated[str | None, typer.Option(help=BASE_URL_HELP)]
AsJson = Annotated[bool, typer.Option("--json", help="What the gateway says, as JSON.")]
JobId = Annotated[str, typer.Argument(help="As x-headgate-jobs or `headgate jobs list` told it.")]


@app.command("list")
def listed(
    status: Annotated[str | None, typer.Option(help="queued, running, done, failed or cancelled.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most so many.")] = 20,
    after: Annotated[str | None, typer.Option(help="Go on behind this job.")] = None,
    base_url: BaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Jobs, newest first, and how many are where."""
    asked = {"status": status, "limit": str(limit), "after": after}
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    told = _told("GET", f"/jobs?{query}", base_url, as_json=as_json)
    if told is None:
        return
    from datetime import UTC, datetime

    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in COLUMNS:
        table.add_column(name.replace("_", " "), no_wrap=name == "id")
    for row in told["data"]:
        row["created_at"] = datetime.fromtimestamp(row["created_at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(*(str(row.get(name, "")) for name in COLUMNS))
    console().print(table)
    say(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told["counts"].items() if count) or "no jobs")


@app.command("show")
def shown(job_id: JobId, base_url: BaseUrl = None) -> None:
    """One job with its result and its webhooks, as JSON."""
    _told("GET", f"/jobs/{quote(job_id, safe='')}", base_url, as_json=True)


@app.command("cancel")
def cancelled(job_id: JobId, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """End a job that has not ended."""
    told = _told("POST", f"/jobs/{quote(job_id, safe='')}/cancel", base_url, as_json=as_json)
    if told is not None:
        put(f"{told['id']} is {told['status']}\n")


def _told(method: str, path: str, base_url: str | None, *, as_json: bool) -> Any:
    """What the gateway says; None when it was printed as it is. Raises Failed."""
    import asyncio

    import msgspec

    body = asyncio.run(_asked(method, path, whereabouts.base_url(base_url)))
    if not as_json:
        return msgspec.json.decode(body)
    put(msgspec.json.format(body, indent=2).decode() + "\n")
    return None


async def _asked(method: str, path: str, url: str) -> bytes:
    from headgate.runtime.upstream import Endpoint, UpstreamError
    from headgate.runtime.upstream_proxy import open_upstream

    try:
        endpoint = Endpoint.parse(url if url.rstrip("/").endswith("/v1") else f"{url.rstrip('/')}/v1")
    except ValueError as error:
        raise Failed(f"--base-url: {error}.", 2) from None
    upstream = open_upstream(endpoint)
    try:
        return await _answer(upstream, method, endpoint.path(path))
    except UpstreamError as error:
        raise no_answer(url, error) from None
    finally:
        await upstream.close()


async def _answer(upstream: "Upstream", method: str, path: str) -> bytes:
    from headgate.runtime.upstream import Timeouts

    key = os.environ.get("HEADGATE_API_KEY", "")
    headers = [(b"content-type", b"application/json")]
    if key:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    stream = await upstream.open(method, path, headers, b"", Timeouts())
    whole = b"".join([chunk async for chunk in stream])
    if stream.status != 200:
        raise Failed(complaint(stream.status, whole))
    return whole

"""Owns how commands ask a running gateway's admin listener: where it is, what opens it, what its answers mean."""

import asyncio
import os
from typing import TYPE_CHECKING, Final

from headgate.cli.terminal import Failed, complaint
from headgate.cli.whereabouts import port_of

if TYPE_CHECKING:
    from headgate.runtime.admin_pass import AdminPass
    from headgate.runtime.upstream import Upstream

USUAL_PORT: Final = 8081
URL: Final = "HEADGATE_ADMIN_URL"
PORT: Final = "HEADGATE_ADMIN_PORT"
TOKEN: Final = "HEADGATE_ADMIN_TOKEN"


def ask_admin(method: str, path: str, body: bytes = b"", *, url: str | None = None) -> bytes:
    """What the listener answered. Raises Failed."""
    from headgate.runtime.upstream import Endpoint, UpstreamError
    from headgate.runtime.upstream_proxy import open_upstream

    address, token = _found(url)
    try:
        endpoint = Endpoint.parse(address)
    except ValueError as error:
        raise Failed(f"--admin-url: {error}.", 2) from None

    async def go() -> bytes:
        upstream = open_upstream(endpoint)
        try:
            return await _answer(upstream, method, endpoint.path(path), body, token)
        except UpstreamError as error:
            raise Failed(
                f"{address} gave no answer ({error}). Is the gateway running, and its admin listener there? "
                f"`headgate serve` says where; --admin-url or {URL} names another."
            ) from None
        finally:
            await upstream.close()

    return asyncio.run(go())


def _found(url: str | None) -> tuple[str, str]:
    """Address and token: as they are named, else by the pass that a gateway of this user has left."""
    from headgate.runtime.admin_pass import pass_path, read_pass, usual_folder

    named = (url or os.environ.get(URL, "")).strip().rstrip("/")
    port = None if named else port_of(PORT)
    token = os.environ.get(TOKEN, "").strip()
    folder = usual_folder()
    passes = [held for path in sorted(folder.glob("admin-*.json")) if (held := read_pass(path)) is not None]
    if named:
        held = next((each for each in passes if each.url == named), None)
    elif port is not None:
        held = read_pass(pass_path(folder, port))
    else:
        held = read_pass(pass_path(folder, USUAL_PORT)) or _only(passes)
    address = named or (f"http://127.0.0.1:{port or USUAL_PORT}" if held is None else held.url)
    if not token and held is None:
        raise Failed(
            f"There is no token for the admin listener on {address}: this user runs no gateway that left one. "
            f"Set {TOKEN} to what the gateway has there."
        )
    return address, token or ("" if held is None else held.token)


def _only(passes: "list[AdminPass]") -> "AdminPass | None":
    """The one gateway that runs, where there is one."""
    if len(passes) > 1:
        there = ", ".join(each.url for each in passes)
        raise Failed(f"Several gateways run here ({there}): say which with --admin-url, or by its port with {PORT}.", 2)
    return passes[0] if passes else None


async def _answer(upstream: "Upstream", method: str, path: str, body: bytes, token: str) -> bytes:
    from headgate.runtime.upstream import Timeouts

    headers = [(b"authorization", b"Bearer " + token.encode())]
    if body:
        headers.append((b"content-type", b"application/json"))
    stream = await upstream.open(method, path, headers, body, Timeouts())
    whole = b"".join([chunk async for chunk in stream])
    if stream.status != 200:
        raise Failed(complaint(stream.status, whole))
    return whole

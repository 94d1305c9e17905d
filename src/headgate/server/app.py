"""The HTTP door: bare ASGI, and nothing between a request and its route that the route needs not.

Both bases are served, `/v1/...` for OpenAI's SDK and `/openai/v1/...` for Groq's, which appends it to the host root;
what there is stands in `routes`. Anthropic's SDK appends `/v1/...` to the host root too.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final

import msgspec

from headgate.server import chat as chat_door
from headgate.server import routes
from headgate.server.auth import STRANGE_ORIGIN, Denied, Identity, out_of_scope
from headgate.server.errors import invalid
from headgate.server.gateway import Gateway
from headgate.server.labels import JSON, NO_RETRY, Header, lines_of, request_id
from headgate.server.request_ids import new_id
from headgate.server.visit import Receive, Scope, Send, Visit, indirect, refuse, send_whole

PROBES: Final = frozenset({"/healthz", "/health", "/readyz"})
LOOKS: Final = frozenset({"GET", "HEAD"})
"""Methods that change nothing, whoever sends them."""
OK: Final = b'{"status":"ok"}'


class App:
    """The ASGI application over one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._chat_paths = frozenset(f"{base}/chat/completions" for base in routes.BASES)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One connection's request, or the server's own start and stop. Gives what is to be awaited, instead of being
        one more coroutine around it."""
        if scope["type"] != "http":
            return self._other(scope, receive, send)
        path, method, name = scope["path"], scope["method"], new_id()
        if path in PROBES:
            return self._probe(scope, send, name)
        headers = dict(scope["headers"])
        client = scope.get("client")
        identity = self._gateway.door.authenticate(headers, client[0] if client else None)
        if type(identity) is Denied:
            return refuse(scope, send, identity.refusal, name, routes.refuser_of(path))
        if path in self._chat_paths and method == "POST" and not identity.scopes:
            return chat_door.answer(self._gateway, scope, receive, send, headers, identity, name)
        return self._rest(scope, receive, send, headers, identity, name)

    async def hang_up(self) -> None:
        """Break off what is still being answered, so that its clients are told before their connections end."""
        await self._gateway.hang_up()

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _rest(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], identity: Identity, name: str
    ) -> None:
        """Every other row of the table."""
        path, method = scope["path"], scope["method"]
        found = routes.find(routes.tail_of(path))
        if found is None:
            await _unknown(scope, send, name)
            return
        door = found.doors.get("GET" if method == "HEAD" else method)
        if door is None:
            await _no_door(scope, send, name, found)
            return
        if found.scope is not None and not identity.may(found.scope):
            await refuse(scope, send, out_of_scope(found.scope), name, routes.refuser_of(path))
            return
        if method not in LOOKS and self._gateway.door.bars_page(headers):
            await refuse(scope, send, STRANGE_ORIGIN.refusal, name, routes.refuser_of(path))
            return
        if method == "HEAD":
            scope = indirect(scope)
        visit = Visit(
            self._gateway, scope, receive, send, headers, identity, name, found.given, routes.refuser_of(path)
        )
        await door(visit)

    async def _probe(self, scope: Scope, send: Send, name: str) -> None:
        status, body = 200, OK
        if scope["path"] == "/readyz":
            status, ready = self._gateway.readiness()
            body = msgspec.json.encode(ready)
        await send_whole(indirect(scope), send, status, lines_of([JSON, request_id(name)]), body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            try:
                message = await receive()
            except asyncio.CancelledError:  # a second signal: whoever runs the process stops the gateway
                return
            if message["type"] == "lifespan.startup":
                await self._gateway.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._gateway.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _no_door(scope: Scope, send: Send, name: str, found: routes.Found) -> None:
    """What a path says to a method that it has not: 405, or to OPTIONS what it has. No other origin is let in by it."""
    allow: Header = (b"allow", found.methods.encode())
    if scope["method"] == "OPTIONS":
        await send({"type": "http.response.start", "status": 204, "headers": [allow, request_id(name)]})
        await send({"type": "http.response.body", "body": b""})  # which has no length, not even none
        return
    refusal = invalid(f"{scope['method']} is not possible here: use {' or '.join(found.doors)}.", status=405)
    status, headers, body = routes.refuser_of(scope["path"])(refusal, name)
    await send_whole(indirect(scope), send, status, lines_of([*headers, allow]), body)


async def _unknown(scope: Scope, send: Send, name: str) -> None:
    path, method = scope["path"], scope["method"]
    body = routes.unknown_url(method, path, name)
    await send_whole(indirect(scope), send, 404, lines_of([JSON, request_id(name), NO_RETRY]), body)

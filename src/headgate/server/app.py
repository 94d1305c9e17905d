"""The HTTP door: bare ASGI, a table of paths, and nothing between a request and its route that the route needs not.

Both bases are served, `/v1/...` for OpenAI's SDK and `/openai/v1/...` for Groq's, which appends it to the host root.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Final

import msgspec

from headgate.domain.answer import Refusal
from headgate.protocol.openai import error_body, model_row, models_body
from headgate.server import chat as chat_door
from headgate.server.auth import Denied, Identity
from headgate.server.errors import invalid, refusal_parts
from headgate.server.gateway import Gateway
from headgate.server.labels import JSON, Header, request_id

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BASES: Final = ("/openai/v1", "/v1")
ID_BYTES: Final = 12
IDS_AT_ONCE: Final = 256


def _ids() -> Iterator[str]:
    """Request ids that nobody can guess: a story is shown to whoever knows its id and has the tenant's key.

    Randomness is fetched for many at once, because asking the kernel costs more than all else here.
    """
    while True:
        bits = secrets.token_hex(ID_BYTES * IDS_AT_ONCE)
        for at in range(0, len(bits), 2 * ID_BYTES):
            yield f"req_{bits[at : at + 2 * ID_BYTES]}"


new_id: Final = _ids().__next__


class App:
    """The ASGI application over one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        chat = {f"{base}/chat/completions" for base in BASES}
        self._chat_paths = frozenset(chat)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's request, or the server's own start and stop."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        path, method, name = scope["path"], scope["method"], new_id()
        if path in PROBES:
            await self._probe(path, send, name)
            return
        headers = dict(scope["headers"])
        client = scope.get("client")
        identity = self._gateway.door.authenticate(headers, client[0] if client else None)
        if isinstance(identity, Denied):
            await refuse(send, identity.refusal, name)
        elif path in self._chat_paths and method == "POST":
            await chat_door.answer(self._gateway, scope, receive, send, headers, identity, name)
        else:
            await self._rest(path, method, send, identity, name)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _rest(self, path: str, method: str, send: Send, identity: Identity, name: str) -> None:
        """What is not hot: models and stories."""
        base = next((base for base in BASES if path.startswith(f"{base}/")), None)
        tail = "" if base is None else path[len(base) :]
        if tail == "/chat/completions":
            refusal = invalid(f"{method} is not possible here: use POST.", status=405)
            await refuse(send, refusal, name)
        elif method == "GET" and tail == "/models":
            await reply(send, 200, [JSON, request_id(name)], models_body(self._models()))
        elif method == "GET" and tail.startswith("/models/"):
            await self._model(send, tail.removeprefix("/models/"), name)
        elif method == "GET" and tail.startswith("/requests/"):
            await self._story(send, tail.removeprefix("/requests/"), identity, name)
        else:
            await reply(send, 404, [JSON, request_id(name)], unknown_url(method, path))

    async def _model(self, send: Send, model: str, name: str) -> None:
        row = next((row for row in self._models() if row["id"] == model), None)
        if row is None:
            await refuse(send, self._gateway.unknown_model(model), name)
        else:
            await reply(send, 200, [JSON, request_id(name)], msgspec.json.encode(row))

    async def _story(self, send: Send, story_id: str, identity: Identity, name: str) -> None:
        story = self._gateway.stories.story(story_id, identity.tenant)
        if story is None:
            text = f"No finished request of yours has this id. The last {self._gateway.stories.kept:,} are remembered."
            await refuse(send, invalid(text, "id", status=404), name)
        else:
            await reply(send, 200, [JSON, request_id(name)], msgspec.json.encode(story))

    def _models(self) -> list[dict[str, object]]:
        return [
            model_row(
                model.id,
                model.created,
                model.owned_by or model.provider,
                {
                    "active": True,
                    "context_window": model.context_window_tokens,
                    "max_completion_tokens": model.max_output_tokens,
                },
            )
            for model in self._gateway.models()
        ]

    async def _probe(self, path: str, send: Send, name: str) -> None:
        if path == "/readyz":
            status, ready = self._gateway.readiness()
            await reply(send, status, [JSON, request_id(name)], msgspec.json.encode(ready))
        else:
            await reply(send, 200, [JSON, request_id(name)], b'{"status":"ok"}')

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._gateway.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._gateway.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


PROBES: Final = frozenset({"/healthz", "/health", "/readyz"})


async def reply(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    """A whole answer."""
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refusal: Refusal, name: str) -> None:
    """A refusal as an answer."""
    await reply(send, *refusal_parts(refusal, name))


def unknown_url(method: str, path: str) -> bytes:
    """404 as Groq words its own, with what there is."""
    text = f"Unknown request URL: {method} {path[:200]}. There are /v1/chat/completions, /v1/models, /v1/requests/ID."
    return error_body(text, "invalid_request_error", "unknown_url")

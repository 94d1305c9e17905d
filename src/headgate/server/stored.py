"""What the doors of stored things share: no store, a store at fault, and the queries of lists."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

from headgate.domain.answer import Refusal, RefusalCode
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.openai import error_body
from headgate.server.errors import invalid
from headgate.server.labels import JSON, NO_RETRY
from headgate.server.visit import Visit
from headgate.store.problems import StoreError, UnknownCursor
from headgate.store.sqlite import SqliteStore

NO_STORE: Final = Refusal(
    RefusalCode.INVALID_REQUEST,
    "Files, batches and jobs need a store, and this gateway has none: "
    "set `enabled = true` under `[store]` in headgate.toml.",
    501,
)
STRANGER: Final = Refusal(
    RefusalCode.FORBIDDEN,
    "Files, batches and jobs are kept for holders of a gateway key: a provider key alone is not enough for them.",
    403,
)
FAULT_RETRY_S: Final = 5.0
MOST_QUERY_BYTES: Final = 16 * 1024

Door = Callable[[Visit], Awaitable[None]]
StoredDoor = Callable[[Visit, SqliteStore], Awaitable[None]]


def stored(door: StoredDoor) -> Door:
    """A door that needs the store; whoever asks where there is none is told what to set."""

    async def guarded(visit: Visit) -> None:
        store = visit.gateway.store
        if store is None:
            await visit.refuse(NO_STORE)
            return
        if visit.identity.own_key is not None and visit.identity.key_id is None:
            await visit.refuse(STRANGER)
            return
        try:
            await door(visit, store)
        except InvalidBody as problem:
            extra: dict[str, object] = {"headgate": {"request_id": visit.name, "tried": []}}
            body = error_body(problem.message, "invalid_request_error", problem.code, problem.param, extra)
            await visit.reply(body, 400, (JSON, NO_RETRY))
        except UnknownCursor:
            await visit.refuse(invalid("`after` names nothing that is here.", "after"))
        except StoreError as problem:
            text = f"The store of this gateway is at fault ({problem.fault}); nothing was changed."
            await visit.refuse(Refusal(RefusalCode.UPSTREAM_FAILED, text, 503, FAULT_RETRY_S))

    return guarded


def query_of(visit: Visit) -> dict[str, list[str]]:
    """The query, each name with its values. Raises InvalidBody."""
    raw: bytes = visit.scope.get("query_string", b"")
    if len(raw) > MOST_QUERY_BYTES:
        raise InvalidBody("The query is too long.")
    return parse_qs(raw.decode("latin-1"), max_num_fields=1_000)


def one_of(query: dict[str, list[str]], name: str) -> str | None:
    """A value that is given once at most. Raises InvalidBody."""
    values = query.get(name, [])
    if len(values) > 1:
        raise InvalidBody(f"`{name}` is given twice.", name)
    return values[0] if values else None


def limit_of(query: dict[str, list[str]], *, usual: int, most: int, least: int = 1) -> int:
    """How many a page shall hold. Raises InvalidBody."""
    text = one_of(query, "limit")
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise InvalidBody(f"`limit` must be a whole number from {least} to {most}.", "limit")
    return int(text)

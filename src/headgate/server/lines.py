"""Asks for a line of a batch at the same door where its client could have asked: it goes through the whole machine, as
a request of its tenant's with the lowest priority.

The gateway that it asks has an intake of its own (`intake_for_lines`): much patience, no local answers.
"""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import msgspec

from headgate.batch.asking import LineAnswer
from headgate.domain.answer import Refusal, RefusalCode
from headgate.protocol.openai import error_body
from headgate.runtime.settings import RouteSettings
from headgate.server import routes
from headgate.server.auth import Identity
from headgate.server.errors import Parts, refusal_parts
from headgate.server.gateway import Gateway
from headgate.server.intake import Intake
from headgate.server.labels import JSON
from headgate.server.request_ids import new_id
from headgate.server.visit import Visit

TRY_S: Final = 3_600.0
"""How long one asking for a line may take, waiting for quota included; then it is asked for again."""
BATCH: Final = b"batch"
BACKGROUND: Final = b"background"
PRIORITY: Final = b"x-headgate-priority"
LOCAL: Final = (b"x-headgate-local", b"off")
TOLD: Final = ("model-served", "reason", "fitted")
"""What a result tells of its answer, where a client who asked directly would read it from the headers."""
REASON: Final = "x-headgate-reason"
NO_ROOM: Final = frozenset({RefusalCode.NO_CAPACITY, RefusalCode.DEADLINE_EXCEEDED, RefusalCode.BUDGET_EXCEEDED})
DEFECT: Final = error_body("The gateway failed at this line.", "api_error", "internal_error")
_log: Final = logging.getLogger(__name__)


def intake_for_lines(
    gateway: Gateway,
    configured: Mapping[str, RouteSettings],
    *,
    substitute: bool,
    patience_s: float = TRY_S,
    deadline_s: float = TRY_S,
) -> Intake:
    """A gateway's routes as they are for lines of batches, and for jobs."""
    patient = {
        name: msgspec.structs.replace(
            route, deadline_s=deadline_s, patience_s=patience_s, local=False, substitute=route.substitute and substitute
        )
        for name, route in configured.items()
    }
    screening, scope = gateway.driver.screening, gateway.caching.scope
    return Intake(gateway.catalog, patient, local=False, screening=screening, scope=scope)


class LineDoor:
    """`Ask` (batch/asking.py) over a gateway's own doors."""

    def __init__(self, gateway: Gateway, priority: bytes = BATCH) -> None:
        self._gateway = gateway
        self._headers = (JSON, (PRIORITY, priority), LOCAL)

    async def __call__(self, tenant: str, url: str, body: bytes) -> LineAnswer:
        """Answer one line; whatever goes wrong is an answer too."""
        found = routes.find(routes.tail_of(url))
        door = None if found is None else found.doors.get("POST")
        assert door is not None, "lines are checked for where they go"
        taking = _Taking(body)
        name = new_id()
        visit = Visit(
            self._gateway,
            {"type": "http", "method": "POST", "path": url, "headers": self._headers, "query_string": b""},
            taking.receive,
            taking.send,
            dict(self._headers),
            Identity(tenant=tenant),
            name,
            {},
            taking.refuser,
        )
        try:
            await door(visit)
        except Exception:  # noqa: BLE001 - one line must not end its batch
            _log.exception("a line of a batch could not be asked for (%s)", name)
            return LineAnswer(500, name, DEFECT)
        return taking.answer(name)


class _Taking:
    """The client's side of one line: it has sent everything, and never leaves."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 500
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._lacks_room = False

    def refuser(self, refusal: Refusal, name: str) -> Parts:
        """Notes why there is a refusal."""
        self._lacks_room = refusal.code in NO_ROOM
        return refusal_parts(refusal, name)

    async def receive(self) -> MutableMapping[str, Any]:
        if self._body is None:
            await asyncio.get_running_loop().create_future()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = dict(message["headers"])
        else:
            self._chunks.append(message.get("body", b""))

    def answer(self, name: str) -> LineAnswer:
        said = {key.decode("latin-1"): value.decode("latin-1") for key, value in self._headers.items()}
        after = said.get("retry-after", "")
        label = None
        if said.get(REASON):
            label = {
                told.replace("-", "_"): said[f"x-headgate-{told}"] for told in TOLD if f"x-headgate-{told}" in said
            }
        return LineAnswer(
            self._status,
            said.get("x-request-id", name),
            b"".join(self._chunks),
            float(after) if after.isascii() and after.isdigit() else None,
            label,
            self._lacks_room,
        )

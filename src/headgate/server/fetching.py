"""What the doors that are no chats share: a body is read and let in, and one errand is run for a request of known size.

Adding such a door: parse the body, ask `Intake.request_for`, write an errand, and `fetch` it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from headgate.catalog import Kind
from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal
from headgate.domain.limits import Amounts
from headgate.domain.request import Need, Request
from headgate.protocol.client_json import InvalidBody
from headgate.runtime.errand import Errand
from headgate.server.auth import Identity
from headgate.server.controls import Controls, InvalidControl
from headgate.server.errors import invalid
from headgate.server.gateway import Gateway
from headgate.server.intake import OWN_KEYS_OF
from headgate.server.labels import labels
from headgate.server.outcome import overhead_s, told
from headgate.server.visit import Visit, busy, read_json, send_whole


class Asker(Protocol):
    """Who asks, at which gateway, under which id: what every `Visit` says, and a caller in this process too."""

    @property
    def gateway(self) -> Gateway: ...
    @property
    def identity(self) -> Identity: ...
    @property
    def name(self) -> str: ...


Worker = Callable[[Visit, bytes, float], Awaitable[None]]
"""Answers a visit whose body was read and which came at an instant; raises InvalidBody or InvalidControl."""


def json_door(work: Worker) -> Callable[[Visit], Awaitable[None]]:
    """The door of an endpoint that takes JSON."""

    async def door(visit: Visit) -> None:
        started_at = visit.gateway.now()
        body = await read_json(visit.scope, visit.receive, visit.headers, visit.gateway.max_body_bytes)
        if isinstance(body, Refusal):
            await visit.refuse(body)
        elif body is not None:
            await inside(visit, lambda: work(visit, body, started_at))

    return door


async def inside(visit: Visit, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work as one of the requests in flight; what cannot be understood is refused."""
    if not visit.gateway.enter(visit.identity.tenant):
        await visit.refuse(busy())
        return
    try:
        await work()
    except InvalidBody as problem:
        await visit.refuse(invalid(problem.message, problem.param))
    except InvalidControl as problem:
        await visit.refuse(problem.refusal)
    finally:
        visit.gateway.leave(visit.identity.tenant)


async def watched(visit: Visit, work: Awaitable[Any]) -> Any:
    """What `work` gives; a client who hangs up meanwhile cancels it. None when that has happened."""
    watch = visit.watch()
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.gone:
            raise
        return None
    finally:
        watch.stop()


def sized(asker: Asker, model: str, kind: Kind, controls: Controls, fixed: Amounts, now: float) -> Request | Refusal:
    """The facts of a request that takes `fixed`, served by models of one kind; a refusal where there is none."""
    gateway, identity = asker.gateway, asker.identity
    request = gateway.intake.request_for(
        model,
        kind,
        controls,
        fixed=fixed,
        request_id=asker.name,
        tenant=identity.tenant,
        now=now,
        own_key=identity.own_key_id,
    )
    if isinstance(request, Refusal):
        return request
    able, elsewhere = (
        tuple(name for name in names if (found := gateway.catalog.model(name)) is not None and found.kind is kind)
        for names in (request.candidates, request.elsewhere)
    )
    able = able or named(asker, model, kind)  # a route of chat models says nothing of who makes sound or vectors
    if not able:
        return invalid(f"`{model}` stands for no model of kind {kind}. `GET /v1/models` lists all.", "model")
    return msgspec.structs.replace(request, candidates=able, elsewhere=elsewhere)


def named(asker: Asker, name: str, kind: Kind, needs: Need = Need.NONE) -> tuple[str, ...]:
    """What a model's or tier's name means by itself, whatever a route says: a caller's own key is shown to its provider
    only."""
    catalog = asker.gateway.catalog
    found = asker.gateway.intake.resolve(name, needs, substitute=False)
    models = [] if found is None else [catalog.model(each) for each in found.candidates]
    providers = catalog.chain if asker.identity.own_key_id is None else (OWN_KEYS_OF,)
    return tuple(each.id for each in models if each is not None and each.kind is kind and each.provider in providers)


async def fetch(
    visit: Visit,
    request: Request,
    errand: Errand,
    controls: Controls,
    started_at: float,
    content_type: Callable[[], str] = lambda: "application/json",
) -> None:
    """Run an errand and answer with what it brings; `content_type` is asked when it has come."""
    gateway = visit.gateway
    answered = await watched(visit, gateway.driver.ask(request, errand, visit.identity.own_key))
    if answered is None:
        return
    explain = controls.inactive if controls.explain else None
    marks = labels(answered, overhead_s=overhead_s(gateway, answered, started_at), explain=explain)
    if answered.finish.ending is not Ending.ANSWER:
        await send_whole(visit.scope, visit.send, *told(gateway, answered, marks))
        return
    assert answered.body is not None
    kind = b"content-type: %b\r\n" % content_type().encode("latin-1")
    await send_whole(visit.scope, visit.send, 200, kind + marks, answered.body)

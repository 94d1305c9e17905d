"""The doors that only look: which models there are, one by one or all, and what was done for a request."""

from datetime import UTC, datetime

import msgspec

from headgate.catalog import Model
from headgate.domain.request import Need
from headgate.protocol.openai import model_row, models_body
from headgate.server.errors import invalid
from headgate.server.request_ids import FORM
from headgate.server.visit import Visit

ANTHROPIC_VERSION = b"anthropic-version"
"""The header by which a client says that it reads Anthropic's shape of a model."""


async def models(visit: Visit) -> None:
    """`GET /models`."""
    found = visit.gateway.models()
    if ANTHROPIC_VERSION in visit.headers:
        rows = [_anthropic_row(model) for model in found]
        ids = [model.id for model in found]
        page = {
            "data": rows,
            "has_more": False,
            "first_id": ids[0] if ids else None,
            "last_id": ids[-1] if ids else None,
        }
        await visit.reply(msgspec.json.encode(page))
        return
    await visit.reply(models_body([_row(model) for model in found]))


async def one_model(visit: Visit) -> None:
    """`GET /models/{id}`; an id may hold slashes. Every name that a chat may ask for is told of: an alias, a tier and a
    retired model by whom they are served."""
    name, gateway = visit.given["id"], visit.gateway
    meant = gateway.intake.resolve(name, Need.NONE, substitute=True)
    serves = None if meant is None or not meant.candidates else gateway.catalog.model(meant.candidates[0])
    if serves is None or not serves.is_running:
        await visit.refuse(gateway.unknown_model(name))
        return
    row = _anthropic_row(serves) if ANTHROPIC_VERSION in visit.headers else _row(serves)
    if name != serves.id:
        row |= {"id": name, "served_by": serves.id}
    await visit.reply(msgspec.json.encode(row))


async def story(visit: Visit) -> None:
    """`GET /requests/{id}`: what was done for a request of this tenant's that is over; to an admin key, anybody's."""
    stories, name, who = visit.gateway.stories, visit.given["id"], visit.identity
    is_id = FORM.fullmatch(name) is not None  # anything else would be looked for in every fact
    found = stories.story(name, None if who.admin else who.tenant) if is_id else None
    if found is None:
        text = f"No finished request of yours has this id. The last {stories.kept:,} are remembered."
        await visit.refuse(invalid(text, "id", status=404))
    else:
        if visit.gateway.store is not None:
            found.jobs = await visit.gateway.store.jobs.of_request(found.tenant, found.id)
        await visit.reply(msgspec.json.encode(found))


def _row(model: Model) -> dict[str, object]:
    more: dict[str, object] = {
        "active": True,
        "context_window": model.context_window_tokens,
        "max_completion_tokens": model.max_output_tokens,
    }
    return model_row(model.id, model.created, model.owned_by or model.provider, more)


def _anthropic_row(model: Model) -> dict[str, object]:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": model.context_window_tokens,
        "max_tokens": model.max_output_tokens,
    }

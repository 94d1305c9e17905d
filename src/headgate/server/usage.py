"""The door of `GET /usage`: what the caller's tenant used, added up by day and model, or by what the query names."""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from headgate.batch.coalescing_counts import Coalesced
from headgate.domain.answer import Refusal, RefusalCode
from headgate.observe.stories import usd
from headgate.protocol.client_json import InvalidBody
from headgate.server.auth import Identity
from headgate.server.errors import invalid
from headgate.server.gateway import Gateway
from headgate.server.stored import one_of, query_of
from headgate.server.visit import Visit
from headgate.store.problems import StoreError
from headgate.store.rows import GroupBy, UsageFilter, UsageSum

GROUPS: Final = {
    "model": GroupBy.MODEL_SERVED,
    **{by.value: by for by in GroupBy if by is not GroupBy.MODEL_SERVED},
}
FOR_OPERATORS: Final = frozenset({"organisation"})
EVERYBODY: Final = "*"
USUAL: Final = "day,model"
USUAL_DAYS: Final = 30
MOST_ROWS: Final = 10_000
KNOWN: Final = frozenset({"by", "since", "until", "tenant"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

NO_STORE: Final = Refusal(
    RefusalCode.INVALID_REQUEST,
    "Usage needs a store, and this gateway has none: set `enabled = true` under `[store]` in headgate.toml.",
    501,
)


async def usage(visit: Visit) -> None:
    """`GET /usage?by=day,model&since=2026-11-01&until=2026-12-01`; operators may name a `tenant`, or `*` for all."""
    store = visit.gateway.store
    if store is None:
        await visit.refuse(NO_STORE)
        return
    try:
        where, by = read_query(query_of(visit), visit.identity, visit.gateway.clock.wall())
        sums = await store.usage.add_up(where, tuple(GROUPS[name] for name in by))
    except InvalidBody as problem:
        await visit.refuse(invalid(problem.message, problem.param))
    except StoreError as problem:
        text = f"The store of this gateway is at fault ({problem.fault})."
        await visit.refuse(Refusal(RefusalCode.UPSTREAM_FAILED, text, 503))
    else:
        told = _coalesced(visit.gateway, where.tenant)
        await visit.reply(usage_body(sums[:MOST_ROWS], by, where, has_more=len(sums) > MOST_ROWS, coalesced=told))


def read_query(query: dict[str, list[str]], identity: Identity, wall: float) -> tuple[UsageFilter, tuple[str, ...]]:
    """Which usage is meant, and by what it is added up. Raises InvalidBody."""
    if unknown := query.keys() - KNOWN:
        raise InvalidBody(f"Unknown parameter; there are {', '.join(sorted(KNOWN))}.", min(unknown)[:100])
    by = tuple(dict.fromkeys((one_of(query, "by") or USUAL).split(",")))
    may = [name for name in GROUPS if identity.admin or name not in FOR_OPERATORS]
    if not set(by) <= set(may):
        raise InvalidBody(f"`by` is a list of {', '.join(may)}, with commas.", "by")
    tenant = one_of(query, "tenant") or identity.tenant
    if tenant != identity.tenant and not identity.admin:
        raise InvalidBody("`tenant` is for operators' keys; yours sees its own tenant.", "tenant")
    until = _time(query, "until")
    since = _time(query, "since")
    if since is None:
        since = (wall if until is None else until) - USUAL_DAYS * 86_400.0
    return UsageFilter(tenant=None if tenant == EVERYBODY else tenant, since=since, until=until), by


def _time(query: dict[str, list[str]], name: str) -> float | None:
    """Seconds since 1970, or a date or time in ISO 8601; UTC unless it says otherwise."""
    text = one_of(query, name)
    if text is None:
        return None
    try:
        if text.isascii() and text.isdigit():
            return float(text[:12])
        when = datetime.fromisoformat(text)
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidBody(f"`{name}` must be a date as 2026-11-21, or seconds since 1970.", name) from None


def _coalesced(gateway: Gateway, tenant: str | None) -> Coalesced | None:
    """What asking for requests together has saved since the start; None where no route gathers any."""
    if gateway.coalescer is None:
        return None
    counts = gateway.coalescer.counts
    return counts.total if tenant is None else counts.of(tenant)


def usage_body(
    sums: tuple[UsageSum, ...],
    by: tuple[str, ...],
    where: UsageFilter,
    *,
    has_more: bool,
    coalesced: Coalesced | None = None,
) -> bytes:
    """The answer: one row for each group."""
    return msgspec.json.encode(
        {
            "object": "list",
            "since": where.since,
            "until": where.until,
            "data": [_row(each, by) for each in sums],
            "has_more": has_more,
            **({} if coalesced is None else {"coalesced": coalesced}),
        }
    )


def _row(each: UsageSum, by: tuple[str, ...]) -> dict[str, object]:
    row: dict[str, object] = {
        name: (EPOCH + timedelta(days=int(value))).date().isoformat() if name == "day" else value
        for name, value in zip(by, each.group, strict=True)
    }
    counts = msgspec.structs.asdict(each)
    del counts["group"]
    row.update(counts)
    row["cost_usd"] = usd(each.cost_nanousd)
    row["prompt_cache_hit_rate"] = round(each.cached_tokens / each.prompt_tokens, 4) if each.prompt_tokens else None
    return row

"""Gathers the figures of a report: what a tenant used in a period, and how its jobs ended, from the store."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from headgate.protocol.jobs import ReportWork
from headgate.store.contract import Store
from headgate.store.job_rows import JobRow
from headgate.store.rows import GroupBy, UsageFilter, UsageSum

MOST_RESULT_BYTES: Final = 2_000
"""Of one result in a report; a longer one is left out."""
BY: Final = (GroupBy.MODEL_SERVED, GroupBy.OUTCOME)


class Reporter:
    """`Gather` (job_work.py) over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, tenant: str, work: ReportWork) -> Mapping[str, object]:
        """The figures. Raises StoreError."""
        told: dict[str, object] = {}
        if work.usage:
            where = UsageFilter(tenant=tenant, since=work.since, until=work.until)
            told["usage"] = [_usage(each) for each in await self._store.usage.add_up(where, BY)]
        if work.jobs:
            rows = await self._store.jobs.ended_between(tenant, work.since, work.until, limit=work.max_results)
            told["jobs"] = Counter(f"{row.kind}_{row.status}" for row in rows)
            told["results"] = [_result(row) for row in rows if row.kind != "report"]
        return told


def _usage(each: UsageSum) -> dict[str, object]:
    figures = {name: value for name, value in msgspec.structs.asdict(each).items() if name != "group"}
    return dict(zip(("model", "outcome"), each.group, strict=True)) | figures


def _result(row: JobRow) -> dict[str, object]:
    told: dict[str, object] = {"id": row.id, "kind": row.kind, "status": row.status.value, "ended_at": row.ended_at}
    if row.result is not None and len(row.result) <= MOST_RESULT_BYTES:
        told["result"] = Raw(row.result)
    return told

"""Owns what is counted of requests that were asked together: how many, in how many calls, and what that saved."""

from typing import Final

import msgspec

MAX_TENANTS: Final = 1_000
"""Tenants that are counted by name; of more only the sum of all is known."""


class Coalesced(msgspec.Struct):
    """Since the start. `requests` were answered in `calls` calls together, `alone` had to be asked again by themselves.
    `calls_saved` are the answers beyond the first of each call; `tokens_saved` is what their prompts would have been by
    themselves, by the learned estimate, less what was used: it can be negative where prompts are short."""

    requests: int = 0
    calls: int = 0
    calls_saved: int = 0
    tokens_saved: int = 0
    alone: int = 0


class CoalescingCounts:
    """The counts of one process, in all and by tenant."""

    def __init__(self) -> None:
        self.total = Coalesced()
        self.left = 0
        self._by_tenant: dict[str, Coalesced] = {}

    def asked(self, tenant: str, *, parts: int, answered: int, calls: int, tokens_saved: int) -> None:
        """A group is over: of `parts` requests `answered` got their answer from it."""
        for row in (self.total, self._row(tenant)):
            if row is not None:
                row.requests += answered
                row.calls += calls
                row.calls_saved += answered - calls
                row.tokens_saved += tokens_saved
                row.alone += parts - answered

    def of(self, tenant: str) -> Coalesced:
        """One tenant's."""
        return self._by_tenant.get(tenant) or Coalesced()

    def _row(self, tenant: str) -> Coalesced | None:
        row = self._by_tenant.get(tenant)
        if row is None and len(self._by_tenant) < MAX_TENANTS:
            row = self._by_tenant[tenant] = Coalesced()
        return row

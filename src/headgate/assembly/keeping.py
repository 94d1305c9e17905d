"""What stands between a gate and its store, from the start to the stop."""

import hmac
from collections.abc import Callable
from functools import partial

from headgate.assembly.gate import limits_now
from headgate.catalog import Catalog
from headgate.decide.gate import Gate
from headgate.observe.usage import UsageRows
from headgate.runtime.clock import Clock
from headgate.runtime.settings import Settings
from headgate.store.keeper import Keeper
from headgate.store.restoring import Restored, restore
from headgate.store.sqlite import SqliteStore
from headgate.store.upkeep import Upkeep
from headgate.store.window import Window

PRETEND = "simulator"
"""The provider in the usage rows of a gateway that the built-in simulator answers."""
PRINT_DOMAIN = b"headgate key print v1"
PRINT_BYTES = 8


def prints_of(settings: Settings) -> dict[str, str]:
    """By the name of each key what tells its secret from another: enough to see that it was changed, too little to be
    of use."""
    pepper = PRINT_DOMAIN if settings.auth.pepper is None else settings.auth.pepper.reveal().encode()
    return {
        key.name: hmac.digest(pepper, key.secret.reveal().encode(), "sha256")[:PRINT_BYTES].hex()
        for provider in settings.providers
        for key in provider.keys
    }


def usage_rows(store: SqliteStore, clock: Clock, *, keeps_quota: bool) -> UsageRows:
    """The observer that writes a usage row for every request."""
    provider = None if keeps_quota else PRETEND
    return UsageRows(store.usage, Window(), now=clock.now, wall=clock.wall, provider=provider)


class Keeping:
    """Restores what the last run knew, and writes down what this one learns. Stopping twice does nothing."""

    def __init__(
        self,
        store: SqliteStore,
        usage: UsageRows,
        gate: Gate,
        clock: Clock,
        settings: Settings,
        catalog: Catalog,
        *,
        keeps_quota: bool,
        tell: Callable[[str], None],
    ) -> None:
        prints = prints_of(settings)
        self._store = store
        self._window = usage.window
        self._tell = tell
        self._upkeep = Upkeep(store, wall=clock.wall, usage_days=settings.store.usage_days)
        self._keeper = (
            Keeper(gate, store.state, usage.window, now=clock.now, wall=clock.wall, prints=prints)
            if keeps_quota
            else None
        )
        self._restore = partial(
            restore,
            gate,
            store.state,
            now=clock.now,
            wall=clock.wall,
            limits=limits_now(settings, catalog),
            prints=prints,
        )

    async def start(self) -> None:
        if self._keeper is not None:
            if said := _words(await self._restore()):
                self._tell(said)
            self._keeper.start()
        self._upkeep.start()

    async def stop(self) -> None:
        self._upkeep.stop()
        if self._keeper is not None:
            self._keeper.stop()
        self._window.close()
        await self._store.close()


def keeping_of(
    store: SqliteStore | None,
    usage: UsageRows | None,
    gate: Gate,
    clock: Clock,
    settings: Settings,
    catalog: Catalog,
    *,
    keeps_quota: bool,
    tell: Callable[[str], None],
) -> Keeping | None:
    """What stands between a gate and its store; None without one."""
    if store is None or usage is None:
        return None
    return Keeping(store, usage, gate, clock, settings, catalog, keeps_quota=keeps_quota, tell=tell)


def _words(restored: Restored) -> str:
    if restored.problem:
        return (
            f"The quota of the last run is not used: {restored.problem}. "
            "Everything counts as unspent until the provider says otherwise."
        )
    if not restored.deployments:
        return ""
    counted = "1 deployment" if restored.deployments == 1 else f"{restored.deployments} deployments"
    return f"Going on with the quota of {counted} of the last run, {restored.cooling} cooling down."

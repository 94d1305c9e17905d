"""Owns the opening of the store for `headgate serve`: where it lies, and what a person is told when it cannot be had.

A place that somebody chose has to work. The usual place need not: where nothing can be written at all, as in a
container without a home, the gateway serves without a store and says so.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headgate.cli.terminal import BAD_CONFIGURATION, Failed, say
from headgate.store.problems import StoreFault

if TYPE_CHECKING:
    from headgate.runtime.settings import Settings
    from headgate.store.sqlite import SqliteStore
    from headgate.store.sqlite_opening import Opened

WAYS_OUT: Final = (
    "Give this one a store of its own (--store PATH or HEADGATE_STORE__PATH), or none (HEADGATE_STORE__ENABLED=false)."
)

NOT_TO_BE_HAD: Final = frozenset({StoreFault.READ_ONLY, StoreFault.IO, StoreFault.FULL})
"""Faults of a place that nobody chose: without it nothing is kept."""


def look_at_store(settings: "Settings") -> str:
    """In words, the store that `headgate serve` would have; nothing is made. Raises Failed where it would not start, or
    would begin an empty one in place of what is there."""
    from headgate.store.place import usual_path
    from headgate.store.problems import StoreError
    from headgate.store.sqlite_looking import look_at

    if settings.store.enabled is False:
        return "none"
    chosen = settings.store.path
    path = usual_path(simulated=settings.uses_simulator) if chosen is None else Path(chosen).expanduser()
    try:
        found = look_at(path)
    except StoreError as error:
        if chosen is None and error.fault in NOT_TO_BE_HAD:
            return f"none, so nothing is kept over a restart: {error}"
        raise Failed(f"{error}\n{WAYS_OUT}", BAD_CONFIGURATION) from None
    if found.version is None:
        return f"{path}, which is not there yet"
    if 0 < found.version < found.newest:
        return f"{path}, of version {found.version}; a start brings it to {found.newest}"
    return str(path)


@contextmanager
def store_of(settings: "Settings") -> "Iterator[SqliteStore | None]":
    """The open store, closed in the end if the gateway did not. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix="headgate-", ignore_cleanup_errors=True) as spare:
        store = open_store(settings, Path(spare))
        try:
            yield store
        finally:
            if store is not None:
                store.close_now()


def open_store(settings: "Settings", spare: Path) -> "SqliteStore | None":
    """The store that the settings ask for, None for none; what was found is said. `spare` is a folder for a store that
    lasts as long as this process: what the simulator answers goes there when another one has the usual file."""
    from headgate.store.place import FILE, usual_path
    from headgate.store.problems import StoreError

    if settings.store.enabled is False:
        return None
    if settings.store.path is not None:
        try:
            return _opened(Path(settings.store.path).expanduser(), settings)
        except StoreError as error:
            raise Failed(f"{error}\n{WAYS_OUT}", BAD_CONFIGURATION) from None
    try:
        return _opened(usual_path(simulated=settings.uses_simulator), settings)
    except StoreError as error:
        if settings.uses_simulator and error.fault is StoreFault.OWNED:
            say("Another gateway has the store of the simulator, so this one keeps files and usage until it ends.")
            return _opened(spare / FILE, settings)
        if error.fault in NOT_TO_BE_HAD:
            say(f"Nothing is kept over a restart: {error}")
            return None
        raise Failed(f"{error}\n{WAYS_OUT}", BAD_CONFIGURATION) from None


def _opened(path: Path, settings: "Settings") -> "SqliteStore":
    from headgate.store.sqlite import SqliteStore
    from headgate.store.sqlite_opening import Durability

    store = SqliteStore.open(path, durability=Durability(settings.store.durability.value))
    for line in _found(store.opened):
        say(line)
    return store


def _found(opened: "Opened") -> Iterator[str]:
    if opened.set_aside is not None:
        yield (
            f"The store was damaged ({opened.damage}). It was moved to {opened.set_aside} as it is, "
            "and an empty one was begun."
        )
    elif opened.left_by:
        yield f"The last run (process {opened.left_by}) was not stopped in order; its store was checked and is whole."
    if opened.released_lines:
        yield f"{opened.released_lines} lines of batches were under way then and are pending again."

"""How what runs in the background meets a store at fault: it insists, since nobody waits who could ask again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from headgate.store.problems import FINAL_FAULTS, StoreError, StoreFault

PAUSE_S: Final = 2.0
T = TypeVar("T")
_log: Final = logging.getLogger(__name__)


async def insist(work: Callable[[], Awaitable[T]]) -> T:
    """Do it, again and again while the storage is at fault. Raises StoreError where only a restart can help."""
    while True:
        try:
            return await work()
        except StoreError as error:
            if error.fault is StoreFault.CLOSED or error.fault is StoreFault.UNFIT or error.fault in FINAL_FAULTS:
                raise
            _log.warning("a batch waits for the store: %s", error)
            await asyncio.sleep(PAUSE_S)

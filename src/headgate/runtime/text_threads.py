"""Owns the threads that work on long texts: local skills, and the mending of broken answers.

Such work takes a core for up to seconds, and no thread can be stopped. In the event loop's own threads it would hold up
everything else that is done there, the looking up of addresses first of all.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

T = TypeVar("T")

TEXT_THREADS: Final = 4
"""At the most. Who waits for one is a request in flight (server.max_in_flight) or a running job."""
TEXT_THREADS_OF_JOBS: Final = 2
"""Of them, so that jobs hold up no replies."""
THREAD_NAME: Final = "headgate-texts"


class TextThreads:
    """A few threads, made when they are first needed. Work whose waiter has left is begun no more."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(TEXT_THREADS, THREAD_NAME)
        self._of_jobs = asyncio.Semaphore(TEXT_THREADS_OF_JOBS)

    async def run(self, work: Callable[..., T], *given: object) -> T:
        """What the work comes to; raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *given))

    async def run_for_job(self, work: Callable[..., T], *given: object) -> T:
        """The same for work that nobody waits for."""
        async with self._of_jobs:
            return await self.run(work, *given)

    def close(self) -> None:
        """Begin nothing more. What runs comes to its end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

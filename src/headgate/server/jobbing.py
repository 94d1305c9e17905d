"""Joins a gateway and what it does in the background: the runner of jobs, their webhooks, the schedules."""

import secrets
from functools import partial
from random import Random
from typing import Final

from headgate.batch.delivering import Deliverer
from headgate.batch.job_runner import JobRunner
from headgate.batch.job_work import JobWork
from headgate.batch.local_skill import run_skill
from headgate.batch.reporting import Reporter
from headgate.batch.scheduling import Scheduler
from headgate.runtime.settings import Settings
from headgate.server.gateway import Gateway
from headgate.server.lines import BACKGROUND, LineDoor, intake_for_lines

PATIENCE_S: Final = 20.0
"""How long one try of a job waits for quota: then another job has its place."""
DEADLINE_S: Final = 600.0


def work_of(gateway: Gateway, settings: Settings) -> JobWork:
    """What does the work of jobs. Reports need a store."""
    intake = intake_for_lines(gateway, settings.routes, substitute=True, patience_s=PATIENCE_S, deadline_s=DEADLINE_S)
    gather = None if gateway.store is None else Reporter(gateway.store)
    skills = partial(gateway.driver.threads.run_for_job, run_skill, gateway.supplies)
    return JobWork(LineDoor(gateway.beside(intake), BACKGROUND), gather, skills)


def add_jobs(gateway: Gateway, settings: Settings) -> None:
    """Give the gateway its runner of jobs, if it has a store."""
    store = gateway.store
    if store is None:
        return
    observe = gateway.driver.observe
    deliverer = Deliverer(store.jobs, settings.webhooks, gateway.clock, Random(secrets.randbits(64)), observe=observe)
    runner = JobRunner(
        store.jobs,
        work_of(gateway, settings),
        gateway.clock,
        settings.background,
        told=deliverer.told,
        on_end=deliverer.wake,
        observe=observe,
    )
    scheduler = Scheduler(runner, settings.schedules, gateway.clock)
    gateway.jobs, gateway.webhooks = runner, tuple(settings.webhooks)
    start, stop = gateway.start, gateway.stop

    async def start_all() -> None:
        await start()
        await runner.start()
        await deliverer.start()
        await scheduler.start()

    async def stop_all() -> None:
        try:
            await scheduler.stop()
            await runner.stop()
            await deliverer.stop()
        finally:
            await stop()

    gateway.start, gateway.stop = start_all, stop_all

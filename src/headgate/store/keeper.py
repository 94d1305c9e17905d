"""Keeps what is known of quota in the store while it changes. What a start makes of it is in restoring.py.

    ledger changes -> the common window -> the meters that changed, with their circuits      one row each
                                        -> keys, organisations and models out of use         if they changed
                                        -> what was learned, at most once in LEARNED_S       if it changed

Nothing here is on the path of a request: the ledger notes which deployments changed, and calls once in a window.
Without changes nothing is written. A death takes with it what was reserved in the last window, and no more.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headgate.decide.gate import Gate
from headgate.domain.time import Instant, Seconds
from headgate.quota.ledger import MAX_DEPLOYMENTS
from headgate.store.contract import StateStore
from headgate.store.kept import LEARNED, POOL, VERSION, KeptMeter, encode, pool_to_keep
from headgate.store.rows import MeterRow, StateRow
from headgate.store.window import Window

LEARNED_S: Final[Seconds] = 1.0
"""How often what was learned is written, at most: it is a statistic, and a second of it decides nothing."""

METERS_AT_ONCE: Final = 256
"""How many deployments are written in one window; the rest waits for the next."""


class Keeper:
    """From one gate into one store. `start` before the first request, `stop` after the last; `prints` as in kept.py."""

    def __init__(
        self,
        gate: Gate,
        state: StateStore,
        window: Window,
        *,
        now: Callable[[], Instant],
        wall: Callable[[], float],
        prints: Mapping[str, str],
    ) -> None:
        self._gate = gate
        self._state = state
        self._now = now
        self._wall = wall
        self._prints = prints
        self._window = window
        self._is_due = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool = self._learned = b""
        self._learned_at = -LEARNED_S
        self._learned_waits = False
        window.join(self._turn)

    def start(self) -> None:
        """Write from now on whatever changes, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._gate.ledger.on_change = self._arm
        if self._gate.ledger.has_changed:
            self._arm()

    def stop(self) -> None:
        """Write everything that is not written yet, and no more after it."""
        self._gate.ledger.on_change = None
        self._is_due = False
        if self._loop is not None:
            self._write(MAX_DEPLOYMENTS, now=self._now(), wall=self._wall())
            self._write_learned(self._wall())
            self._loop = None

    def _arm(self) -> None:
        if self._loop is not None:
            self._is_due = True
            self._window.open()

    def _turn(self) -> None:
        if not self._is_due:
            return
        self._is_due = False
        now, wall = self._now(), self._wall()
        self._write(METERS_AT_ONCE, now=now, wall=wall)
        if now >= self._learned_at + LEARNED_S:
            self._learned_at, self._learned_waits = now, False
            self._write_learned(wall)
        elif not self._learned_waits:
            self._learned_waits = True
            asyncio.get_running_loop().call_later(self._learned_at + LEARNED_S - now, self._arm)

    def _write(self, most: int, *, now: Instant, wall: float) -> None:
        gate = self._gate
        meters = gate.ledger.take_changed(most)
        self._state.keep_meters(
            [
                MeterRow(
                    meter.deployment.id,
                    encode(KeptMeter(now, meter, gate.circuits.get(meter.deployment.id))),
                    wall,
                    VERSION,
                )
                for meter in meters
            ]
        )
        pool = pool_to_keep(gate.pool, gate.ledger.joined(), self._prints, now)
        same = encode(msgspec.structs.replace(pool, now=0.0))
        if same != self._pool:
            self._pool = same
            self._state.keep(StateRow(POOL, encode(pool), wall, VERSION))

    def _write_learned(self, wall: float) -> None:
        learned = encode(self._gate.learned)
        if learned != self._learned:
            self._learned = learned
            self._state.keep(StateRow(LEARNED, learned, wall, VERSION))

"""Decisions per second of the machine alone: one core, no sockets, no bodies.

    python -m bench.decisions [--requests 40000]

Each request arrives, is routed, fitted and reserved, is answered, settled and learned from, and finished: two turns of
`advance` with everything they change in the gate. The upstream's part is two events made in advance.
"""

import argparse
import gc
import random
import time

from headgate.assembly import make_gate
from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply, Usage
from headgate.domain.fact import Fact
from headgate.domain.limits import SeenLimits
from headgate.domain.request import Need, PromptSize, Request
from headgate.runtime.settings import load_settings

ORGANISATIONS = 4
MODEL = "openai/gpt-oss-20b"
ROUNDS = 5
BATCH = 100
EVERY_S = 0.1
"""Time between two requests: with four developer organisations nobody waits."""


def ignore(fact: Fact) -> None:
    """Nobody listens."""


class Day:
    """The requests of the day that each organisation has left, as its headers would tell."""

    LIMIT = 500_000

    def __init__(self, *, truthful: bool) -> None:
        self.truthful = truthful
        self._used: dict[str, float] = {}
        self._at: dict[str, float] = {}

    def seen(self, organisation: str, now: float) -> SeenLimits:
        """The headers of one more request: the truth, or always the same, which hints at others who spend as well."""
        drained = (now - self._at.get(organisation, now)) * self.LIMIT / 86_400
        used = self._used[organisation] = max(0.0, self._used.get(organisation, 0.0) - drained) + 1
        self._at[organisation] = now
        left = self.LIMIT - int(used) if self.truthful else self.LIMIT - 1000
        return SeenLimits(self.LIMIT, left, None, 250_000, 249_600 if self.truthful else 249_000)


def measured_s(requests: int, day: Day) -> float:
    """The best of some rounds. The upstream's part is made outside of the clock, a few requests at a time."""
    keys = {f"GROQ_API_KEY_{n}": f"gsk_{n}" for n in range(1, ORGANISATIONS + 1)}
    catalog = default_catalog()
    gate = make_gate(load_settings(None, keys), catalog, random.Random(1))
    resolution = catalog.resolve(MODEL, Need.NONE)
    assert resolution is not None
    places = [deployment.organisation for deployment in gate.pool.deployments(MODEL)]
    reply = Reply("stop", Usage(190, 100, completion_time_s=0.2), MODEL)
    now, best_s = 1000.0, float("inf")
    gc.collect()
    gc.freeze()
    for round_ in range(ROUNDS):
        spent_s = 0.0
        for first in range(0, requests, BATCH):
            turns = [places[(gate.turn + n) % len(places)] for n in range(BATCH)]
            headers = [day.seen(place, now + (n + 1) * EVERY_S) for n, place in enumerate(turns)]
            began = time.process_time()
            for number, seen in enumerate(headers, first):
                now += EVERY_S
                request = Request(
                    f"{round_}-{number}", MODEL, resolution.candidates, now, now + 50, now + 25, PromptSize(400), 300
                )
                journey = Journey(request)
                actions = advance(gate, journey, e.Arrived(request), now, ignore)
                assert isinstance(actions[-1], a.Call), actions
                actions = advance(gate, journey, e.Replied(1, reply, seen), now + 0.05, ignore)
                assert isinstance(actions[-1], a.Finish)
            spent_s += time.process_time() - began
        best_s = min(best_s, spent_s)
    return best_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    requests = options.requests // BATCH * BATCH
    for truthful, headers in ((True, "headers say what was expected"), (False, "every header is a surprise")):
        best_s = measured_s(requests, Day(truthful=truthful))
        per_s, each_us = requests / best_s, best_s / requests * 1e6
        print(f"{per_s:,.0f} requests/s decided by one core, {each_us:.1f} µs each: {headers}")


if __name__ == "__main__":
    main()

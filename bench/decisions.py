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
EVERY_S = 0.1
"""Time between two requests: with four developer organisations nobody waits."""


def ignore(fact: Fact) -> None:
    """Nobody listens."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    keys = {f"GROQ_API_KEY_{n}": f"gsk_{n}" for n in range(1, ORGANISATIONS + 1)}
    catalog = default_catalog()
    gate = make_gate(load_settings(None, keys), catalog, random.Random(1))
    resolution = catalog.resolve(MODEL, Need.NONE)
    assert resolution is not None
    reply = Reply("stop", Usage(190, 100, completion_time_s=0.2), MODEL)
    seen = SeenLimits(500_000, 499_000, None, 250_000, 249_000)
    now, best_s = 1000.0, float("inf")
    gc.collect()
    gc.freeze()
    for round_ in range(ROUNDS):
        began = time.process_time()
        for number in range(options.requests):
            now += EVERY_S
            request = Request(
                f"{round_}-{number}", MODEL, resolution.candidates, now, now + 50, now + 25, PromptSize(latin=400), 300
            )
            journey = Journey(request)
            actions = advance(gate, journey, e.Arrived(request), now, ignore)
            assert isinstance(actions[-1], a.Call), actions
            actions = advance(gate, journey, e.Replied(1, reply, seen), now + 0.05, ignore)
            assert isinstance(actions[-1], a.Finish)
        best_s = min(best_s, time.process_time() - began)
    per_s, each_us = options.requests / best_s, best_s / options.requests * 1e6
    print(f"{per_s:,.0f} requests/s decided by one core, {each_us:.1f} µs each")


if __name__ == "__main__":
    main()

"""What the ledger costs: reserve, settle and a header without a surprise, in µs per request.

PYTHONPATH=src python bench/ledger.py
"""

import time

from headgate.domain.limits import Amounts, Deployment, Dimension, SeenLimits
from headgate.domain.request import Priority
from headgate.quota.answers import Held
from headgate.quota.ledger import Ledger
from headgate.quota.room import Option, Ticket, WaitingRoom

LIMITS = {Dimension.RPM: 10**7, Dimension.RPD: 10**9, Dimension.TPM: 10**9, Dimension.TPD: 10**10}
ROUNDS = 50_000


def requests_us() -> tuple[float, float, float]:
    """µs for reserve, settle and absorb_headers, each per request."""
    ledger = Ledger(lambda _: LIMITS)
    deployment = Deployment.of("groq", "one", "openai/gpt-oss-20b")
    ask, used = Amounts(400, 600), Amounts(390, 200)
    seen = SeenLimits(10**9, 10**9 - 1, 1.0, 10**9, 10**9 - 10, 1.0)
    ids = [f"r{i}" for i in range(ROUNDS)]
    spent = [0.0, 0.0, 0.0]
    now = 1000.0
    for id_ in ids:
        now += 0.01
        t0 = time.perf_counter()
        held = ledger.reserve(deployment, id_, ask, now)
        t1 = time.perf_counter()
        ledger.settle(id_, used, now + 0.005)
        t2 = time.perf_counter()
        assert isinstance(held, Held)
        ledger.absorb_headers(deployment, seen, held.note, at_stream_start=False, now=now + 0.005)
        t3 = time.perf_counter()
        spent[0] += t1 - t0
        spent[1] += t2 - t1
        spent[2] += t3 - t2
    ledger.check(now + 1)
    return (spent[0] / ROUNDS * 1e6, spent[1] / ROUNDS * 1e6, spent[2] / ROUNDS * 1e6)


def blocked_pass_us(waiting: int, deployments: int) -> float:
    """µs for one `next` that admits nobody, with many tickets that all could use all of the full deployments."""
    ledger = Ledger(lambda _: {Dimension.RPM: 30, Dimension.TPM: 8000})
    options = tuple(
        Option(Deployment.of("groq", f"o{i}", "openai/gpt-oss-20b"), Amounts(400, 600)) for i in range(deployments)
    )
    for option in options:
        assert isinstance(ledger.reserve(option.deployment, option.deployment.id, Amounts(8000, 0), 0.0), Held)
    room = WaitingRoom()
    for i in range(waiting):
        assert room.enqueue(Ticket(f"j{i}", f"t{i % 50}", Priority.STANDARD, 0.0, 1e6, options, 600.0))
    rounds = 2000
    start = time.perf_counter()
    for _ in range(rounds):
        assert room.next(ledger, 0.0) is None
    return (time.perf_counter() - start) / rounds * 1e6


def main() -> None:
    """Print both."""
    best = min((requests_us() for _ in range(5)), key=sum)
    print("reserve {:.2f} µs, settle {:.2f} µs, absorb_headers {:.2f} µs".format(*best), f"together {sum(best):.2f} µs")
    for waiting in (10, 1000, 10_000):
        print(f"next, nobody admitted, {waiting} waiting for 8 deployments: {blocked_pass_us(waiting, 8):.0f} µs")


if __name__ == "__main__":
    main()

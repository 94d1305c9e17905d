"""How long each local skill takes for a text of 2 kB: `python -m bench.skills`; some seconds. The goal is 1 ms.

Every text is another one, so that nothing remembers it; what is remembered of the options (vectors of examples, labels,
libraries) is, as in use. Times are CPU microseconds of one thread, so that neighbours on the machine do not count.
"""

import random
import statistics
import time
from collections.abc import Callable
from functools import partial

from headgate.local import SKILLS, find_repetition, run, window_of
from headgate.local.options import Options
from headgate.local.skills import options_of

TEXT_CHARS = 2_000
ROUNDS = 300
SENTENCES = (
    "Dear customer, your SBI account {n} will be blocked today because your KYC is pending.",
    "Please pay Rs {n} to rao{n}@ybl before 6 pm, or call 98{n:08d} at once.",
    "Where is my order {n}? It should have been here on 12/0{d}/2026 and nobody answers the phone.",
    "Aapka parcel {n} courier office mein hai, kripya address update karein.",
    "Send the documents to desk{n}@example.com and keep IFSC HDFC000{n:04d} ready.",
    "The meeting about the refund of {n} rupees is moved to Friday, the room stays the same.",
    "Click https://secure-bank-{n}.example/verify?id={n} to keep your card active.",
)
USUAL: dict[str, dict[str, object]] = {
    "extract": {},
    "classify": {
        "labels": [
            {"name": "refund", "keywords": ["money back", "return"], "examples": ["I want my money back"]},
            {"name": "delivery", "keywords": ["order", "courier"], "examples": ["where is my parcel?"]},
            {"name": "scam", "keywords": ["kyc", "blocked", "click"], "examples": ["your account will be blocked"]},
        ]
    },
    "reply": {"persona": "elder"},
    "repetition": {"earlier": ()},
    "language": {},
    "summary": {},
    "risk": {},
    "safety": {"block": ("bomb", "counterfeit*", "kill him"), "allow": ("bomb squad",)},
    "fill": {
        "schema": {
            "type": "object",
            "properties": {
                "upi_ids": {"type": "array", "items": {"type": "string"}},
                "phone": {"type": "string"},
                "amount": {"type": "number"},
                "links": {"type": "array", "items": {"type": "string", "format": "uri"}},
                "intent": {"enum": ["refund", "delivery", "threat"]},
            },
            "required": ["upi_ids", "links"],
        }
    },
}
"""Options of each skill; `repetition` is measured with a full window of other texts, kept as a session keeps it."""


def text_of(dice: random.Random) -> str:
    """A text of everyday and scam sentences."""
    parts: list[str] = []
    while sum(map(len, parts)) < TEXT_CHARS:
        parts.append(dice.choice(SENTENCES).format(n=dice.randrange(1_000, 9_999), d=dice.randrange(1, 9)))
    return " ".join(parts)[:TEXT_CHARS]


def times_us(work: Callable[[str], object], texts: list[str]) -> list[float]:
    """The time for each text, after a few that nobody counts."""
    for text in texts[:20]:
        work(text)
    taken = []
    for text in texts:
        before = time.thread_time_ns()
        work(text)
        taken.append((time.thread_time_ns() - before) / 1e3)
    return taken


def main() -> None:
    """Print the table of docs/performance.md."""
    dice = random.Random(2026)
    texts = [text_of(dice) for _ in range(ROUNDS)]
    window = window_of(text_of(dice) for _ in range(50))
    works: dict[str, Callable[[str], object]] = {
        name: partial(_run, name, options_of(row, USUAL[name])) for name, row in SKILLS.items()
    }
    works["repetition"] = lambda text: find_repetition(text, window)
    print("| skill | median µs | p99 µs |\n| --- | --- | --- |")
    for name, work in works.items():
        taken = times_us(work, texts)
        print(f"| {name} | {statistics.median(taken):,.0f} | {statistics.quantiles(taken, n=100)[98]:,.0f} |")


def _run(name: str, options: Options, text: str) -> object:
    return run(name, text, options)


if __name__ == "__main__":
    main()

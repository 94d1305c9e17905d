"""How the time of extraction grows with the text: `python -m bench.extraction`; about a minute.

First microseconds for texts of 2 kB, then the time over hostile shapes at four lengths. The exponent is the slope of
log time over log length by least squares: 1 is linear, 2 quadratic. Exit status 1 when one exceeds `EXPONENT_MAX`.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import Final

from bench.extraction_set import Part, messages

from headgate.local import extract

LENGTHS: Final = (12_500, 25_000, 50_000, 100_000)
EXPONENT_MAX: Final = 1.3
REPEATS: Final = 3
BYTES: Final = 2_000

HOSTILE: Final = {
    "digits": "7",
    "digits apart": "9 ",
    "digits with dots": "9.",
    "digits with hyphens": "98-",
    "grouped digits": "1,22,",
    "mobiles": "9876543210 ",
    "cards": "4111 1111 1111 1111 ",
    "one word": "a",
    "words with dots": "a.",
    "signs": "@",
    "addresses without end": "a@",
    "addresses": "ab@cd.ef@",
    "at and dot": "a at b dot ",
    "brackets": "(at)[.]",
    "slashes": "//",
    "schemes": "http://",
    "closing brackets": "http://a.b/)))))))))",
    "currencies": "₹ Rs. ",
    "sums": "5 lakh 3 hazaar ",
    "scales in words": "five lakh ",
    "scales alone": "lakh ",
    "digits in words": "nine eight ",
    "months": "12 jan ",
    "dates": "12/12/",
    "codes": "SBIN0",
    "letters O": "SBINO",
    "accounts": "a/c no ",
    "blanks": " ",
    "invisible": "9\u200b",
    "Devanagari": "९",
    "ibans": "GB29 NWBK 6016 ",
    "commas": "9876543210,",
}
"""What is repeated to the wanted length."""


def best(work: Callable[[], object], repeats: int) -> float:
    """The least processor time of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def slope(times: list[float]) -> float:
    """The exponent of growth over `LENGTHS`, by least squares of the logarithms."""
    xs = [math.log(length) for length in LENGTHS]
    ys = [math.log(max(taken, 1e-6)) for taken in times]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - mean_x) ** 2 for x in xs)


def of_two_kilobytes() -> dict[str, str]:
    """Texts of 2 kB: prose with three entities, a chat, and messages of the set one after the other (dense)."""
    prose = "We agreed that the shop opens in spring and that the lease is signed before. "
    hindi = "प्रिय ग्राहक, कृपया अपने दस्तावेज़ समय पर जमा करें और रसीद संभाल कर रखें। "
    end = "Pay ₹500 to ramesh@ybl or call 98765 43210."
    dense = "\n".join(message.text for message in messages(Part.TUNED))
    return {
        "prose with three entities": prose * ((BYTES - len(end)) // len(prose)) + end,
        "Hindi with one entity": hindi * (BYTES // len(hindi.encode())) + "खाता ५०१००१२३४५६७",
        "the messages of the set, end to end": dense.encode()[:BYTES].decode(errors="ignore"),
    }


def main() -> int:
    """Prints both tables."""
    for name, text in of_two_kilobytes().items():
        found = len(extract(text).entities)
        taken = best(lambda text=text: [extract(text) for _ in range(50)], 7) / 50  # type: ignore[misc]
        print(f"{name:38} {len(text.encode()):5} bytes {found:3} entities {taken * 1e6:8.0f} µs")
    worst = 0.0
    for name, unit in HOSTILE.items():
        texts = [(unit * (length // len(unit) + 1))[:length] for length in LENGTHS]
        times = [best(lambda text=text: extract(text), REPEATS) for text in texts]  # type: ignore[misc]
        exponent = slope(times)
        worst = max(worst, exponent)
        print(f"{name:24}" + "".join(f"{taken * 1e3:9.1f}" for taken in times) + f" ms  exponent {exponent:5.2f}")
    return 0 if worst <= EXPONENT_MAX else 1


if __name__ == "__main__":
    sys.exit(main())

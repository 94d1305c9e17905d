"""How the time of mending grows with the text: `python -m bench.mending`; about a minute.

Each shape is mended at six lengths from 1 kB to 1 MB. The exponent is the slope of log time over log length, by least
squares over the lengths from 10 kB on, up to the longest for which every reader is asked: 1 is linear, 2 quadratic.
Beyond `REPAIR_CHARS_MAX` the guessing reader is not asked, so the last columns of such shapes are shorter, not longer.
"""

import json
import math
import time
from collections.abc import Callable, Sequence

from headgate.local.mend import REPAIR_CHARS_MAX, mend_json

LENGTHS = (1_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
FIRST_LENGTH = 10_000
REPEATS = 3
LONG_S = 0.5
"""What takes longer is measured once."""

RECORD = {
    "id": 4711,
    "name": "Ann Example",
    "tags": ["new", "vip"],
    "note": "was told to wait until Friday",
    "paid": True,
}
ONE = json.dumps(RECORD)
BARE = "{id: 4711, 'name': 'Ann Example', tags: ['new', vip], note: 'wait until Friday', paid: True,}"
QUOTED = ONE.replace("told", 'told "twice"')


def repeated(opening: str, unit: str) -> Callable[[int], str]:
    """A shape: an opening and as many units as the length holds."""
    return lambda length: (opening + unit * (length // len(unit) + 1))[:length]


def listed(record: str, before: str, after: str) -> Callable[[int], str]:
    """A shape: a list of records between two texts."""
    return lambda length: before + ", ".join([record] * ((length - len(before + after)) // (len(record) + 2))) + after


SHAPES: dict[str, Callable[[int], str]] = {
    "valid": listed(ONE, "[", "]"),
    "fenced, with prose": listed(ONE, "Here it is:\n```json\n[", "]\n```\nAnything else?"),
    "truncated in a string": lambda length: listed(ONE, "[", "]")(length)[: -len(ONE) + 60],
    "unquoted, python words": listed(BARE, "[", "]"),
    "quotes within strings": listed(QUOTED, "[", "]"),
    "all opening brackets": repeated("", "["),
    "all opening braces": repeated("", '{"a":'),
    "brackets, opened and closed": lambda length: "[" * (length // 2 - 1) + "'" + "]" * (length // 2 - 1),
    "all quotes": repeated("[", '"'),
    "quotes and words": repeated('["', '1"a"'),
    "backslashes": repeated('{"a": "', "\\"),
    "backslashes and quotes": repeated('["', '\\\\"'),
    "words on lines": repeated("[", "a\n"),
    "calls in calls": repeated('{"a":', "a("),
    "escaped quotes": repeated("{", '\\"'),
    "slashes": repeated("[", "/a"),
    "fence without end": repeated("```", " "),
    "comments": repeated("[", "/**/"),
    "blanks": repeated("{", " "),
    "pairs without commas": repeated("{", "a:1 "),
}


def seconds(text: str) -> tuple[float, str]:
    """The best of some runs, and how the text was mended."""
    times: list[float] = []
    mended = None
    for _ in range(REPEATS):
        start = time.process_time()
        mended = mend_json(text)
        times.append(time.process_time() - start)
        if times[-1] > LONG_S:
            break
    return min(times), mended.how.value if mended else "no"


def exponent(lengths: Sequence[int], times: Sequence[float]) -> float:
    """The slope of log time over log length."""
    points = [(math.log(length), math.log(max(took, 1e-6))) for length, took in zip(lengths, times, strict=True)]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope: float = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return slope


def main() -> None:
    """Print one row for each shape."""
    print("| shape | " + " | ".join(f"{length // 1000} kB" for length in LENGTHS) + " | exponent | mended |")
    print("| --- |" + " --- |" * (len(LENGTHS) + 2))
    for name, shape in SHAPES.items():
        texts = [shape(length) for length in LENGTHS]
        results = [seconds(text) for text in texts]
        asks_all = [n for n, length in enumerate(LENGTHS) if FIRST_LENGTH <= length <= REPAIR_CHARS_MAX]
        alike = [n for n, length in enumerate(LENGTHS) if length >= FIRST_LENGTH]
        counted = alike if results[1][1] == results[-1][1] != "no" else asks_all
        slope = exponent([LENGTHS[n] for n in counted], [results[n][0] for n in counted])
        times = " | ".join(f"{took * 1000:.1f}" for took, _ in results)
        ways = list(dict.fromkeys(how for _, how in results))
        print(f"| {name} | {times} | {slope:.2f} | {', then '.join(ways)} |")


if __name__ == "__main__":
    main()

"""Writes docs/quality.md, how often the local skills are right: `python -m bench.quality [TOPIC ...]`.

A topic is measured by `bench/quality_<topic>.py`, whose `section() -> str` gives Markdown that begins with a heading of
the second level and says what was measured, on which data and when the part kept aside was looked at. Without topics
all are measured; with some, only their sections are written anew and the others stay as the page has them.

If you add a topic: write its module and add its name to TOPICS, in the order of the page.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping
from math import sqrt
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "quality.md"
SHARED: Final = ROOT.parent / "shared" / "data"
"""Third-party test data beside the project; its README names origins and licences. It is not part of the repository."""

TOPICS: Final[tuple[str, ...]] = ("extraction", "risk", "similar")
"""The sections of the page in their order."""

Z_95: Final = 1.959963984540054
"""The normal quantile of a two-sided interval of 95 %."""

HEAD: Final = """# Quality

How often the local skills are right, measured by `.venv/bin/python -m bench.quality`, which writes this page; with the
name of a section only that one is measured again. Intervals are Wilson's at 95 %. Third-party data is read from
`../shared/data`, whose README names its origins and licences. Speeds are in [performance](performance.md).
"""


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Wilson's interval at 95 % for `hits` of `of`, both from 0 to 1; the whole range when nothing was tried."""
    if not of:
        return 0.0, 1.0
    share, z2 = hits / of, Z_95 * Z_95
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 * sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def with_interval(hits: int, of: int) -> str:
    """`0.985 (0.95 to 0.99)`, the share of `hits` in `of` with its interval; a dash when nothing was tried."""
    if not of:
        return "–"
    low, high = wilson(hits, of)
    return f"{hits / of:.3f} ({low:.3f} to {high:.3f})"


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(sections: Mapping[str, str], before: str, topics: Iterable[str] = TOPICS) -> str:
    """The whole page: these sections, and those of `before` for the topics that were not measured now."""
    parts = [HEAD]
    for topic in topics:
        body = sections.get(topic) or kept(topic, before)
        if body:
            parts.append(f"{_begin(topic)}\n{body.strip()}\n{_end(topic)}\n")
    return "\n".join(parts)


def kept(topic: str, before: str) -> str:
    """A topic's section as a page has it; empty when it has none."""
    return before.partition(_begin(topic))[2].partition(_end(topic))[0].strip()


def _begin(topic: str) -> str:
    return f"<!-- begin {topic} -->"


def _end(topic: str) -> str:
    return f"<!-- end {topic} -->"


def main(asked: list[str]) -> int:
    """Measures and writes; 2 for a topic that is not known."""
    unknown = sorted(set(asked) - set(TOPICS))
    if unknown:
        print(f"not a topic: {', '.join(unknown)}; there are: {', '.join(TOPICS)}", file=sys.stderr)
        return 2
    sections = {}
    for topic in [topic for topic in TOPICS if not asked or topic in asked]:
        print(f"measuring {topic} ...", file=sys.stderr)
        sections[topic] = importlib.import_module(f"bench.quality_{topic}").section()
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    PAGE.write_text(page(sections, before), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command that plays worlds: runs seeds, counts what happened in them, and fails on a violation.

python -m headgate.simulator.worlds --seeds 2000 --jobs 2
python -m headgate.simulator.worlds --seed 17 --trace
"""

import argparse
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TextIO

from headgate.decide.remedies import NEEDS, NOT_YET, Remedy
from headgate.simulator.play import Broke, Played, play, play_seed
from headgate.simulator.world_draw import draw

FULL_SET: Final = 2000
LEAST_TAKEN: Final = 100
"""How often every remedy must be taken in a full set."""

PROGRAM: Final = "python -m headgate.simulator.worlds"


class Tally:
    """Sums over worlds."""

    def __init__(self) -> None:
        self.requests: list[int] = []
        self.sums: Counter[str] = Counter()
        self.endings: Counter[str] = Counter()
        self.remedies: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.virtual_s = 0.0

    def add(self, played: Played) -> None:
        """One more world."""
        self.requests.append(played.requests)
        self.virtual_s += played.virtual_s
        self.sums.update(
            calls=played.calls,
            events=played.events,
            honest=played.honest,
            recovering=played.must_answer > 0,
            recovered=played.must_answer,
            settled=played.settled,
            overruns=played.overruns,
        )
        self.endings.update(played.endings)
        self.remedies.update(played.remedies)
        self.failures.update(played.failures)
        self.faults.update(played.faults)

    def missing(self) -> list[str]:
        """Remedies that are built and were not taken often enough for a full set; a world has one provider only."""
        built = [str(remedy) for remedy in NEEDS if remedy not in NOT_YET and remedy is not Remedy.OTHER_PROVIDER]
        return [f"{name}: {self.remedies[name]}" for name in built if self.remedies[name] < LEAST_TAKEN]

    def lines(self, took_s: float, violations: int) -> Iterator[str]:
        """The table."""
        sums, worlds = self.sums, len(self.requests)
        if worlds:
            yield f"worlds      {worlds}, {self.virtual_s / 3600:.1f} virtual hours in {took_s:.0f} s"
            yield f"requests    {sum(self.requests)}, median {statistics.median(self.requests):.0f} per world"
            yield f"calls       {sums['calls']}, steps {sums['events']}"
            yield f"quota       {sums['honest']} worlds bind invariant 8"
            yield f"estimates   {sums['overruns']} of {sums['settled']} settled calls used more than was reserved"
            yield f"recovery    {sums['recovered']} requests in {sums['recovering']} worlds had to be answered"
        for name, counter in (
            ("endings", self.endings),
            ("remedies", self.remedies),
            ("failures", self.failures),
            ("faults", self.faults),
        ):
            yield f"{name:<11} " + ", ".join(f"{kind} {n}" for kind, n in counter.most_common())
        yield f"violations  {violations}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = _parser().parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed, trace=options.trace, request=options.request)
    seeds = range(options.first, options.first + options.seeds)
    tally, broken, began = Tally(), [], time.monotonic()
    for done, found in enumerate(_played(seeds, options.jobs), 1):
        if isinstance(found, Broke):
            broken.append(found)
            _say(_told(found), sys.stderr)
            if len(broken) >= options.stop_after:
                break
        else:
            tally.add(found)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done} of {len(seeds)} worlds")
            sys.stderr.flush()
    for line in tally.lines(time.monotonic() - began, len(broken)):
        _say(line)
    missing = tally.missing() if options.seeds >= FULL_SET else []
    if missing:
        _say(f"taken less than {LEAST_TAKEN} times: {', '.join(missing)}", sys.stderr)
    return 1 if broken or missing else 0


def _say(text: str, to: TextIO | None = None) -> None:
    (to or sys.stdout).write(f"{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Play simulated worlds and check every invariant.")
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds (2000 is the full set)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--stop-after", type=int, default=10, help="stop after so many violations")
    parser.add_argument("--seed", type=int, help="play one seed only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every step")
    parser.add_argument("--request", help="with --trace: only the steps of this request")
    return parser


def _played(seeds: Sequence[int], jobs: int) -> Iterable[Played | Broke]:
    if jobs <= 1:
        yield from map(play_seed, seeds)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap(play_seed, seeds, chunksize=4)


def _one(seed: int, *, trace: bool, request: str | None) -> int:
    from headgate.simulator.play import Player

    world = draw(seed)
    if trace:
        player = Player(world, keep_all=True)
        try:
            player.play()
        finally:
            _say("\n".join(player.trace.lines(request)))
        return 0
    found = play(world)
    _say(_told(found) if isinstance(found, Broke) else str(found))
    return int(isinstance(found, Broke))


def _told(broke: Broke) -> str:
    steps = "\n".join(f"    {step}" for step in broke.steps)
    return f"\nseed {broke.seed}: {broke.text}\n{steps}\n  replay: {PROGRAM} --seed {broke.seed} --trace\n"


if __name__ == "__main__":
    sys.exit(main())

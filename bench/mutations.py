"""Takes each listed guard out of a copy of the source and plays worlds until an invariant notices.

    python -m bench.mutations [--seeds 200] [--jobs 2] [--only WORDS]

Prints what caught each; exit status 1 if any survives, 2 if the text of a row is stale.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.mutation_list import MUTATIONS, Mutation

SOURCE = Path(__file__).parents[1] / "src"
MOST_SEEDS = 200
PATIENCE_S, PATIENCE_PER_SEED_S = 60.0, 2.0
CAUGHT = re.compile(r"^seed (\d+): .*?(invariant (\d+)|Error|Exception)", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    options = _parser().parse_args(arguments)
    chosen = [each for each in MUTATIONS if options.only.lower() in each.name.lower()]
    stale = [each.name for each in chosen if (SOURCE / "headgate" / each.file).read_text().count(each.old) != 1]
    if stale:
        print(f"the old text of these rows is not in their file exactly once: {'; '.join(stale)}", file=sys.stderr)
        return 2
    began, survivors = time.monotonic(), 0
    with ThreadPoolExecutor(options.jobs) as threads:
        for mutation, verdict in threads.map(partial(_play, seeds=options.seeds), chosen):
            survivors += verdict is None
            print(f"{'SURVIVED' if verdict is None else 'killed  '} {mutation.name}: {verdict or '-'}", flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} killed in {time.monotonic() - began:.0f} s")
    return int(survivors > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.mutations", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=MOST_SEEDS, help="worlds at most, per mutation")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="only mutations whose name has these words")
    return parser


def _play(mutation: Mutation, seeds: int) -> tuple[Mutation, str | None]:
    """What caught the mutation, and in which seed; None if nothing did."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        target = copy / "headgate" / mutation.file
        target.write_text(target.read_text().replace(mutation.old, mutation.new))
        command = [sys.executable, "-m", "headgate.simulator.worlds", "--seeds", str(seeds), "--stop-after", "1"]
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command,
                env=environment,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S + PATIENCE_PER_SEED_S * seeds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return mutation, "the worlds hang"
    if not done.returncode:
        return mutation, None
    caught = CAUGHT.search(done.stderr)
    if caught is None:
        return mutation, f"the program fails: {done.stderr.strip().splitlines()[-1]}"
    by = f"invariant {caught[3]}" if caught[3] else "the core's own assertion"
    return mutation, f"{by}, seed {caught[1]} (expected {mutation.caught_by or 'an assertion'})"


if __name__ == "__main__":
    sys.exit(main())

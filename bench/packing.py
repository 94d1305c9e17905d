"""How long it takes to make things fit: `python -m bench.packing`; some seconds. CPU milliseconds of one thread."""

import statistics
import time
from collections.abc import Callable

import msgspec

from headgate.decide.learned import weight
from headgate.local.chunking import chunks
from headgate.local.shortening import shorten
from headgate.protocol.chat import Chat, parse_chat
from headgate.runtime.packing import Source, fit_chat, fit_files, least_weight, weigh

ROUNDS = 15


def words(count: int, about: str) -> str:
    """A text in which no word comes twice."""
    return " ".join(f"{about}{number}" for number in range(count))


def conversation(turns: int, length: int) -> Chat:
    """A chat of so many questions and answers."""
    said = [
        {"role": role, "content": words(length, f"{role}{turn}x")}
        for turn in range(turns)
        for role in ("user", "assistant")
    ]
    said = [{"role": "system", "content": "be brief"}, *said, {"role": "user", "content": "and now?"}]
    return parse_chat(msgspec.json.encode({"model": "m", "messages": said}))


def took_ms(work: Callable[[], object]) -> float:
    """The median of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) * 1000)
    return statistics.median(found)


def main() -> None:
    """Print the table."""
    short, long, huge = conversation(5, 40), conversation(60, 120), conversation(400, 200)
    two_kb, megabyte = words(250, "word"), "\n".join(words(12, f"l{n}x") for n in range(12_000))
    files = [Source(f"f{n}.py", "\n\n".join(words(60, f"f{n % 40}p{p}x") for p in range(20))) for n in range(80)]
    rows: dict[str, Callable[[], object]] = {
        "what a route that trims asks of a chat that fits (11 messages, 3 kB)": lambda: least_weight(short),
        "a chat of 121 messages and 130 kB to half": lambda: fit_chat(long, weight(long.prompt) / 2),
        "the same in the gateway, which looks for no near repeats": lambda: fit_chat(
            long, weight(long.prompt) / 2, nearly=False
        ),
        "a chat of 801 messages and 1.7 MB to a tenth, there": lambda: fit_chat(
            huge, weight(huge.prompt) / 10, nearly=False
        ),
        "the same with near repeats": lambda: fit_chat(huge, weight(huge.prompt) / 10),
        "a text of 2 kB to half": lambda: shorten(two_kb, weigh(two_kb) / 2, weigh),
        "a text of 1 MB to a tenth": lambda: shorten(megabyte, weigh(megabyte) / 10, weigh),
        "80 files, half of them twice, 800 kB, to a third": lambda: fit_files(files, "?", 80_000),
        "a text of 1 MB into chunks": lambda: chunks(megabyte, 6_000, weigh),
    }
    print("| | CPU ms |\n| --- | --- |")
    for name, work in rows.items():
        print(f"| {name} | {took_ms(work):.2f} |")


if __name__ == "__main__":
    main()

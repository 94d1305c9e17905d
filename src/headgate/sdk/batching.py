"""Owns `run_batch`: many requests in, a result for each out, asked with the lowest priority and much patience.

The lines are those of a file for OpenAI's and Groq's batches. Nothing is kept: what must survive the process is a batch
of the gateway's (`POST /v1/batches`).
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from headgate.batch.direct import run_lines
from headgate.protocol.batches import CHAT, Line, LineProblem, duplicate, read_line
from headgate.runtime.settings import Settings
from headgate.sdk.problems import InvalidRequest
from headgate.sdk.results import BatchResult
from headgate.server.gateway import Gateway
from headgate.server.lines import LineDoor, intake_for_lines

WITHIN_S: Final = 86_400.0


async def results_of(
    gateway: Gateway,
    settings: Settings,
    requests: Iterable[Mapping[str, object]],
    concurrency: int | None,
    within_s: float,
) -> tuple[BatchResult, ...]:
    """A result for each request, in the order of the requests. Raises InvalidRequest before any is asked."""
    lines = _lines(requests)
    intake = intake_for_lines(gateway, settings.routes, substitute=settings.batch.substitute)
    at_once = min(settings.batch.concurrency if concurrency is None else concurrency, len(lines))
    if not lines:
        return ()
    if at_once < 1:
        raise InvalidRequest("`concurrency` must be at least 1.", "concurrency")
    done: dict[str, BatchResult] = {}
    ask, until = LineDoor(gateway.beside(intake)), gateway.now() + within_s
    async for each in run_lines(lines.values(), ask, gateway.clock, concurrency=at_once, until=until):
        answer, name = each.answer, each.line.custom_id
        done[name] = BatchResult(name, each.is_done, answer.status, answer.request_id, answer.body)
    return tuple(done[name] for name in lines)


def _lines(requests: Iterable[Mapping[str, object]]) -> dict[str, Line]:
    """The lines by their ids, in order."""
    lines: dict[str, Line] = {}
    numbers: dict[str, int] = {}
    for index, request in enumerate(requests):
        try:
            text = msgspec.json.encode({"custom_id": str(index), "method": "POST", "url": CHAT, **request})
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidRequest(
                f"requests[{index}] cannot be written as JSON: {error}.", f"requests[{index}]"
            ) from None
        line = read_line(text)
        if not isinstance(line, LineProblem) and line.custom_id in lines:
            line = duplicate(line.custom_id, numbers[line.custom_id])
        if isinstance(line, LineProblem):
            place = f"requests[{index}]" + (f".{line.param}" if line.param else "")
            raise InvalidRequest(f"{place}: {line.message}", place)
        lines[line.custom_id], numbers[line.custom_id] = line, index
    return lines

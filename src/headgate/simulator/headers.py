"""The headers of a reply: the fixed ones, the limit headers, and the ways in which they may lie."""

from collections.abc import Callable, Sequence
from typing import Final

from headgate.simulator.durations import go_duration_ms
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.limiter import Account
from headgate.simulator.script import Headers

REGION: Final = "fra"
_SMALL: Final = 1e-6
_FIXED: Final[Headers] = (
    ("x-groq-region", REGION),
    ("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate"),
    ("vary", "Origin"),
)
_SHOWN: Final = ("requests", "tokens", "audio-seconds")


def head(content_type: str, request_id: str, length: int | None) -> Headers:
    """Headers without limits. A stream has no length."""
    sized = () if length is None else (("content-length", str(length)),)
    return (("content-type", content_type), *sized, ("x-request-id", request_id), *_FIXED)


def limit_headers(account: Account) -> Headers:
    """The day's requests, the minute's tokens and the hour's audio as of the last touch; absent where not limited.

    Remaining is whole and rounded down; reset is the time until the bucket is full again (groq-api 2.2).
    """
    made: list[tuple[str, str]] = []
    for name, index in zip(_SHOWN, account.shown, strict=True):
        if index is None:
            continue
        limit, level = account.limits[index], account.levels[index]
        made += (
            (f"x-ratelimit-limit-{name}", str(limit)),
            (f"x-ratelimit-remaining-{name}", str(max(0, int(limit - level + _SMALL)))),
            (f"x-ratelimit-reset-{name}", go_duration_ms(level / limit * account.windows[index] if limit else 0.0)),
        )
    return tuple(made)


def faulty(headers: Headers, faults: Sequence[Fault]) -> Headers:
    """The headers with every header fault applied."""
    for fault in faults:
        match fault.kind:
            case FaultKind.LIMITS_TOO_HIGH:
                headers = _remaining(headers, lambda text: str(int(text) * 10 + 1000))
            case FaultKind.LIMITS_TOO_LOW:
                headers = _remaining(headers, lambda _text: "0")
            case FaultKind.LIMITS_GARBAGE:
                headers = tuple((n, "soon" if n.startswith("x-ratelimit-") else v) for n, v in headers)
            case FaultKind.LIMITS_ABSENT:
                headers = tuple((n, v) for n, v in headers if not n.startswith("x-ratelimit-"))
            case FaultKind.NO_RETRY_AFTER:
                headers = tuple((n, v) for n, v in headers if n != "retry-after")
            case _:
                pass
    return headers


def _remaining(headers: Headers, change: Callable[[str], str]) -> Headers:
    return tuple((n, change(v) if n.startswith("x-ratelimit-remaining-") and v.isdigit() else v) for n, v in headers)

"""How Groq writes lengths of time: Go's duration text. Owns the writing only; reading it is the gateway's business."""

from headgate.domain.time import Seconds

_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = 60_000_000_000
_SECOND_NS = 1_000_000_000


def go_duration(seconds: Seconds) -> str:
    """The text of a wait, truncated to nanoseconds as a Go conversion does: `1m26.4s`, `3.179999999s`, `562ms`."""
    return _text(int(max(0.0, seconds) * 1e9))


def go_duration_ms(seconds: Seconds) -> str:
    """The text of a reset header: truncated to milliseconds (2.58 s is `2.579s` in live headers, groq-api 2.2)."""
    return _text(int(max(0.0, seconds) * 1e3) * 1_000_000)


def _text(ns: int) -> str:
    if ns < _SECOND_NS:
        return _below_a_second(ns)
    hours, rest = divmod(ns, _HOUR_NS)
    minutes, rest = divmod(rest, _MINUTE_NS)
    seconds = _fraction(rest, 9) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _below_a_second(ns: int) -> str:
    if ns == 0:
        return "0s"
    if ns < 1_000:
        return f"{ns}ns"
    return _fraction(ns, 3) + "µs" if ns < 1_000_000 else _fraction(ns, 6) + "ms"


def _fraction(amount: int, digits: int) -> str:
    """`amount` / 10**digits in decimal, without trailing zeros."""
    whole, part = divmod(amount, 10**digits)
    return f"{whole}.{part:0{digits}d}".rstrip("0") if part else str(whole)

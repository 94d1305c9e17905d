"""How Groq rounds the lengths of time that it writes: down. How they are written is `protocol.durations`' business."""

from headgate.domain.time import Seconds
from headgate.protocol.durations import format_go_nanoseconds

_MS_NS = 1_000_000


def go_duration(seconds: Seconds) -> str:
    """The text of a wait, truncated to nanoseconds as a Go conversion does: `1m26.4s`, `3.179999999s`, `562ms`."""
    return format_go_nanoseconds(int(max(0.0, seconds) * 1e9))


def go_duration_ms(seconds: Seconds) -> str:
    """The text of a reset header: truncated to milliseconds (2.58 s is `2.579s` in live headers, groq-api 2.2)."""
    return format_go_nanoseconds(int(max(0.0, seconds) * 1e3) * _MS_NS)

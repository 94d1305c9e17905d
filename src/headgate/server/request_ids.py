"""Makes the ids of requests, for all doors and gates of a process."""

import os
import re
import secrets
import time
from typing import Final

TIME_DIGITS: Final = 9
CHANCE_DIGITS: Final = 15
IDS_AT_ONCE: Final = 256
FORM: Final = re.compile(rf"req_[0-9a-f]{{{TIME_DIGITS + CHANCE_DIGITS}}}")
"""What every id looks like."""

_drawn: Final[list[str]] = []


def new_id() -> str:
    """A request id that nobody can guess: a story is shown to whoever knows its id and has the tenant's key.

    Nine hexadecimal digits are the time, in sixteenths of a second, and fifteen are chance. Ids of a time begin alike
    so that the store finds their places beside each other: rows of ids in no order touch a page of its index each,
    which costs more than all else in writing them. Randomness is fetched for many at once, because asking the kernel
    costs more than all else here; all of them have the time of that. From any thread: gates have their own.
    """
    try:
        return _drawn.pop()
    except IndexError:
        pass
    start = f"req_{int(time.time() * 16):0{TIME_DIGITS}x}"
    bits = secrets.token_hex(CHANCE_DIGITS * IDS_AT_ONCE // 2)
    drawn = [start + bits[at : at + CHANCE_DIGITS] for at in range(0, len(bits), CHANCE_DIGITS)]
    mine = drawn.pop()
    _drawn.extend(drawn)
    return mine


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)  # the other process uses them

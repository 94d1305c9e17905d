"""A reply as a script: what goes out, when, and how it ends. Worlds play it in virtual time, `http` in real time."""

from enum import StrEnum

import msgspec

from headgate.domain.time import Instant, Seconds
from headgate.simulator.faults import Fault
from headgate.simulator.limiter import Account


class Ending(StrEnum):
    """How a reply ends after its last part."""

    CLEAN = "clean"
    CUT = "cut"
    """The connection is closed although more was promised."""
    RESET = "reset"
    STALL = "stall"
    """Nothing more comes, and nobody closes."""
    REFUSED = "refused"
    """The connection was never accepted."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """Bytes of the body and when they leave, in seconds since the request came."""

    at_s: Seconds
    data: bytes


Headers = tuple[tuple[str, str], ...]


class Script(msgspec.Struct, frozen=True):
    """One reply. `status` 0 means that not even a head is sent.

    `headers` lack the limit headers of a buffered reply, which are read when it is sent: ask `PretendGroq.opening`.
    `arrived_at` is the instant that `at_s` and `ends_at_s` count from.
    """

    id: int
    arrived_at: Instant
    status: int
    headers: Headers
    parts: tuple[Part, ...]
    ending: Ending
    ends_at_s: Seconds
    account: Account | None = None
    limits_due: bool = False
    faults: tuple[Fault, ...] = ()

    @property
    def body(self) -> bytes:
        """All that will be sent of the body."""
        return b"".join(part.data for part in self.parts)

    @property
    def first_at_s(self) -> Seconds:
        """When the head goes out: with the first part, at the end where there is none."""
        return self.parts[0].at_s if self.parts else self.ends_at_s

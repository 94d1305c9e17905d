"""What the endpoints besides chat are told of a request, and what they tell of the work it asks for.

An endpoint reads a `Visit` and answers with `Work` or a `Rejection`; whether the work is admitted and how it breaks is
decided in `groq`, as for chat.
"""

from collections.abc import Callable, Mapping

import msgspec

from headgate.domain.time import Instant, Seconds
from headgate.simulator.identity import request_id, ulid
from headgate.simulator.limiter import Charge


class Visit(msgspec.Struct, frozen=True, gc=False):
    """One request whose path is known. `route` is the path behind the version, `query` what follows the `?`.

    `drawn` are the 32 bytes of which everything random about the reply is made; `unix_s` is the wall-clock time of
    `now`. `organisation` is "" for a key that reaches none.
    """

    number: int
    method: str
    path: str
    route: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    digest: bytes
    drawn: bytes
    key: str
    organisation: str
    plan: str
    now: Instant
    unix_s: float

    @property
    def request_id(self) -> str:
        """The `req_` of the reply."""
        return request_id(self.drawn, int(self.unix_s * 1000))

    def named(self, prefix: str, salt: int = 0) -> str:
        """An id of another kind for this reply: the prefix and a ULID; `salt` tells several of one reply apart."""
        return prefix + ulid(self.drawn, int(self.unix_s * 1000), salt)


class Work(msgspec.Struct, frozen=True, gc=False):
    """What an understood request takes and gives: the charge of its buckets, the time it needs, and its body.

    `text` is what fault rules look into. `write` is called once, when the work is admitted. The body leaves in `pieces`
    of about the same size, evenly over the time.
    """

    model: str
    text: str
    charge: Charge
    takes_s: Seconds
    write: Callable[[], bytes]
    content_type: str = "application/json"
    pieces: int = 1

"""The stories of recent requests: every call that was made for one, and how it ended. Bounded, in memory."""

from collections import deque
from typing import Final

import msgspec

from headgate.domain.fact import CallEnded, Fact, RequestFinished
from headgate.domain.time import Seconds

STORIES_KEPT: Final = 10_000
RECORDS_PER_STORY: Final = 2
"""One call and one outcome; stories of several calls push out others a little sooner."""
AT_ONCE: Final = 64
"""Facts that are written down together; until then they wait as they are."""


class CallTold(msgspec.Struct, frozen=True):
    """One call as a client may see it: no key, no organisation."""

    call: int
    provider: str
    model: str
    duration_ms: float
    failure: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None


class Story(msgspec.Struct):
    """One request: `status` is running until its outcome."""

    id: str
    tenant: str
    status: str = "running"
    model_asked: str = ""
    model_served: str = ""
    provider: str = ""
    source: str | None = None
    reason: str = ""
    refusal: str | None = None
    attempts: int = 0
    waited_ms: float = 0.0
    duration_ms: float = 0.0
    fitted: str | None = None
    cost_usd: str | None = None
    agent: str | None = None
    task: str | None = None
    calls: list[CallTold] = msgspec.field(default_factory=list)
    jobs: tuple[str, ...] = ()
    """Ids of what it left to be done in the background, where there is a store."""


class Stories:
    """Told every fact; tells a tenant about its own requests.

    Telling is rare and remembering is not: facts are written down as bytes and searched only when somebody asks. As
    objects they would be some thirty pieces of cold memory a request, which cost every request a tenth of its time.
    They are written down some dozens at a time, as one record, which takes half the time of doing it one by one.
    """

    def __init__(self, kept: int = STORIES_KEPT) -> None:
        self.kept = kept
        self._records: deque[bytes] = deque(maxlen=-(-RECORDS_PER_STORY * kept // AT_ONCE))
        self._new: list[Fact] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Fact]).decode

    def tell(self, fact: Fact) -> None:
        """Remember a fact; the oldest goes when there are too many."""
        new = self._new
        new.append(fact)
        if len(new) >= AT_ONCE:
            self._new = []  # first, so that what cannot be written down is not met again with every fact
            self._records.append(self._encode(new))

    def story(self, request_id: str, tenant: str | None) -> Story | None:
        """The story, if there is one and it is this tenant's; None may read everybody's. Some milliseconds."""
        name = request_id.encode()
        facts = [fact for record in self._records if name in record for fact in self._decode(record)]
        facts += self._new
        end = next((f for f in facts if isinstance(f, RequestFinished) and f.request_id == request_id), None)
        if end is None or tenant not in {None, end.tenant}:
            return None
        story = Story(request_id, end.tenant, "done", end.model_asked, end.model_served, end.provider)
        story.source = None if end.source is None else end.source.value
        story.reason, story.refusal, story.attempts = end.reason, end.refusal, end.attempts
        story.waited_ms, story.duration_ms = _ms(end.waited_s), _ms(end.duration_s)
        story.fitted, story.agent, story.task = end.fitted, end.agent, end.task
        story.cost_usd = usd(end.cost_nanousd)
        story.calls = [_told(f) for f in facts if isinstance(f, CallEnded) and f.request_id == request_id]
        return story


def _told(call: CallEnded) -> CallTold:
    usage = call.usage
    return CallTold(
        call.call,
        call.deployment.provider,
        call.deployment.model,
        _ms(call.duration_s),
        None if call.failure is None else call.failure.value,
        None if usage is None else usage.prompt_tokens,
        None if usage is None else usage.completion_tokens,
        None if usage is None else usage.cached_tokens,
    )


def _ms(seconds: Seconds) -> float:
    return round(seconds * 1000, 1)


def usd(nanousd: int) -> str:
    """Integer nano-dollars as a decimal text of dollars, exactly."""
    digits = f"{nanousd:010d}"
    return f"{digits[:-9]}.{digits[-9:]}".rstrip("0").rstrip(".")

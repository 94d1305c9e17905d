"""What a dialect is: how one kind of provider wants chat requests, and how it words limits and failures.

A value, not a class to inherit from: the table of them is `headgate.protocol.dialects`, what is done with one is in
`headgate.protocol.cleaning`.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from headgate.domain.failure import Failure
from headgate.domain.limits import SeenBucket, SeenLimits
from headgate.protocol.dialect_fields import INSTEAD
from headgate.protocol.limits import read_limit_headers
from headgate.protocol.limits_elsewhere import seen_limits

_ALWAYS_LOOKED_AT: Final = frozenset(
    {"tools", "response_format", "reasoning_effort", "reasoning_format", "include_reasoning"}
)


class Classify(Protocol):
    """As `headgate.protocol.errors.classify`; `wall_s` is now in Unix seconds."""

    def __call__(
        self, status: int, body: bytes, headers: Mapping[str, str], *, wall_s: float | None = None
    ) -> Failure: ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's ways.

    `drop`, `refuse` and `renamed` are about top-level fields (`dialect_fields`). `message_fields` are the fields a
    message may have, by role; a role that is missing there is refused unless `roles` says as what it goes.
    `parts` are the kinds of content part and their fields. `earlier_reasoning` is where an assistant message may
    carry the reasoning it was answered with. `service_tiers` go from the client's word to the provider's; a word that
    is missing there is not sent. `buckets` is None for Groq, whose headers have a reader of their own.
    """

    name: str
    max_tokens_field: str
    sends_stream_usage: bool
    drop: frozenset[str]
    refuse: frozenset[str]
    renamed: Mapping[str, str]
    message_fields: Mapping[str, frozenset[str]]
    parts: Mapping[str, frozenset[str]]
    classify: Classify
    buckets: Callable[[Mapping[str, str]], tuple[SeenBucket, ...]] | None
    roles: Mapping[str, str] = {}
    earlier_reasoning: str | None = None
    service_tiers: Mapping[str, str] = {}
    builtin_tools: frozenset[str] = frozenset()
    only_with_tools: frozenset[str] = frozenset()
    json_with_tools: bool = True
    short_tool_ids: bool = False
    max_data_image_bytes: int | None = None
    touched: frozenset[str] = frozenset()
    """Set by itself: the top-level fields that may need something done; a request without any needs no look."""

    def __post_init__(self) -> None:
        touched = self.drop | self.refuse | self.renamed.keys() | self.only_with_tools | _ALWAYS_LOOKED_AT
        msgspec.structs.force_setattr(self, "touched", touched)

    def read_limits(self, headers: Mapping[str, str]) -> SeenLimits | None:
        """What a reply's headers say of limits."""
        if self.buckets is None:
            return read_limit_headers(headers)
        return seen_limits(self.buckets(headers), headers)

    def service_tier(self, asked: str | None) -> str | None:
        """The tier to send; None where the provider has no such thing."""
        return None if asked is None else self.service_tiers.get(asked)

    def refusal(self, field: str) -> str:
        """What the client of a refused field is told."""
        return f"{field!r} is not supported by {self.name}. {INSTEAD[field]}"

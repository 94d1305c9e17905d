"""Owns `moderate`: texts in, a verdict for each out."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from headgate.domain.answer import Usage
from headgate.protocol.moderation import parse_moderation
from headgate.runtime.outcome import Answered
from headgate.sdk.asking import Asking
from headgate.sdk.options import call_body
from headgate.sdk.reading import brought
from headgate.sdk.results import NANO, Facts, Moderation, Verdict, facts
from headgate.server.moderations import body_of, cases_of, judge


class _Body(msgspec.Struct):
    results: tuple[Verdict, ...]


_decode: Final = msgspec.json.Decoder(_Body).decode


async def verdicts_of(
    asking: Asking, texts: str | Sequence[str], model: str | None, options: Mapping[str, object]
) -> Moderation:
    """The verdicts on some texts: all of them or none. Raises a HeadgateError."""
    with asking.understood():
        asked = parse_moderation(call_body({"input": texts, "model": model}, options))
        controls = asking.controls(asked.controls)
        cases = asking.allowed(cases_of(asking, asked, controls, asking.gateway.now()))
    outcome = await judge(asking, cases)
    judged = [outcome] if isinstance(outcome, Answered) else outcome
    for answered in judged:
        brought(answered)  # raises for the one text that got no verdict
    body = body_of(asking, cases)
    return Moderation(results=_decode(body).results, **_together(judged, body, controls.inactive))


def _together(judged: Sequence[Answered], body: bytes, inactive: tuple[str, ...]) -> Facts:
    """The first one's labels with what all of them took."""
    journeys = [each.journey for each in judged]
    usages = [journey.usage for journey in journeys]
    known = [usage for usage in usages if usage is not None]
    return {
        **facts(judged[0], body, inactive),
        "attempts": sum(journey.attempts for journey in journeys),
        "calls": sum(journey.calls for journey in journeys),
        "cost_usd": Decimal(sum(journey.cost_nanousd for journey in journeys)) / NANO,
        "usage": _sum(known) if len(known) == len(usages) else None,
    }


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(usage.cached_tokens for usage in usages),
        sum(usage.reasoning_tokens for usage in usages),
    )

"""Owns what a group's answer is to each of those who were asked for together: its text, its share of the usage, the
journey that its labels and its usage row are made of. Pure functions."""

from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from headgate.decide import actions as a
from headgate.decide.journey import Journey, Phase
from headgate.domain.answer import Reply, Usage
from headgate.domain.request import Check, Request
from headgate.local.check import check_answer
from headgate.protocol.chat import Chat
from headgate.protocol.merging import Part, shares, take_apart
from headgate.protocol.openai import completion_body, stream_of
from headgate.protocol.reply import answer_text
from headgate.runtime.outcome import Answered, Committed

COALESCED: Final = "coalesced"
"""The reason on answers that were had in one call with others."""
_HALF_MADE: Final = frozenset({"partial", "rescued", "cut"})


class Share(msgspec.Struct, frozen=True):
    """What one request pays of the call that it shared; None where nobody told what was used."""

    usage: Usage | None
    cost_nanousd: int


def valid_answers(body: bytes, parts: list[Part], *, is_whole: bool) -> list[str | None]:
    """The answer to each part; None where it is missing or not what its request asked for."""
    text = answer_text(body)
    if text is None:
        return [None] * len(parts)
    answers = take_apart(text, parts, is_whole=is_whole)
    return [
        None
        if answer is None or (part.schema is not None and check_answer(answer, Check.SCHEMA, part.schema) is not None)
        else answer
        for answer, part in zip(answers, parts, strict=True)
    ]


def answers_of(answered: Answered, parts: list[Part]) -> list[str | None]:
    """What a call for several brought each of them."""
    if answered.finish.ending is not a.Ending.ANSWER or answered.body is None:
        return [None] * len(parts)
    reply = answered.journey.reply
    is_whole = answered.finish.reason not in _HALF_MADE and reply is not None and reply.finish_reason == "stop"
    return valid_answers(answered.body, parts, is_whole=is_whole)


def shares_of(parts: list[Part], texts: list[str], merged: Journey) -> list[Share]:
    """What each pays of the merged call: of the prompt by its question, of the answer by its answer. They sum to the
    whole."""
    usage = merged.usage
    asked, written = [part.chars for part in parts], [len(text) for text in texts]
    costs = shares(merged.cost_nanousd, asked)
    if usage is None:
        return [Share(None, cost) for cost in costs]
    split = zip(
        shares(usage.prompt_tokens, asked),
        shares(usage.completion_tokens, written),
        shares(usage.cached_tokens, asked),
        shares(usage.reasoning_tokens, written),
        strict=True,
    )
    return [Share(Usage(*each), cost) for each, cost in zip(split, costs, strict=True)]


def journey_of(request: Request, share: Share, merged: Journey, asked_at: float, *, is_first: bool) -> Journey:
    """A part's own journey. The first of a group tells the calls of all, so that sums over requests are right."""
    served = merged.served
    return Journey(
        request,
        Phase.DONE,
        attempts=merged.attempts if is_first else 0,
        calls=merged.calls if is_first else 0,
        waited_s=merged.waited_s + asked_at - request.arrived_at,
        reason=COALESCED,
        served=served,
        reply=Reply("stop", share.usage, "" if served is None else served.model),
        usage=share.usage,
        cost_nanousd=share.cost_nanousd,
    )


def as_one(merged: Journey) -> Journey:
    """The merged journey as one of a request of its own: for when none of those it was made for has a use for it."""
    journey = Journey(msgspec.structs.replace(merged.request, parts=0), Phase.DONE)
    for name in ("attempts", "calls", "waited_s", "served", "usage", "cost_nanousd", "tried"):
        setattr(journey, name, getattr(merged, name))
    return journey


def answered_alike(
    chat: Chat, text: str, journey: Journey, ending: a.Finish, upstream_s: float, wall_s: float
) -> Answered:
    """What the request would have got by itself: a completion, or a stream where it asked for one."""
    served = journey.served
    usage = {} if journey.usage is None else _told(journey.usage)
    model = "" if served is None else served.model
    parts = (f"chatcmpl-{journey.request.id}", int(wall_s), model, text)
    if not journey.request.stream:
        return Answered(ending, journey, completion_body(*parts, usage=usage), upstream_s=upstream_s)
    chunks = stream_of(*parts, include_usage=chat.include_usage, usage=usage)
    return Answered(ending, journey, stream=Committed(_chunks(chunks), _nothing), upstream_s=upstream_s)


def _told(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


async def _chunks(chunks: list[bytes]) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk


def _nothing() -> None:
    """A stream that is whole has nothing to end."""

"""What is done to answers outside the machine: checked, mended, made locally. Pure functions over texts and bodies."""

import random
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.decide.journey import Journey
from headgate.domain.failure import FailureKind
from headgate.domain.request import Check, Request
from headgate.local.check import check_answer
from headgate.local.mend import mend_answer, mend_json
from headgate.local.template import LocalAnswer, Shortage, local_answer
from headgate.protocol.chat import Chat
from headgate.protocol.openai import completion_body
from headgate.protocol.reply import answer_text, with_text

SHORTAGES: Final[Mapping[FailureKind, Shortage]] = {
    FailureKind.REQUESTS_PER_MINUTE: Shortage.BUSY,
    FailureKind.TOKENS_PER_MINUTE: Shortage.BUSY,
    FailureKind.DAILY_LIMIT: Shortage.BUSY,
    FailureKind.REQUEST_TOO_LARGE: Shortage.BUSY,
    FailureKind.NO_KEY_LEFT: Shortage.BUSY,
    FailureKind.TOO_SLOW: Shortage.DEADLINE,
}
"""What a local answer says happened; an outage where nothing stands here."""


def check(chat: Chat, body: bytes) -> str:
    """What is wrong with an answer's text for the client who asked for JSON; "" if nothing is."""
    text = answer_text(body)
    if text is None:
        return ""  # tool calls, or nothing to check
    problem = check_answer(text, chat.check, chat.schema)
    return "" if problem is None else str(problem)


def mended_body(chat: Chat, journey: Journey, body: bytes | None, wall_s: float) -> bytes | None:
    """The failed call's answer mended into what was asked for, as a completion body; None where that cannot be."""
    failure = journey.failure
    assert failure is not None
    if failure.failed_generation:
        return _from_failed_generation(chat, journey, failure.failed_generation, wall_s)
    if body is None:
        return None
    if failure.kind is FailureKind.MALFORMED_BODY:
        return _from_torn_body(chat, journey, body, wall_s)
    text = answer_text(body)
    mended = None if text is None else mend_answer(text, chat.check, chat.schema)
    return None if mended is None else with_text(body, mended.text)


def _from_failed_generation(chat: Chat, journey: Journey, text: str, wall_s: float) -> bytes | None:
    mended = mend_answer(text, chat.check, chat.schema)
    return None if mended is None else _completion(journey, mended.text, wall_s, partial=False)


def _from_torn_body(chat: Chat, journey: Journey, body: bytes, wall_s: float) -> bytes | None:
    """What can still be read of a body that does not parse: its text, flagged as partial."""
    mended = mend_json(body.decode(errors="replace"))
    text = None if mended is None else _first_text(mended.value)
    if text is None:
        return None
    if chat.check is not Check.NONE:
        whole = mend_answer(text, chat.check, chat.schema)
        if whole is None:
            return None
        text = whole.text
    return _completion(journey, text, wall_s, partial=True)


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Torn(msgspec.Struct):
    choices: list[_Choice]


def _first_text(value: object) -> str | None:
    try:
        torn = msgspec.convert(value, _Torn)
    except msgspec.ValidationError:
        return None
    return (torn.choices[0].message.content or None) if torn.choices else None


def _completion(journey: Journey, text: str, wall_s: float, *, partial: bool) -> bytes:
    """A completion around mended text. What it used is not known, so `usage` is null and not a number."""
    assert journey.failed is not None
    label = {"source": "upstream", "reason": "mended", "partial": partial}
    return completion_body(
        f"chatcmpl-{journey.request.id}",
        int(wall_s),
        journey.failed.deployment.model,
        text,
        {"usage": None, "headgate": label},
    )


def answer_locally(chat: Chat, request: Request, reason: str) -> LocalAnswer | None:
    """The template answer, or None where only a refusal is honest. The same request gets the same words."""
    shortage = SHORTAGES.get(FailureKind(reason), Shortage.OUTAGE)
    dice = random.Random(request.id)
    return local_answer(shortage, dice, check=request.check, tool_required=tool_required(chat))


def tool_required(chat: Chat) -> bool:
    """Whether only a tool call is an answer."""
    return chat.tool_choice == "required" or isinstance(chat.tool_choice, dict)

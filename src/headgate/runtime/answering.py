"""What is done to answers outside the machine: checked, brought to the client's form, made locally. Pure functions.

What is done to wrong answers is in `mending`.
"""

import random
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.decide.machine import SKILL_FIRST
from headgate.domain.failure import FailureKind
from headgate.domain.request import Need, Request
from headgate.local.check import check_answer
from headgate.local.skills import NO_SUPPLIES, Supplies
from headgate.local.template import LocalAnswer, Shortage, local_answer
from headgate.protocol.chat import Chat
from headgate.protocol.reply import answer_text, with_text
from headgate.protocol.structured import Restore

SHORTAGES: Final[Mapping[FailureKind, Shortage]] = {
    FailureKind.REQUESTS_PER_MINUTE: Shortage.BUSY,
    FailureKind.TOKENS_PER_MINUTE: Shortage.BUSY,
    FailureKind.DAILY_LIMIT: Shortage.BUSY,
    FailureKind.REQUEST_TOO_LARGE: Shortage.BUSY,
    FailureKind.NO_KEY_LEFT: Shortage.BUSY,
    FailureKind.TOO_SLOW: Shortage.DEADLINE,
}
"""What a local answer says happened; an outage where nothing stands here."""

_TOOLS: Final = Need.TOOLS | Need.BUILTIN_TOOLS
_NULL: Final = Raw(b"null")
_NO_CALLS: Final = frozenset({b"null", b"[]"})


class _Message(Struct, gc=False):
    tool_calls: Raw = _NULL
    function_call: Raw = _NULL


class _Choice(Struct, gc=False):
    message: _Message | None = None


class _Body(Struct, gc=False):
    choices: list[_Choice] | None = None


_decode: Final = msgspec.json.Decoder(_Body).decode


def check(chat: Chat, body: bytes) -> str:
    """What is wrong with an answer's text for the client who asked for JSON; "" if nothing is."""
    text = answer_text(body)
    if text is None or (chat.needs & _TOOLS and calls_tools(body)):
        return ""  # tool calls, or nothing to check
    problem = check_answer(text, chat.check, chat.schema)
    return "" if problem is None else str(problem)


def calls_tools(body: bytes) -> bool:
    """Whether a whole answer calls a tool, whatever it says beside it."""
    choices = _decode(body).choices
    message = choices[0].message if choices else None
    if message is None:
        return False
    return not {bytes(message.tool_calls), bytes(message.function_call)} <= _NO_CALLS


def restored_body(body: bytes, restore: Restore) -> bytes:
    """An answer in strict form as the client's schema has it. What cannot be read stays, for the check to find."""
    text = answer_text(body)
    restored = None if text is None else restored_text(text, restore)
    return body if restored is None else with_text(body, restored)


def restored_text(text: str, restore: Restore) -> str | None:
    """The same for a text; None where it is no JSON."""
    try:
        return msgspec.json.encode(restore(msgspec.json.decode(text))).decode()
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, TypeError):
        return None


def answer_locally(chat: Chat, request: Request, reason: str, supplies: Supplies = NO_SUPPLIES) -> LocalAnswer | None:
    """What the named skill answers, else the template, or None where only a refusal is honest. The same request gets
    the same words. A skill that is asked before any model is asked alone."""
    is_first = reason == SKILL_FIRST
    if request.skill is not None:
        from headgate.runtime.skill_answers import skill_answer

        answer = skill_answer(chat, request, supplies, whole=is_first)
        if answer is not None or is_first:
            return answer
    shortage = SHORTAGES.get(FailureKind(reason), Shortage.OUTAGE)
    dice = random.Random(request.id)
    return local_answer(shortage, dice, check=request.check, tool_required=tool_required(chat))


def tool_required(chat: Chat) -> bool:
    """Whether only a tool call is an answer."""
    return chat.tool_choice == "required" or isinstance(chat.tool_choice, dict)

"""What a local skill answers in place of a model: checked by its confidence, in the form that the client asked for.

In words, the skill says what it found; in JSON mode its whole result is the object; for a JSON Schema whatever skill is
named, the schema is filled. Pure functions.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from headgate.domain.request import Check, Request, SkillUse
from headgate.local.filling import fill
from headgate.local.partial import Level
from headgate.local.repetition import MESSAGE_CHARS_MAX, MESSAGES_MAX
from headgate.local.skills import MOST_CHARS, Misused, Options, Skill, SkillResult, Supplies, as_json, options_of, skill
from headgate.local.template import LocalAnswer
from headgate.protocol.chat import Chat, Message

FILL: Final = "fill"
ENOUGH: Final = frozenset({Level.FULL, Level.PARTIAL})


def skill_answer(chat: Chat, request: Request, supplies: Supplies, *, whole: bool) -> LocalAnswer | None:
    """The answer of the skill that the route or task names; None where it has none or is less sure than it must be.

    `whole`: a schema that is filled in part is no answer, because a model may still fill all of it. A prompt with
    images is not understood by its words alone, and too long a text would hold a thread for long.
    """
    use, text = request.skill, chat.last_user_text
    assert use is not None
    is_answered = whole and chat.messages[-1].role != "user"  # a tool's result, say: the model is to go on with it
    if not text.strip() or len(text) > MOST_CHARS or chat.prompt.images or is_answered:
        return None
    try:
        if request.check is Check.SCHEMA:
            return _filled(chat, use, text, supplies, whole=whole)
        row = skill(use.name)
        result = row.run(text, _options(row, use, chat), supplies)
        said = _json_of(row, result) if request.check is Check.JSON else row.says(result)
    except (Misused, UnicodeError):
        return None
    if not said or result.confidence < use.min_confidence:
        return None
    return LocalAnswer(said, row.name, result.confidence)


def _filled(chat: Chat, use: SkillUse, text: str, supplies: Supplies, *, whole: bool) -> LocalAnswer | None:
    """The client's schema, filled: completely, or at least half and so flagged."""
    if chat.schema is None:
        return None
    filled = fill(text, chat.schema, getattr(_checked(use), "labels", None), feeds=supplies.feeds())
    good = filled.level is Level.FULL if whole else filled.level in ENOUGH
    if not good or filled.confidence < use.min_confidence:
        return None
    said = msgspec.json.encode(filled.value).decode()
    return LocalAnswer(said, FILL, filled.confidence, filled.level.value, filled.missing)


def _json_of(row: Skill, result: SkillResult) -> str | None:
    """A result as a JSON object; of a schema that was filled, the value."""
    return row.says(result) if row.name == FILL else as_json(result).decode()


@lru_cache(maxsize=256)
def _checked(use: SkillUse) -> Options | None:
    """The options that settings gave, None where the chat must bring some."""
    try:
        return options_of(skill(use.name), msgspec.json.decode(use.options))
    except Misused:
        return None


def _options(row: Skill, use: SkillUse, chat: Chat) -> Options:
    """The options of a skill, with what the chat itself tells: what was said before. Raises Misused."""
    brought = _BROUGHT.get(row.name)
    if brought is None:
        return _checked(use) or options_of(row, {})
    given: dict[str, Any] = msgspec.json.decode(use.options)
    name, role = brought
    return options_of(row, {name: _said(chat.messages, role), **given})


_BROUGHT: Final = {"reply": ("avoid", "assistant"), "repetition": ("earlier", "user")}
"""The option that earlier messages of a role are."""


def _said(messages: Sequence[Message], role: str) -> list[str]:
    """What was said in a role, the oldest first, without the last message."""
    texts = [each.content for each in messages[:-1] if each.role == role and isinstance(each.content, str)]
    return [text[:MESSAGE_CHARS_MAX] for text in texts[-MESSAGES_MAX:]]

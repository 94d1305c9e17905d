"""What is made of wrong answers without another call: text mended, tool calls rescued, what is there extracted.

Pure functions over texts and bodies; each says None where it has nothing that it could stand for.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.decide.journey import Journey, Plan
from headgate.domain.failure import FailureKind
from headgate.domain.request import Check
from headgate.local.check import check_answer
from headgate.local.mend import mend_answer, mend_json
from headgate.local.partial import Level, Partial, extract_partial
from headgate.local.rescue import rescue_tool_calls
from headgate.protocol.chat import Chat
from headgate.protocol.mended import Head, labelled, text_completion, tool_completion
from headgate.protocol.reply import answer_text, with_text
from headgate.protocol.structured import Restore
from headgate.runtime.answering import restored_text


class Wording(msgspec.Struct, frozen=True):
    """What there is of one call, and how it was written. `generation` is what came back as an error; `restore` leads
    from what the call asked for to what the client asked for."""

    body: bytes | None
    generation: str | None = None
    restore: Restore | None = None


def mended_body(chat: Chat, journey: Journey, wording: Wording, wall_s: float) -> bytes | None:
    """The failed call's answer mended into what was asked for, as a completion; None where that cannot be."""
    failure = journey.failure
    assert failure is not None
    if failure.kind is FailureKind.TOOL_CALL_FAILED:
        return _rescued(chat, journey, wall_s)
    if wording.generation:
        text = _mended_text(chat, wording.generation, wording.restore)
        return None if text is None else _completion(chat, journey, text, wall_s, {"reason": "mended"})
    if wording.body is None:
        return None
    if failure.kind is FailureKind.MALFORMED_BODY:
        return _from_torn_body(chat, journey, wording, wall_s)
    text = answer_text(wording.body)
    mended = None if text is None else _mended_text(chat, text, wording.restore)
    return None if mended is None else with_text(wording.body, mended)


def _mended_text(chat: Chat, text: str, restore: Restore | None) -> str | None:
    """The text mended, brought from strict form to the client's, and checked. JSON was brought there when it came."""
    if restore is None or _is_json(text):
        whole = mend_answer(text, chat.check, chat.schema)
        return None if whole is None else whole.text
    mended = mend_json(text)
    restored = None if mended is None else restored_text(mended.text, restore)
    if restored is None or check_answer(restored, chat.check, chat.schema) is not None:
        return None
    return restored


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _from_torn_body(chat: Chat, journey: Journey, wording: Wording, wall_s: float) -> bytes | None:
    """What can still be read of a body that does not parse: its text, flagged as partial."""
    assert wording.body is not None
    text = torn_text(wording.body)
    if text is not None and chat.check is not Check.NONE:
        text = _mended_text(chat, text, wording.restore)
    if text is None:
        return None
    return _completion(chat, journey, text, wall_s, {"reason": "mended", "partial": True})


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Torn(msgspec.Struct):
    choices: list[_Choice]


def torn_text(body: bytes) -> str | None:
    """The text of an answer whose body does not parse, as far as it can be read."""
    mended = mend_json(body.decode(errors="replace"))
    if mended is None:
        return None
    try:
        torn = msgspec.convert(mended.value, _Torn)
    except msgspec.ValidationError:
        return None
    return (torn.choices[0].message.content or None) if torn.choices else None


def _completion(chat: Chat, journey: Journey, text: str, wall_s: float, label: Mapping[str, object]) -> bytes:
    """A completion around text of the failed call."""
    assert journey.failed is not None
    return text_completion(_head(journey, journey.failed, wall_s, label), text, stream=chat.stream)


def _head(journey: Journey, plan: Plan, wall_s: float, label: Mapping[str, object]) -> Head:
    told = {"source": "upstream", "partial": False, **label}
    return Head(f"chatcmpl-{journey.request.id}", int(wall_s), plan.deployment.model, told)


# Tool calls ------------------------------------------------------------------------------------------------------


def _rescued(chat: Chat, journey: Journey, wall_s: float) -> bytes | None:
    """The calls that a failed generation was meant to be, where the client allows them and they fit their tools."""
    failure, plan = journey.failure, journey.failed
    assert failure is not None
    assert plan is not None
    tools = declared_tools(chat)
    calls = rescue_tool_calls(failure.failed_generation or "", tools) if tools else None
    if not calls or not _are_allowed(chat, [call.name for call in calls]):
        return None
    head = _head(journey, plan, wall_s, {"reason": "rescued"})
    return tool_completion(head, [(call.name, call.arguments) for call in calls], stream=chat.stream)


def declared_tools(chat: Chat) -> list[dict[str, Any]]:
    """The request's tools as the client wrote them; functions of the former kind as tools."""
    raw, former = chat.fields.get("tools"), chat.fields.get("functions")
    tools = [] if raw is None else msgspec.json.decode(raw)
    functions = [] if former is None else msgspec.json.decode(former)
    named = [{"type": "function", "function": each} for each in functions or () if isinstance(each, dict)]
    return [*(each for each in tools or () if isinstance(each, dict)), *named]


def _are_allowed(chat: Chat, names: list[str]) -> bool:
    """Whether the client would take calls of these tools: at all, of these only, and so many at once."""
    choice = chat.tool_choice
    if choice == "none" or (len(names) > 1 and bytes(chat.fields.get("parallel_tool_calls", b"true")) == b"false"):
        return False
    if not isinstance(choice, dict):
        return True
    function = choice.get("function")
    return isinstance(function, dict) and set(names) == {function.get("name")}


# Partial results -------------------------------------------------------------------------------------------------


class Extracted(msgspec.Struct, frozen=True):
    """The best that the calls so far wrote, as a completion, and the call that wrote it."""

    call: int
    body: bytes


def extracted_body(
    chat: Chat, journey: Journey, wordings: Mapping[int, Wording], wall_s: float, *, accepts_low: bool
) -> Extracted | None:
    """What can be had of answers that are off schema, flagged; None where no call wrote enough (design 6)."""
    if chat.schema is None:
        return None
    best: tuple[float, int, Partial] | None = None
    for call, wording in wordings.items():
        text = _text_of(wording)
        found = None if text is None else extract_partial(text, chat.schema)
        if found is not None and (best is None or (found.share, call) > best[:2]):
            best = (found.share, call, found)
    if best is None or best[2].level is Level.DISCARD or (best[2].level is Level.LOW and not accepts_low):
        return None
    _, call, partial = best
    return _flagged(chat, journey, call, wordings[call], partial, wall_s)


def _text_of(wording: Wording) -> str | None:
    """What a call wrote, in the client's form where it was asked for another and is readable."""
    text, restore = wording.generation, wording.restore
    if text is None and wording.body is not None:
        text = answer_text(wording.body)
        if text is None:
            text = torn_text(wording.body)
        elif _is_json(text):
            restore = None  # it was brought back when it came
    if text is None or restore is None:
        return text
    mended = mend_json(text)
    return text if mended is None else restored_text(mended.text, restore) or text


def _flagged(
    chat: Chat, journey: Journey, call: int, wording: Wording, partial: Partial, wall_s: float
) -> Extracted | None:
    try:
        text = msgspec.json.encode(partial.value).decode()
    except (TypeError, OverflowError, RecursionError, UnicodeError):
        return None
    label = {
        "source": "upstream",
        "reason": "partial",
        "partial": True,
        "level": partial.level.value,
        "missing": list(partial.missing),
    }
    if wording.generation is None and wording.body is not None and answer_text(wording.body) is not None:
        return Extracted(call, labelled(with_text(wording.body, text), label))
    plan = next((each.plan for each in journey.wrong if each.call == call), journey.failed)
    assert plan is not None
    return Extracted(call, text_completion(_head(journey, plan, wall_s, label), text, stream=chat.stream))

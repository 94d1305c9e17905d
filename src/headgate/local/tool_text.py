"""Owns the notations in which models write tool calls into plain text: tags, tokens, JSON in half a dozen shapes.

It finds names and arguments, and refuses to judge them: whether a tool is declared and the arguments fit is for
`rescue.py` to say. Sources: groq-api 3.3 (Llama's tags, gpt-oss' JSON), the chat templates of Llama 3, Qwen 3, Kimi K2
and gpt-oss, and issues of Groq's clients, read 2026-11-21.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from headgate.local.mend import How, mend_json

NESTED_MAX: Final = 4
"""Containers of calls within each other, as `{"tool_calls": [{"function": ...}]}`."""

_NAME: Final = r"[\w.$/-]{1,200}+"
_FUNCTION = re.compile(
    rf"<function(?:=|\s+name=)\s*[\"']?(?P<name>{_NAME})(?P<rest>(?:(?!<function[=\s]|</function>).)*+)", re.DOTALL
)
_PARAMETER = re.compile(
    rf"<parameter(?:=|\s+name=)\s*[\"']?(?P<name>{_NAME})[\"']?>(?P<value>(?:(?!</?parameter).)*+)</parameter>",
    re.DOTALL,
)
_TOOL_CALL = re.compile(r"<tool_call>((?:(?!</?tool_call>).)*+)", re.DOTALL)
_KIMI = re.compile(
    rf"<\|tool_call_begin\|>\s*(?P<name>{_NAME}(?::\d+)?)\s*<\|tool_call_argument_begin\|>(?P<rest>(?:(?!<\|tool_call).)*+)",
    re.DOTALL,
)
_CHANNEL = re.compile(rf"\bto=(?P<name>{_NAME})[^{{]{{0,120}}<\|message\|>(?P<rest>(?:(?!<\|).)*+)", re.DOTALL)
_PYTHON_TAG = re.compile(r"<\|python_tag\|>((?:(?!<\|python_tag\|>|<\|eom_id\|>|<\|eot_id\|>).)*+)", re.DOTALL)
_NAMED = re.compile(rf"\s*(?P<name>{_NAME})(?P<rest>\s*+[>(=:,]{{0,4}}+\s*+\{{.*)", re.DOTALL)
_SEPARATORS = re.compile(r"[\s,;]*+")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_DECODER: Final = json.JSONDecoder()
_ENDS_WHOLE: Final = ("}", "]", '"', "'", "true", "false", "null", "True", "False", "None")
_AFTER: Final = ("</function>", "</tool_call>", "<|eot_id|>", "<|eom_id|>", "<|call|>", "<|end|>")

_NAMES: Final = ("name", "tool_name", "function_name", "tool", "recipient_name", "function")
_ARGUMENTS: Final = ("arguments", "parameters", "args", "input", "tool_input", "params")
_ARGUMENTS_KEY = re.compile(rf"""["']?\b(?:{"|".join(_ARGUMENTS)})["']?\s{{0,9}}:""")
_LISTS: Final = ("tool_calls", "tool_uses", "function_calls", "calls")


class Written(msgspec.Struct, frozen=True):
    """A call as it was written: any name, and arguments as text, as a decoded value, or None."""

    name: str
    arguments: Any


def written_calls(text: str, is_declared: Callable[[str], bool]) -> list[Written]:
    """The calls of a text in the first notation that it uses, in order; [] if there are none."""
    for notation in (_kimi_calls, _channel_calls, _function_calls, _tagged_calls, _python_tag_calls):
        if calls := notation(text, is_declared):
            return calls
    return _json_calls(text, is_declared) or _named_calls(text, is_declared)


def _kimi_calls(text: str, _: Callable[[str], bool]) -> list[Written]:
    return [Written(match["name"], match["rest"].strip()) for match in _KIMI.finditer(text)]


def _channel_calls(text: str, _: Callable[[str], bool]) -> list[Written]:
    return [Written(match["name"], match["rest"].strip()) for match in _CHANNEL.finditer(text)]


def _function_calls(text: str, _: Callable[[str], bool]) -> list[Written]:
    """`<function=name{...}</function>` with anything between name and brace, or with tags for parameters."""
    return [Written(match["name"], _tag_arguments(match["rest"])) for match in _FUNCTION.finditer(text)]


def _tag_arguments(rest: str) -> Any:
    parameters = {match["name"]: match["value"].strip() for match in _PARAMETER.finditer(rest)}
    if parameters:
        return parameters
    start = rest.find("{")
    if start < 0:
        return None if not rest.strip(" \t\r\n\"'>()=") else rest
    return rest[start:].rstrip(" \t\r\n>)")


def _tagged_calls(text: str, is_declared: Callable[[str], bool]) -> list[Written]:
    return _all_of([match[1] for match in _TOOL_CALL.finditer(text) if match[1].strip()], is_declared)


def _python_tag_calls(text: str, is_declared: Callable[[str], bool]) -> list[Written]:
    return _all_of([match[1] for match in _PYTHON_TAG.finditer(text) if match[1].strip()], is_declared)


def _all_of(parts: list[str], is_declared: Callable[[str], bool]) -> list[Written]:
    """The calls of every part; a part without a call becomes a call without a name, so that nothing is rescued."""
    calls: list[Written] = []
    for part in parts:
        calls += _json_calls(part, is_declared) or _named_calls(part, is_declared) or [Written("", part)]
    return calls


def _named_calls(text: str, is_declared: Callable[[str], bool]) -> list[Written]:
    """`name{...}</function>`, `name>{...}`, `name({...})`, the name being a declared one."""
    match = _NAMED.match(text)
    if match is None or not is_declared(match["name"]):
        return []
    rest = _without_end(match["rest"])
    return [Written(match["name"], rest[rest.index("{") :].rstrip(" \t\r\n>)"))]


def _without_end(text: str) -> str:
    for mark in _AFTER:
        text = text.partition(mark)[0]
    return text


def _json_calls(text: str, is_declared: Callable[[str], bool]) -> list[Written]:
    text = _without_end(text)
    documents = _documents(text)
    if documents is not None:
        return _calls_in(documents, is_declared, 0)
    mended = mend_json(text)
    if mended is None:
        return []
    calls = _calls_in(mended.value, is_declared, 0)
    # The guessing reader merges documents that look alike: a call that got lost on the way must not pass unnoticed.
    is_complete = mended.how is not How.REPAIR or len(_ARGUMENTS_KEY.findall(text)) <= len(calls)
    return calls if is_complete and is_whole(text, mended.how) else [Written("", text) for _ in calls]


def _documents(text: str) -> list[Any] | None:
    """Valid JSON documents with nothing but blanks, commas and semicolons between them; None for anything else."""
    found: list[Any] = []
    at = _SEPARATORS.match(text).end()  # type: ignore[union-attr] # it can match nothing at all
    while at < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        found.append(value)
        at = _SEPARATORS.match(text, at).end()  # type: ignore[union-attr]
    return found or None


def is_whole(text: str, how: How) -> bool:
    """Mended text does not end within a string, a number or a word: what that would have become nobody knows."""
    if how in {How.STRICT, How.FENCE, How.PROSE}:
        return True
    text = _without_end(text).rstrip().removesuffix("```").rstrip()
    if not text.endswith(_ENDS_WHOLE):
        return False
    is_open = any(not match[1] for match in _STRING.finditer(text))
    return not is_open or text.endswith(("}", "]"))


def _calls_in(value: Any, is_declared: Callable[[str], bool], depth: int) -> list[Written]:
    """The calls of a decoded value; an item among calls that is none becomes a call without a name."""
    if depth > NESTED_MAX:
        return []
    if isinstance(value, dict):
        return list(_call_of(value, is_declared, depth))
    if not isinstance(value, list):
        return []
    calls = [call for item in value for call in _calls_in(item, is_declared, depth + 1) or [Written("", item)]]
    return calls if any(call.name for call in calls) else []


def _call_of(value: dict[str, Any], is_declared: Callable[[str], bool], depth: int) -> Iterator[Written]:
    calls = next((value[word] for word in _LISTS if isinstance(value.get(word), list)), None)
    function = value.get("function")
    name = next((value[word] for word in _NAMES if isinstance(value.get(word), str)), None)
    if calls is not None:
        yield from _calls_in(calls, is_declared, depth + 1)
    elif isinstance(function, dict):
        beside: dict[str, Any] = {word: value[word] for word in _ARGUMENTS if word in value}
        yield from _call_of({**beside, **function}, is_declared, depth + 1)
    elif name is not None and any(word in value for word in _ARGUMENTS):
        yield Written(name, next(value[word] for word in _ARGUMENTS if word in value))
    elif name is not None and is_declared(name) and set(value) <= {"name", "id", "type"}:
        yield Written(name, None)
    elif len(value) == 1 and is_declared(next(iter(value))) and isinstance(next(iter(value.values())), dict):
        yield Written(*next(iter(value.items())))

"""What a pretend model writes: plain text, a tool call or JSON, as tokens, cut where the request's maximum cuts it.

Deterministic from the seed and the request's content. Owns lengths, finish reasons and the failures of generation;
bytes and times are made elsewhere.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

import msgspec

from headgate.catalog import Kind
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.faults import Fault, FaultKind, first
from headgate.simulator.requests import Asked
from headgate.simulator.schema import instance
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.text import answers, natural_length, reasoning_tokens, thoughts
from headgate.simulator.tokens import pieces
from headgate.simulator.verdicts import only_scores, verdict

TOOL_FRAME_TOKENS: Final = 6
"""What a call costs beyond its arguments."""

_JSON_HEAD: Final = pieces('{"summary":"')
_JSON_TAIL: Final = pieces('","points":3,"complete":true}')
_BLOCK: Final = "```json"
_DECLINES: Final = "I'm sorry, but I can't help with that."


class ToolCall(msgspec.Struct, frozen=True):
    """One call of a declared tool; the arguments are JSON text."""

    name: str
    arguments: str


class Written(msgspec.Struct, frozen=True):
    """What was generated. The token lists hold what a stream would show; the counts are what usage reports.

    `failure` is what the client gets instead of (buffered) or after (streamed) the content.
    """

    reasoning: list[str]
    content: list[str]
    tool_call: ToolCall | None
    finish_reason: str
    completion_tokens: int
    reasoning_tokens: int
    failure: Rejection | None = None


def write(asked: Asked, settings: SimulatorSettings, faults: Sequence[Fault] = ()) -> Written:
    """Answer the request. Costs time in proportion to the tokens written."""
    if only_scores(asked.model):
        return _score(asked)
    broken = _broken(asked, faults) if faults else None
    reasoning = reasoning_tokens(settings, asked.key, asked.effort)
    if broken is None and asked.tool is None and not asked.json_mode and asked.schema is None:
        content = natural_length(settings, asked.key, asked.effort) - reasoning
        return _prose(asked, reasoning, content, cap(asked))
    tool_call = _tool_call(asked, settings) if asked.tool is not None else None
    body = broken or (pieces(tool_call.arguments) if tool_call else _json(asked, settings, reasoning))
    written = _structured(asked, reasoning, body, tool_call, cap(asked))
    failure = _failure(asked, written, faults) if faults else None
    return msgspec.structs.replace(written, failure=failure) if failure else written


def cap(asked: Asked) -> int:
    """Tokens that may be written: the client's maximum, the model's, and what its window leaves."""
    model = asked.model
    most = model.max_output_tokens or 1 << 30
    if model.context_window_tokens:
        most = min(most, max(1, model.context_window_tokens - asked.prompt_tokens))
    return most if asked.ask_tokens is None else min(most, asked.ask_tokens)


def _choice(asked: Asked, settings: SimulatorSettings) -> int:
    return int.from_bytes(asked.key.digest[:8], "big") ^ settings.seed


def _score(asked: Asked) -> Written:
    """A guard's verdict: a number as text, for which usage counts no tokens (groq-api 1.2)."""
    verdict = int.from_bytes(asked.key.digest[:4], "big") / 0x1_0000_0000
    return Written([], [f"{verdict:.16f}"], None, "stop", 0, 0)


def _prose(asked: Asked, reasoning: int, content: int, most: int) -> Written:
    thought = min(reasoning, most)
    said = min(content, most - thought)
    choice = int.from_bytes(asked.key.digest[8:], "big")
    whole = said == content
    return Written(
        thoughts().passage(choice, thought, whole=True) if thought else [],
        answers().passage(choice, said, whole=whole) if said else [],
        None,
        "stop" if whole else "length",
        thought + said,
        thought,
    )


def _structured(asked: Asked, reasoning: int, body: list[str], tool_call: ToolCall | None, most: int) -> Written:
    frame = TOOL_FRAME_TOKENS if tool_call else 0
    thought = min(reasoning, most)
    choice = int.from_bytes(asked.key.digest[8:], "big")
    told = thoughts().passage(choice, thought, whole=True) if thought else []
    wanted = len(body) + frame
    if thought + wanted > most:
        kept = body[: max(0, most - thought - frame)]
        return Written(told, kept, None, "length", most, thought, _cut(asked, kept, tool_call))
    finish = "tool_calls" if tool_call else "stop"
    failure = _undeclared(asked, tool_call) if tool_call else None
    return Written(told, [] if tool_call else body, tool_call, finish, thought + wanted, thought, failure)


def _cut(asked: Asked, kept: list[str], tool_call: ToolCall | None) -> Rejection | None:
    """What becomes of an answer that must be whole and was cut."""
    if tool_call:
        return errors.tool_failed(errors.TOOL_ARGUMENTS_BROKEN, "".join(kept))
    return errors.json_failed(errors.CAP_REACHED) if asked.json_mode else None


def _undeclared(asked: Asked, tool_call: ToolCall) -> Rejection | None:
    if _schema_of(asked, tool_call.name) is not None:
        return None
    return errors.tool_failed(errors.tool_undeclared(tool_call.name), _generation(tool_call))


def _generation(tool_call: ToolCall) -> str:
    return f'{{"name": "{tool_call.name}", "arguments": {tool_call.arguments}}}'


def _schema_of(asked: Asked, name: str) -> Mapping[str, Any] | None:
    for tool in asked.tools:
        function = tool.get("function")
        if isinstance(function, dict) and function.get("name") == name:
            parameters = function.get("parameters")
            return parameters if isinstance(parameters, dict) else {"type": "object"}
    return None


def _tool_call(asked: Asked, settings: SimulatorSettings) -> ToolCall:
    assert asked.tool is not None
    schema = _schema_of(asked, asked.tool) or {"type": "object"}
    made = instance(schema, Random(_choice(asked, settings)))
    return ToolCall(asked.tool, msgspec.json.encode(made if isinstance(made, dict) else {}).decode())


def _json(asked: Asked, settings: SimulatorSettings, reasoning: int) -> list[str]:
    """A fitting document: of the schema's own size, or in plain JSON mode of the natural length; a safeguard's verdict.

    In a code block where no format holds it to JSON and the messages speak of one.
    """
    if asked.schema is not None:
        made = msgspec.json.encode(instance(asked.schema, Random(_choice(asked, settings)))).decode()
        in_block = _BLOCK in asked.text and not asked.json_mode
        return pieces(f"{_BLOCK}\n{made}\n```" if in_block else made)
    if asked.model.kind is Kind.GUARD:
        policy, _, judged = asked.text.rpartition("user\x1f")
        return pieces(verdict(policy, judged))
    length = natural_length(settings, asked.key, asked.effort) - reasoning
    inner = max(1, length - len(_JSON_HEAD) - len(_JSON_TAIL))
    said = answers().passage(int.from_bytes(asked.key.digest[8:], "big"), inner, whole=True)
    return [*_JSON_HEAD, *(" " if token == "\n\n" else token for token in said), *_JSON_TAIL]


def _broken(asked: Asked, faults: Sequence[Fault]) -> list[str] | None:
    """Content that a fault puts in place of the answer; None where no fault does."""
    safety = first(faults, FaultKind.SAFETY)
    if safety is not None and safety.value == "content":
        return pieces(_DECLINES)
    if not asked.json_mode:
        return None
    fault = first(faults, FaultKind.INVALID_JSON_CONTENT, FaultKind.OFF_SCHEMA_JSON)
    if fault is None:
        return None
    if fault.kind is FaultKind.OFF_SCHEMA_JSON:
        return pieces(fault.value or '{"unexpected":["shape"]}')
    return pieces(fault.value or "Here is the JSON:\n```json\n{'name': 'cedar', \"count\": 3,")


def _failure(asked: Asked, written: Written, faults: Sequence[Fault]) -> Rejection | None:
    """The failure of generation that a fault asks for, where it can happen to such a request."""
    kinds = (FaultKind.JSON_VALIDATE_FAILED, FaultKind.OUTPUT_PARSE_FAILED, FaultKind.TOOL_USE_FAILED)
    fault = first(faults, *kinds)
    if fault is None:
        return None
    text = "".join(written.content)
    match fault.kind:
        case FaultKind.TOOL_USE_FAILED:
            return _tool_failure(asked, written, fault.value) if asked.tools else None
        case FaultKind.JSON_VALIDATE_FAILED if asked.json_mode:
            return errors.json_failed(fault.value or f"```json\n{text.replace('}', ',}', 1)}")
        case FaultKind.OUTPUT_PARSE_FAILED if asked.json_mode:
            return errors.output_failed(fault.value or "".join(written.reasoning))
        case _:
            return None


def _tool_failure(asked: Asked, written: Written, variant: str) -> Rejection:
    call = written.tool_call or ToolCall(asked.tool or "unknown", "{}")
    prose = "".join(written.content)
    match variant:
        case "undeclared":
            return errors.tool_failed(errors.tool_undeclared(f"{call.name}_v2"), _generation(call))
        case "schema":
            off = ToolCall(call.name, '{\n  "foo": "bar"\n}')
            text = errors.tool_off_schema(call.name, "additionalProperties 'foo' not allowed")
            return errors.tool_failed(text, _generation(off))
        case "required":
            return errors.tool_failed(errors.TOOL_NOT_CALLED, prose)
        case "none":
            return errors.tool_failed(errors.TOOL_CALLED_UNASKED, _generation(call))
        case "arguments":
            return errors.tool_failed(errors.TOOL_ARGUMENTS_BROKEN, _generation(call)[:-2])
        case _:
            return errors.tool_failed(errors.TOOL_CALL_BROKEN, f"<function={call.name}>{call.arguments}</function>")

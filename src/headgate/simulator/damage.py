"""What faults do to a finished script: later, shorter, broken or other bytes. Each kind is one row of a table.

A damage takes a script and returns another; times, endings and content lengths stay consistent with the bytes, except
where the inconsistency is the fault.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from headgate.domain.time import Seconds
from headgate.simulator import chunks, errors
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.script import Ending, Headers, Part, Script

Damage = Callable[[Script, Fault], Script]
_HUGE: Final = 2**53
_replace = msgspec.structs.replace


def damaged(script: Script, faults: Sequence[Fault]) -> Script:
    """The script after every fault that has a row here, in the order of the table; others leave it as it is."""
    for kind, damage in _DAMAGES.items():
        for fault in faults:
            if fault.kind is kind:
                script = damage(script, fault)
    return script


def is_stream(script: Script) -> bool:
    """Whether the reply is an event stream."""
    return dict(script.headers).get("content-type", "").startswith("text/event-stream")


def with_length(headers: Headers, length: int) -> Headers:
    """The headers with another content length, if they had one."""
    return tuple((name, str(length) if name == "content-length" else value) for name, value in headers)


def _with_body(script: Script, body: bytes) -> Script:
    """A buffered reply of other bytes, its length told truly."""
    part = Part(script.first_at_s, body)
    return _replace(script, parts=(part,) if body else (), headers=with_length(script.headers, len(body)))


def _edit(script: Script, change: Callable[[dict[str, Any]], None]) -> Script:
    """Change the JSON of the body, or of every event that has some, keeping the order of fields."""
    if not is_stream(script):
        return _with_body(script, _edited(script.body, change))
    return _replace(script, parts=tuple(Part(p.at_s, _edited_event(p.data, change)) for p in script.parts))


def _edited(body: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    decoded = msgspec.json.decode(body)
    change(decoded)
    return msgspec.json.encode(decoded)


def _edited_event(event: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    name, data, text = event.partition(b"data: ")
    if not text.startswith(b"{"):
        return event
    return name + data + _edited(text[:-2], change) + b"\n\n"


def _slow(script: Script, fault: Fault) -> Script:
    return _later(script, 0, fault.delay_s)


def _later(script: Script, index: int, delay_s: Seconds) -> Script:
    """Everything from part `index` on comes later."""
    parts = tuple(Part(p.at_s + delay_s, p.data) if i >= index else p for i, p in enumerate(script.parts))
    return _replace(script, parts=parts, ends_at_s=script.ends_at_s + delay_s)


def _split(script: Script, fault: Fault) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """The parts before and after the fault's byte."""
    left = fault.position(sum(len(part.data) for part in script.parts))
    before: list[Part] = []
    for index, part in enumerate(script.parts):
        if len(part.data) > left:
            if left:
                before.append(Part(part.at_s, part.data[:left]))
            return tuple(before), (Part(part.at_s, part.data[left:]), *script.parts[index + 1 :])
        before.append(part)
        left -= len(part.data)
    return tuple(before), ()


def _stopped(script: Script, fault: Fault, ending: Ending) -> Script:
    before, after = _split(script, fault)
    ends_at_s = before[-1].at_s if before else after[0].at_s if after else script.ends_at_s
    return _replace(script, parts=before, ending=ending, ends_at_s=ends_at_s)


def _stalled(script: Script, fault: Fault) -> Script:
    if not fault.delay_s:
        return _stopped(script, fault, Ending.STALL)
    before, after = _split(script, fault)
    late = tuple(Part(part.at_s + fault.delay_s, part.data) for part in after)
    return _replace(script, parts=(*before, *late), ends_at_s=script.ends_at_s + fault.delay_s)


def _cut(script: Script, fault: Fault) -> Script:
    return _stopped(script, fault, Ending.CUT)


def _reset_midway(script: Script, fault: Fault) -> Script:
    return _stopped(script, fault, Ending.RESET)


def _reset_before_headers(script: Script, _fault: Fault) -> Script:
    return _replace(script, status=0, headers=(), parts=(), ending=Ending.RESET, ends_at_s=script.first_at_s)


def _reset_after_headers(script: Script, _fault: Fault) -> Script:
    return _replace(script, parts=(), ending=Ending.RESET, ends_at_s=script.first_at_s)


def _malformed(script: Script, fault: Fault) -> Script:
    return _at_one_place(script, fault, lambda data: data.replace(b'":', b'";', 1))


def _truncated(script: Script, fault: Fault) -> Script:
    if not is_stream(script):
        body = script.body
        return _with_body(script, body[: fault.position(len(body))])
    return _at_one_place(script, fault, lambda data: data[: fault.position(len(data) - 2)] + b"\n\n")


def _at_one_place(script: Script, fault: Fault, change: Callable[[bytes], bytes]) -> Script:
    """Change the whole body, or one event of a stream: the one at the fault's place, the first left out."""
    if not is_stream(script):
        return _with_body(script, change(script.body))
    index = min(max(1, fault.position(len(script.parts))), len(script.parts) - 1)
    parts = [Part(p.at_s, change(p.data)) if i == index else p for i, p in enumerate(script.parts)]
    return _replace(script, parts=tuple(parts))


def _html(script: Script, _fault: Fault) -> Script:
    headers = (("content-type", "text/html; charset=utf-8"), ("content-length", str(len(errors.PORTAL_PAGE))))
    part = Part(script.first_at_s, errors.PORTAL_PAGE)
    return _replace(script, status=200, headers=headers, parts=(part,), limits_due=False, ends_at_s=part.at_s)


def _empty_body(script: Script, _fault: Fault) -> Script:
    emptied = _with_body(script, b"")
    return _replace(emptied, ends_at_s=script.first_at_s)


def _empty_choices(script: Script, _fault: Fault) -> Script:
    def change(decoded: dict[str, Any]) -> None:
        if "choices" in decoded:
            decoded["choices"] = []

    return _edit(script, change)


def _usage(change_value: Callable[[Any], Any]) -> Damage:
    """A damage that changes every number of every usage object; a change to None removes the object."""

    def damage(script: Script, _fault: Fault) -> Script:
        def change(decoded: dict[str, Any]) -> None:
            for holder in (decoded, decoded.get("x_groq"), decoded.get("response")):
                if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
                    holder["usage"] = {name: change_value(value) for name, value in holder["usage"].items()}
                    if None in holder["usage"].values():
                        del holder["usage"]

        return _edit(script, change)

    return damage


def _negative(value: Any) -> Any:
    return -value if isinstance(value, int) else value


def _stringy(value: Any) -> Any:
    return str(value)


def _huge(value: Any) -> Any:
    return _HUGE if isinstance(value, int) else value


def _missing(_value: Any) -> Any:
    return None


def _error_event(script: Script, fault: Fault) -> Script:
    index = max(1, fault.position(len(script.parts)))
    kept = script.parts[:index]
    at_s = kept[-1].at_s if kept else script.first_at_s
    parts = (*kept, Part(at_s, chunks.error_event(errors.SERVER_ERROR)))
    return _replace(script, parts=parts, ends_at_s=at_s)


def _x_groq_error(script: Script, fault: Fault) -> Script:
    def change(decoded: dict[str, Any]) -> None:
        choices = decoded.get("choices")
        if choices and choices[0].get("finish_reason"):
            decoded.setdefault("x_groq", {})["error"] = fault.value or "over_capacity"

    return _edit(script, change)


def _no_done(script: Script, _fault: Fault) -> Script:
    return _replace(script, parts=tuple(part for part in script.parts if part.data != chunks.DONE))


def _crlf(script: Script, _fault: Fault) -> Script:
    return _replace(script, parts=tuple(Part(p.at_s, p.data.replace(b"\n", b"\r\n")) for p in script.parts))


def _foreign_id(script: Script, fault: Fault) -> Script:
    foreign = b'"id":"chatcmpl-00000000-dead-4bad-8bad-000000000000","object"'

    def change(data: bytes) -> bytes:
        start, end = data.find(b'"id":"chatcmpl-'), data.find(b'"object"')
        return data if start < 0 or end < 0 else data[:start] + foreign + data[end + 8 :]

    return _at_one_place(script, fault, change)


_DAMAGES: Final[dict[FaultKind, Damage]] = {
    FaultKind.EMPTY_CHOICES: _empty_choices,
    FaultKind.USAGE_NEGATIVE: _usage(_negative),
    FaultKind.USAGE_STRING: _usage(_stringy),
    FaultKind.USAGE_HUGE: _usage(_huge),
    FaultKind.USAGE_MISSING: _usage(_missing),
    FaultKind.X_GROQ_ERROR: _x_groq_error,
    FaultKind.FOREIGN_CHUNK_ID: _foreign_id,
    FaultKind.STREAM_ERROR_EVENT: _error_event,
    FaultKind.NO_DONE: _no_done,
    FaultKind.MALFORMED_JSON: _malformed,
    FaultKind.TRUNCATED_JSON: _truncated,
    FaultKind.EMPTY_BODY: _empty_body,
    FaultKind.HTML: _html,
    FaultKind.CRLF: _crlf,
    FaultKind.SLOW: _slow,
    FaultKind.STALLED: _stalled,
    FaultKind.CUT: _cut,
    FaultKind.RESET_MIDWAY: _reset_midway,
    FaultKind.RESET_AFTER_HEADERS: _reset_after_headers,
    FaultKind.RESET_BEFORE_HEADERS: _reset_before_headers,
}
"""In the order of application: contents first, then bytes, then times and endings."""

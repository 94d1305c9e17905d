"""A client's JSON body, read strictly: what two readers could understand differently is refused here, once.

Refused are invalid UTF-8, a byte order mark, lone surrogates, NaN and Infinity, trailing garbage, nesting beyond a cap,
and two values for one top-level name (every common decoder silently takes the last: faults 59 to 64).
"""

import json
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

MAX_DEPTH: Final = 64
"""Objects and arrays inside each other."""

_TOO_DEEP: Final = f"The body is nested more than {MAX_DEPTH} levels deep; flatten it."
_BRACKETS: Final = b'"[]{}'
_NO_BRACKET: Final = bytes(sorted(set(range(256)) - set(_BRACKETS)))
_OPENING: Final = b"[{"
_PLACE: Final = re.compile(r"^(.*) - at `\$(?:\.\.\.)?\.?(.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"missing required field `(.*)`")

_decode_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class InvalidBody(Exception):
    """A client's body cannot be accepted. `param` names the field in the client's own words (`messages[0].role`)."""

    def __init__(self, message: str, param: str | None = None, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


def decode_object(body: bytes) -> dict[str, Raw]:
    """The top-level fields of `body`, each still as its own bytes. Raises `InvalidBody`."""
    check_depth(body)
    return decode_fields(body)


def check_depth(body: bytes) -> None:
    """Raises `InvalidBody` for deep nesting. It looks at every byte, so it is for what no type has bounded."""
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise InvalidBody(_TOO_DEEP)


def decode_fields(body: bytes) -> dict[str, Raw]:
    """What `decode_object` gives, for a caller who sees to the depth. Raises `InvalidBody`."""
    if not body.isascii():
        _check_utf8(body)
    try:
        fields = _decode_fields(body)
    except msgspec.ValidationError:
        raise InvalidBody("The body must be a JSON object.") from None
    except msgspec.DecodeError as error:
        raise InvalidBody(f"The body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidBody(_TOO_DEEP) from None
    if _encode(fields) != body and (name := _repeated_name(body, fields)) is not None:
        raise InvalidBody(f"{name!r} is given twice; give it once.", name)
    return fields


def decode_value(name: str, raw: Raw) -> object:
    """One field decoded whole. Raises `InvalidBody` for numbers out of range (`1e999`) and the like."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InvalidBody(f"{name!r} cannot be read: {error}.", name) from None


def invalid_field(error: msgspec.ValidationError, hints: dict[str, str]) -> InvalidBody:
    """The refusal for a typed decoder's complaint: which field, what was wrong, and the hint for its top-level name."""
    text = str(error)
    found = _PLACE.match(text)
    reason, place = (found[1], found[2]) if found else (text, "")
    missing = _MISSING.search(reason)
    if missing is not None:
        place = f"{place}.{missing[1]}" if place else missing[1]
        reason = "it is missing"
    hint = hints.get(place) or hints.get(re.split(r"[.\[]", place, maxsplit=1)[0], "")
    return InvalidBody(f"{place!r} is not valid: {reason}. {hint}".rstrip(), place or None)


def _check_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidBody(f"The body is not valid UTF-8 (byte {error.start}).") from None


def _depth(body: bytes) -> int:
    """How deep brackets outside strings are nested, in one pass that no nesting can exhaust."""
    # Without `\\` and `\"` every quote that is left opens or closes a string.
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_BRACKET)
    depth = deepest = 0
    for bracket in b"".join(bare.split(b'"')[::2]):
        if bracket in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _repeated_name(body: bytes, fields: dict[str, Raw]) -> str | None:
    """A top-level name that stands twice in `body`, which decoded to `fields`."""
    # Written with the spaces of Python's json.dumps, the fields are the body: nothing was dropped.
    spaced = b"{%b}" % b", ".join([b"%b: %b" % (_encode(name), bytes(raw)) for name, raw in fields.items()])
    if spaced == body.strip(b" \t\r\n"):
        return None
    objects: list[Sequence[tuple[str, object]]] = []
    json.loads(body, object_pairs_hook=objects.append, parse_int=str, parse_float=str)
    seen: set[str] = set()
    for name, _ in objects[-1]:  # the outermost object is finished last
        if name in seen:
            return name
        seen.add(name)
    return None

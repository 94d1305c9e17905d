"""Owns the reading of request controls from headers and bodies. What exists stands in `control_list`.

It refuses to act on a control: it only says what was asked for.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from headgate.cache.rules import CacheMode, CacheScope
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.request import Priority
from headgate.server.auth import Identity
from headgate.server.control_list import (
    BODY_FIELD,
    CONTROLS,
    NAME_CHARS_MAX,
    TEXT_CHARS_MAX,
    CoalesceMode,
    Control,
    LocalMode,
    ValueKind,
    document_controls,
)

__all__ = ["NO_CONTROLS", "Controls", "InvalidControl", "document_controls", "read_controls"]

PREFIX: Final = b"x-headgate-"
SHOWN_CHARS_MAX: Final = 60
JOBS_CHARS_MAX: Final = 32 * 1024
"""Of jobs in a header."""

_PREFIX_CHARS: Final = len(PREFIX)
BEHIND_PREFIX: Final = PREFIX[:-1] + bytes([PREFIX[-1] + 1])
"""Names with the prefix sort from it to here, and comparing is the cheapest test of a name."""


class InvalidControl(ValueError):
    """A control that does not exist, or a value that it cannot have. The message says what it could be."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message

    @property
    def refusal(self) -> Refusal:
        """What the client gets."""
        return Refusal(RefusalCode.INVALID_REQUEST, self.message, 400, param=f"x-headgate-{self.name}")


class Controls(msgspec.Struct, frozen=True, kw_only=True):
    """What one request asked for; None where it said nothing. `inactive` names what was given and does not work yet."""

    session: str | None = None
    agent: str | None = None
    task: str | None = None
    route: str | None = None
    tier: str | None = None
    request_type: str | None = None
    module: str | None = None
    user: str | None = None
    tenant: str | None = None
    priority: Priority | None = None
    deadline_ms: int | None = None
    patience_ms: int | None = None
    max_latency_ms: int | None = None
    cost_sensitive: bool | None = None
    quality: str | None = None
    local: LocalMode | None = None
    cache: CacheMode | None = None
    cache_ttl_s: int | None = None
    cache_scope: CacheScope | None = None
    cache_tags: str | None = None
    coalesce: CoalesceMode | None = None
    schema_mode: str | None = None
    continuation: bool | None = None
    background: bool | list[Any] | None = None
    webhook: str | None = None
    track: str | None = None
    explain: bool | None = None
    inactive: tuple[str, ...] = ()


NO_CONTROLS: Final = Controls()
"""Shared by every request that says nothing."""


_BY_NAME: Final = {name: control for control in CONTROLS for name in {control.name, control.field or control.name}}
"""Also by field: `continue` is no name for an argument in Python."""
_NAME: Final = re.compile(rf"[A-Za-z0-9._/:@-]{{1,{NAME_CHARS_MAX}}}")


def read_controls(
    headers: Iterable[tuple[bytes, bytes]], body_controls: Mapping[str, object] | None, identity: Identity
) -> Controls:
    """What a request asks for by its headers (names in lower case) and by the `headgate` object of its body.

    A header beats the body. Raises InvalidControl. Costs under a microsecond where no control is given.
    """
    for name, _ in headers:
        if PREFIX <= name < BEHIND_PREFIX:
            break
    else:
        if not body_controls:
            return NO_CONTROLS
    return _read(headers, body_controls or {}, identity)


def _read(headers: Iterable[tuple[bytes, bytes]], body: Mapping[str, object], identity: Identity) -> Controls:
    if not isinstance(body, Mapping):
        raise InvalidControl(BODY_FIELD, f'`{BODY_FIELD}` must be an object of controls, as {{"priority": "batch"}}.')
    given: dict[str, object] = {}
    for key, value in body.items():
        control = _control(key.replace("_", "-"))
        if value is not None:
            given[control.name] = _value(control, value)
    seen: set[str] = set()
    for raw_name, raw_value in headers:
        if raw_name[:_PREFIX_CHARS] == PREFIX:
            control = _control(raw_name[_PREFIX_CHARS:].decode("latin-1"))
            if control.name in seen:
                raise InvalidControl(control.name, f"The header x-headgate-{control.name} is given twice.")
            seen.add(control.name)
            given[control.name] = _value(control, _decoded(control, raw_value))
    return _controls(given, identity)


def _controls(given: Mapping[str, object], identity: Identity) -> Controls:
    if not given:
        return NO_CONTROLS
    fields: dict[str, object] = {}
    inactive = []
    for name, value in given.items():
        control = _BY_NAME[name]
        if control.admin_only and not identity.admin:
            raise InvalidControl(name, f"The control `{name}` is for admin keys only.")
        if not control.is_active:
            inactive.append(name)
        fields[control.field or name.replace("-", "_")] = value
    return msgspec.convert({**fields, "inactive": tuple(inactive)}, Controls, strict=False)


def _control(name: str) -> Control:
    found = _BY_NAME.get(name)
    if found is not None:
        return found
    close = difflib.get_close_matches(name[:SHOWN_CHARS_MAX], _BY_NAME, n=1, cutoff=0.5)
    meant = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(control.name for control in CONTROLS)}."
    raise InvalidControl(_shown(name), f"There is no control `{_shown(name)}`: {meant}")


def _decoded(control: Control, raw: bytes) -> str:
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise _bad(control, "bytes that are not UTF-8") from None


def _value(control: Control, value: object) -> object:
    return _READERS[control.kind](control, value)


def _read_text(control: Control, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= TEXT_CHARS_MAX and value.isprintable():
        return value
    raise _bad(control, value)


def _read_name(control: Control, value: object) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise _bad(control, value)


def _read_integer(control: Control, value: object) -> int:
    number = value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        number = int(value)
    if isinstance(number, int) and not isinstance(number, bool) and control.least <= number <= control.most:
        return number
    raise _bad(control, value)


_SWITCHES: Final[dict[object, bool]] = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


def _read_switch(control: Control, value: object) -> bool:
    if isinstance(value, bool):
        return value
    found = _SWITCHES.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise _bad(control, value)
    return found


def _read_choice(control: Control, value: object) -> object:
    if isinstance(value, bool):  # in JSON, and in YAML where `off` is false
        value = "off" if not value else "on" if "on" in control.choices else "auto"
    found = control.choices.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise _bad(control, value)
    return found


def _read_jobs(control: Control, value: object) -> object:
    """A switch, or jobs as they are: what is in them is read where they are taken."""
    if isinstance(value, str) and value.startswith("[") and len(value) <= JOBS_CHARS_MAX:
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError):
            raise _bad(control, value) from None
    return value if isinstance(value, list) else _read_switch(control, value)


_READERS: Final[dict[ValueKind, Callable[[Control, object], object]]] = {
    ValueKind.TEXT: _read_text,
    ValueKind.NAME: _read_name,
    ValueKind.INTEGER: _read_integer,
    ValueKind.SWITCH: _read_switch,
    ValueKind.CHOICE: _read_choice,
    ValueKind.JOBS: _read_jobs,
}


def _bad(control: Control, value: object) -> InvalidControl:
    shown = f"`{_shown(value)}`" if isinstance(value, str | int | float) else "what was given"
    return InvalidControl(control.name, f"The control `{control.name}` cannot be {shown}: it takes {control.allowed}.")


def _shown(value: object) -> str:
    """A client's text in an error for that same client: short and on one line."""
    text = str(value)[:SHOWN_CHARS_MAX]
    return "".join(char if char.isprintable() else "?" for char in text)

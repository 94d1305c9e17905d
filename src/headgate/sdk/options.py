"""Owns the keyword arguments of `chat` and `stream`, and the body that is made of them.

One list for all four of them (async and not, whole and streamed): the controls of `server.control_list` by their field
names, and OpenAI's parameters by their own. The body then goes through the same reader as one that came over HTTP.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict, TypeVar, get_type_hints

import msgspec

from headgate.sdk.problems import InvalidRequest
from headgate.server.control_list import BODY_FIELD, CONTROLS

AUTO: Final = "headgate/auto"
"""The model of a request that names none: whichever is best now."""

Messages = str | Sequence[Mapping[str, object]]
"""A user's text, or messages as OpenAI writes them."""


class ChatOptions(TypedDict, total=False):
    """What may be said with a request; None is the same as leaving it out.

    `extra_body` holds fields of the body that have no keyword here; a keyword wins over it.
    """

    session: str | None
    agent: str | None
    task: str | None
    route: str | None
    tier: str | None
    request_type: str | None
    module: str | None
    user: str | None
    tenant: str | None
    priority: Literal["interactive", "standard", "batch"] | None
    deadline_ms: int | None
    patience_ms: int | None
    max_latency_ms: int | None
    cost_sensitive: bool | None
    quality: str | None
    local: Literal["auto", "off"] | None
    cache: Literal["on", "off", "refresh", "only"] | None
    cache_ttl_s: int | None
    cache_scope: Literal["user", "tenant", "shared"] | None
    schema_mode: str | None
    continuation: bool | None
    background: bool | None
    track: str | None
    explain: bool | None

    temperature: float | None
    top_p: float | None
    max_completion_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    frequency_penalty: float | None
    presence_penalty: float | None
    tools: Sequence[Mapping[str, object]] | None
    tool_choice: str | Mapping[str, object] | None
    parallel_tool_calls: bool | None
    response_format: Mapping[str, object] | None
    reasoning_effort: str | None
    reasoning_format: str | None
    include_reasoning: bool | None
    logprobs: bool | None
    top_logprobs: int | None
    logit_bias: Mapping[str, float] | None
    service_tier: str | None
    extra_body: Mapping[str, object] | None


CONTROL_FIELDS: Final = frozenset(control.field or control.name.replace("-", "_") for control in CONTROLS)
_NAMES: Final = frozenset(ChatOptions.__annotations__)
_encode: Final = msgspec.json.Encoder().encode


def body_of(messages: Messages, model: str | None, options: Mapping[str, object], *, stream: bool) -> bytes:
    """The body of a request, as a client over HTTP would send it. Raises InvalidRequest."""
    fields: dict[str, object] = {}
    controls: dict[str, object] = {}
    for name, value in options.items():
        if value is None or name == "extra_body":
            continue
        if name not in _NAMES:
            raise InvalidRequest(_unknown(name), name)
        if name in CONTROL_FIELDS:
            controls[name] = value
        if name not in CONTROL_FIELDS or name == "user":  # OpenAI's `user` is ours too
            fields[name] = value
    extra = options.get("extra_body") or {}
    if not isinstance(extra, Mapping):
        raise InvalidRequest("`extra_body` must be a mapping of body fields.", "extra_body")
    said = {"role": "user", "content": messages}
    body: dict[str, object] = {
        **extra,
        "model": model or AUTO,
        "messages": [said] if isinstance(messages, str) else messages,
        **fields,
    }
    if controls:
        body[BODY_FIELD] = _with_controls(extra.get(BODY_FIELD), controls)
    if stream:
        body["stream"] = True
    try:
        return _encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError) as error:
        raise InvalidRequest(f"The arguments cannot be written as JSON: {error}.") from None


def _with_controls(given: object, controls: dict[str, object]) -> object:
    return {**given, **controls} if isinstance(given, Mapping) else controls


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5)
    meant = f"did you mean `{close[0]}`?" if close else "other fields of the body go into `extra_body`."
    return f"There is no argument `{name}`: {meant}"


_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_options(method: _Method) -> _Method:
    """Spell `**options` out in the method's signature, for `help()` and for editors that complete while running."""
    signature = inspect.signature(method)
    named = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    spelled = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in get_type_hints(ChatOptions).items()
    ]
    method.__signature__ = signature.replace(parameters=[*named, *spelled])  # type: ignore[attr-defined]
    return method

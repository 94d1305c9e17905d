"""Owns the keyword arguments that methods share, and the body that is made of them.

One list for all chats (async and not, whole and streamed) and a shorter one for what is no chat: the controls of
`server.control_list` by their field names, for chats OpenAI's parameters by their own. The body then goes through the
same reader as one that came over HTTP.
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


class CallOptions(TypedDict, total=False):
    """What may be said with any request; None is the same as leaving it out.

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
    priority: Literal["interactive", "standard", "batch", "background"] | None
    deadline_ms: int | None
    patience_ms: int | None
    max_latency_ms: int | None
    cost_sensitive: bool | None
    track: str | None
    extra_body: Mapping[str, object] | None


class ChatOptions(CallOptions, total=False):
    """What may be said with a chat besides."""

    quality: str | None
    local: Literal["auto", "off"] | None
    cache: Literal["on", "off", "refresh", "only"] | None
    cache_ttl_s: int | None
    cache_scope: Literal["user", "tenant", "shared"] | None
    cache_tags: str | None
    coalesce: Literal["auto", "off"] | None
    schema_mode: str | None
    continuation: bool | None
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


CONTROL_FIELDS: Final = frozenset(control.field or control.name.replace("-", "_") for control in CONTROLS)
_CHAT_NAMES: Final = frozenset(get_type_hints(ChatOptions))
_CALL_NAMES: Final = frozenset(get_type_hints(CallOptions))
_encode: Final = msgspec.json.Encoder().encode


def body_of(messages: Messages, model: str | None, options: Mapping[str, object], *, stream: bool) -> bytes:
    """The body of a request, as a client over HTTP would send it. Raises InvalidRequest."""
    said = {"role": "user", "content": messages}
    fields: dict[str, object] = {
        "model": model or AUTO,
        "messages": [said] if isinstance(messages, str) else messages,
        **{name: value for name, value in options.items() if _is_field(name)},
    }
    if stream:
        fields["stream"] = True
    return _written(_with_options(fields, options, _CHAT_NAMES))


def call_body(fields: Mapping[str, object], options: Mapping[str, object]) -> bytes:
    """The JSON body of a request that is no chat. Raises InvalidRequest."""
    return _written(_with_options(fields, options, _CALL_NAMES))


def call_form(fields: Mapping[str, object], options: Mapping[str, object]) -> list[tuple[str, str]]:
    """The same as the fields of a form; those of a list stand one by one. Raises InvalidRequest."""
    pairs: list[tuple[str, str]] = []
    for name, value in _with_options(fields, options, _CALL_NAMES).items():
        if isinstance(value, Sequence) and not isinstance(value, str):
            pairs += [(f"{name}[]", str(each)) for each in value]
        else:
            pairs.append((name, value if isinstance(value, str) else _written(value).decode()))
    return pairs


def _with_options(
    fields: Mapping[str, object], options: Mapping[str, object], names: frozenset[str]
) -> dict[str, object]:
    """The fields that were given, with the controls where a client over HTTP writes them."""
    controls: dict[str, object] = {}
    for name, value in options.items():
        if value is None or name == "extra_body":
            continue
        if name not in names:
            raise InvalidRequest(_unknown(name, names), name)
        if name in CONTROL_FIELDS:
            controls[name] = value
    extra = options.get("extra_body") or {}
    if not isinstance(extra, Mapping):
        raise InvalidRequest("`extra_body` must be a mapping of body fields.", "extra_body")
    body: dict[str, object] = {**extra, **{name: value for name, value in fields.items() if value is not None}}
    if controls:
        given = extra.get(BODY_FIELD)
        body[BODY_FIELD] = {**given, **controls} if isinstance(given, Mapping) else controls
    return body


def _written(value: object) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError) as error:
        raise InvalidRequest(f"The arguments cannot be written as JSON: {error}.") from None


def _is_field(name: str) -> bool:
    """Whether a keyword of chats is a field of the body; OpenAI's `user` is a control of ours too."""
    return name != "extra_body" and (name not in CONTROL_FIELDS or name == "user")


def _unknown(name: str, names: frozenset[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    meant = f"did you mean `{close[0]}`?" if close else "other fields of the body go into `extra_body`."
    return f"There is no argument `{name}`: {meant}"


_Method = TypeVar("_Method", bound=Callable[..., Any])


def with_options(method: _Method) -> _Method:
    """Spell a chat's `**options` out in the method's signature, for `help()` and for editors that complete while
    running."""
    return _spelled(method, ChatOptions)


def with_controls(method: _Method) -> _Method:
    """The same for a method that is no chat."""
    return _spelled(method, CallOptions)


def _spelled(method: _Method, options: type[object]) -> _Method:
    signature = inspect.signature(method)
    named = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    spelled = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in get_type_hints(options).items()
    ]
    method.__signature__ = signature.replace(parameters=[*named, *spelled])  # type: ignore[attr-defined]
    return method

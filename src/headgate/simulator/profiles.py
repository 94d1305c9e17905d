"""Other providers' clothes for the pretend Groq: their paths, error bodies, limit headers and replies.

The limiter, the faults and what is generated stay Groq's; a profile says the same in another provider's words
(groq-api.md 13, and users' reports; read 2026-11-20). Enough for a client's grammar to be tried, not a second product:
what a profile is not told to know of a provider, it does not know.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog
from headgate.domain.time import Instant
from headgate.simulator import profile_words as words
from headgate.simulator.errors import Rejection
from headgate.simulator.limiter import Account
from headgate.simulator.profile_words import Meaning, Told, told_of
from headgate.simulator.script import Ending, Headers, Part, Script

STAND_IN: Final = "openai/gpt-oss-120b"
STAND_IN_THAT_SEES: Final = "qwen/qwen3.8-27b"
"""Groq's models that answer in place of other providers'; the reply bears the name that was asked for."""

CHAT: Final = "chat/completions"
"""The only route whose requests and replies are dressed; of the others only the errors."""

OWN_ID: Final = -1
"""The script id of a refusal that the pretend Groq never saw: abandoning it settles nothing."""

_UNITS: Final = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_DETAILS: Final = frozenset({"prompt_tokens_details", "completion_tokens_details"})
_EFFORTS: Final = frozenset({"low", "medium", "high"})
_BEYOND_IN_MESSAGES: Final = frozenset(
    {"refusal", "audio", "annotations", "prefix", "reasoning_content", "reasoning_details", "function_call"}
)
_GROQ_ONLY: Final = ("x_groq", "usage_breakdown")
_DATA: Final = b"data: {"
_ERROR_EVENT: Final = b"event: error\ndata: "


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's clothes.

    `prefixes` are its paths before `chat/completions`. `refuses` are top-level fields that it does not know,
    `refuses_in_messages` the same in messages; `beyond_groq` are those it knows and Groq does not. `word` writes an
    error, `limits` the limit headers from an account (None: a refusal) and Groq's own headers.
    """

    name: str
    prefixes: tuple[str, ...]
    refuses: frozenset[str] = frozenset()
    refuses_in_messages: frozenset[str] = frozenset()
    beyond_groq: frozenset[str] = frozenset()
    word: Callable[[Told], Rejection]
    limits: Callable[[Account | None, Mapping[str, str]], Headers]
    comment: bytes = b""
    fixed: Headers = ()


class Asked(msgspec.Struct, frozen=True):
    """A request as the pretend Groq is to get it, and the model's name that the client used."""

    path: str
    body: bytes
    model: str
    """"" where the name needs no restoring."""


class Dresser:
    """Dresses requests and replies of one server in a profile."""

    __slots__ = ("_catalog", "_profile", "_served", "_unix_origin_s")

    def __init__(self, profile: Profile, catalog: Catalog, unix_origin_s: float) -> None:
        self._profile = profile
        self._catalog = catalog
        self._unix_origin_s = unix_origin_s
        running = catalog.with_chain(("groq", profile.name)).current()
        self._served = {model.wire_id or model.id for model in running}

    def asked(self, method: str, path: str, body: bytes, now: Instant) -> Asked | Script:
        """The request for the pretend Groq, or the provider's refusal of something Groq does not judge."""
        prefix = next((each for each in self._profile.prefixes if path.startswith(each)), None)
        if prefix is None:
            return self._refused(Told(Meaning.UNKNOWN_URL, f"{method} {path}"), now)
        route = path.removeprefix(prefix)
        path = f"/openai/v1/{route}"
        try:
            raw = msgspec.json.decode(body) if method == "POST" and route == CHAT else None
        except msgspec.DecodeError:
            raw = None
        if not isinstance(raw, dict):
            return Asked(path, body, "")
        unknown = next((name for name in raw if name in self._profile.refuses), None) or self._unknown_in_messages(raw)
        if unknown is not None:
            return self._refused(Told(Meaning.UNKNOWN_FIELD, f"unknown field {unknown}", field=unknown), now)
        name = raw.get("model")
        if not isinstance(name, str) or not self._serves(name):
            return self._refused(Told(Meaning.UNKNOWN_MODEL, f"no model {name}", model=str(name)), now)
        return Asked(path, msgspec.json.encode(self._for_groq(raw)), name)

    def dress(self, script: Script, asked: Asked) -> Script:
        """The reply in the provider's words. The limit headers come later, from `headers`."""
        if script.status == 0:
            return script
        streamed = dict(script.headers).get("content-type", "").startswith("text/event-stream")
        if script.status != 200:
            return self._worded(script, told_of(script, asked.model, self._unix_origin_s + script.arrived_at))
        change = self._event if streamed else self._whole
        parts = tuple(Part(part.at_s, change(part.data, asked.model)) for part in script.parts)
        if streamed and self._profile.comment and parts:
            parts = (Part(parts[0].at_s, self._profile.comment), *parts)
        return _resized(script, parts)

    def headers(self, script: Script, headers: Headers) -> Headers:
        """The headers as they go out, with the provider's limits in place of Groq's."""
        shown = dict(headers)
        kept = tuple((n, v) for n, v in headers if not n.startswith(("x-ratelimit-", "x-groq-")))
        return (*kept, *self._profile.fixed, *self._profile.limits(script.account, shown))

    def _serves(self, name: str) -> bool:
        """Whether the provider has a model: its own in the catalogue by the name it gives it, Groq's, or at a server of
        one's own any name that does not begin with `unknown`."""
        if self._profile.name == "compatible":
            return not name.startswith("unknown")
        return name in self._served

    def _unknown_in_messages(self, raw: Mapping[str, Any]) -> str | None:
        refused = self._profile.refuses_in_messages
        messages = raw.get("messages")
        for message in messages if refused and isinstance(messages, list) else ():
            if isinstance(message, dict) and (found := sorted(message.keys() & refused)):
                return f"messages.{found[0]}"
        return None

    def _for_groq(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The request without what this provider takes and Groq would refuse, for a model that Groq has."""
        made = {name: value for name, value in raw.items() if name not in self._profile.beyond_groq}
        if isinstance(made.get("messages"), list):
            made["messages"] = [_for_groq(message) for message in made["messages"]]
        model = self._catalog.model(made["model"])
        if model is None or model.provider != "groq":
            made["model"] = STAND_IN_THAT_SEES if b'"image_url"' in msgspec.json.encode(raw) else STAND_IN
            if made.get("reasoning_effort") not in _EFFORTS:
                made.pop("reasoning_effort", None)
        if made.get("tools") and self._profile.name != "gemini":
            made.pop("response_format", None)
        return made

    def _refused(self, told: Told, now: Instant) -> Script:
        script = Script(OWN_ID, now, 400, (), (Part(0.0, b""),), Ending.CLEAN, 0.0)
        return self._worded(script, told)

    def _worded(self, script: Script, told: Told) -> Script:
        rejection = self._profile.word(told)
        shown = {n: v for n, v in script.headers if n not in {"content-type", "content-length", "retry-after"}}
        headers = {"content-type": rejection.content_type, "content-length": str(len(rejection.body)), **shown}
        if rejection.retry_after_s is not None:
            headers["retry-after"] = str(rejection.retry_after_s)
        part = Part(script.first_at_s, rejection.body)
        return msgspec.structs.replace(
            script, status=rejection.status, headers=tuple(headers.items()), parts=(part,), ends_at_s=part.at_s
        )

    def _whole(self, data: bytes, model: str) -> bytes:
        try:
            decoded = msgspec.json.decode(data)
        except msgspec.DecodeError:
            return data
        return msgspec.json.encode(_plain(decoded, model)) if isinstance(decoded, dict) and model else data

    def _event(self, data: bytes, model: str) -> bytes:
        if data.startswith(_ERROR_EVENT):
            inner = msgspec.json.decode(data.removeprefix(_ERROR_EVENT))["error"]
            return words.stream_error(self._profile.name, inner["message"], model)
        if not data.startswith(_DATA):
            return data
        try:
            decoded = msgspec.json.decode(data[len(_DATA) - 1 :])
        except msgspec.DecodeError:
            return data
        return b"data: " + msgspec.json.encode(_plain(decoded, model)) + b"\n\n"


def _for_groq(message: object) -> object:
    """A message without what other providers know and Groq does not."""
    if not isinstance(message, dict):
        return message
    return {name: value for name, value in message.items() if name not in _BEYOND_IN_MESSAGES}


def _plain(decoded: dict[str, Any], model: str) -> dict[str, Any]:
    """A reply without what only Groq says; the usage without its times."""
    made = {name: value for name, value in decoded.items() if name not in _GROQ_ONLY}
    if "model" in made:
        made["model"] = model
    usage = made.get("usage")
    if isinstance(usage, dict) and made.get("choices") and made.get("object") == "chat.completion.chunk":
        del made["usage"]  # only Groq repeats it in the chunk that finishes
    elif isinstance(usage, dict):
        made["usage"] = {name: value for name, value in usage.items() if name in _UNITS | _DETAILS}
    if "service_tier" in made:
        made["service_tier"] = "default"
    return made


def _resized(script: Script, parts: tuple[Part, ...]) -> Script:
    length = str(sum(len(part.data) for part in parts))
    headers = tuple((n, length if n == "content-length" else v) for n, v in script.headers)
    return msgspec.structs.replace(script, parts=parts, headers=headers)


_OPENAI_NAMES: Final = (
    "logprobs top_logprobs logit_bias audio modalities prediction prompt_cache_key prompt_cache_options "
    "prompt_cache_retention safety_identifier verbosity web_search_options service_tier"
)
_OPENAI_BEYOND: Final = frozenset(_OPENAI_NAMES.split())
_GROQ_NAMES: Final = (
    "reasoning_format include_reasoning citation_options search_settings compound_custom disable_tool_validation"
)
_GROQ_FIELDS: Final = frozenset(_GROQ_NAMES.split())
_REPLAYED: Final = frozenset({"reasoning", "reasoning_content", "annotations", "refusal", "executed_tools"})

PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(
            name="openai",
            prefixes=("/v1/",),
            refuses=_GROQ_FIELDS,
            refuses_in_messages=frozenset({"reasoning", "reasoning_content"}),
            beyond_groq=_OPENAI_BEYOND,
            word=words.openai,
            limits=words.openai_limits,
            fixed=(("openai-version", "2020-10-01"),),
        ),
        Profile(
            name="mistral",
            prefixes=("/v1/",),
            refuses=_GROQ_FIELDS
            | {"seed", "user", "logprobs", "logit_bias", "service_tier", "stream_options", "max_completion_tokens"},
            refuses_in_messages=_REPLAYED | {"function_call"},
            beyond_groq=frozenset({"random_seed", "safe_prompt", "prompt_mode"}),
            word=words.mistral,
            limits=words.mistral_limits,
        ),
        Profile(
            name="gemini",
            prefixes=("/v1beta/openai/",),
            refuses=_GROQ_FIELDS | {"seed", "user", "logit_bias", "frequency_penalty", "presence_penalty"},
            refuses_in_messages=_REPLAYED,
            beyond_groq=frozenset({"extra_body", "service_tier"}),
            word=words.gemini,
            limits=words.no_limits,
        ),
        Profile(
            name="openrouter",
            prefixes=("/api/v1/",),
            beyond_groq=_OPENAI_BEYOND | {"provider", "transforms", "models", "route", "usage"},
            word=words.openrouter,
            limits=words.no_limits,
            comment=b": OPENROUTER PROCESSING\n\n",
        ),
        Profile(
            name="compatible",
            prefixes=("/v1/",),
            beyond_groq=_OPENAI_BEYOND | {"chat_template_kwargs", "top_k", "min_p", "repetition_penalty"},
            word=words.compatible,
            limits=words.no_limits,
        ),
    )
}
"""By the name of the dialect that reads it. Groq is not among them: it needs no clothes."""

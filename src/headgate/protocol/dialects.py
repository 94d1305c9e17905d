"""The dialects there are, one per kind of provider. If you add a provider: give it a row or let it be one of these.

Sources: groq-api.md 1.1, 2, 7, 12 and 13, the message types of the installed SDKs, the providers' references and their
users' reports (read 2026-11-20).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Dimension
from headgate.protocol.dialect import Dialect
from headgate.protocol.dialect_fields import RENAMED, Treatment, treated
from headgate.protocol.errors import classify
from headgate.protocol.limits_elsewhere import mistral_buckets, no_buckets, openai_buckets, proven_buckets

GROQ_DATA_IMAGE_BYTES: Final = 4 * 1024 * 1024
"""Of base64 text; more is a 413 (groq-api.md 2.5 and 10). Images by URL may have 20 MB, which nobody can see here."""

_GROQ_TIERS: Final = {name: name for name in ("auto", "on_demand", "flex", "performance")}
_OPENAI_TIERS: Final = {
    **{name: name for name in ("auto", "default", "flex", "priority", "scale")},
    "on_demand": "default",
    "performance": "priority",
}


def classify_mistral(status: int, body: bytes, headers: Mapping[str, str], *, wall_s: float | None = None) -> Failure:
    """Mistral's 429 says only that a limit was reached; its headers say which (groq-api.md 13, read 2026-11-20).

    No requests a minute means that the account may not use the model, and a spent month does not end by waiting: both
    count as daily limits, so that the deployment rests and is looked at again.
    """
    failure = classify(status, body, headers, wall_s=wall_s)
    if failure.status != 429 or failure.kind is not FailureKind.REQUESTS_PER_MINUTE:
        return failure
    if headers.get("x-ratelimit-limit-req-minute") == "0" or headers.get("x-ratelimit-remaining-tokens-month") == "0":
        return msgspec.structs.replace(failure, kind=FailureKind.DAILY_LIMIT, dimension=None, wait_s=None)
    if any(bucket.dimension is Dimension.TPM and bucket.remaining == 0 for bucket in mistral_buckets(headers)):
        return msgspec.structs.replace(failure, kind=FailureKind.TOKENS_PER_MINUTE, dimension=Dimension.TPM)
    return failure


def _messages(plain: str, assistant: str, tool: str, function: str | None = None) -> dict[str, frozenset[str]]:
    """The fields of messages by role, from words; roles that only send text share theirs."""
    fields = {role: frozenset(plain.split()) for role in ("system", "developer", "user")}
    fields |= {"assistant": frozenset(assistant.split()), "tool": frozenset(tool.split())}
    return fields if function is None else fields | {"function": frozenset(function.split())}


def _without(fields: dict[str, frozenset[str]], role: str) -> dict[str, frozenset[str]]:
    return {name: each for name, each in fields.items() if name != role}


_TEXT: Final = {"text": frozenset({"type", "text"})}
_IMAGE: Final = {"image_url": frozenset({"type", "image_url"})}
_AUDIO: Final = {"input_audio": frozenset({"type", "input_audio"})}
_FILE: Final = {"file": frozenset({"type", "file"})}
_CACHED: Final = {"text": frozenset({"type", "text", "cache_control"})}
_DEVELOPER_IS_SYSTEM: Final = {"developer": "system"}


def _fields(name: str) -> tuple[frozenset[str], frozenset[str], dict[str, str]]:
    renamed = {field: RENAMED[field] for field in treated(name, Treatment.RENAME)}
    return treated(name, Treatment.DROP), treated(name, Treatment.REFUSE), renamed


def _groq() -> Dialect:
    drop, refuse, renamed = _fields("groq")
    return Dialect(
        name="groq",
        max_tokens_field="max_completion_tokens",
        sends_stream_usage=True,
        drop=drop,
        refuse=refuse,
        renamed=renamed,
        message_fields=_messages(
            "role content name",
            "role content name tool_calls reasoning",
            "role content name tool_call_id",
            "role content name",
        ),
        parts={**_TEXT, **_IMAGE, "document": frozenset({"type", "document"})},
        classify=classify,
        buckets=None,
        earlier_reasoning="reasoning",
        service_tiers=_GROQ_TIERS,
        builtin_tools=frozenset({"browser_search", "code_interpreter", "mcp"}),
        json_with_tools=False,
        max_data_image_bytes=GROQ_DATA_IMAGE_BYTES,
    )


def _openai() -> Dialect:
    drop, refuse, renamed = _fields("openai")
    return Dialect(
        name="openai",
        max_tokens_field="max_completion_tokens",
        sends_stream_usage=True,
        drop=drop,
        refuse=refuse,
        renamed=renamed,
        message_fields=_messages(
            "role content name",
            "role content name tool_calls function_call refusal audio",
            "role content tool_call_id",
            "role content name",
        ),
        parts={**_TEXT, **_IMAGE, **_AUDIO, **_FILE, "refusal": frozenset({"type", "refusal"})},
        classify=classify,
        buckets=openai_buckets,
        service_tiers=_OPENAI_TIERS,
        only_with_tools=frozenset({"parallel_tool_calls", "tool_choice"}),
    )


def _mistral() -> Dialect:
    """It answers 422 to every field it does not know (mistralai_client_dart#44), and wants tool ids of nine signs."""
    drop, refuse, renamed = _fields("mistral")
    return Dialect(
        name="mistral",
        max_tokens_field="max_tokens",
        sends_stream_usage=False,
        drop=drop,
        refuse=refuse,
        renamed=renamed,
        message_fields=_without(
            _messages("role content", "role content tool_calls prefix", "role content name tool_call_id"), "developer"
        ),
        parts={**_TEXT, **_IMAGE, **_AUDIO},
        classify=classify_mistral,
        buckets=mistral_buckets,
        roles=_DEVELOPER_IS_SYSTEM,
        short_tool_ids=True,
    )


def _gemini() -> Dialect:
    """Its OpenAI-compatible door, which answers 400 to fields it cannot find and to tools together with JSON."""
    drop, refuse, renamed = _fields("gemini")
    return Dialect(
        name="gemini",
        max_tokens_field="max_tokens",
        sends_stream_usage=True,
        drop=drop,
        refuse=refuse,
        renamed=renamed,
        message_fields=_without(
            _messages("role content", "role content tool_calls", "role content name tool_call_id"), "developer"
        ),
        parts={**_TEXT, **_IMAGE, **_AUDIO},
        classify=classify,
        buckets=no_buckets,
        roles=_DEVELOPER_IS_SYSTEM,
        json_with_tools=False,
    )


def _openrouter() -> Dialect:
    drop, refuse, renamed = _fields("openrouter")
    return Dialect(
        name="openrouter",
        max_tokens_field="max_tokens",
        sends_stream_usage=True,
        drop=drop,
        refuse=refuse,
        renamed=renamed,
        message_fields=_messages(
            "role content name",
            "role content name tool_calls refusal reasoning reasoning_details",
            "role content name tool_call_id",
        ),
        parts={**_CACHED, **_IMAGE, **_AUDIO, **_FILE},
        classify=classify,
        buckets=no_buckets,
        earlier_reasoning="reasoning",
    )


def _compatible() -> Dialect:
    """vLLM, Ollama, llama.cpp and the like: most ignore what they do not know, chat templates fail on `developer`."""
    drop, refuse, renamed = _fields("compatible")
    return Dialect(
        name="compatible",
        max_tokens_field="max_tokens",
        sends_stream_usage=True,
        drop=drop,
        refuse=refuse,
        renamed=renamed,
        message_fields=_without(
            _messages(
                "role content name",
                "role content name tool_calls function_call reasoning reasoning_content",
                "role content name tool_call_id",
                "role content name",
            ),
            "developer",
        ),
        parts={**_TEXT, **_IMAGE, **_AUDIO, **_FILE},
        classify=classify,
        buckets=proven_buckets,
        roles=_DEVELOPER_IS_SYSTEM,
        earlier_reasoning="reasoning_content",
    )


DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect for dialect in (_groq(), _openai(), _mistral(), _gemini(), _openrouter(), _compatible())
}
"""By name; a provider that is none of the five speaks `compatible`."""

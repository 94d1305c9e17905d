"""What each provider does with each top-level field of a chat request, as one table.

The rows are groq-api.md 1.1 and what OpenAI's SDK can say beyond it; the providers' habits are those of its sections 12
and 13, of their references and of users' reports (read 2026-11-20). A field without a row is relayed for the provider
to judge. If you add a field: add its row, and where a provider refuses it, what to do instead to `INSTEAD`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Treatment(StrEnum):
    """What happens to a field that a client sent and that is not null."""

    SEND = "send"
    WRITTEN = "written"
    """The gateway writes it itself, in the provider's own words."""
    DROP = "drop"
    """It is left out with a note: the answer is the same without it, or the provider has no such thing."""
    REFUSE = "refuse"
    """Leaving it out would change what was asked for: the client is told, unless its value asks for nothing."""
    RENAME = "rename"
    """The provider has another name for it (`RENAMED`)."""


DIALECT_NAMES: Final = ("groq", "openai", "mistral", "gemini", "openrouter", "compatible")

# s send, w written by the gateway, d drop, r refuse, n rename; columns in the order of DIALECT_NAMES.
_TABLE: Final = """
messages               s s s s s s
model                  w w w w w w
max_completion_tokens  w w w w w w
max_tokens             w w w w w w
temperature            s s s s s s
top_p                  s s s s s s
n                      s s s s s s
stop                   s s s s s s
seed                   s s n d s s
stream                 w w w w w w
stream_options         w w w w w w
tools                  s s s s s s
tool_choice            s s s s s s
parallel_tool_calls    s s s d s s
disable_tool_validation s d d d d d
response_format        s s s s s s
reasoning_effort       s s s s s s
reasoning_format       s d d d d d
include_reasoning      s d d d s s
service_tier           w w d d d d
user                   s s d d s s
citation_options       s d d d d d
documents              s r r r r r
search_settings        s d d d d d
include_domains        s d d d d d
exclude_domains        s d d d d d
compound_custom        d d d d d d
functions              s s r r r s
function_call          s s r r r s
metadata               d s d d d d
store                  d s d d d d
frequency_penalty      d s s d s s
presence_penalty       d s s d s s
logprobs               r s r r s s
top_logprobs           r s r r s s
logit_bias             r s r r s s
debug                  s d d d d d
audio                  r s r r r r
modalities             r s r r r r
moderation             r s r r r r
prediction             d s s d d d
prompt_cache_key       d s d d d d
prompt_cache_options   d s d d d d
prompt_cache_retention d s d d d d
safety_identifier      d s d d d d
verbosity              d s d d s d
web_search_options     r s r r s r
headgate               w w w w w w
"""

_LETTERS: Final = {
    "s": Treatment.SEND,
    "w": Treatment.WRITTEN,
    "d": Treatment.DROP,
    "r": Treatment.REFUSE,
    "n": Treatment.RENAME,
}

FIELDS: Final[Mapping[str, Mapping[str, Treatment]]] = {
    name: dict(zip(DIALECT_NAMES, (_LETTERS[letter] for letter in letters), strict=True))
    for name, *letters in (line.split() for line in _TABLE.strip().splitlines())
}
"""Field -> dialect -> treatment."""

RENAMED: Final[Mapping[str, str]] = {"seed": "random_seed"}
"""Mistral's names."""

INSTEAD: Final[Mapping[str, str]] = {
    "documents": "Put the documents into a message.",
    "functions": "Use tools.",
    "function_call": "Use tool_choice.",
    "logprobs": "Leave it out, or ask a model of a provider that gives log probabilities.",
    "top_logprobs": "Leave it out, or ask a model of a provider that gives log probabilities.",
    "logit_bias": "Leave it out, or ask a model of a provider that takes it.",
    "audio": "Use POST /v1/audio/speech for speech.",
    "modalities": "Use POST /v1/audio/speech for speech; here only text comes back.",
    "moderation": "Ask a moderation model first.",
    "web_search_options": 'Use tools: [{"type": "browser_search"}] with a model that has it.',
}
"""What the client of a refused field can do."""

ASKS_FOR_NOTHING: Final = frozenset({b"null", b"false", b"0", b'""', b"[]", b"{}", b'["text"]', b'"none"'})
"""Values with which a refused field changes nothing; it is then dropped."""


def treated(dialect: str, treatment: Treatment) -> frozenset[str]:
    """The fields that a dialect treats so."""
    return frozenset(name for name, row in FIELDS.items() if row[dialect] is treatment)

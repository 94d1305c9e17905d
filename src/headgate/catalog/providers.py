"""The providers that Headgate knows by name, as rows: where each listens, which variable holds its keys, how it speaks.

A row decides nothing: a provider takes part once it has a key, or an address of the operator's own.
"""

from enum import StrEnum
from typing import Final

import msgspec


class DialectName(StrEnum):
    """How a provider speaks: which fields it takes, how it words failures and limits (`headgate.protocol.dialect`)."""

    GROQ = "groq"
    OPENAI = "openai"
    MISTRAL = "mistral"
    GEMINI = "gemini"
    OPENROUTER = "openrouter"
    COMPATIBLE = "compatible"


class Provider(msgspec.Struct, frozen=True):
    """One provider. `base_url` ends where `/chat/completions` begins; keys stand in `key_variable` and, numbered, in
    `key_variable_2`, `key_variable_3` and so on."""

    name: str
    dialect: DialectName
    base_url: str
    key_variable: str


_GEMINI_URL: Final = "https://generativelanguage.googleapis.com/v1beta/openai"

# Addresses: groq-api.md sections 1 and 13, read 2026-11-20.
PROVIDERS: Final[dict[str, Provider]] = {
    row.name: row
    for row in (
        Provider("groq", DialectName.GROQ, "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        Provider("openai", DialectName.OPENAI, "https://api.openai.com/v1", "OPENAI_API_KEY"),
        Provider("mistral", DialectName.MISTRAL, "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        Provider("gemini", DialectName.GEMINI, _GEMINI_URL, "GEMINI_API_KEY"),
        Provider("openrouter", DialectName.OPENROUTER, "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    )
}
"""In the order in which they stand in for each other when a route names no chain of its own."""

GROQ: Final = "groq"

"""How much a model is asked to think and how that is shown: one wish, said as each family of models understands it.

The families and what they accept are groq-api.md 7, the providers' references and live probes by others
(models.dev#1986 for Mistral; all read 2026-11-20); models that no
family claims get the client's words as they are. Nothing is refused that has a nearest equivalent: it is sent with a
note instead.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from headgate.protocol.client_json import InvalidBody

SCALE: Final = ("none", "minimal", "low", "medium", "high", "xhigh")
"""Efforts in order. `default` stands beside them: whatever the model does when it is not asked."""

FORMATS: Final = ("hidden", "raw", "parsed")


class Family(StrEnum):
    """Models that understand the same efforts."""

    GPT_OSS = "gpt-oss"
    QWEN_38 = "qwen3.8"
    QWEN_3 = "qwen3"
    OPENAI_O = "openai-o"
    GPT_5 = "gpt-5"
    GPT_5_LATER = "gpt-5-later"
    GEMINI = "gemini"
    GEMINI_25_FLASH = "gemini-2.5-flash"
    MISTRAL = "mistral"
    PLAIN = "plain"
    """Known not to reason."""
    UNKNOWN = "unknown"


_EFFORTS: Final[dict[Family, tuple[str, ...]]] = {
    Family.GPT_OSS: ("low", "medium", "high"),
    Family.QWEN_38: ("none", "default", "low", "medium", "high"),
    Family.QWEN_3: ("none", "default"),
    Family.OPENAI_O: ("low", "medium", "high"),
    Family.GPT_5: ("minimal", "low", "medium", "high"),
    Family.GPT_5_LATER: ("none", "low", "medium", "high"),
    Family.GEMINI: ("low", "medium", "high"),
    Family.GEMINI_25_FLASH: ("none", "low", "medium", "high"),
    Family.MISTRAL: ("none", "high"),
}
_NO_SAMPLING: Final = frozenset({Family.OPENAI_O, Family.GPT_5, Family.GPT_5_LATER})
SAMPLING_FIELDS: Final = frozenset(
    {"temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"}
)
"""What OpenAI's reasoning models answer 400 to."""

_PATTERNS: Final = (
    (re.compile(r"gpt-oss"), Family.GPT_OSS),
    (re.compile(r"qwen-?3\.8"), Family.QWEN_38),
    (re.compile(r"qwen-?3\.6|qwen3-32b"), Family.QWEN_3),
    (re.compile(r"gpt-5(\.\d+)?-chat"), Family.PLAIN),
    (re.compile(r"gpt-5\.\d"), Family.GPT_5_LATER),
    (re.compile(r"gpt-5"), Family.GPT_5),
    (re.compile(r"(^|/)o[134](-|$)"), Family.OPENAI_O),
    (re.compile(r"gemini-2\.5-flash"), Family.GEMINI_25_FLASH),
    (re.compile(r"gemini-(2\.5|[3-9]|flash|pro)"), Family.GEMINI),
    (re.compile(r"magistral|mistral-(small|medium)"), Family.MISTRAL),
    (re.compile(r"mistral-(large|nemo|saba|tiny|embed)|ministral|codestral|devstral|pixtral"), Family.PLAIN),
    (re.compile(r"deepseek-r1"), Family.UNKNOWN),
    (re.compile(r"gpt-4|gpt-3\.5|gemini-[12]\.0|gemini-1\.5"), Family.PLAIN),
    (
        re.compile(r"^(allam|gemma|mixtral|llama)|(^|/)llama-?[34]|prompt-guard|llama-guard|kimi-k2-instruct"),
        Family.PLAIN,
    ),
)


def family_of(model_id: str) -> Family:
    """The family of a model by its id, at whichever provider; UNKNOWN where no pattern claims it."""
    name = model_id.lower()
    return next((family for pattern, family in _PATTERNS if pattern.search(name)), Family.UNKNOWN)


class Wish(msgspec.Struct, frozen=True):
    """What a client said about reasoning, each None where it said nothing."""

    effort: str | None = None
    format: str | None = None
    include: bool | None = None


class Normalised(msgspec.Struct, frozen=True):
    """What to send, and what was changed on the way (for `x-headgate-explain`)."""

    wish: Wish
    notes: tuple[str, ...] = ()


def refused_sampling(family: Family) -> frozenset[str]:
    """The fields about sampling that a family answers 400 to."""
    return SAMPLING_FIELDS if family in _NO_SAMPLING else frozenset()


def normalise(wish: Wish, family: Family, efforts: Sequence[str] = (), *, json_or_tools: bool) -> Normalised:
    """The wish as the family understands it; `efforts`, where the catalogue states them, are what this model takes.

    Raises `InvalidBody` for words that nobody knows and for `include_reasoning` beside `reasoning_format`, which
    contradict each other (Groq: 400).
    """
    _check(wish)
    if family is Family.PLAIN and not efforts:
        return _of_plain(wish)
    notes: list[str] = []
    effort = _effort(wish.effort, efforts or _EFFORTS.get(family), notes)
    form, include = wish.format, wish.include
    if form == "raw" and json_or_tools:
        form = "parsed"
        notes.append("reasoning_format raw -> parsed: raw reasoning would stand inside the JSON or beside the tools")
    if form is not None and family is Family.GPT_OSS:
        # The documents say that gpt-oss takes only include_reasoning, live replies that it takes both.
        include = form != "hidden"
        notes.append(f"reasoning_format {form} -> include_reasoning {str(include).lower()} for {family}")
        form = None
    return Normalised(Wish(effort, form, include), tuple(notes))


def _check(wish: Wish) -> None:
    if wish.effort is not None and wish.effort != "default" and wish.effort not in SCALE:
        known = ", ".join(("default", *SCALE))
        raise InvalidBody(f"'reasoning_effort' cannot be {wish.effort!r}. Use one of {known}.", "reasoning_effort")
    if wish.format is not None and wish.format not in FORMATS:
        raise InvalidBody(
            f"'reasoning_format' cannot be {wish.format!r}. Use one of {', '.join(FORMATS)}.", "reasoning_format"
        )
    if wish.format is not None and wish.include is not None:
        raise InvalidBody(
            "'include_reasoning' and 'reasoning_format' exclude each other. Give one of them.", "reasoning_format"
        )


def _of_plain(wish: Wish) -> Normalised:
    said = {"reasoning_effort": wish.effort, "reasoning_format": wish.format, "include_reasoning": wish.include}
    notes = tuple(f"{name} left out: the model does not reason" for name, value in said.items() if value is not None)
    return Normalised(Wish(), notes)


def _effort(asked: str | None, efforts: Sequence[str] | None, notes: list[str]) -> str | None:
    """The nearest effort that the model has; of two as near the lower one. Without a list the client's own."""
    if asked is None or efforts is None or asked in efforts:
        return asked
    if asked == "default":
        notes.append("reasoning_effort default left out: the model has its own when it is not asked")
        return None
    ranked = [effort for effort in efforts if effort in SCALE]
    if "default" in efforts and asked != "none" and (not ranked or ranked == ["none"]):
        nearest = "default"
    else:
        at = SCALE.index(asked)
        nearest = min(ranked, key=lambda each: (abs(SCALE.index(each) - at), SCALE.index(each)), default=efforts[0])
    notes.append(f"reasoning_effort {asked} -> {nearest}: the model has no {asked}")
    return nearest

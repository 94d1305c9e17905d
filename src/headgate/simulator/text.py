"""What the pretend models say: plain English of an exact length in tokens, drawn from one fixed little book.

An answer is a slice of the book beginning at a sentence, so writing one costs the same whatever its length.
Also owns how long an answer wants to be. Knows nothing of requests beyond a digest of their messages.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate
from math import exp
from random import Random
from statistics import NormalDist
from typing import Any, Final

import msgspec

from headgate.simulator.settings import SimulatorSettings


def _phrases(text: str) -> list[str]:
    return text.split("|")


_SUBJECTS: Final = _phrases(
    "the plan|the first step|a careful reader|this approach|the usual answer|the team|a small test|the budget|"
    "each request|the report|the second option|a good default|the schedule|the customer|our estimate|the result"
)
_VERBS: Final = _phrases("needs|explains|covers|changes|supports|shows|replaces|follows|keeps|improves|limits")
_OBJECTS: Final = _phrases(
    "the main idea|a short summary|the next review|the cost of waiting|a simple rule|the original question|"
    "a clear example|the open points|every known case|the data at hand|a second opinion|the agreed limits"
)
_TAILS: Final = _phrases(
    "without extra work|in most cases|before the end of the week|when the numbers agree|as the notes suggest|"
    "at a lower price|for the people who use it|once the details are known||||"
)
_OPENINGS: Final = _phrases("In short,|First,|Then,|As a rule,|For example,|In practice,|After that,||||||")
_THOUGHTS: Final = _phrases(
    "We need to answer the question.|The user wants a clear reply.|Let me check the facts.|That seems right.|"
    "We should keep it brief.|There is no conflict here.|Maybe mention an example.|So the answer follows."
)
_WORD: Final = re.compile(r"\n\n| ?[A-Za-z]+|[^A-Za-z]")
_DIRECTIVE: Final = re.compile(r"\[\[(tokens|tool)(?:=([^\]\s]+))?\]\]")
_NORMAL: Final = NormalDist()
_BOOK_SENTENCES: Final = 2000


class MessagesKey(msgspec.Struct, frozen=True, gc=False):
    """What an answer depends on: a digest of roles and texts, and the directives of the last user message.

    `[[tokens=231]]` fixes the whole length of the answer, reasoning included; `[[tool]]` or `[[tool=NAME]]` asks for
    a call.
    """

    digest: bytes
    tokens: int | None = None
    tool: str | None = None


def text_of(content: object) -> str:
    """The text of a message's content: the string itself, or its text parts joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def messages_key(messages: Sequence[Mapping[str, Any]]) -> MessagesKey:
    """The key of a conversation, for `natural_length`; the same whatever else the request carries."""
    texts = [f"{message.get('role')}\x1f{text_of(message.get('content'))}" for message in messages]
    last = next((t for t in reversed(texts) if t.startswith("user\x1f")), "")
    return key_of("\x1e".join(texts), last)


def key_of(conversation: str, last_user: str) -> MessagesKey:
    """The key from the joined texts, for a caller who has them at hand."""
    digest = blake2b(conversation.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    if "[[" not in last_user:
        return MessagesKey(digest)
    found = dict(_DIRECTIVE.findall(last_user))
    tokens = found.get("tokens", "")
    return MessagesKey(digest, int(tokens) if tokens.isdigit() else None, found.get("tool"))


def natural_length(settings: SimulatorSettings, key: MessagesKey, effort: str | None = None) -> int:
    """Completion tokens that the answer wants, reasoning included, before any cap of the request.

    `effort` is the reasoning effort in force (`reasoning_tokens` says what it adds); None or `none`: no reasoning.
    """
    if key.tokens is not None:
        return max(1, key.tokens)
    lengths = settings.lengths
    content = lengths.median_tokens * exp(lengths.sigma * _NORMAL.inv_cdf(_uniform(settings, key.digest[:6])))
    return max(1, min(lengths.longest_tokens, round(content))) + reasoning_tokens(settings, key, effort)


def reasoning_tokens(settings: SimulatorSettings, key: MessagesKey, effort: str | None) -> int:
    """How many of those are reasoning; with a fixed length at most half of it."""
    median = _reasoning_median(settings, effort)
    if median <= 0.0:
        return 0
    drawn = median * exp(settings.lengths.reasoning_sigma * _NORMAL.inv_cdf(_uniform(settings, key.digest[6:12])))
    wanted = max(1, min(settings.lengths.longest_tokens, round(drawn)))
    return wanted if key.tokens is None else min(wanted, key.tokens // 2)


def _reasoning_median(settings: SimulatorSettings, effort: str | None) -> float:
    match effort:
        case "low":
            return settings.lengths.reasoning_low_tokens
        case "medium" | "default":
            return settings.lengths.reasoning_medium_tokens
        case "high":
            return settings.lengths.reasoning_high_tokens
        case _:
            return 0.0


def _uniform(settings: SimulatorSettings, six_bytes: bytes) -> float:
    """A number strictly between 0 and 1 from the digest and the seed."""
    mixed = (int.from_bytes(six_bytes, "big") + settings.seed * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFF
    mixed ^= mixed >> 23
    mixed = mixed * 0x2127599BF432_5C37 & 0xFFFFFFFFFFFF
    return ((mixed ^ mixed >> 21) + 0.5) / 0x1000000000000


class Book:
    """Tokens in order, where each begins in the text, and where sentences begin."""

    __slots__ = ("offsets", "starts", "text", "tokens")

    def __init__(self, sentences: Sequence[str]) -> None:
        self.tokens: list[str] = []
        self.starts: list[int] = []
        for sentence in sentences:
            self.starts.append(len(self.tokens))
            begun = self.tokens and self.tokens[-1] == "\n\n"
            self.tokens += _WORD.findall(sentence.lstrip() if begun else sentence)
        self.text = "".join(self.tokens)
        self.offsets = list(accumulate(map(len, self.tokens), initial=0))

    def passage(self, choice: int, tokens: int, *, whole: bool) -> list[str]:
        """Exactly `tokens` tokens from the sentence that `choice` picks; a whole passage ends in a full stop."""
        start = self.starts[choice % len(self.starts)]
        taken = self.tokens[start : start + tokens]
        while len(taken) < tokens:
            taken += self.tokens[: tokens - len(taken)]
        if taken:
            taken[0] = taken[0].lstrip()
            if whole and tokens > 1:
                taken[-1] = "."
                if taken[-2] == ".":
                    taken[-2] = " too"
        return taken


@lru_cache(maxsize=1)
def answers() -> Book:
    """The book that answers are read from. Built once, from a fixed seed of its own."""
    dice = Random(20261120)
    return Book([_sentence(dice) for _ in range(_BOOK_SENTENCES)])


@lru_cache(maxsize=1)
def thoughts() -> Book:
    """The book that reasoning is read from."""
    dice = Random(20261121)
    return Book([" " + dice.choice(_THOUGHTS) for _ in range(200)])


def _sentence(dice: Random) -> str:
    opening = dice.choice(_OPENINGS)
    words = f"{dice.choice(_SUBJECTS)} {dice.choice(_VERBS)} {dice.choice(_OBJECTS)} {dice.choice(_TAILS)}".strip()
    body = f"{opening} {words}" if opening else words[0].upper() + words[1:]
    return f" {body}.\n\n" if dice.random() < 0.06 else f" {body}."

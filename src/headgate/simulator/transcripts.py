"""What the pretend Whisper hears: a text of plausible length, its segments and words with their times.

The words come from the book that chat answers come from; the same sound is always heard as the same words.
"""

from hashlib import blake2b
from typing import Any, Final

import msgspec

from headgate.domain.time import Seconds
from headgate.simulator.text import answers

WORDS_PER_S: Final = 2.5
WORDS_PER_SEGMENT: Final = 14
TOKENS_PER_WORD: Final = 1.3
_FRAMES_PER_S: Final = 100
"""Whisper's `seek` counts frames of 10 ms."""


class Heard(msgspec.Struct, frozen=True):
    """What was asked of one recording. `digest` stands for its sound."""

    digest: bytes
    duration_s: Seconds
    task: str
    language: str
    temperature: float
    granularities: frozenset[str]


def words_of(heard: Heard) -> list[str]:
    """The words, at least one."""
    wanted = max(1, round(heard.duration_s * WORDS_PER_S))
    choice = int.from_bytes(heard.digest[:8], "big")
    words = "".join(answers().passage(choice, wanted * 2 + 8, whole=False)).split()[:wanted]
    words[-1] = words[-1].rstrip(".,") + "."
    return words


def plain(heard: Heard) -> bytes:
    """The body of the format `text`. Like every text of Groq's it begins with a space."""
    return (" " + " ".join(words_of(heard))).encode()


def brief(heard: Heard, request_id: str) -> bytes:
    """The body of the format `json`."""
    return msgspec.json.encode({"text": " " + " ".join(words_of(heard)), "x_groq": {"id": request_id}})


def verbose(heard: Heard, request_id: str) -> bytes:
    """The body of the format `verbose_json`: segments unless only words were asked for."""
    words = words_of(heard)
    made: dict[str, Any] = {
        "task": heard.task,
        "language": heard.language,
        "duration": round(heard.duration_s, 2),
        "text": " " + " ".join(words),
    }
    if "word" in heard.granularities:
        made["words"] = _timed(heard, words)
    if "segment" in heard.granularities:
        made["segments"] = _segments(heard, words)
    return msgspec.json.encode(made | {"x_groq": {"id": request_id}})


def _timed(heard: Heard, words: list[str]) -> list[dict[str, Any]]:
    each_s = heard.duration_s / len(words)
    return [
        {"word": word, "start": round(i * each_s, 2), "end": round((i + 1) * each_s, 2)} for i, word in enumerate(words)
    ]


def _segments(heard: Heard, words: list[str]) -> list[dict[str, Any]]:
    each_s = heard.duration_s / len(words)
    return [
        _segment(heard, number, first * each_s, words[first : first + WORDS_PER_SEGMENT], each_s)
        for number, first in enumerate(range(0, len(words), WORDS_PER_SEGMENT))
    ]


def _segment(heard: Heard, number: int, start_s: Seconds, words: list[str], each_s: Seconds) -> dict[str, Any]:
    drawn = blake2b(heard.digest + number.to_bytes(4, "big"), digest_size=32).digest()
    tokens = max(1, round(len(words) * TOKENS_PER_WORD))
    return {
        "id": number,
        "seek": int(start_s * _FRAMES_PER_S),
        "start": round(start_s, 2),
        "end": round(start_s + len(words) * each_s, 2),
        "text": " " + " ".join(words),
        "tokens": [50364, *(drawn[i % 32] * 197 % 50257 for i in range(tokens))],
        "temperature": heard.temperature,
        "avg_logprob": -round(0.05 + drawn[0] / 1024, 6),
        "compression_ratio": round(1.2 + drawn[1] / 512, 6),
        "no_speech_prob": round(drawn[2] / 25600, 6),
    }

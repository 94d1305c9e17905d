"""Owns the guess in which language a text is written: by script, then by everyday words, letters and endings.

It reads no meaning: of a name, a number or two words it can say little, and says so by its confidence.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.language_tables import ENDINGS, LETTERS, NAMES, ONE_LANGUAGE, SCRIPTS, WORDS
from headgate.local.spans import Word, words_of

TEXT_CHARS_MAX: Final = 20_000
"""Of a longer text only so much is read."""
EVIDENCE_MAX: Final = 5
LEAST_CONFIDENCE: Final = 0.2
"""Under it no language is named."""

_STARTS: Final = [first for first, _, _ in SCRIPTS]
_LETTER: Final = 0.5
_ENDING: Final = 0.25
_LONG: Final = 6
"""Letters of a word whose ending is looked at."""
_ENOUGH: Final = 0.12
"""Everyday words per word from which a text is surely of its language; usual prose has three times as many."""
_KANA_SHARE: Final = 0.05
_EAST_ASIAN: Final = ("Han", "Kana")


class Language(msgspec.Struct, frozen=True):
    """A language by its BCP 47 code (`hi-Latn`: Hindi in Latin letters), None where the text does not say; the script
    that most of it is in; and what spoke for each language of that script, of 1 in all."""

    code: str | None
    script: str | None
    confidence: float
    scores: dict[str, float]
    evidence: tuple[Evidence, ...] = ()


def _weights(script: str) -> Mapping[str, tuple[tuple[str, float], ...]]:
    """What an everyday word says, for each language that has it."""
    tables = WORDS[script]
    found: dict[str, tuple[tuple[str, float], ...]] = {}
    for word in frozenset().union(*tables.values()):
        owners = [code for code, words in tables.items() if word in words]
        found[word] = tuple((code, 1 / len(owners) ** 2) for code in owners)
    return found


_WEIGHTS: Final = {script: _weights(script) for script in WORDS}
_ENDINGS: Final = {
    script: {ending: code for code, endings in table.items() for ending in endings.split()}
    for script, table in ENDINGS.items()
}


def guess_language(text: str) -> Language:
    """In which language a text is. Reads the first 20,000 characters; never raises."""
    text = text[:TEXT_CHARS_MAX]
    letters = Counter(text)
    scripts = _scripts(letters)
    total = sum(scripts.values())
    if not total:
        return Language(None, None, 0.0, {})
    script = max(scripts, key=lambda name: scripts[name])
    share = scripts[script] / total
    if script in _EAST_ASIAN:
        share = sum(scripts[name] for name in _EAST_ASIAN) / total
        code, scores = _east_asian(scripts)
        return _of_script(text, script, code, scores, share, total)
    if script in ONE_LANGUAGE:
        code = ONE_LANGUAGE[script]
        return _of_script(text, script, code, {code: 1.0}, share, total)
    return _by_words(text, script, share, letters)


def _scripts(letters: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for letter, count in letters.items():
        if letter <= "z":
            if letter.isalpha():
                found["Latin"] += count
        elif (script := _script_of(letter)) is not None:
            found[script] += count
    return found


def _script_of(letter: str) -> str | None:
    point = ord(letter)
    at = bisect_right(_STARTS, point) - 1
    _, last, script = SCRIPTS[at]
    # Vowel signs are no letters to Unicode, but as much of a script as these.
    is_sign = letter in "।॥" or letter.isdigit() or (script in {"Latin", "Arabic", "Greek"} and not letter.isalpha())
    return script if at >= 0 and point <= last and not is_sign else None


def _east_asian(scripts: Counter[str]) -> tuple[str, dict[str, float]]:
    kana = scripts["Kana"] / (scripts["Kana"] + scripts["Han"])
    if kana > _KANA_SHARE:
        return "ja", {"ja": 1.0}
    return "zh", {"zh": 1 - kana, "ja": kana}


def _of_script(text: str, script: str, code: str, scores: dict[str, float], share: float, letters: int) -> Language:
    """A script that says the language by itself, more surely the more of it there is."""
    confidence = 0.98 * share * (1 - 0.5**letters)
    first = next((at for at, letter in enumerate(text) if _script_of(letter) == script), 0)
    return Language(code, script, round(confidence, 3), scores, (Evidence(first, first + 1, f"{script} script"),))


def _by_words(text: str, script: str, share: float, letters: Counter[str]) -> Language:
    words = words_of(text)
    scores = dict.fromkeys(WORDS[script], 0.0)
    hits = _count(words, script, scores)
    unknown = 0.0
    for code, signs in LETTERS[script].items():
        # Each letter counts once per ten words: a text in capitals or full of one name proves no more than that.
        seen = sum(min(letters[sign], 1 + len(words) // 10) for sign in signs)
        if code:
            scores[code] += _LETTER * seen
        else:
            unknown = 2 * _LETTER * seen
    total = sum(scores.values()) + unknown
    if total <= 0:
        return Language(None, script, 0.0, {})
    best = max(scores, key=lambda code: scores[code])
    density = min(1.0, scores[best] / (_ENOUGH * max(len(words), 1)))
    amount = 1 - 0.45 ** scores[best]
    confidence = round(share * density * amount * scores[best] / total, 3)
    ranked = sorted(scores.items(), key=lambda each: -each[1])
    shares = {code: round(score / total, 3) for code, score in ranked if score > 0}
    code_or_none = best if confidence >= LEAST_CONFIDENCE else None
    return Language(code_or_none, script, confidence, shares, _evidence(hits, best))


def _count(words: list[Word], script: str, scores: dict[str, float]) -> list[Word]:
    """Adds what words and endings say; the words that said something."""
    weights, endings = _WEIGHTS[script], _ENDINGS[script]
    hits = []
    for word in words:
        folded = word.folded
        if (said := weights.get(folded)) is not None:
            hits.append(word)
            for code, weight in said:
                scores[code] += weight
        elif len(folded) >= _LONG:
            code_of = endings.get(folded[-4:]) or endings.get(folded[-3:])
            if code_of is not None:
                scores[code_of] += _ENDING
    return hits


def _evidence(hits: list[Word], code: str) -> tuple[Evidence, ...]:
    name = NAMES.get(code, code)
    words = WORDS[next(script for script, table in WORDS.items() if code in table)][code]
    own = (word for word in hits if word.folded in words)
    told: dict[str, Word] = {}
    for word in own:
        told.setdefault(word.folded, word)
        if len(told) == EVIDENCE_MAX:
            break
    return tuple(Evidence(word.start, word.end, f"an everyday word of {name}") for word in told.values())

"""Owns the question whether a message was said before in its session: the same words, or nearly so.

A session's earlier messages are a `Window`, a value that its caller keeps and passes in again; nothing is stored here.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.spans import plain_text

MESSAGES_MAX: Final = 50
"""How many earlier messages a window holds; the oldest go first."""
MESSAGE_CHARS_MAX: Final = 20_000
"""Of a longer message only so much is read."""
COMPARED_CHARS_MAX: Final = 600
"""Where two messages are not equal, their beginnings are compared: 10 µs for each earlier one at the most."""
THRESHOLD: Final = 0.85
"""Likeness from which a message is a repetition."""
_MARK_BYTES: Final = 12


class Said(msgspec.Struct, frozen=True, gc=False):
    """A message as it is compared: without case, punctuation and differences of width. `number` counts from 0 over the
    whole session, those that have left the window too; `plain` is its beginning, `length` that of the whole."""

    number: int
    plain: str
    length: int
    mark: str


class Window(msgspec.Struct, frozen=True):
    """The last messages of a session, the oldest first, of at most `most`; `count` is how many there ever were."""

    messages: tuple[Said, ...] = ()
    count: int = 0
    most: int = MESSAGES_MAX

    def added(self, text: str) -> "Window":
        """The window after one more message."""
        plain = plain_text(text[:MESSAGE_CHARS_MAX])
        said = Said(self.count, plain[:COMPARED_CHARS_MAX], len(plain), _mark(plain))
        most = max(1, min(self.most, MESSAGES_MAX))
        return Window((*self.messages, said)[-most:], self.count + 1, self.most)


class Repetition(msgspec.Struct, frozen=True):
    """Whether a message repeats an earlier one: the number of the one it is most like, how like (1: the same words),
    and how many of the window it repeats. Below the threshold `of` is None and the likeness 0: it is not worked out."""

    repeated: bool
    of: int | None
    similarity: float
    times: int
    is_exact: bool
    confidence: float
    evidence: tuple[Evidence, ...] = ()


def window_of(texts: Iterable[str], most: int = MESSAGES_MAX) -> Window:
    """The window of a session with these messages, the oldest first."""
    window = Window(most=most)
    for text in texts:
        window = window.added(text)
    return window


def find_repetition(text: str, window: Window, threshold: float = THRESHOLD) -> Repetition:
    """Whether a text was said before in a window. A text without words repeats nothing.

    Equal messages are found by their hash, like ones by Levenshtein distance over the longer length.
    """
    plain = plain_text(text[:MESSAGE_CHARS_MAX])
    if not plain or not window.messages:
        return Repetition(repeated=False, of=None, similarity=0.0, times=0, is_exact=False, confidence=1.0)
    mark = _mark(plain)
    alike = [(1.0 if said.mark == mark else _likeness(plain, said, threshold), said) for said in window.messages]
    repeats = [each for each in alike if each[0] >= threshold and each[0] > 0]
    if not repeats:
        return Repetition(repeated=False, of=None, similarity=0.0, times=0, is_exact=False, confidence=1.0)
    similarity, said = max(repeats, key=lambda each: (each[0], each[1].number))
    exact = said.mark == mark
    reason = f"{'the words' if exact else f'{similarity:.0%} the text'} of message {said.number}"
    evidence = (Evidence(0, len(text), reason),)
    # As sure as the likeness is high, and as there is enough to be alike: "ok" may be said twice.
    confidence = round(similarity * (1 - 0.5 ** (len(plain) / 4)), 3)
    return Repetition(
        repeated=True,
        of=said.number,
        similarity=round(similarity, 3),
        times=len(repeats),
        is_exact=exact,
        confidence=confidence,
        evidence=evidence,
    )


def _mark(plain: str) -> str:
    return blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=_MARK_BYTES).hexdigest()


def _likeness(plain: str, said: Said, threshold: float) -> float:
    if min(len(plain), said.length) < threshold * max(len(plain), said.length):
        return 0.0
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_similarity(plain[:COMPARED_CHARS_MAX], said.plain, score_cutoff=threshold)

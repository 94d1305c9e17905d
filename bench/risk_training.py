"""Trains the weights of the risk skill and writes them as data: `python -m bench.risk_training`.

Logistic regression over the skill's own features, by gradient descent in numpy: words are pulled towards 0, signals
towards what they weigh before any message is seen (`risk_signals`). Cross-validation is in `bench/quality_risk.py`,
which trains with this on the training folds only.
"""

import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from headgate.local.risk_features import SHAPES, Features, features
from headgate.local.risk_pairs import COMBINATIONS
from headgate.local.risk_signals import SIGNALS
from headgate.local.risk_weights import Weights, written

ROOT: Final = Path(__file__).parents[1]
TABLE: Final = ROOT / "src" / "headgate" / "local" / "risk_table.py"
SMS: Final = ROOT.parent / "shared" / "data" / "sms_spam.jsonl"
INDIAN: Final = ROOT / "bench" / "data" / "risk_messages.jsonl"

PULL_WORDS: Final = 0.45
"""How strongly the weight of a word is pulled towards 0."""
PULL_SIGNALS: Final = 0.4
FEWEST_TEXTS: Final = 2
"""Training messages that must hold a word."""
STEPS: Final = 1_000
LEAST_WEIGHT: Final = 0.05
"""Words that weigh less are not kept."""
INDIAN_WEIGHT: Final = 8.0
"""How many SMS of 2005 one of our own messages counts for: they are few, and what India is sent today."""
LINE_CHARS: Final = 112


Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


class Message(msgspec.Struct, frozen=True):
    """One message of a set, and how many times it counts in training."""

    text: str
    is_scam: bool
    weight: float = 1.0


def load_sms() -> list[Message]:
    """The SMS Spam Collection's half that is here (CC-BY 4.0, Almeida and Hidalgo)."""
    lines = SMS.read_text(encoding="utf-8").splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    return [Message(row["text"], row["label"] == "spam") for row in rows]


def load_indian(*, kept_aside: bool) -> list[Message]:
    """Our own messages: those for training, or every third one, which is kept aside."""
    rows = [msgspec.json.decode(line) for line in INDIAN.read_text(encoding="utf-8").splitlines()]
    kept = [row for row in rows if row["aside"] is kept_aside]
    return [Message(row["text"], row["label"] == "scam", INDIAN_WEIGHT) for row in kept]


class Learner:
    """Columns of the features of a training set, and the weights that fit it."""

    def __init__(self, found: Sequence[Features], messages: Sequence[Message]) -> None:
        texts = Counter(word for each in found for word in each.words)
        self.words = sorted(word for word, count in texts.items() if count >= FEWEST_TEXTS)
        names = [*SIGNALS, *("+".join(pair) for pair in COMBINATIONS), *SHAPES]
        self.columns = {name: at for at, name in enumerate(names)}
        self.word_columns = {word: len(names) + at for at, word in enumerate(self.words)}
        prior = np.zeros(len(names) + len(self.words))
        prior[: len(SIGNALS)] = [signal.prior for signal in SIGNALS.values()]
        prior[len(SIGNALS) : len(SIGNALS) + len(COMBINATIONS)] = list(COMBINATIONS.values())
        pull = np.full(len(prior), PULL_WORDS)
        pull[: len(names)] = PULL_SIGNALS
        self._fit(found, messages, prior, pull)

    def _sparse(self, found: Sequence[Features]) -> tuple[Ints, Ints, Floats]:
        """Message, column and value of everything that is not 0."""
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for row, each in enumerate(found):
            held = dict.fromkeys((self.columns[name] for name in each.signals), 1.0)
            held |= {self.columns["+".join(pair)]: 1.0 for pair in each.pairs()}
            held |= {self.columns[name]: value for name, value in zip(SHAPES, each.shapes, strict=True)}
            held |= {at: 1.0 for word in each.words if (at := self.word_columns.get(word)) is not None}
            rows += [row] * len(held)
            columns += held.keys()
            values += held.values()
        return np.array(rows), np.array(columns), np.array(values)

    def _fit(self, found: Sequence[Features], messages: Sequence[Message], prior: Floats, pull: Floats) -> None:
        """Nesterov's descent; the step is the inverse of a bound on the curvature."""
        rows, columns, values = self._sparse(found)
        wanted = np.array([each.is_scam for each in messages], float)
        counts = np.array([each.weight for each in messages])

        def odds(weights: Floats) -> Floats:
            return np.bincount(rows, values * weights[columns], len(messages)).astype(float)

        def back(errors: Floats) -> Floats:
            return np.bincount(columns, values * errors[rows], len(prior)).astype(float)

        curvature = 0.25 * (_largest(odds, back, counts, len(prior)) + counts.sum()) + pull.max()
        weights, bias = prior.copy(), 0.0
        ahead, ahead_bias, momentum = weights, bias, 1.0
        for _ in range(STEPS):
            error = (1.0 / (1.0 + np.exp(-(odds(ahead) + ahead_bias))) - wanted) * counts
            fresh = ahead - (back(error) + pull * (ahead - prior)) / curvature
            fresh_bias = ahead_bias - error.sum() / curvature
            following = (1.0 + np.sqrt(1.0 + 4.0 * momentum * momentum)) / 2.0
            rate = (momentum - 1.0) / following
            ahead, ahead_bias = fresh + rate * (fresh - weights), fresh_bias + rate * (fresh_bias - bias)
            weights, bias, momentum = fresh, fresh_bias, following
        self.weights, self.bias = weights, float(bias)

    def table(self) -> Weights:
        """The weights as the skill reads them."""
        w = self.weights
        return Weights(
            bias=self.bias,
            named={name: float(w[at]) for name, at in self.columns.items()},
            words={word: float(w[at]) for word, at in self.word_columns.items() if abs(w[at]) >= LEAST_WEIGHT},
        )


def _largest(odds: Callable[[Floats], Floats], back: Callable[[Floats], Floats], counts: Floats, columns: int) -> float:
    """A bound on the largest eigenvalue of the weighted Gram matrix, by the power method."""
    vector = np.ones(columns)
    size = 1.0
    for _ in range(50):
        vector = back(counts * odds(vector))
        size = float(np.linalg.norm(vector))
        vector /= size
    return 1.05 * size


def train(messages: Sequence[Message]) -> Weights:
    """The weights that a set of messages gives."""
    return Learner([features(each.text) for each in messages], messages).table()


HEAD: Final = '''"""The weights of the risk skill, in log odds. Written by `python -m bench.risk_training`: do not edit.

Trained on {sms} messages of the SMS Spam Collection by T. A. Almeida and J. M. Gomez Hidalgo (UCI Machine Learning
Repository, licensed CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; changed: only words and their weights are
kept), and on the {own} messages of bench/data/risk_messages.jsonl that are not kept aside, each counted {times:.0f}
times.
"""

from typing import Final

'''


def _block(name: str, weights: dict[str, float]) -> str:
    lines = textwrap.wrap(written(weights), LINE_CHARS, break_long_words=False, break_on_hyphens=False)
    return f'{name}: Final = """\n' + "\n".join(lines) + '\n"""\n'


def main() -> int:
    """Trains on everything that is not kept aside, and writes the table."""
    sms, own = load_sms(), load_indian(kept_aside=False)
    weights = train([*sms, *own])
    head = HEAD.format(sms=f"{len(sms):,}", own=len(own), times=INDIAN_WEIGHT)
    blocks = (f"BIAS: Final = {weights.bias:.3f}\n", _block("NAMED", weights.named), _block("WORDS", weights.words))
    TABLE.write_text(head + "\n".join(blocks), encoding="utf-8")
    print(f"wrote {TABLE.relative_to(ROOT)}: {len(weights.named)} signals, {len(weights.words)} words", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())

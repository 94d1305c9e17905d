"""How often a similar request is taken for another, and how often one that asks the same is recognised.

A pair counts as a hit when the cosine of its vectors reaches the threshold and the guards find no difference: that is
all that stands between an earlier answer and a new request.
"""

import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from bench.quality import SHARED, table, with_interval
from bench.similar_pairs import SAME, Pair, made, varied, written
from rapidfuzz.distance import OSA

from headgate.cache.guards import difference
from headgate.cache.wording import words_of
from headgate.local.embedding import MIN_DIMENSIONS, embedded
from headgate.runtime.settings_cache_similar import CHARACTERS_THRESHOLD

PARAPHRASES = SHARED / "gptcache_paraphrases_999.json"
PROMPTS = SHARED / "routellm_pairs.jsonl.gz"
PROMPT_CHARS = 400
VARIED_MOST = 400
"""Messages that are written again in other clothes."""
THRESHOLDS = (0.7, CHARACTERS_THRESHOLD, 0.9)


def cosine(one: str, other: str) -> float:
    """As the cache computes it."""
    first, second = embedded([words_of(one), words_of(other)], MIN_DIMENSIONS)
    return float(first @ second)


def hits(pairs: Iterable[tuple[str, str]], threshold: float = CHARACTERS_THRESHOLD) -> int:
    """How many would be answered for one another."""
    return sum(
        difference(one, other, meaning=False) is None and cosine(one, other) >= threshold for one, other in pairs
    )


def section() -> str:
    """The whole section."""
    everything = [(source, pair) for source, pairs in (("written", written()), ("made", made())) for pair in pairs]
    unlike = [(source, pair) for source, pair in everything if pair.kind != SAME]
    parts = [
        "## Similar requests\n",
        INTRODUCTION.format(
            written=sum(source == "written" for source, _ in unlike),
            made=sum(source == "made" for source, _ in unlike),
            threshold=CHARACTERS_THRESHOLD,
        ),
        _false_hits(unlike),
        OTHERS,
        _of_others(),
        MEANING,
        _meaning(unlike),
        _true_hits([pair for _, pair in everything if pair.kind == SAME], [pair for _, pair in unlike]),
        READING,
    ]
    return "\n".join(part.strip() + "\n" for part in parts)


def _false_hits(unlike: Sequence[tuple[str, Pair]]) -> str:
    rows = []
    for aside in (False, True):
        groups: dict[tuple[str, str], list[Pair]] = defaultdict(list)
        for source, pair in unlike:
            if pair.aside is aside:
                groups[source, pair.kind].append(pair)
                groups["all", ""].append(pair)
        for (source, kind), pairs in sorted(groups.items(), key=lambda item: (item[0][0] == "all", item[0])):
            found = hits((pair.one, pair.other) for pair in pairs)
            near = sum(cosine(pair.one, pair.other) >= CHARACTERS_THRESHOLD for pair in pairs)
            part = "kept aside" if aside else "seen"
            rows.append(
                [part, source, kind, len(pairs), f"{near / len(pairs):.0%}", found, with_interval(found, len(pairs))]
            )
    return table(["part", "pairs", "differ in", "n", "vectors alone", "false hits", "rate"], rows)


def _texts() -> Iterator[tuple[str, list[str]]]:
    """Collections of texts that others wrote for something else."""
    if PARAPHRASES.exists():
        rows = json.loads(PARAPHRASES.read_text(encoding="utf-8"))
        yield "GPTCache's questions and paraphrases", [text for row in rows for text in row.values()]
    if PROMPTS.exists():
        with gzip.open(PROMPTS, "rt", encoding="utf-8") as lines:
            prompts = [str(json.loads(line)["prompt"]) for line in lines]
        yield "RouteLLM's exam questions", [prompt for prompt in prompts if len(prompt) <= PROMPT_CHARS]


def _of_others() -> str:
    """Near pairs among texts that nobody wrote as traps."""
    rows = []
    for name, listed in _texts():
        texts = sorted(set(listed))
        vectors = embedded([words_of(text) for text in texts], MIN_DIMENSIONS)
        near = found = furthest = 0
        for at, vector in enumerate(vectors):
            for other in np.flatnonzero(vectors[at + 1 :] @ vector >= CHARACTERS_THRESHOLD) + at + 1:
                near += 1
                if difference(texts[at], texts[other], meaning=False) is None:
                    found += 1
                    furthest = max(furthest, OSA.distance(texts[at], texts[other]))
        rows.append([name, f"{len(texts):,}", f"{near:,}", found, furthest])
    return table(["texts", "n", "near pairs", "hits", "characters that differ in a hit, at most"], rows)


def _meaning(unlike: Sequence[tuple[str, Pair]]) -> str:
    groups: dict[tuple[bool, str], list[Pair]] = defaultdict(list)
    for _, pair in unlike:
        groups[pair.aside, pair.kind].append(pair)
    kinds = sorted({pair.kind for _, pair in unlike})
    rows = []
    for kind in kinds:
        row: list[object] = [kind]
        for aside in (False, True):
            pairs = groups[aside, kind]
            passed = sum(difference(pair.one, pair.other, meaning=True) is None for pair in pairs)
            row += [len(pairs), with_interval(passed, len(pairs))]
        rows.append(row)
    return table(["differ in", "seen", "passed", "kept aside", "passed"], rows)


def _true_hits(same: Sequence[Pair], unlike: Sequence[Pair]) -> str:
    dice = random.Random(9)
    clothes: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for pair in dice.sample(unlike, VARIED_MOST):
        for what, text in varied(pair.one, dice):
            clothes[f"other {what}" if what != "typo" else "a slip of the fingers"].append((pair.one, text))
    groups = {**clothes, "written to ask the same": [(pair.one, pair.other) for pair in same]}
    if PARAPHRASES.exists():
        rows = json.loads(PARAPHRASES.read_text(encoding="utf-8"))
        groups["paraphrases of GPTCache's benchmark"] = [(row["origin"], row["similar"]) for row in rows]
    lines = []
    for name, pairs in groups.items():
        whys = Counter(difference(one, other, meaning=True) for one, other in pairs)
        lines.append(
            [
                name,
                len(pairs),
                *(with_interval(hits(pairs, at), len(pairs)) for at in THRESHOLDS),
                f"{whys[None] / len(pairs):.0%}",
            ]
        )
    heads = ["message", "n", *(f"recognised at {at}" for at in THRESHOLDS), "let through with embeddings"]
    return table(heads, lines)


INTRODUCTION = """
`[routes.NAME.similar]` may answer a request with the answer to an earlier one that differs in its last message only.
What must not happen is a false hit: an answer to something else. It was looked for in {written} pairs that were written
one by one (`bench/data/similar_pairs.tsv`) and {made:,} made from templates in many domains (`bench/similar_pairs.py`);
each pair differs in a number, a name, a negation, who does what to whom, a direction word or one plain word, and in
nothing else. Every third written pair of a class and every third template were kept aside: nobody looked at what the
guards say of them until the rules were done. Who wrote the pairs also wrote the rules, so traps that neither
thought of are in neither part. After the first look at the part kept aside some rules were changed, none for a pair of
it: "how to" became one word, and small words and possessives (my, your) count.

With `by = "characters"`, the threshold {threshold}; *vectors alone* is how often the cosine by itself would have taken
the pair for the same, which is why there are guards:
"""
OTHERS = """
Nor are texts of others taken for one another, of which every two were compared whose vectors reach the threshold. Every
hit was read: it is the same text with another mark or capital, or once a true paraphrase.
"""
MEANING = """
With `by = "embeddings"` vectors see meaning, so other words may stand for the same ones and the guards only hold what
turns or names something. How many pairs they let through, whatever the vectors say, is the most that can go wrong; the
vectors have to tell plain words (rice from pasta) apart themselves:
"""
READING = """
The last column is what the guards let through where a provider's embeddings find the candidates: the most that can be
recognised then. Read plainly: by characters, Headgate recognises a question that was typed again, with other capitals,
punctuation, politeness, small words or a slip of the fingers, and hardly any that was put in other words. That is the
price of a false-hit rate that one can live with: a missed hit costs a call, a false one a wrong answer.
"""

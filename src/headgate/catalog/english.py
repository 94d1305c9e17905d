"""The English words that ship with Headgate: enough to tell a slip of the fingers from another word.

They are the words of 4 to 16 letters that stand in lower case in the prompts of RouteLLM's evaluation set (which holds
MMLU and GSM8K; Apache-2.0 and MIT, read November 2026), without those that no English word looks like, and pairs that
are often taken for each other. A word that is not among them may still be one.
"""

import functools

FILE = "english.txt"


@functools.cache
def english_words() -> frozenset[str]:
    """The words, in lower case. The first call reads them (some milliseconds, 2 MB); later ones cost nothing."""
    from importlib import resources

    return frozenset(resources.files("headgate.catalog").joinpath(FILE).read_text(encoding="utf-8").split())

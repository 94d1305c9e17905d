r"""Owns what a word is: letters and digits of any script, with the vowel signs that `\w` leaves out of Indian ones."""

import re
from typing import Final

WORD_PATTERN: Final = r"(?:[^\W_]|[\u0900-\u0963\u0966-\u0dff\u200c\u200d])+"
"""Without underscores and without the dandas that end Hindi sentences."""
WORD: Final = re.compile(WORD_PATTERN)

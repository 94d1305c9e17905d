"""Holds prompts against the operator's blocklist: before the first call where a route wants it, and after a refusal.

What is told of a prompt are categories, never its words.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.fact import Fact, PromptScreened
from headgate.domain.time import Instant
from headgate.local.safety import Blocklist, Term, screen
from headgate.local.safety_lists import read_lists
from headgate.protocol.chat import Chat
from headgate.runtime.settings_safety import RouteSafety, SafetySettings
from headgate.runtime.settings_source import InvalidSettings

PLACE: Final = "[local.safety]"
MAX_SCREENED_CHARS: Final = 100_000
"""Of one prompt, the newest messages first: a longer one is judged by its end. On the event loop, 0.3 ms for 1,000."""


class Screening:
    """One blocklist, and who is told of prompts that hold something of it."""

    def __init__(self, blocklist: Blocklist, observe: Callable[[Fact], None]) -> None:
        self._blocklist = blocklist
        self._observe = observe

    def categories(self, chat: Chat) -> tuple[str, ...]:
        """What the prompt holds that is blocked."""
        found: dict[str, None] = {}
        left = MAX_SCREENED_CHARS
        for text in _texts(chat):
            if left <= 0:
                break
            found.update(dict.fromkeys(screen(text[-left:], self._blocklist).categories))
            left -= len(text)
        return tuple(found)

    def before_calling(
        self, chat: Chat, mode: RouteSafety, *, request_id: str, tenant: str, now: Instant
    ) -> Refusal | None:
        """A refusal, where the route blocks what was found; what was found is told in any case."""
        categories = self.categories(chat)
        if not categories:
            return None
        blocks = mode is RouteSafety.BLOCK
        self._observe(PromptScreened(now, request_id, tenant, categories, is_blocked=blocks))
        return blocked(categories) if blocks else None


def screening_of(settings: SafetySettings, observe: Callable[[Fact], None]) -> Screening | None:
    """None where nothing is listed: then no request pays for it. Raises `InvalidSettings`."""
    blocklist = blocklist_of(settings)
    return Screening(blocklist, observe) if blocklist.count else None


def blocked(categories: tuple[str, ...]) -> Refusal:
    """What the client is told."""
    text = f"This gateway does not pass the prompt on: its blocklist names something in it ({', '.join(categories)})."
    return Refusal(RefusalCode.CONTENT_FILTER, f"{text} Word it otherwise, or ask the operator.", 400, param="messages")


def blocklist_of(settings: SafetySettings) -> Blocklist:
    """The blocklist that the settings name. Raises `InvalidSettings` where a file or a phrase cannot be used."""
    terms = [Term(phrase) for phrase in settings.block]
    terms += [Term(phrase, category) for category, phrases in settings.categories.items() for phrase in phrases]
    allow = list(settings.allow)
    for name in settings.files:
        try:
            lists = read_lists(Path(name).expanduser().read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            raise InvalidSettings(PLACE, "files", f"{name!r} cannot be read: {why}", "correct the path") from None
        terms += lists.terms
        allow += lists.allow
    try:
        return Blocklist(terms, allow)
    except ValueError as error:
        raise InvalidSettings(PLACE, "block", f"cannot be used: {error}", "correct the phrase") from None


def _texts(chat: Chat) -> Iterator[str]:
    """All texts of the messages, the newest first."""
    for message in reversed(chat.messages):
        if isinstance(message.content, str):
            yield message.content
        else:
            for part in reversed(message.content or ()):
                if part.text:
                    yield part.text

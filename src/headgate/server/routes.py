"""The table of everything that is served under `/v1` and `/openai/v1`: method and path to door.

A door is `async (visit) -> None`. To add one, write a row; errors about paths and methods are made from the table.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from headgate.protocol import anthropic_errors
from headgate.protocol.openai import error_body
from headgate.runtime.keys import SCOPES, Scope
from headgate.server import audio, batches, chat, files, jobs, limits, listing, local_skills, usage
from headgate.server.embeddings import embeddings
from headgate.server.errors import Refuser, refusal_parts
from headgate.server.fetching import json_door
from headgate.server.forms import Form
from headgate.server.messages import MESSAGES, count, refuse_as_anthropic
from headgate.server.moderations import moderations
from headgate.server.responses import RESPONSES
from headgate.server.speech import speech
from headgate.server.stored import stored
from headgate.server.visit import Visit

Door = Callable[[Visit], Awaitable[None]]

BASES: Final = ("/openai/v1", "/v1")
ANTHROPIC: Final = "/messages"
"""Paths from here on are read by Anthropic's clients, who read errors of their own shape."""


class Route(msgspec.Struct, frozen=True):
    """One row. In a pattern `{id}` holds what has no slash, `{id:path}` anything."""

    method: str
    pattern: str
    door: Door


class Found(msgspec.Struct, frozen=True):
    """What the table says of a path: the door of each method, what the path holds, and which scope a key needs, if any
    is needed."""

    doors: dict[str, Door]
    given: dict[str, str]
    scope: Scope | None = None

    @property
    def methods(self) -> str:
        """As an `allow` header lists them."""
        more = ("HEAD", "OPTIONS") if "GET" in self.doors else ("OPTIONS",)
        return ", ".join((*self.doors, *more))


def chat_door(form: Form | None) -> Door:
    """The door of an API that is a chat inside."""

    async def door(visit: Visit) -> None:
        await chat.answer(
            visit.gateway, visit.scope, visit.receive, visit.send, visit.headers, visit.identity, visit.name, form
        )

    return door


ROUTES: Final = (
    Route("POST", "/chat/completions", chat_door(None)),
    Route("POST", "/responses", chat_door(RESPONSES)),
    Route("POST", "/messages", chat_door(MESSAGES)),
    Route("POST", "/messages/count_tokens", json_door(count)),
    Route("POST", "/embeddings", json_door(embeddings)),
    Route("POST", "/moderations", json_door(moderations)),
    Route("POST", "/audio/speech", json_door(speech)),
    Route("POST", "/audio/transcriptions", audio.transcribe),
    Route("POST", "/audio/translations", audio.translate),
    Route("POST", "/files", stored(files.upload)),
    Route("GET", "/files", stored(files.listed)),
    Route("GET", "/files/{id}", stored(files.shown)),
    Route("DELETE", "/files/{id}", stored(files.deleted)),
    Route("GET", "/files/{id}/content", stored(files.content)),
    Route("POST", "/batches", stored(batches.create)),
    Route("GET", "/batches", stored(batches.listed)),
    Route("GET", "/batches/{id}", stored(batches.shown)),
    Route("POST", "/batches/{id}/cancel", stored(batches.cancelled)),
    Route("POST", "/jobs", stored(jobs.create)),
    Route("GET", "/jobs", stored(jobs.listed)),
    Route("GET", "/jobs/{id}", stored(jobs.shown)),
    Route("POST", "/jobs/{id}/cancel", stored(jobs.cancelled)),
    Route("GET", "/models", listing.models),
    Route("GET", "/models/{id:path}", listing.one_model),
    Route("GET", "/requests/{id}", listing.story),
    Route("GET", "/local", local_skills.skills),
    Route("GET", "/local/{id}", local_skills.one_skill),
    Route("POST", "/local/{id}", json_door(local_skills.run_skill)),
    Route("GET", "/limits", limits.limits),
    Route("GET", "/usage", usage.usage),
)


CHATS: Final = frozenset({"chat", "responses", "messages"})
"""First parts of paths whose scope is that of chats; others have the scope of their name, if there is one."""


def _scope(pattern: str) -> Scope | None:
    first = pattern.split("/")[1]
    return Scope.CHAT if first in CHATS else Scope(first) if first in SCOPES else None


def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression."""
    return re.compile(re.sub(r"\{(\w+)(:path)?\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", pattern))


def _table(routes: tuple[Route, ...]) -> Mapping[str, tuple[re.Pattern[str], dict[str, Door], Scope | None]]:
    """Rows by their pattern."""
    table: dict[str, tuple[re.Pattern[str], dict[str, Door], Scope | None]] = {}
    for route in routes:
        row = table.setdefault(route.pattern, (_expression(route.pattern), {}, _scope(route.pattern)))
        row[1][route.method] = route.door
    return table


_TABLE: Final = _table(ROUTES)


def tail_of(path: str) -> str:
    """A path behind its base; "" for one that has none."""
    return next((path[len(base) :] for base in BASES if path.startswith(f"{base}/")), "")


def find(tail: str) -> Found | None:
    """What there is under a path; a pattern that is the path itself comes before all others."""
    known = _TABLE.get(tail)
    if known is not None:
        return Found(known[1], {}, known[2])
    for expression, doors, scope in _TABLE.values():
        match = expression.fullmatch(tail)
        if match is not None:
            return Found(doors, match.groupdict(), scope)
    return None


def refuser_of(path: str) -> Refuser:
    """How refusals are worded for whoever asks there."""
    return refuse_as_anthropic if is_anthropic(path) else refusal_parts


def is_anthropic(path: str) -> bool:
    """Whether Anthropic's clients ask there."""
    tail = tail_of(path)
    return tail == ANTHROPIC or tail.startswith(f"{ANTHROPIC}/")


def unknown_url(method: str, path: str, name: str) -> bytes:
    """404 as Groq words its own, with what there is."""
    there = ", ".join(f"/v1{pattern.replace(':path', '')}" for pattern in _TABLE)
    text = f"Unknown request URL: {method} {path[:200]}. There are {there}."
    if is_anthropic(path):
        return anthropic_errors.error_body(404, text, code="unknown_url", request_id=name)
    return error_body(text, "invalid_request_error", "unknown_url")

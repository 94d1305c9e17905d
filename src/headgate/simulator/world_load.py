"""What the clients of a world ask, and when: drawn from dice, as real bodies that are parsed like any other.

A world enables a handful of the habits below; the rest of its requests are plain. Knows nothing of faults or keys.
"""

from collections.abc import Iterator
from math import exp
from random import Random
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog
from headgate.domain.request import Check, Priority, Request
from headgate.domain.time import Instant, Seconds
from headgate.protocol.chat import Chat, parse_chat
from headgate.runtime.answering import tool_required
from headgate.runtime.packing import least_weight

SCHEMA: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name", "count"],
    "additionalProperties": False,
}
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_TEXT: Final = (
    "please explain the plan for a small team that wants to move its reports to a new tool before the end of week "
    "what does this mean and why would we care about numbers like 42 or 1984 in the second part of the text"
)
_WORDS: Final = tuple(_TEXT.split(" "))
_LONG: Final = " ".join(_WORDS * 400)


class Habits(msgspec.Struct, frozen=True):
    """How the clients of a world behave: probabilities, and the sets that they choose from."""

    models: tuple[str, ...]
    stream: float = 0.3
    json_mode: float = 0.0
    schema: float = 0.0
    tools: float = 0.0
    nonsense: float = 0.0
    oversize: float = 0.0
    long_prompts: float = 0.0
    huge_ask: float = 0.0
    unset_ask: float = 0.3
    one_model_only: float = 0.3
    hangs_up: float = 0.0
    hurried: float = 0.0
    flex: float = 0.0
    own_key: float = 0.0
    no_local: float = 0.3
    sessions: int = 0
    trims: int = 0
    """Every so-many-th request may be trimmed; 0: none."""
    softens: int = 0
    """Every so-many-th request may be rephrased, has a blocklist beside it and may be given an old answer; 0: none."""
    tenants: tuple[str, ...] = ("local",)
    tasks: tuple[str | None, ...] = (None,)
    priorities: tuple[Priority, ...] = (Priority.STANDARD,)
    median_words: float = 25.0
    own_secrets: tuple[tuple[str, str], ...] = ()


class Ask(msgspec.Struct):
    """One request that a client will make."""

    request: Request
    chat: Chat
    own_secret: str | None = None
    hangs_up_at: Instant | None = None


class Load:
    """Makes requests; its dice are its own, so that nothing else changes them."""

    def __init__(self, habits: Habits, catalog: Catalog, dice: Random) -> None:
        self.habits = habits
        self._catalog = catalog
        self._dice = dice
        self._count = 0

    def ask(self, now: Instant) -> Ask:
        """The next request."""
        habits, dice = self.habits, self._dice
        body = self._body()
        chat = parse_chat(msgspec.json.encode(body))
        own = dice.choice(habits.own_secrets) if habits.own_secrets and dice.random() < habits.own_key else None
        hangs_up = now + dice.expovariate(0.4) if dice.random() < habits.hangs_up else None
        deadline_s, patience_s, target_s = self._times()
        return Ask(
            self._request(chat, now, deadline_s, patience_s, target_s, None if own is None else own[0]),
            chat,
            None if own is None else own[1],
            hangs_up,
        )

    def plain(self, now: Instant, *, local: bool) -> Ask:
        """A request as everybody makes it, with nothing special about it."""
        dice = self._dice
        body = {
            "model": dice.choice(self.habits.models),
            "messages": [{"role": "user", "content": self._text(20)}],
            "max_completion_tokens": 400,
            "stream": dice.random() < self.habits.stream,
        }
        chat = parse_chat(msgspec.json.encode(body))
        request = self._request(chat, now, 50.0, 25.0, 10.0, None, one_model_only=False)
        return Ask(msgspec.structs.replace(request, local=local, max_attempts=2, max_calls=6), chat)

    def _text(self, words: int) -> str:
        dice, count = self._dice, self._count
        start = dice.randrange(len(_WORDS))
        chosen = (_WORDS * (words // len(_WORDS) + 2))[start : start + words]
        return f"{' '.join(chosen)} {count}"

    def _body(self) -> dict[str, Any]:
        habits, dice = self.habits, self._dice
        words = max(2, int(habits.median_words * exp(0.8 * dice.gauss(0.0, 1.0))))
        text = self._text(min(words, 1500))
        if dice.random() < habits.long_prompts:
            text = _LONG[: dice.randrange(6_000, 22_000)] + text
        if dice.random() < habits.oversize:
            text = _LONG * 2 + text
        body: dict[str, Any] = {"model": dice.choice(habits.models), "messages": [{"role": "user", "content": text}]}
        if dice.random() >= habits.unset_ask:
            huge = dice.random() < habits.huge_ask
            body["max_completion_tokens"] = (
                dice.choice((8192, 30_000, 65_536)) if huge else dice.choice((20, 150, 400, 1500))
            )
        if dice.random() < habits.stream:
            body["stream"] = True
            if dice.random() < 0.3:
                body["stream_options"] = {"include_usage": True}
        self._shape(body)
        return body

    def _shape(self, body: dict[str, Any]) -> None:
        """Make some requests special: JSON, schema, tools, a tier, or nonsense that only the provider refuses."""
        habits, dice = self.habits, self._dice
        drawn = dice.random()
        for share, change in (
            (habits.json_mode, {"response_format": {"type": "json_object"}}),
            (
                habits.schema,
                {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
            ),
            (habits.tools, {"tools": [TOOL], "tool_choice": dice.choice(("auto", "required"))}),
            (habits.nonsense, dice.choice(({"logprobs": True}, {"reasoning_effort": "none"}, {"top_logprobs": 3}))),
        ):
            if drawn < share:
                body.update(change)
                break
            drawn -= share
        if "response_format" in body and dice.random() < 0.95:
            body["messages"][0]["content"] += " Answer in JSON."
        if dice.random() < habits.flex:
            body["service_tier"] = dice.choice(("flex", "auto"))

    def _times(self) -> tuple[Seconds, Seconds, Seconds]:
        """Deadline, patience and first-token target."""
        dice = self._dice
        if dice.random() >= self.habits.hurried:
            return 50.0, 25.0, 10.0
        deadline_s = dice.choice((0.05, 0.5, 2.0, 5.0, 10.0, 30.0, 120.0))
        return deadline_s, min(deadline_s, dice.choice((0.0, 0.2, 2.0, 25.0, 60.0))), dice.choice((0.5, 2.0, 5.0, 10.0))

    def _request(
        self,
        chat: Chat,
        now: Instant,
        deadline_s: Seconds,
        patience_s: Seconds,
        target_s: Seconds,
        own_key: str | None,
        *,
        one_model_only: bool | None = None,
    ) -> Request:
        habits, dice = self.habits, self._dice
        self._count += 1
        if one_model_only is None:
            one_model_only = dice.random() < habits.one_model_only
        found = self._catalog.resolve(chat.model, chat.needs, substitute=not one_model_only)
        assert found is not None, f"a world asks for {chat.model}"
        is_softened = bool(habits.softens) and self._count % habits.softens == 0
        return Request(
            id=f"r{self._count}",
            model_asked=chat.model,
            candidates=found.candidates,
            arrived_at=now,
            deadline_at=now + deadline_s,
            patience_until=now + patience_s,
            prompt=chat.prompt,
            ask_tokens=chat.ask_tokens,
            stream=chat.stream,
            needs=chat.needs,
            check=chat.check,
            tenant=dice.choice(habits.tenants),
            session=f"s{dice.randrange(habits.sessions)}" if habits.sessions and dice.random() < 0.7 else None,
            task=dice.choice(habits.tasks),
            priority=dice.choice(habits.priorities),
            first_token_target_s=target_s,
            max_attempts=dice.choice((1, 2, 2, 2, 2, 3)),
            max_calls=dice.choice((1, 3, 6, 6, 6, 8)),
            local=dice.random() >= habits.no_local,
            local_possible=chat.check is Check.NONE and not tool_required(chat),
            own_key=own_key,
            service_tier=chat.service_tier,
            recallable=is_softened and own_key is None and chat.check is Check.NONE,
            rephrases=is_softened,
            safeguard=is_softened,
            trims_to=least_weight(chat) if habits.trims and self._count % habits.trims == 0 else 0.0,
        )


def arrivals(dice: Random, per_s: float, from_at: Instant, until: Instant, *, bursts: bool) -> Iterator[Instant]:
    """When requests come: at random, or in bursts of up to forty within a second."""
    at = from_at
    if not bursts:
        while (at := at + dice.expovariate(per_s)) < until:
            yield at
        return
    while (at := at + dice.expovariate(per_s / 15)) < until:
        moments = sorted(at + dice.random() for _ in range(dice.randrange(1, 30)))
        yield from (moment for moment in moments if moment < until)
        at = moments[-1]

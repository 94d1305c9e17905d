"""What a virtual driver carries: the way to the provider, one call under way, one request under way, and who watches.

State only; `virtual_driver` moves it.
"""

from collections.abc import Mapping
from random import Random
from typing import Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.journey import Journey
from headgate.domain.limits import SeenLimits
from headgate.domain.request import Request
from headgate.domain.time import NEVER, Instant, Seconds
from headgate.local.template import LocalAnswer
from headgate.protocol.chat import Chat
from headgate.protocol.stream import StreamReader
from headgate.runtime.errand import ChatErrand
from headgate.runtime.json_stream import JsonStream
from headgate.runtime.settings_model import HandlingSettings
from headgate.runtime.upstream import UpstreamErrorKind
from headgate.simulator.script import Script

CONNECT_S: Final[Seconds] = 3.0
TLS_S: Final[Seconds] = 5.0


class Trouble(msgspec.Struct, frozen=True):
    """What the way to the provider does to calls between two instants, before anything is written."""

    kind: UpstreamErrorKind
    probability: float
    from_at: Instant
    until: Instant
    endpoint: int | None = None


WIRE_S: Final[Mapping[UpstreamErrorKind, Seconds]] = {
    UpstreamErrorKind.CONNECT_TIMEOUT: CONNECT_S,
    UpstreamErrorKind.TLS_TIMEOUT: TLS_S,
    UpstreamErrorKind.DNS: 0.2,
}
"""How long each trouble takes to show; at once where nothing stands here."""


class Wire:
    """The way to the provider: latency and troubles, from dice of its own."""

    def __init__(self, dice: Random, latency_s: Seconds, jitter_s: Seconds, troubles: tuple[Trouble, ...]) -> None:
        self._dice = dice
        self._latency_s, self._jitter_s = latency_s, jitter_s
        self._troubles = troubles
        self.struck: dict[str, int] = {}

    def latency_s(self) -> Seconds:
        """How long a request is on its way."""
        return self._latency_s + (self._jitter_s * self._dice.random() if self._jitter_s else 0.0)

    def trouble(self, now: Instant, endpoint: int) -> UpstreamErrorKind | None:
        """What keeps a call from being sent, if anything does."""
        for each in self._troubles:
            if (
                each.from_at <= now < each.until
                and each.endpoint in (None, endpoint)
                and self._dice.random() < each.probability
            ):
                self.struck[each.kind] = self.struck.get(each.kind, 0) + 1
                return each.kind
        return None


class Exchange:
    """One call under way: how far its script has been played, and what was read of it."""

    __slots__ = ("action", "body", "headers", "index", "last_at", "limits", "reader", "script", "started_at", "watch")

    def __init__(self, action: a.Call, now: Instant) -> None:
        self.action = action
        self.started_at = self.last_at = now
        self.script: Script | None = None
        self.headers: dict[str, str] | None = None
        self.limits: SeenLimits | None = None
        self.index = 0
        self.body = bytearray()
        self.reader: StreamReader | None = None
        self.watch: JsonStream | None = None


class Run:
    """One request and everything that came of it. `received` are the bytes of the client, each with its instant."""

    __slots__ = (
        "bodies", "chat", "committed", "ended_at", "errand", "exchange", "failed_clean", "finish", "gone", "journey",
        "local", "own_secret", "received", "request", "scripts", "sleeping",
    )  # fmt: skip

    def __init__(self, request: Request, chat: Chat, own_secret: str | None) -> None:
        self.request = request
        self.chat = chat
        self.errand = ChatErrand(chat, HandlingSettings())
        self.own_secret = own_secret
        self.journey = Journey(request)
        self.bodies: dict[int, bytes] = {}
        self.scripts: dict[int, Script] = {}
        self.exchange: Exchange | None = None
        self.received: list[tuple[Instant, bytes]] = []
        self.committed = 0
        self.finish: a.Finish | None = None
        self.ended_at: Instant = NEVER
        self.gone = False
        self.local: LocalAnswer | None = None
        self.sleeping: a.Sleep | None = None


class Witness:
    """Somebody who is shown everything that happens; does nothing by itself."""

    def arrived(self, run: Run, now: Instant) -> None: ...

    def heard(self, run: Run, script: Script, now: Instant) -> None: ...

    def call_ended(self, run: Run, event: e.Event, script: Script | None, now: Instant) -> None: ...

    def finished(self, run: Run, now: Instant) -> None: ...

    def settled_down(self, now: Instant) -> None: ...

"""Background work in virtual time: a flood of it beside replies, on one deployment of the free plan."""

from functools import partial
from random import Random

import msgspec
import pytest

from headgate.catalog import default_catalog
from headgate.decide.gate import Gate
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.limits import Amounts, Deployment, Dimension
from headgate.domain.request import Priority, Request
from headgate.domain.time import NEVER
from headgate.protocol.chat import parse_chat
from headgate.quota.answers import Held
from headgate.quota.bucket import need_of
from headgate.quota.ledger import Ledger
from headgate.quota.meter import room_beside, wait_beside, wait_in
from headgate.quota.room import Option, Ticket, WaitingRoom
from headgate.simulator.groq import PretendGroq
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.trace import Trace
from headgate.simulator.virtual_driver import VirtualDriver
from headgate.simulator.virtual_run import Run, Wire, Witness

MODEL = "openai/gpt-oss-20b"
SECRET = "gsk_" + "a" * 48
HERE = Deployment.of("groq", "one", MODEL)
LASTS_S = 900.0
EVERY_S = 10.0
FLOOD = 8
"""Background requests that are under way or wait all the time."""


class Street(Witness):
    """One gate over one pretend Groq: a reply every ten seconds, and a flood that never ends."""

    def __init__(self, flood: Priority | None, *, keeps: float = 0.5, ask_tokens: int | None = 300) -> None:
        catalog = default_catalog()
        self.gate = Gate(
            catalog=catalog,
            policy=Policy(background_keeps=keeps),
            pool=pool_of([Key("k", "groq", "one")], catalog),
            ledger=Ledger(
                lambda deployment: catalog.limits(deployment.model, "free"),
                lambda _deployment, _requests, _tokens: None,
            ),
            room=WaitingRoom(),
            learned=Learned(),
            dice=Random(1),
        )
        self.driver = VirtualDriver(
            gate=self.gate,
            groq=PretendGroq(SimulatorSettings(seed=3, keys={SECRET: "one"}), catalog),
            secrets={"k": SECRET},
            wire=Wire(Random(2), 0.01, 0.0, ()),
            observe=self._told,
            recorder=Trace(),
            witness=self,
            wall=lambda now: now,
            start=0.0,
        )
        self.flood, self.ask_tokens, self.count = flood, ask_tokens, 0
        self.replies: list[RequestFinished] = []
        self.behind: list[RequestFinished] = []

    def play(self) -> None:
        if self.flood is not None:
            for _ in range(FLOOD):
                self._start(self.flood, "b", 3_600.0)
        for number in range(int(LASTS_S / EVERY_S)):
            self.driver.at(number * EVERY_S + 5.0, partial(self._start, Priority.STANDARD, "f", 25.0))
        self.driver.play(LASTS_S)

    def _start(self, priority: Priority, mark: str, patience_s: float) -> None:
        self.count += 1
        now = self.driver.now
        body: dict[str, object] = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Say something nice. " * 10}],
        }
        if self.ask_tokens is not None:
            body["max_completion_tokens"] = self.ask_tokens
        chat = parse_chat(msgspec.json.encode(body))
        request = Request(
            id=f"{mark}{self.count}",
            model_asked=MODEL,
            candidates=(MODEL,),
            arrived_at=now,
            deadline_at=now + patience_s + 25.0,
            patience_until=now + patience_s,
            prompt=chat.prompt,
            ask_tokens=chat.ask_tokens,
            priority=priority,
            local=False,
        )
        self.driver.ask(Run(request, chat, None))

    def _told(self, fact: Fact) -> None:
        if isinstance(fact, RequestFinished):
            (self.replies if fact.request_id.startswith("f") else self.behind).append(fact)

    def finished(self, run: Run, now: float) -> None:
        if self.flood is not None and run.request.id.startswith("b"):
            self.driver.at(now + 0.01, partial(self._start, self.flood, "b", 3_600.0))


def played(flood: Priority | None, *, keeps: float = 0.5, ask_tokens: int | None = 300) -> Street:
    street = Street(flood, keeps=keeps, ask_tokens=ask_tokens)
    street.play()
    assert len(street.replies) == int(LASTS_S / EVERY_S)
    return street


@pytest.mark.parametrize("ask_tokens", [300, None])
def test_replies_beside_a_flood(ask_tokens: int | None) -> None:
    """Replies are admitted at the same instants as without the flood, every one at once and answered; meanwhile a good
    part of the quota goes into background work."""
    alone = played(None, ask_tokens=ask_tokens)
    beside = played(Priority.BACKGROUND, ask_tokens=ask_tokens)
    for street in (alone, beside):
        assert [reply.waited_s for reply in street.replies] == [0.0] * len(street.replies)
        assert {reply.refusal for reply in street.replies} == {None}
    answered = [fact for fact in beside.behind if fact.model_served]
    assert len(answered) >= 60, "background work stood still"


@pytest.mark.parametrize("flood, keeps", [(Priority.BATCH, 0.5), (Priority.BACKGROUND, 0.0)])
def test_flood_that_leaves_nothing(flood: Priority, keeps: float) -> None:
    """What the measurement is worth: the same flood as batch work, or with nothing kept from it, makes replies wait."""
    street = played(flood, keeps=keeps)
    assert sum(reply.waited_s > 0.0 for reply in street.replies) > len(street.replies) / 4


def test_background_tickets_are_not_there_for_others() -> None:
    """Nobody queues behind them, and no maximum is made smaller because they wait; their like do queue."""
    room, option = WaitingRoom(), Option(HERE, Amounts(600, 0))
    room.enqueue(Ticket("b", "t", Priority.BACKGROUND, 0.0, 1e6, (option,), 600.0, kept=0.5))
    assert (room.waiting(), room.waiting_for(HERE.id), room.mean_cost_tokens()) == (1, 0, 0.0)
    assert room.waiting_for(HERE.id, Priority.BACKGROUND) == 1
    assert not room.must_queue([option])
    assert room.must_queue([option], Priority.BACKGROUND)
    again = WaitingRoom()
    again.restore(room.snapshot())
    assert not again.must_queue([option])
    assert again.leave("b")
    assert not again.must_queue([option], Priority.BACKGROUND)


def test_share_that_is_kept() -> None:
    """A call waits until its need and the kept share are free together; one too large for that, until all is free."""
    books = Ledger(lambda _: {Dimension.TPM: 6000})
    assert isinstance(books.reserve(HERE, "r", Amounts(3000, 0), 0.0), Held)
    view = books.view(HERE, 0.0)
    small, large = need_of(Amounts(600, 0)), need_of(Amounts(5000, 0))
    assert wait_in(view, small) == 0.0
    assert wait_beside(view, small, 0.5) == pytest.approx(6.0, abs=1e-3)
    assert wait_beside(view, large, 0.5) == pytest.approx(30.0, abs=1e-3)
    assert wait_beside(view, need_of(Amounts(6001, 0)), 0.5) == NEVER
    assert room_beside(view, 0, 0.5) == 0
    assert room_beside(books.view(HERE, 30.0), 600, 0.5) == 2400

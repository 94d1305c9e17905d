"""The waiting room: order, claims, wake-ups, forecasts, snapshots."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.domain.limits import Amounts, Deployment, Dimension
from headgate.domain.request import Priority
from headgate.domain.time import NEVER
from headgate.quota.answers import Held
from headgate.quota.cooldown import CooldownSource
from headgate.quota.lanes import MAX_DEBT_TICKETS
from headgate.quota.ledger import Ledger
from headgate.quota.room import Admission, Expired, Option, Ticket, WaitingRoom

MINUTE = {Dimension.TPM: 6000}
A, B, C = (Deployment.of("groq", name, "m") for name in "abc")


def ledger() -> Ledger:
    return Ledger(lambda _: MINUTE)


def fill(books: Ledger, at: Deployment, tokens: int, now: float = 0.0) -> None:
    assert isinstance(books.reserve(at, f"fill {at.id} {now}", Amounts(tokens, 0), now), Held)


def ticket(
    name: str,
    tokens: int = 600,
    *,
    key: str = "t",
    priority: Priority = Priority.STANDARD,
    at: tuple[Deployment, ...] = (A,),
    queued_at: float = 0.0,
    expires_at: float = 1e6,
    weight: float = 1.0,
) -> Ticket:
    options = tuple(Option(deployment, Amounts(tokens, 0)) for deployment in at)
    return Ticket(name, key, priority, queued_at, expires_at, options, float(tokens), weight)


def enter(room: WaitingRoom, *tickets: Ticket) -> None:
    for one in tickets:
        assert room.enqueue(one)


def admit(room: WaitingRoom, books: Ledger, now: float) -> list[str]:
    """Drive the room as a gate does: reserve for each admission, until nothing moves."""
    names = []
    while (step := room.next(books, now)) is not None:
        if isinstance(step, Admission):
            option = next(o for o in step.ticket.options if o.deployment == step.deployment)
            held = books.reserve(step.deployment, step.ticket.journey, option.amounts_minimum, now)
            assert isinstance(held, Held)
            names.append(step.ticket.journey)
        else:
            names.append(f"expired {step.ticket.journey}")
    return names


def test_empty_room_never_wakes() -> None:
    """Nobody waits, nothing happens."""
    assert WaitingRoom().wakes_at(ledger(), 0.0) == NEVER
    assert WaitingRoom().next(ledger(), 0.0) is None


def test_first_come_first_served_within_a_key() -> None:
    """Tickets of one key leave in the order in which they came, as soon as there is room and not before."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    enter(room, ticket("1"), ticket("2"), ticket("3"))
    assert admit(room, books, 0.0) == []
    due = room.wakes_at(books, 0.0)
    assert due == pytest.approx(6.0, abs=1e-3)
    assert admit(room, books, 5.99) == []
    assert admit(room, books, due) == ["1"]
    assert admit(room, books, 18.01) == ["2", "3"]
    assert room.waiting() == 0


def test_option_order_is_the_preference() -> None:
    """The first deployment that can run now is taken; the next one only when that is full."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 5400)
    enter(room, ticket("1", at=(A, B)), ticket("2", at=(A, B)))
    first = room.next(books, 0.0)
    assert isinstance(first, Admission)
    assert first.deployment == A
    fill(books, A, 600, 0.0001)
    second = room.next(books, 0.0001)
    assert isinstance(second, Admission)
    assert second.deployment == B


def test_higher_priority_goes_first_and_never_waits_for_a_lower_one() -> None:
    """Batch work that came first is served after all interactive work that could use the same place."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    enter(
        room,
        ticket("batch", 100, priority=Priority.BATCH),
        ticket("standard", 100),
        ticket("big and interactive", 3000, priority=Priority.INTERACTIVE),
        ticket("small and interactive", 100, priority=Priority.INTERACTIVE, key="u"),
    )
    assert admit(room, books, 29.0) == []
    assert admit(room, books, 40.0) == ["big and interactive", "small and interactive", "standard", "batch"]


def test_big_request_at_the_head_is_not_starved_by_small_ones() -> None:
    """Small ones keep coming and would fit; the place where the big one runs soonest is kept for it."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    enter(room, ticket("big", 5000, key="big"))
    served: list[str] = []
    for second in range(70):
        enter(room, ticket(f"small {second}", 100, key=f"s{second % 5}", expires_at=second + 20.0))
        served += admit(room, books, float(second))
    assert served.index("big") == next(i for i, name in enumerate(served) if not name.startswith("expired"))
    assert any(name.startswith("small") for name in served)


def test_small_request_uses_what_the_head_does_not_need() -> None:
    """The head waits for one deployment; another one stays open to those behind it."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 3000)
    fill(books, B, 5000)
    enter(room, ticket("big", 5500, at=(A, B)), ticket("small", 500, key="u", at=(A, B)))
    step = room.next(books, 0.0)
    assert isinstance(step, Admission)
    assert (step.ticket.journey, step.deployment) == ("small", B)


def test_ticket_that_cannot_live_to_see_its_turn_blocks_nobody() -> None:
    """It claims nothing, and expires when its patience ends."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 5000)
    enter(room, ticket("hopeless", 6000, expires_at=10.0), ticket("small", 500, key="u"))
    assert admit(room, books, 0.0) == ["small"]
    assert room.wakes_at(books, 0.0) == 10.0
    assert admit(room, books, 10.0) == ["expired hopeless"]


def test_deployment_that_is_not_usable_is_passed_over() -> None:
    """A circuit or a missing key takes a deployment out of the pass; its tickets block nobody else."""
    books, room = ledger(), WaitingRoom()
    enter(room, ticket("here", at=(A,)), ticket("there", key="u", at=(A, B)))
    step = room.next(books, 0.0, lambda id_: id_ != A.id)
    assert isinstance(step, Admission)
    assert (step.ticket.journey, step.deployment) == ("there", B)
    assert room.next(books, 0.0, lambda id_: id_ != A.id) is None
    assert room.wakes_at(books, 0.0, lambda id_: id_ != A.id) == 1e6


def test_cooldown_is_waited_out() -> None:
    """The room wakes at the end of a cooldown."""
    books, room = ledger(), WaitingRoom()
    books.cool(A, 30.0, CooldownSource.ANNOUNCED, 0.0, "429")
    enter(room, ticket("1"))
    assert room.next(books, 0.0) is None
    assert room.wakes_at(books, 0.0) == 30.0
    assert admit(room, books, 30.0) == ["1"]


def test_tickets_behind_a_long_queue_for_another_model_are_found() -> None:
    """A thousand wait for a full deployment; the one ticket for a free one is admitted at once."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    enter(room, *(ticket(f"a{i}", key=f"k{i % 7}") for i in range(1000)), ticket("b", at=(B,)))
    assert admit(room, books, 0.0) == ["b"]


def test_merged_deployments_are_one_place() -> None:
    """Two names of one bucket cannot both be claimed or both be used."""
    books, room = ledger(), WaitingRoom()
    books.merge("groq", "b", "a", 0.0)
    fill(books, B, 5000)
    enter(room, ticket("big", 2000, at=(A,)), ticket("small", 500, key="u", at=(B,)))
    assert admit(room, books, 0.0) == []


def test_full_room_turns_away_and_leaving_makes_room() -> None:
    """The bound holds; a journey that ends otherwise takes its ticket along."""
    books, room = ledger(), WaitingRoom(2)
    fill(books, A, 6000)
    enter(room, ticket("1"), ticket("2", at=(A, B)))
    assert not room.enqueue(ticket("3"))
    assert (room.waiting(), room.waiting_for(A.id), room.waiting_for(B.id)) == (2, 2, 1)
    assert room.leave("2")
    assert not room.leave("2")
    assert (room.waiting(), room.waiting_for(A.id), room.waiting_for(B.id)) == (1, 1, 0)
    assert room.enqueue(ticket("3"))


def test_new_arrival_may_not_jump_the_queue() -> None:
    """Whoever could use a deployment that somebody waits for must queue; others need not."""
    room = WaitingRoom()
    option = {deployment: Option(deployment, Amounts(1, 1)) for deployment in (A, B, C)}
    assert not room.must_queue([option[A]])
    enter(room, ticket("1", at=(A, B)))
    assert room.must_queue([option[B], option[C]])
    assert not room.must_queue([option[C]])


def test_ticket_put_back_is_first_again() -> None:
    """An admission whose reservation failed after all costs its key neither place nor turn."""
    books, room = ledger(), WaitingRoom()
    enter(room, ticket("1"), ticket("2"), ticket("3", key="u"))
    step = room.next(books, 0.0)
    assert isinstance(step, Admission)
    room.put_back(step.ticket)
    assert admit(room, books, 0.0) == ["1", "3", "2"]


def test_weight_buys_turns() -> None:
    """A key of weight 3 gets three turns for one."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    enter(room, *(ticket(f"h{i}", 100, key="heavy", weight=3.0) for i in range(60)))
    enter(room, *(ticket(f"l{i}", 100, key="light") for i in range(60)))
    served = Counter(name[0] for name in admit(room, books, 40.0))
    assert served["h"] == pytest.approx(3 * served["l"], abs=3)


def test_key_that_returns_neither_saved_up_nor_lost_much() -> None:
    """After a long absence it starts beside the others; after taking much alone it is back within a few turns."""
    books, room = ledger(), WaitingRoom()
    enter(room, *(ticket(f"g{i}", 100, key="greedy") for i in range(50)))
    assert len(admit(room, books, 0.0)) == 50
    fill(books, A, 1000)
    enter(room, *(ticket(f"n{i}", 100, key="new") for i in range(40)))
    enter(room, *(ticket(f"h{i}", 100, key="greedy") for i in range(40)))
    served = admit(room, books, 40.0)
    first_return = next(i for i, name in enumerate(served) if name.startswith("h"))
    assert first_return <= MAX_DEBT_TICKETS + 1
    rest = Counter(name[0] for name in served[first_return:])
    assert abs(rest["n"] - rest["h"]) <= 2


@given(seed=st.integers(0, 10**6), tenants=st.integers(2, 6))
@settings(max_examples=20, deadline=None)
def test_backlogged_tenants_share_equally(seed: int, tenants: int) -> None:
    """Whatever the sizes, each of N tenants that always has tickets waiting gets at least 90 % of its equal share."""
    dice = random.Random(seed)
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    served: Counter[str] = Counter()
    sizes = {f"t{i}": (1 + i) * 40 for i in range(tenants)}
    count, now = 0, 0.0
    waiting: Counter[str] = Counter()
    while now < 600.0:
        for key, size in sizes.items():
            while waiting[key] < 5:
                count += 1
                enter(room, ticket(f"{count}", dice.randint(size // 2, size), key=key))
                waiting[key] += 1
        step = room.next(books, now)
        if step is None:
            now = room.wakes_at(books, now)
            continue
        assert isinstance(step, Admission)
        tokens = step.ticket.options[0].amounts_minimum.input_tokens
        assert isinstance(books.reserve(A, step.ticket.journey, Amounts(tokens, 0), now), Held)
        books.settle(step.ticket.journey, None, now)
        served[step.ticket.fairness_key] += tokens
        waiting[step.ticket.fairness_key] -= 1
    assert min(served[key] for key in sizes) >= 0.9 * sum(served.values()) / tenants


steps = st.lists(
    st.tuples(
        st.sampled_from(["enqueue", "enqueue", "admit", "leave", "settle", "time"]),
        st.integers(0, 5),
        st.integers(1, 60),
        st.sampled_from(list(Priority)),
        st.sampled_from([(A,), (A, B), (B, A), (B,), (C, A)]),
    ),
    max_size=60,
)


@given(steps)
@settings(deadline=None)
def test_nothing_moves_before_the_room_said_so_and_a_copy_behaves_alike(
    script: list[tuple[str, int, int, Priority, tuple[Deployment, ...]]],
) -> None:
    """`wakes_at` is never late or idle: before it `next` gives None, at it something. A restored room acts the same."""
    books, room = ledger(), WaitingRoom()
    now, open_, count = 0.0, [""], 0
    for kind, which, size, priority, at in script:
        if kind == "enqueue":
            count += 1
            expires_at = now + 30.0 + size
            enter(
                room, ticket(f"j{count}", size * 90, key=f"k{which}", priority=priority, at=at, expires_at=expires_at)
            )
        elif kind == "leave":
            room.leave(f"j{size}")
        elif kind == "settle" and len(open_) > 1:
            books.settle(open_.pop(), Amounts(size, 0), now)
        elif kind == "time":
            due = room.wakes_at(books, now)
            between = now + (min(due, now + 100.0) - now) * size / 61
            if due > now:
                assert room.next(books, between) is None
            now = min(due, now + 100.0)
            if due == now:
                assert room.wakes_at(books, now) == now
        else:
            copy = WaitingRoom()
            copy.restore(room.snapshot())
            twin = ledger()
            twin.restore(books.snapshot())
            names = admit(room, books, now)
            assert admit(copy, twin, now) == names
            assert copy.wakes_at(twin, now) == room.wakes_at(books, now)
            assert (copy.snapshot(), twin.snapshot()) == (room.snapshot(), books.snapshot())
            open_ += [name for name in names if not name.startswith("expired")]
        books.check(now)


@pytest.mark.parametrize("ahead, expected_s", [(0, 0.0), (10, 0.0), (11, 5.0), (40, 150.0)])
def test_forecast_counts_what_waits_ahead(ahead: int, expected_s: float) -> None:
    """Free room first, 5,500 tokens, then the drain, 100 a second, for 500 tokens each."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 500)
    enter(room, *(ticket(f"{i}", 500) for i in range(ahead)))
    predicted = room.forecast(books, [Option(A, Amounts(500, 0))], 500.0, Priority.STANDARD, 0.0)
    assert predicted == pytest.approx(expected_s, abs=0.01)


def test_forecast_passes_over_lower_priorities_and_other_keys_backlogs() -> None:
    """Who waits behind us does not delay us; a light tenant does not pay for a heavy one's queue."""
    books, room = ledger(), WaitingRoom()
    fill(books, A, 6000)
    enter(room, *(ticket(f"b{i}", 500, priority=Priority.BATCH) for i in range(20)))
    option = [Option(A, Amounts(500, 0))]
    assert room.forecast(books, option, 500.0, Priority.STANDARD, 0.0) == pytest.approx(5.0, abs=0.01)
    enter(room, *(ticket(f"s{i}", 500, key="heavy") for i in range(20)))
    assert room.forecast(books, option, 500.0, Priority.STANDARD, 0.0) == pytest.approx(105.0, abs=0.01)
    assert room.forecast(books, option, 500.0, Priority.STANDARD, 0.0, "light") == pytest.approx(10.0, abs=0.01)


def test_forecast_waits_for_requests_and_cooldowns_too() -> None:
    """The later of tokens and requests; a cooled deployment gives from the end of its cooldown."""
    books = Ledger(lambda _: {Dimension.TPM: 6000, Dimension.RPM: 10})
    room = WaitingRoom()
    enter(room, *(ticket(f"{i}", 10) for i in range(19)))
    option = [Option(A, Amounts(10, 0))]
    assert room.forecast(books, option, 10.0, Priority.STANDARD, 0.0) == pytest.approx(60.0, abs=0.01)
    books.cool(A, 100.0, CooldownSource.ANNOUNCED, 0.0, "429")
    assert room.forecast(books, option, 10.0, Priority.STANDARD, 0.0) == pytest.approx(160.0, abs=0.1)
    assert room.forecast(books, [Option(A, Amounts(7000, 0))], 10.0, Priority.STANDARD, 0.0) == NEVER


def test_expired_tickets_come_out_first() -> None:
    """One call gives one thing; what is over is said before anyone is admitted."""
    books, room = ledger(), WaitingRoom()
    enter(room, ticket("late", expires_at=5.0), ticket("fine", key="u"))
    assert isinstance(room.next(books, 5.0), Expired)
    assert isinstance(room.next(books, 5.0), Admission)


def test_forecast_takes_nothing_from_others_for_an_overdrawn_deployment() -> None:
    """One deployment far beyond its limit does not make another one's free requests wait."""
    books, room = ledger(), WaitingRoom()
    held = books.reserve(A, "a", Amounts(100, 100), 0.0)
    assert isinstance(held, Held)
    books.settle("a", Amounts(100, 60_000), 0.0)
    enter(room, ticket("ahead", 500, at=(A, B)))
    options = [Option(A, Amounts(500, 0)), Option(B, Amounts(500, 0))]
    assert room.forecast(books, options, 500.0, Priority.STANDARD, 0.0) == pytest.approx(0.0, abs=0.01)

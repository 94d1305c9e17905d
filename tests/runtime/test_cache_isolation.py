"""Whoever asks is given their own answers and those that they share, whatever others ask: as a property."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cache.cache_drawing import MODEL, ROOT, SCOPES, raw_fields
from tests.cache.test_cache_keys import Owner, shared_with
from tests.runtime.test_cache_object import House

from headgate.cache.entry import Entry
from headgate.cache.key import canonical, key_of, space_of
from headgate.cache.marks import Kind, marks_of
from headgate.cache.rules import CacheScope
from headgate.runtime.cache import Ticket

TENANTS = st.sampled_from(("one", "two", 'one","u', "shared"))
USERS = st.sampled_from(("u", "v", ""))
OWNERS = st.tuples(TENANTS, SCOPES, USERS)
BODIES = st.sampled_from(({"messages": "hi"}, {"messages": "ho"}, {"messages": "hi", "seed": 1}))
ASKS = st.lists(st.tuples(OWNERS, BODIES, st.booleans(), st.integers(0, 40)), min_size=2, max_size=25)


def ticket_of(owner: Owner, body: dict[str, Any]) -> Ticket | None:
    tenant, scope, user = owner
    space = space_of(ROOT, scope, tenant, user)
    form = canonical(raw_fields(body), (MODEL,), None)
    assert form is not None
    return None if space is None else Ticket(key_of(space, form), space, (MODEL,))


@settings(max_examples=60)
@given(ASKS, st.integers(0, 24))
async def test_no_answer_reaches_somebody_it_was_not_made_for(
    asks: list[tuple[Owner, dict[str, Any], bool, int]], forgets: int
) -> None:
    """Two processes with a far tier in common, random tenants, scopes, users, requests and times, one invalidation of a
    tenant: every hit was written for somebody who shares with the reader, for an equal request, and is not void."""
    one = House()
    other = House(one.time, one.far)
    written: dict[bytes, tuple[Owner, dict[str, Any], float]] = {}
    void_at = float("inf")
    for number, (owner, body, in_other, later_s) in enumerate(asks):
        house = other if in_other else one
        one.time.at += later_s
        if number == forgets:
            void_at = one.time.wall()
            await one.cache.invalidate(Kind.TENANT, "one")
            await other.cache.invalidate(Kind.TENANT, "one")
            one.time.at += 1
        ticket = ticket_of(owner, body)
        if ticket is None:
            assert owner[1] is CacheScope.USER
            continue
        found = house.cache.look_near(ticket) or await house.cache.look_far(ticket)
        if found is not None:
            writer, asked, at = written[found.entry.body]
            assert shared_with(writer, owner), (writer, owner)
            assert msgspec.json.encode(asked, order="sorted") == msgspec.json.encode(body, order="sorted")
            assert found.age_s < 60.0
            assert not (writer[0] == "one" and at < void_at <= one.time.wall())
            continue
        told = msgspec.json.encode([number, owner])
        written[told] = (owner, body, one.time.wall())
        marks = marks_of(owner[0], MODEL, ())
        kept = Entry("chat", ticket.key, ticket.space.name, MODEL, "groq", one.time.wall(), 60.0, marks, None, told)
        house.cache.keep(kept, ticket)
        await house.cache.settled()

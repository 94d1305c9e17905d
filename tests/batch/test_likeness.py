from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from headgate.batch.coalescing import _likeness
from headgate.domain.request import Priority, PromptSize, Request
from headgate.protocol.chat import parse_chat
from headgate.protocol.merging import Part, part_of

NAMES = st.sampled_from(["a", "b", "a/b", "", "a\x00b", "local"]) | st.text(max_size=4)
REQUESTS = st.fixed_dictionaries(
    {
        "tenant": NAMES,
        "route": st.none() | NAMES,
        "agent": st.none() | NAMES,
        "task": st.none() | NAMES,
        "priority": st.sampled_from(Priority),
        "candidates": st.lists(NAMES, min_size=1, max_size=2).map(tuple),
        "elsewhere": st.lists(NAMES, max_size=1).map(tuple),
        "service_tier": st.none() | st.just("flex"),
        "mixes": st.booleans(),
    }
)
CHATS = st.fixed_dictionaries(
    {"model": st.sampled_from(["m", "n"]), "messages": st.just([])},
    optional={"temperature": st.sampled_from([0, 1]), "seed": st.integers(0, 1)},
)
LEADS = st.lists(st.sampled_from(["be brief", "be kind"]), max_size=2)


def part(chat: dict[str, Any], lead: list[str]) -> Part:
    """The part of a chat with these instructions."""
    messages = [{"role": "system", "content": text} for text in lead] + [{"role": "user", "content": "?"}]
    made = part_of(parse_chat(msgspec.json.encode(chat | {"messages": messages})))
    assert made is not None
    return made


def request(facts: dict[str, Any]) -> Request:
    """A request's facts."""
    return Request("r", "m", arrived_at=0.0, deadline_at=1.0, patience_until=1.0, prompt=PromptSize(), **facts)


@given(REQUESTS, REQUESTS, CHATS, CHATS, LEADS, LEADS)
def test_only_what_is_alike_is_gathered(
    one: dict[str, Any],
    other: dict[str, Any],
    chat: dict[str, Any],
    other_chat: dict[str, Any],
    lead: list[str],
    other_lead: list[str],
) -> None:
    """Two requests have one likeness exactly where tenant, route, models, priority, parameters and instructions are the
    same: whatever differs keeps them apart, the tenant first of all."""
    same = (one, chat, lead) == (other, other_chat, other_lead)
    alike = _likeness(request(one), part(chat, lead)) == _likeness(request(other), part(other_chat, other_lead))
    assert alike is same


@given(REQUESTS, NAMES, CHATS, LEADS)
def test_another_tenant_is_never_alike(
    facts: dict[str, Any], tenant: str, chat: dict[str, Any], lead: list[str]
) -> None:
    """Requests that differ in nothing but the tenant are not gathered."""
    alike = _likeness(request(facts), part(chat, lead)) == _likeness(
        request(facts | {"tenant": tenant}), part(chat, lead)
    )
    assert alike is (tenant == facts["tenant"])

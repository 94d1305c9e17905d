"""Requests, spaces and entries drawn at random, for properties of the cache."""

from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from headgate.cache.entry import Entry
from headgate.cache.key import Space, space_of
from headgate.cache.rules import CacheScope
from headgate.domain.answer import Usage

ROOT: Final = b"root"
MODEL: Final = "openai/gpt-oss-20b"
NAMES: Final = ("", "a", "b", "a/b", 'a","b', "a\x00b", "tenant", "shared")

TENANTS: Final = st.sampled_from(NAMES[1:]) | st.text(min_size=1, max_size=8)
USERS: Final = st.sampled_from(NAMES[1:]) | st.text(min_size=1, max_size=8)
SCOPES: Final = st.sampled_from(CacheScope)

_TEXTS: Final = st.text(max_size=12)
VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-9, 9) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
MESSAGES: Final = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(("system", "user", "assistant")), "content": _TEXTS}),
    min_size=1,
    max_size=3,
)
BODIES: Final = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        "temperature": st.sampled_from((0, 0.0, 0.5, 1)),
        "top_p": st.sampled_from((0.1, 1)),
        "seed": st.integers(0, 3),
        "stop": _TEXTS,
        "tools": VALUES,
        "response_format": VALUES,
        "reasoning_effort": st.sampled_from(("low", "high")),
    },
)
"""What may change an answer."""
IRRELEVANT: Final = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.booleans(),
        "user": _TEXTS,
        "metadata": st.dictionaries(_TEXTS, _TEXTS, max_size=2),
        "service_tier": st.sampled_from(("auto", "flex")),
        "stream_options": st.just({"include_usage": True}),
        "model": _TEXTS,
        "n": st.just(1),
        "headgate": st.dictionaries(_TEXTS, _TEXTS, max_size=1),
    },
)
"""What may not."""


def raw_fields(body: dict[str, Any]) -> dict[str, msgspec.Raw]:
    """A body as it is when it was read."""
    return msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])


def shuffled(value: Any, draw: Any) -> Any:
    """The same value with the names of every object in another order."""
    if isinstance(value, dict):
        names = draw(st.permutations(list(value)))
        return {name: shuffled(value[name], draw) for name in names}
    return [shuffled(each, draw) for each in value] if isinstance(value, list) else value


def space(tenant: str = "acme", scope: CacheScope = CacheScope.TENANT, user: str | None = "u") -> Space:
    """The space of somebody who has a user."""
    found = space_of(ROOT, scope, tenant, user)
    assert found is not None
    return found


def entry(key: str = "k", owner: Space | None = None, **fields: Any) -> Entry:
    """An entry like any other."""
    told: dict[str, Any] = {
        "kind": "chat",
        "key": key,
        "space": (owner or space()).name,
        "model": MODEL,
        "provider": "groq",
        "written_at": 1000.0,
        "ttl_s": 60.0,
        "marks": ("tenant:acme", f"model:{MODEL}", "tag:prices"),
        "usage": Usage(10, 5),
        "body": b'{"choices":[]}',
    }
    return Entry(**told | fields)

"""The key of a request: equal for equal requests, different for all others, and nobody else's."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cache.cache_drawing import BODIES, IRRELEVANT, ROOT, SCOPES, TENANTS, USERS, raw_fields, shuffled, space

from headgate.cache.key import LEFT_OUT, canonical, key_of, space_of
from headgate.cache.rules import CacheScope

MODELS = ("m",)


def meaning(body: dict[str, Any]) -> Any:
    """A body as JSON means it: without what is null, and with numbers of sampling as numbers."""
    numbers = {"temperature", "top_p"}
    kept = {name: float(value) if name in numbers else value for name, value in body.items() if value is not None}
    return msgspec.json.encode(kept, order="sorted")


@given(BODIES, IRRELEVANT, IRRELEVANT, st.data())
def test_equal_requests_have_one_form(body: dict[str, Any], one: Any, other: Any, data: st.DataObject) -> None:
    """The order of names, at any depth, and fields that cannot change the answer do not show in the form."""
    first = canonical(raw_fields(body | one), MODELS, 64)
    again = shuffled(shuffled(body, data.draw) | other, data.draw)
    assert canonical(raw_fields(again), MODELS, 64) == first is not None


@given(BODIES, BODIES)
def test_different_requests_never_have_one_form(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two bodies that do not mean the same differ in their forms."""
    same = canonical(raw_fields(one), MODELS, 64) == canonical(raw_fields(other), MODELS, 64)
    assert same == (meaning(one) == meaning(other))


@given(BODIES)
def test_models_and_maximum_show_in_the_form(body: dict[str, Any]) -> None:
    """What may serve and how long the answer may be are part of a request."""
    fields = raw_fields(body)
    forms = {
        canonical(fields, models, ask)
        for models, ask in ((("m",), 64), (("m",), None), (("m",), 65), (("m", "n"), 64), (("n", "m"), 64), ((), 64))
    }
    assert len(forms) == 6


@pytest.mark.parametrize(
    "text",
    [
        b'[{"role":"user","content":"evil","content":"good"}]',
        b'[{"role":"user","content":"good","con\\u0074ent":"good"}]',
        b'[ {"role": "user", "content": "x", "a": {"b": 1e5, "b": 2}} ]',
        b'[{"role":"user","content":"x","a":1e999}]',
    ],
)
def test_object_with_a_name_twice_has_no_form(text: bytes) -> None:
    """Readers differ in which value they take, or whether they can read it at all: what one of them answered must not
    be given to another."""
    assert canonical({"messages": msgspec.Raw(text)}, MODELS, None) is None


@pytest.mark.parametrize(
    "text",
    [
        b'[{"role": "user", "content": "x"}]',
        b' [{"content":"\\u0078","role":"user"}] ',
        b'[{"role":"user","content":"x"}]',
    ],
)
def test_spaces_and_escapes_do_not_show(text: bytes) -> None:
    """Libraries write the same JSON in different ways."""
    plain = canonical({"messages": msgspec.Raw(b'[{"role":"user","content":"x"}]')}, MODELS, None)
    assert canonical({"messages": msgspec.Raw(text)}, MODELS, None) == plain is not None


def test_every_field_that_is_left_out_says_why() -> None:
    """The list is the documentation."""
    assert all(LEFT_OUT.values())
    assert {"stream", "user", "metadata", "service_tier"} <= LEFT_OUT.keys()
    assert not {"messages", "temperature", "tools", "seed", "response_format", "logprobs"} & LEFT_OUT.keys()


Owner = tuple[str, CacheScope, str]


def shared_with(one: Owner, other: Owner) -> bool:
    """Whether two may be given each other's answers."""
    (tenant, scope, user), (tenant_2, scope_2, user_2) = one, other
    if scope is not scope_2:
        return False
    if scope is CacheScope.SHARED:
        return True
    return tenant == tenant_2 and (scope is CacheScope.TENANT or user == user_2)


OWNERS = st.tuples(TENANTS, SCOPES, USERS)


@given(OWNERS, OWNERS, BODIES)
def test_keys_meet_only_where_both_want_it(one: Owner, other: Owner, body: dict[str, Any]) -> None:
    """The same request has the same key for the same user, tenant, or for all who said `shared`; else never."""
    form = canonical(raw_fields(body), MODELS, None)
    assert form is not None
    keys = [key_of(space(tenant, scope, user), form) for tenant, scope, user in (one, other)]
    assert (keys[0] == keys[1]) == shared_with(one, other)


def test_user_scope_without_a_user_has_no_space() -> None:
    """Nobody's answers are everybody's."""
    assert space_of(ROOT, CacheScope.USER, "acme", None) is None
    assert space_of(ROOT, CacheScope.USER, "acme", "") is None


def test_other_secret_other_key() -> None:
    """Two installations that share a tier by mistake do not share answers."""
    one, other = (space_of(root, CacheScope.TENANT, "acme", None) for root in (b"one", b"other"))
    assert one is not None
    assert other is not None
    assert key_of(one, b"form") != key_of(other, b"form")


def test_page_on_caching_lists_what_is_left_out() -> None:
    """The table is made of the list."""
    page = (Path(__file__).parents[2] / "docs" / "caching.md").read_text(encoding="utf-8")
    rows = "".join(f"| `{name}` | {why} |\n" for name, why in LEFT_OUT.items())
    assert rows in page

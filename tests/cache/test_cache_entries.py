"""The kept form of an answer: what comes back is what was written, or it is nothing."""

import hmac

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cache.cache_drawing import MODEL, SCOPES, TENANTS, USERS, entry, space

from headgate.cache.entry import ENTRY_VERSION, SUM_BYTES, Entry, Flaw, decode_entry, encode_entry
from headgate.cache.rules import CacheScope

HERE = space()
GOOD = encode_entry(entry(), HERE)


def read(data: bytes, key: str = "k", models: tuple[str, ...] = (MODEL,)) -> Entry | Flaw:
    return decode_entry(data, key, HERE, models)


def test_entry_comes_back_as_it_was() -> None:
    """Key, space, model, age, marks, usage and body."""
    assert read(GOOD) == entry()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_one_changed_byte_is_a_flaw(at: int, by: int) -> None:
    """Wherever it stands."""
    changed = bytearray(GOOD)
    changed[at] ^= by
    assert isinstance(read(bytes(changed)), Flaw)


@given(st.integers(0, len(GOOD) - 1))
def test_cut_entry_is_a_flaw(length: int) -> None:
    """Wherever it was cut."""
    assert isinstance(read(GOOD[:length]), Flaw)


@given(st.binary(max_size=200))
def test_anything_else_is_a_flaw(data: bytes) -> None:
    """Nothing that may lie in a tier raises."""
    assert isinstance(read(data), Flaw)
    assert isinstance(read(bytes([ENTRY_VERSION]) + data), Flaw)


@pytest.mark.parametrize(
    "data, flaw",
    [
        (bytes([ENTRY_VERSION + 1]) + GOOD[1:], Flaw.NEWER),
        (bytes([ENTRY_VERSION - 1]) + GOOD[1:], Flaw.OLDER),
        (GOOD + b"x", Flaw.UNREADABLE),
        (encode_entry(entry("other"), HERE), Flaw.FOREIGN),
        (encode_entry(entry(owner=space("rival")), space("rival")), Flaw.FOREIGN),
        (encode_entry(entry(), space("rival")), Flaw.POISONED),
        (encode_entry(entry(model="other"), HERE), Flaw.FOREIGN),
    ],
    ids=["newer", "older", "longer", "other key", "other tenant", "forged", "other model"],
)
def test_flaw_is_named(data: bytes, flaw: Flaw) -> None:
    """Counts tell an attack from an upgrade."""
    assert read(data) is flaw


@given(st.tuples(TENANTS, SCOPES, USERS), st.tuples(TENANTS, SCOPES, USERS))
def test_entry_is_read_by_nobody_else(writer: tuple[str, CacheScope, str], reader: tuple[str, CacheScope, str]) -> None:
    """Even under the same key in the same tier: only who shares the space reads it."""
    theirs, ours = space(writer[0], writer[1], writer[2]), space(reader[0], reader[1], reader[2])
    found = decode_entry(encode_entry(entry(owner=theirs), theirs), "k", ours, (MODEL,))
    assert isinstance(found, Entry) == (theirs == ours)


def test_age_is_never_negative() -> None:
    """Clocks of those who share a tier differ."""
    assert entry(written_at=1000.0).age_s(900.0) == 0.0
    assert entry(written_at=1000.0).age_s(1030.0) == 30.0


def test_entry_of_a_release_that_did_not_say_when_it_was_asked_for() -> None:
    """It is read and counts from when it was written; one that says so from when it was asked for."""
    before = msgspec.msgpack.encode(list(msgspec.structs.astuple(entry(written_at=1000.0)))[:-1])
    sealed = bytes([ENTRY_VERSION]) + hmac.digest(HERE.secret, before, "sha256")[:SUM_BYTES] + before
    found = read(sealed)
    assert isinstance(found, Entry)
    assert (found.asked_at, found.since) == (None, 1000.0)
    assert entry(written_at=1000.0, asked_at=990.0).since == 990.0

"""Virtual keys: their form, their hashes, the ring, and the lines to paste."""

import datetime
import random
import tomllib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.runtime.keys import (
    KEY_CHARS,
    KeyRing,
    Scope,
    VirtualKeyRow,
    config_line,
    key_hash,
    looks_like_virtual_key,
    new_virtual_key,
)
from headgate.runtime.settings_secret import Secret

LONG_AGO = 0.0
NOON = datetime.datetime(2027, 1, 31, 12, tzinfo=datetime.UTC)


def make(seed: int = 1, **row: object) -> tuple[str, VirtualKeyRow]:
    return new_virtual_key(random.Random(seed).randbytes, **row)  # type: ignore[arg-type]


@given(st.integers())
def test_new_key_has_its_form_and_opens_its_ring(seed: int) -> None:
    """Every random value gives a well-formed key of one length, found by the ring, told apart from its neighbour."""
    raw, row = make(seed)
    other, _ = make(seed + 1)
    assert len(raw) == KEY_CHARS
    assert raw.startswith(f"hg_{row.id}_")
    assert looks_like_virtual_key(raw)
    ring = KeyRing([row])
    assert ring.find(raw.encode(), LONG_AGO) is row
    assert ring.find(other.encode(), LONG_AGO) is None


@given(st.integers(0, KEY_CHARS - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_one_wrong_character_is_noticed_without_a_look_up(at: int, char: str) -> None:
    """The checksum catches every single typing error, and the ring refuses it."""
    raw, row = make()
    wrong = raw[:at] + char + raw[at + 1 :]
    if wrong != raw:
        assert not looks_like_virtual_key(wrong)
        assert KeyRing([row]).find(wrong.encode(), LONG_AGO) is None


@given(st.text(max_size=80) | st.binary(max_size=80))
def test_any_other_text_is_no_virtual_key(text: str | bytes) -> None:
    """Neither raises nor passes, whatever bytes a header holds."""
    assert not looks_like_virtual_key(text)
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    assert KeyRing([make()[1]]).find(raw, LONG_AGO) is None


@pytest.mark.parametrize("pepper", [None, Secret("pepper of the house")])
def test_hash_is_no_credential(pepper: Secret | None) -> None:
    """Who reads the configuration cannot come in with what stands there."""
    raw, row = make(pepper=pepper)
    ring = KeyRing([row], pepper)
    assert ring.find(raw.encode(), LONG_AGO) is row
    for stolen in (row.hash, row.hash[3:], f"hg_{row.id}_{row.hash[3:]}", row.id):
        assert ring.find(stolen.encode(), LONG_AGO) is None


@pytest.mark.parametrize(
    "made_with, checked_with, is_found",
    [("a", "a", True), ("a", "b", False), ("a", None, False), (None, "a", True), (None, None, True)],
)
def test_pepper_must_be_the_one_the_key_was_made_with(
    made_with: str | None, checked_with: str | None, is_found: bool
) -> None:
    """A peppered hash is worth nothing without its pepper; keys from before a pepper was set go on working."""
    raw, row = make(pepper=Secret(made_with) if made_with else None)
    ring = KeyRing([row], Secret(checked_with) if checked_with else None)
    assert (ring.find(raw.encode(), LONG_AGO) is row) == is_found


def test_key_that_was_seen_before_still_expires() -> None:
    """What is remembered is only that the key is right, never that it is still valid."""
    raw, row = make(expires=NOON)
    ring = KeyRing([row])
    assert ring.find(raw.encode(), NOON.timestamp() - 1) is row
    assert ring.find(raw.encode(), NOON.timestamp()) is None
    assert ring.find(raw.encode(), NOON.timestamp() - 1) is row


def test_wrong_keys_leave_nothing_in_memory() -> None:
    """Strangers cannot fill the memory: only right keys are remembered, one entry for each row."""
    raw, row = make()
    ring = KeyRing([row])
    for seed in range(2, 200):
        ring.find(make(seed)[0].encode(), LONG_AGO)
    ring.find(raw.encode(), LONG_AGO)
    assert len(ring._seen) == 1


def test_two_keys_with_the_same_beginning_are_told_apart() -> None:
    """Right keys are remembered by the digest of the whole key, so a shared prefix opens nothing."""
    raw, row = make()
    ring = KeyRing([row])
    assert ring.find(raw.encode(), LONG_AGO) is row
    assert ring.find((raw[:40] + "0" * (KEY_CHARS - 40)).encode(), LONG_AGO) is None


def test_key_made_with_the_id_of_another_does_not_open() -> None:
    """The public id finds the row and proves nothing."""
    raw, row = make(1)
    _, other = make(2)
    claimed = msgspec.structs.replace(other, id=row.id)
    assert KeyRing([claimed]).find(raw.encode(), LONG_AGO) is None


@given(
    st.text(max_size=30),
    st.lists(st.sampled_from(Scope), max_size=3),
    st.booleans(),
    st.none() | st.datetimes(timezones=st.just(datetime.UTC), min_value=datetime.datetime(2000, 1, 1)),  # noqa: DTZ001
)
def test_lines_to_paste_give_the_row_back(
    name: str, scopes: list[Scope], admin: bool, expires: datetime.datetime | None
) -> None:
    """What `headgate keys create` prints is TOML that reads as the same row, whatever the name holds."""
    _, row = make(tenant="team-a", name=name, scopes=tuple(scopes), admin=admin, expires=expires)
    read = tomllib.loads(config_line(row))["auth"]["virtual_keys"][0]
    assert msgspec.convert(read, VirtualKeyRow) == row


def test_row_does_not_show_its_hash() -> None:
    """A row in a log or a traceback shows whose key it is, and nothing to attack."""
    raw, row = make()
    assert row.hash not in f"{row!r} {row}"
    assert row.id in repr(row)
    assert raw[12:] not in config_line(row)
    assert key_hash(raw.encode(), None) == row.hash

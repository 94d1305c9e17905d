"""What fills the slots of a job: once, and no more than a job may hold."""

import msgspec
import pytest

from headgate.protocol.client_json import InvalidBody
from headgate.protocol.jobs import MESSAGE_SLOT, MOST_FILLED_CHARS, REPLY_SLOT, ChatWork, Said, read_spec, resolve


def filled(content: str, said: Said) -> str:
    work = resolve(read_spec({"kind": "chat", "messages": [{"role": "user", "content": content}]}, "job"), said)
    assert isinstance(work, ChatWork)
    text = msgspec.json.decode(work.body)["messages"][0]["content"]
    assert isinstance(text, str)
    return text


def test_slots_are_filled_once() -> None:
    """What fills a slot is not looked through for others."""
    said = Said(f"m {REPLY_SLOT}", f"r {MESSAGE_SLOT}")
    assert filled(f"{MESSAGE_SLOT} and {REPLY_SLOT}", said) == f"{said.message} and {said.reply}"


@pytest.mark.parametrize("slot", [MESSAGE_SLOT, REPLY_SLOT])
def test_many_slots_for_a_long_text_are_refused_before_they_are_filled(slot: str) -> None:
    """A body of a megabyte, half of it slots for the other half, would take hundreds of gigabytes."""
    long = Said("m" * 500_000, "r" * 500_000)
    assert len(filled(slot * 30, long)) == 30 * 500_000
    with pytest.raises(InvalidBody, match=f"{MOST_FILLED_CHARS:,}"):
        filled(slot * 40, long)
    with pytest.raises(InvalidBody):
        filled(slot * 50_000, long)

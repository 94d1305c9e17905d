"""What was said before in a session: equal, alike, and not at all."""

import pytest

from headgate.local.repetition import MESSAGES_MAX, Window, find_repetition, window_of

SESSION = window_of(["Send the OTP now", "Your KYC is pending, click the link", "ok", "आपका खाता बंद हो जाएगा"])


@pytest.mark.parametrize(
    "text, of, exact",
    [
        ("send the otp NOW!!!", 0, True),
        ("Send  the\nOTP, now.", 0, True),
        ("Ｓｅｎｄ the OTP now", 0, True),
        ("Your KYC is pending; click the lnk", 1, False),
        ("आपका खाता बंद हो जाएगा।", 3, True),
    ],
)
def test_repetition_names_the_earlier_message(text: str, of: int, exact: bool) -> None:
    """Case, punctuation, blanks and width make no difference; a slip of a finger little."""
    found = find_repetition(text, SESSION)
    assert (found.repeated, found.of, found.is_exact) == (True, of, exact)
    assert found.similarity == 1.0 if exact else 0.85 <= found.similarity < 1
    assert found.evidence[0].end == len(text)


@pytest.mark.parametrize("text", ["Send the parcel now", "Your KYC is done", "", "!!!", "Tell me more"])
def test_new_message_repeats_nothing(text: str) -> None:
    """What merely shares words is no repetition, and neither is what has no words."""
    found = find_repetition(text, SESSION)
    assert (found.repeated, found.of, found.times) == (False, None, 0)


def test_short_repetition_is_little_sure() -> None:
    """An "ok" is said twice by everybody."""
    assert find_repetition("Ok.", SESSION).confidence < 0.5
    assert find_repetition("send the otp now", SESSION).confidence > 0.9


def test_window_forgets_the_oldest_and_goes_on_counting() -> None:
    """A window holds so many messages; numbers are those of the whole session."""
    window = Window(most=3)
    for number in range(10):
        window = window.added(f"message number {number} of ten")
    assert [said.number for said in window.messages] == [7, 8, 9]
    assert find_repetition("message number 9 of ten", window).of == 9
    assert len(window_of(map(str, range(500))).messages) == MESSAGES_MAX


def test_every_repeated_message_is_counted() -> None:
    """A swindler's fourth reminder says that it is the fourth."""
    window = window_of(["Pay the fee today", "hello", "pay the fee today", "Pay the fee, today!"])
    found = find_repetition("PAY THE FEE TODAY", window)
    assert (found.times, found.of) == (3, 3)

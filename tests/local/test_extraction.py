"""Extraction, case by case; how often it is right on whole messages is measured in tests/quality."""

from datetime import date

import pytest

import headgate.local
from headgate.local import Kind, extract

TODAY = date(2026, 11, 29)


def values(text: str, kind: Kind, **options: str) -> list[str]:
    return [entity.value for entity in extract(text, **options).of(kind)]  # type: ignore[arg-type]


def test_a_message_with_several_kinds() -> None:
    """Each kind is found once, in the order of the text, and its span is what it was written as."""
    text = "Pay ₹1,25,000.50 to ramesh.k@okaxis or A/c no. 50100123456789, IFSC HDFC0001234; call 98765 43210"
    found = extract(text)
    assert [(entity.kind, entity.value) for entity in found.entities] == [
        (Kind.AMOUNT, "INR 125000.50"),
        (Kind.UPI, "ramesh.k@okaxis"),
        (Kind.ACCOUNT, "50100123456789"),
        (Kind.IFSC, "HDFC0001234"),
        (Kind.MOBILE, "+919876543210"),
    ]
    assert all(text[entity.start : entity.end] == entity.raw for entity in found.entities)
    assert [(entity.currency, entity.minor_units) for entity in found.of(Kind.AMOUNT)] == [("INR", 12_500_050)]


def test_confidence_is_that_of_the_least_sure() -> None:
    """The whole is as sure as its weakest part, evidence has a line for each, and nothing found is no confidence."""
    found = extract("9 8 7 6 5 4 3 2 1 0, ramesh@ybl")
    assert found.confidence == min(entity.confidence for entity in found.entities) < 0.8
    assert [(item.start, item.end) for item in found.evidence] == [(item.start, item.end) for item in found.entities]
    nothing = extract("see you at the station")
    assert (nothing.entities, nothing.confidence, nothing.evidence) == ((), 0.0, ())


def test_only_wanted_kinds_are_given() -> None:
    """What is not wanted is still known, so that it is taken for nothing else."""
    found = extract("mail ram.k@gmail.com, order 9876543210", wanted={Kind.URL, Kind.UPI, Kind.MOBILE})
    assert found.entities == ()


def test_spans_of_disguised_text_are_of_the_text() -> None:
    """Invisible characters are left out of what is looked at, and counted in the offsets."""
    text = "call \u202a+91 98\u200b765 43210\u202c now, mail a\u200db@gmail.com"
    mobile, email = extract(text).entities
    assert (mobile.raw, mobile.value, mobile.obfuscated) == ("+91 98\u200b765 43210", "+919876543210", True)
    assert (email.raw, email.value) == ("a\u200db@gmail.com", "ab@gmail.com")
    assert text[email.start : email.end] == email.raw


@pytest.mark.parametrize(
    "text, today, expected",
    [
        ("come tomorrow", None, []),
        ("come tomorrow", TODAY, ["2026-11-30"]),
        ("due on 12 Jan", None, []),
        ("due on 12 Jan", TODAY, ["2027-01-12"]),
        ("paid on 12 Oct", TODAY, ["2026-10-12"]),
        ("expires 29 Feb", TODAY, []),
    ],
)
def test_what_is_relative_needs_today(text: str, today: date | None, expected: list[str]) -> None:
    """Without today nothing is guessed; with it a day without a year is the nearest one, within a year."""
    assert [entity.value for entity in extract(text, today=today).of(Kind.DATE)] == expected


def test_region_decides_what_bare_digits_are() -> None:
    """Ten bare digits are an Indian mobile within India only; with +91 they are one everywhere."""
    assert values("call 9876543210", Kind.MOBILE) == ["+919876543210"]
    assert values("call 9876543210", Kind.MOBILE, region="US") == []
    assert values("call +91 9876543210", Kind.MOBILE, region="US") == ["+919876543210"]
    assert values("call 415 555 2671", Kind.PHONE, region="US") == ["+14155552671"]


def test_a_landline_is_no_mobile() -> None:
    """The numbering plan decides: 1234567890 parses as a number of India and is no mobile."""
    assert extract("call 1234567890").of(Kind.MOBILE) == ()


def test_the_room_exports_the_skill() -> None:
    """`headgate.local` is usable alone and says so when asked for what it does not have."""
    assert headgate.local.extract is extract
    with pytest.raises(AttributeError, match="has no attribute 'extracts'"):
        _ = headgate.local.extracts

"""Threat feeds: what is read of CSV, JSON and STIX, in which form it is kept, and where a text holds it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.feed_parse import MAX_PROBLEMS, FeedFormat, FeedUnreadable, ParsedFeed, instant, parse_feed
from headgate.local.feeds import MAX_MATCHES, Feed, Feeds
from headgate.local.indicators import Indicator, IndicatorKind, NotAnIndicator, guess, normal

NOW = instant("2026-11-29")
K = IndicatorKind


def values(parsed: ParsedFeed) -> dict[str, str]:
    return {each.value: each.kind.value for each in parsed.indicators}


def read(text: str, form: FeedFormat = FeedFormat.CSV) -> ParsedFeed:
    return parse_feed(text.encode(), form, wall_s=NOW)


@pytest.mark.parametrize(
    "kind, written, kept",
    [
        (K.URL, "hxxps[:]//Pay[.]Example/KYC?id=1#top", "pay.example/KYC?id=1"),
        (K.URL, "http://user:pw@Bad.example:80/", "bad.example"),
        (K.URL, "https://bad.example:8443/x", "bad.example:8443/x"),
        (K.DOMAIN, "*.Bad[dot]Example.", "bad.example"),
        (K.DOMAIN, "münchen.example", "xn--mnchen-3ya.example"),
        (K.ADDRESS, "198[.]51[.]100[.]7", "198.51.100.7"),
        (K.ADDRESS, "2001:0DB8:0:0::1", "2001:db8::1"),
        (K.EMAIL, "Help[at]Bad[.]Example", "help@bad.example"),
        (K.UPI, "KYC.Desk@YBL", "kyc.desk@ybl"),
        (K.PHONE, "+91 98765-43210", "919876543210"),
        (K.PHONE, "098765 43210", "919876543210"),
        (K.PHONE, "0044 20 7946 0018", "442079460018"),
        (K.KEYWORD, "  Digital   ARREST warrant ", "digital arrest warrant"),
        (K.KEYWORD, "बिजली कट", "बिजली कट"),
    ],
)
def test_value_has_one_form(kind: IndicatorKind, written: str, kept: str) -> None:
    """Defanged, upper case, Unicode or with separators: the same thing becomes the same string, and stays it."""
    assert normal(kind, written) == kept
    assert normal(kind, kept) == kept or kind is K.PHONE


@pytest.mark.parametrize(
    "kind, value",
    [(K.DOMAIN, "com"), (K.DOMAIN, "a b.example"), (K.ADDRESS, "1.2.3"), (K.EMAIL, "x@"), (K.UPI, "a@b.c"),
     (K.PHONE, "call me"), (K.KEYWORD, "..."), (K.URL, "http://"), (K.URL, "x" * 3_000), (K.DOMAIN, "")],
)  # fmt: skip
def test_value_that_is_none(kind: IndicatorKind, value: str) -> None:
    """A value that cannot be what it is said to be is refused in words."""
    with pytest.raises(NotAnIndicator):
        normal(kind, value)


def test_kind_is_guessed_where_a_feed_is_silent() -> None:
    """A feed of bare values works: each is taken for what it looks like."""
    told = {
        "https://bad.example/a": K.URL, "bad.example/a": K.URL, "bad.example": K.DOMAIN, "192.0.2.1": K.ADDRESS,
        "a@bad.example": K.EMAIL, "a.b@okaxis": K.UPI, "+91 98765 43210": K.PHONE, "lottery winner": K.KEYWORD,
    }  # fmt: skip
    assert {value: guess(value) for value in told} == told


def test_csv_with_bad_lines() -> None:
    """Bad lines are told with their numbers, and everything between them is taken."""
    parsed = read(
        "# a comment\n"
        "ioc_type,ioc_value,expires\n"
        "domain,bad.example,\n"
        "domain,not a domain,\n"
        "colour,blue,\n"
        'url,"http://bad.example/a,b",2027-01-01T00:00:00Z\n'
        'url,"http://unclosed.example\n'
        "domain,BAD[.]example,\n"
        "domain,old.example,2026-01-01\n"
        "domain,soon.example,tomorrow\n"
        "sha256,0000,\n"
        "upi,refund@ybl,\n"
    )
    assert values(parsed) == {"bad.example": "domain", "bad.example/a,b": "url", "refund@ybl": "upi"}
    assert [each.line for each in parsed.problems] == [4, 5, 7, 10]
    assert (parsed.problem_count, parsed.duplicates, parsed.expired) == (4, 1, 1)
    assert parsed.ignored == {"file hashes": 1}


def test_csv_without_heading_and_with_foreign_bytes() -> None:
    """One column holds values, more hold type, value and expiry; a line that is not UTF-8 spoils only itself."""
    parsed = parse_feed(b"\xef\xbb\xbfbad.example\n\xff\xfe\n192.0.2.9\n", FeedFormat.CSV, wall_s=NOW)
    assert values(parsed) == {"bad.example": "domain", "192.0.2.9": "ip"}
    assert [each.line for each in parsed.problems] == [2]
    assert values(read("phone,+44 20 7946 0018\nphone,12\n")) == {"442079460018": "phone"}


def test_json_in_its_three_forms() -> None:
    """A list, an object with `indicators`, and JSON lines say the same; entries that are none are told."""
    entries = ["bad.example", {"type": "vpa", "value": "x.y@upi"}, {"value": 7}, 5]
    for text in (json.dumps(entries), json.dumps({"indicators": entries}), "\n".join(map(json.dumps, entries))):
        parsed = read(text, FeedFormat.JSON)
        assert values(parsed) == {"bad.example": "domain", "x.y@upi": "upi"}
        assert [each.line for each in parsed.problems] == [3, 4]


def test_json_with_foreign_bytes() -> None:
    """A feed of another encoding is unreadable, not a defect; a line that is not UTF-8 spoils only itself."""
    for text, form in (
        (b'["caf\xe9.example"]', FeedFormat.JSON),
        (b'{"objects": [{"name": "\xe9"}]}', FeedFormat.STIX),
    ):
        with pytest.raises(FeedUnreadable, match="no JSON"):
            parse_feed(text, form, wall_s=NOW)
    parsed = parse_feed(b'"bad.example"\n"caf\xe9"\n"192.0.2.9"\n', FeedFormat.JSON, wall_s=NOW)
    assert values(parsed) == {"bad.example": "domain", "192.0.2.9": "ip"}
    assert [each.line for each in parsed.problems] == [2]


def stix(*patterns: str, **more: object) -> str:
    objects = [{"type": "indicator", "pattern_type": "stix", "pattern": each, **more} for each in patterns]
    return json.dumps({"type": "bundle", "objects": [{"type": "identity"}, *objects]})


def test_stix_patterns() -> None:
    """Values that any one of makes the pattern true are taken; what says more, or is of no use, is told or counted."""
    parsed = read(
        stix(
            "[url:value = 'http://bad.example/it\\'s']",
            "[domain-name:value IN ('a.example', 'b.example') OR ipv4-addr:value = '192.0.2.5']",
            "[email-addr:value = 'x@c.example'] OR [ipv6-addr:value = '2001:db8::5']",
            "[file:hashes.'SHA-256' = 'aa'] ",
            "[domain-name:value = 'd.example' AND url:value = 'http://d.example/']",
            "[domain-name:value LIKE '%.example']",
            "[ipv4-addr:value = '198.51.100.0/24']",
            "[domain-name:value = ",
        ),
        FeedFormat.STIX,
    )
    assert set(values(parsed)) == {
        "bad.example/it's", "a.example", "b.example", "192.0.2.5", "x@c.example", "2001:db8::5",
    }  # fmt: skip
    assert parsed.ignored == {"objects that are no indicators": 1, "file hashes": 1, "ranges of addresses": 1}
    assert [each.line for each in parsed.problems] == [6, 7, 9]


def test_stix_times() -> None:
    """`valid_until` is honoured, revoked indicators are left out, and a wrong time is told."""
    pattern = "[domain-name:value = 'a.example']"
    assert read(stix(pattern, valid_until="2026-01-01T00:00:00.000Z"), FeedFormat.STIX).expired == 1
    assert read(stix(pattern, revoked=True), FeedFormat.STIX).ignored["revoked indicators"] == 1
    assert read(stix(pattern, valid_until="soon"), FeedFormat.STIX).problem_count == 1
    (kept,) = read(stix(pattern, valid_until="2027-01-01T00:00:00Z"), FeedFormat.STIX).indicators
    assert kept.valid_until == instant("2027-01-01")


@pytest.mark.parametrize("text, form", [("{", FeedFormat.JSON), ("3", FeedFormat.JSON), ("[]", FeedFormat.STIX)])
def test_feed_of_another_format(text: str, form: FeedFormat) -> None:
    """A file that is not of the format at all is refused whole."""
    with pytest.raises(FeedUnreadable):
        read(text, form)


def test_many_bad_lines_are_counted() -> None:
    """The list of problems is bounded, their count is not."""
    parsed = read("colour,x\n" * (MAX_PROBLEMS + 50))
    assert (len(parsed.problems), parsed.problem_count) == (MAX_PROBLEMS, MAX_PROBLEMS + 50)


@given(st.binary(max_size=200), st.sampled_from(FeedFormat))
def test_any_bytes_are_read_or_refused(data: bytes, form: FeedFormat) -> None:
    """Whatever a file holds: indicators, told problems, or one refusal of the whole; never another error."""
    try:
        parsed = parse_feed(data, form, wall_s=NOW)
    except FeedUnreadable:
        return
    for each in parsed.indicators:
        assert normal(each.kind, each.value) == each.value or each.kind is K.PHONE


def feeds(*told: tuple[IndicatorKind, str], until: float | None = None, wall_s: float = NOW) -> Feeds:
    indicators = tuple(Indicator(kind, normal(kind, value), until) for kind, value in told)
    return Feeds([Feed("cert", NOW, "x.csv", indicators)], wall_s=wall_s)


@pytest.mark.parametrize(
    "text, held",
    [
        ("Open http://www.bad.example/a?b=1 now", "http://www.bad.example/a?b=1"),
        ("see BAD.example.", "BAD.example"),
        ("(hxxp://bad[.]example/x)", "hxxp://bad[.]example/x"),
        ("visit https://user@192.0.2.5:8080/q", "https://user@192.0.2.5:8080/q"),
        ("page http://evil.test/Login?s=2 here", "http://evil.test/Login?s=2"),
        ("pay Refund.Help@YBL!", "Refund.Help@YBL"),
        ("mail to info@mail.bad.example,", "info@mail.bad.example"),
        ("call +91-98765 43210 today", "+91-98765 43210"),
        ("call 09876543210", "09876543210"),
        ("You are under Digital\nArrest.", "Digital\nArrest"),
        ("good.example is good", None),
        ("notbad.example.org and bad.examples", None),
        ("http://evil.test/other", None),
        ("digital photos, arrest records", None),
        ("order 19876543210999", None),
        ("", None),
    ],
)
def test_text_with_an_indicator(text: str, held: str | None) -> None:
    """It is found in any of its forms, with its place and its feed; what only resembles it is not."""
    known = feeds(
        (K.DOMAIN, "bad.example"), (K.ADDRESS, "192.0.2.5"), (K.URL, "http://evil.test/Login"),
        (K.UPI, "refund.help@ybl"), (K.PHONE, "+919876543210"), (K.KEYWORD, "digital arrest"),
    )  # fmt: skip
    assert [text[each.start : each.end] for each in known.matches(text)] == ([] if held is None else [held])
    assert all(each.reason == "feed:cert" for each in known.matches(text))


def test_expired_indicator_is_left_out() -> None:
    """An indicator counts until its time, and the index says when it has to be made anew."""
    told = (K.DOMAIN, "bad.example")
    before, after = feeds(told, until=NOW + 5), feeds(told, until=NOW + 5, wall_s=NOW + 5)
    assert (len(before.matches("bad.example")), before.until) == (1, NOW + 5)
    assert (len(after.matches("bad.example")), after.until) == (0, None)


def test_text_of_nothing_but_indicators() -> None:
    """Evidence is bounded."""
    assert len(feeds((K.DOMAIN, "bad.example")).matches("bad.example " * 500)) == MAX_MATCHES

"""The risk of messages: what raises it, what does not, and how well it does on the sets that it was measured on."""

import msgspec
import pytest
from bench.quality_risk import STATED_PRECISION, STATED_RECALL, brier, cross_validate, outcome
from bench.risk_training import INDIAN, SMS, load_indian
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.feeds import Feed, Feeds
from headgate.local.indicators import Indicator, IndicatorKind, normal
from headgate.local.risk import FEED_TRUST, HIGH_FROM, SUSPECT_FROM, Level, score, shipped_weights
from headgate.local.risk_features import SHAPES, features
from headgate.local.risk_pairs import COMBINATIONS
from headgate.local.risk_signals import SIGNALS
from headgate.local.risk_weights import read, written


@pytest.mark.parametrize(
    "text, signal, held",
    [
        ("update your KYC today", "verify", "update your KYC"),
        ("OTP batao jaldi", "secret", "OTP batao"),
        ("कृपया ओटीपी बताएं", "secret", "ओटीपी बताएं"),
        ("open hxxp://sbi-kyc.xyz", "lookalike", "hxxp://sbi-kyc.xyz"),
        ("open http://5bi-login.example", "url", "http://5bi-login.example"),
        ("open http://mysbi.example", "lookalike", "http://mysbi.example"),
        ("open http://sbi-kyc.xyz/a", "cheap_domain", "http://sbi-kyc.xyz/a"),
        ("see bit.ly/3xYz", "shortened", "bit.ly/3xYz"),
        ("go to http://203.0.113.9/x", "raw_address", "http://203.0.113.9/x"),
        ("see https://retail.onlinesbi.sbi.bank.in/login", "official", "https://retail.onlinesbi.sbi.bank.in/login"),
        ("join t.me/profit", "messenger", "t.me/profit"),
        ("the pаypal page", "mixed_script", "pа"),
        ("bl\u200bocked", "hidden", "l\u200bo"),
        ("K Y C pending", "identity", None),
        ("call +91 98765 43210", "mobile", "+91 98765 43210"),
        ("call 1800 11 2211", "tollfree", "1800 11 2211"),
        ("call 09061702893", "premium_number", "09061702893"),
        ("txt WIN to 80062", "short_code", "txt WIN to 80062"),
        ("A/c XX1234 debited", "masked", "X1234"),
        ("482913 is your OTP", "one_time_code", "482913 is your OTP"),
        ("pay to help.desk@ybl", "upi_id", "help.desk@ybl"),
        ("won Rs 25,00,000", "large_money", "25,00,000"),
        ("open invoice.apk now", "program", "invoice.apk"),
    ],
)
def test_signal_is_found_in_its_place(text: str, signal: str, held: str | None) -> None:
    """A signal names the stretch of the text that it rests on; letters with gaps are one that is not read as a word."""
    found, _ = features(text).spans([])
    if held is None:
        assert signal not in found
        return
    start, end = found[signal]
    assert text[start:end] == held


@pytest.mark.parametrize(
    "text",
    ["meet on 09-11-2027 at 10.30", "order 1234567890123", "v2.10.3 of the tool", "see you at 5.in the evening maybe"],
)
def test_numbers_that_are_no_phone(text: str) -> None:
    """Dates, long numbers and versions are neither a mobile nor a costly number."""
    assert set(features(text).signals).isdisjoint({"mobile", "premium_number", "tollfree"})


SCAM = "Dear SBI user, your account will be blocked today. Update your KYC now: http://sbi-kyc.xyz"
BORING = "Hi, are we still on for lunch tomorrow at the usual place?"


def test_reasons_of_a_scam() -> None:
    """The score is high, its categories name what it is, and every reason has its place in the text."""
    risk = score(SCAM)
    assert (risk.level, risk.confidence) == (Level.HIGH, risk.score)
    assert {"threat", "kyc", "lookalike", "link"} <= set(risk.categories)
    assert "update your kyc" in [SCAM[each.start : each.end].lower() for each in risk.evidence]


def test_ordinary_message() -> None:
    """A low score says nothing against the message."""
    risk = score(BORING)
    assert risk.score < SUSPECT_FROM
    assert (risk.level, risk.categories, risk.evidence) == (Level.LOW, (), ())
    assert risk.confidence == 1 - risk.score


def test_disguised_scam_is_read_as_what_it_is() -> None:
    """Look-alike letters and characters that nobody sees hide no signal, and count as one."""
    hidden = SCAM.replace("blocked", "bl\u200bосked").replace("account", "аccоunt")
    found = set(features(hidden).signals)
    assert set(features(SCAM).signals) <= found
    assert {"mixed_script", "hidden"} <= found
    assert score(hidden).level is Level.HIGH


def test_feed_raises_the_score() -> None:
    """A message with an indicator of a feed is high whatever it says, and the reason names the feed."""
    kind = IndicatorKind.DOMAIN
    known = Feeds([Feed("cert", 0.0, "x.csv", (Indicator(kind, normal(kind, "lunch.example")),))])
    text = f"{BORING} See http://lunch.example/menu"
    before, after = score(text), score(text, feeds=known)
    assert after.score == pytest.approx(1 - (1 - before.score) * (1 - FEED_TRUST))
    assert (after.level, after.categories[0]) == (Level.HIGH, "feed")
    assert after.evidence[0].reason == "feed:cert"
    assert score(BORING, feeds=known) == score(BORING)


def test_weights_are_of_these_features() -> None:
    """Every signal, pair and shape has a weight, and none is left of others: a table of an older model is noticed."""
    names = {*SIGNALS, *("+".join(pair) for pair in COMBINATIONS), *SHAPES}
    assert shipped_weights().named.keys() == names
    assert all(one in SIGNALS and other in SIGNALS for one, other in COMBINATIONS)
    assert read(written({"a=b": 1.25, "#5": -0.5})) == {"a=b": 1.25, "#5": -0.5}


@given(st.text(max_size=300))
def test_any_text_has_a_risk(text: str) -> None:
    """Whatever comes: a probability, and places within the text."""
    risk = score(text)
    assert 0 <= risk.score <= 1
    assert all(0 <= each.start <= each.end <= len(text) for each in risk.evidence)


def test_own_messages_are_what_they_are_said_to_be() -> None:
    """At least a hundred of each label, no two alike, every third of each kept aside."""
    rows = [msgspec.json.decode(line) for line in INDIAN.read_text(encoding="utf-8").splitlines()]
    assert len({row["text"] for row in rows}) == len(rows)
    for label in ("scam", "genuine"):
        asides = [row["aside"] for row in rows if row["label"] == label]
        assert len(asides) >= 100
        assert asides == [at % 3 == 2 for at in range(len(asides))]


def test_own_messages_kept_aside() -> None:
    """The page's figures for the part that no weight was trained on do not get worse."""
    messages = load_indian(kept_aside=True)
    scores = [score(each.text).score for each in messages]
    high, suspect = outcome(messages, scores, HIGH_FROM), outcome(messages, scores, SUSPECT_FROM)
    assert high.precision >= 0.85
    assert high.recall >= 0.85
    assert suspect.recall >= 0.95
    assert brier(messages, scores) <= 0.1


@pytest.mark.slow
@pytest.mark.skipif(not SMS.exists(), reason="the SMS Spam Collection is not beside the project")
def test_better_than_naive_bayes_on_what_it_never_saw() -> None:
    """Cross-validated on the SMS Spam Collection, precision and recall are above those of naive Bayes on the same
    folds and above the stated ones, and the score is a probability worth the name."""
    validated = cross_validate()
    ours = outcome(validated.messages, validated.ours, SUSPECT_FROM)
    bayes = outcome(validated.messages, validated.bayes, 0.0)
    assert ours.precision > max(bayes.precision, STATED_PRECISION)
    assert ours.recall > max(bayes.recall, STATED_RECALL)
    assert brier(validated.messages, validated.ours) < 0.015

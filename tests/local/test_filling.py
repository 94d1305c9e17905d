"""Schemas filled from texts: what is there is found, what is not is named, nothing is invented."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.local.check import satisfies, violations
from headgate.local.classification import Label
from headgate.local.extract_types import Kind
from headgate.local.extraction import extract
from headgate.local.feeds import NO_FEEDS, Feed, Feeds
from headgate.local.filling import ITEMS_MAX, VALUES_MAX, _Filling, _Scope, fill
from headgate.local.filling_table import Whole, asked_by, words_of_name
from headgate.local.indicators import Indicator, IndicatorKind
from headgate.local.partial import Level

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
MESSAGE = (
    "Dear customer, pay Rs 1,250.50 to rao.k@okaxis or call 98765 43210 before 12 Jan 2027. Visit "
    "https://secure-sbi.example/verify. Account no 123456789012, IFSC SBIN0001234."
)


def obj(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


@pytest.mark.parametrize(
    "schema, value",
    [
        (
            obj({"upi_id": TEXT, "ifsc_code": TEXT, "bankAccount": TEXT, "Phone Number": TEXT}),
            {
                "upi_id": "rao.k@okaxis",
                "ifsc_code": "SBIN0001234",
                "bankAccount": "123456789012",
                "Phone Number": "+919876543210",
            },
        ),
        (
            obj({"upiIds": listed(TEXT), "phishing_links": listed({"type": "string", "format": "uri"})}),
            {"upiIds": ["rao.k@okaxis"], "phishing_links": ["https://secure-sbi.example/verify"]},
        ),
        (obj({"card_numbers": listed(TEXT), "emails": listed(TEXT)}), {"card_numbers": [], "emails": []}),
        (
            obj({"payment": obj({"amount": NUMBER, "currency": TEXT, "due": {"type": "string", "format": "date"}})}),
            {"payment": {"amount": 1250.5, "currency": "INR", "due": "2027-01-12"}},
        ),
        (obj({"amount": TEXT, "amount_paise": {"type": "integer"}}), {"amount": "INR 1250.50", "amount_paise": 125050}),
        (obj({"language": TEXT}), {"language": "en"}),
        (obj({"language": {"enum": ["English", "Hindi"]}}), {"language": "English"}),
        (obj({"email": {"type": ["string", "null"]}}), {"email": None}),
        (obj({"email": {"anyOf": [TEXT, {"type": "null"}]}}), {"email": None}),
        (obj({"version": {"const": 2}, "upi": TEXT}), {"version": 2, "upi": "rao.k@okaxis"}),
        ({"$defs": {"p": obj({"upi": TEXT})}, "$ref": "#/$defs/p"}, {"upi": "rao.k@okaxis"}),
        ({"anyOf": [obj({"email": TEXT}), obj({"upi": TEXT})]}, {"upi": "rao.k@okaxis"}),
        (listed({"type": "string", "format": "uri"}), ["https://secure-sbi.example/verify"]),
        (
            obj({"entities": listed(obj({"type": {"enum": ["upi_id", "phone", "ifsc"]}, "value": TEXT}))}),
            {
                "entities": [
                    {"type": "upi_id", "value": "rao.k@okaxis"},
                    {"type": "phone", "value": "+919876543210"},
                    {"type": "ifsc", "value": "SBIN0001234"},
                ]
            },
        ),
    ],
)
def test_schema_is_filled(schema: dict[str, Any], value: Any) -> None:
    """Names in any notation, formats, nested objects, lists, nulls, constants, references and alternatives."""
    found = fill(MESSAGE, schema)
    assert found.value == value
    assert (found.partial, found.missing, found.level) == (False, (), Level.FULL)
    assert satisfies(found.value, schema)
    assert 0.4 < found.confidence <= 1


def test_what_is_missing_is_named_and_costs_confidence() -> None:
    """A required field that the text does not give is neither invented nor passed over."""
    whole = fill(MESSAGE, obj({"upi_id": TEXT, "amount": NUMBER}))
    part = fill(MESSAGE, obj({"upi_id": TEXT, "amount": NUMBER, "customer": obj({"name": TEXT, "email": TEXT})}))
    assert part.value == {"upi_id": "rao.k@okaxis", "amount": 1250.5}
    assert (part.partial, part.missing) == (True, ("customer.name", "customer.email"))
    assert part.confidence < whole.confidence * 0.6


def test_nothing_there_is_nothing() -> None:
    """A text that gives nothing has no confidence, and every required field missing."""
    found = fill("Good morning!", obj({"upi_id": TEXT, "name": TEXT}))
    assert (found.value, found.missing, found.level, found.confidence) == ({}, ("upi_id", "name"), Level.DISCARD, 0.0)


def test_lines_with_names_are_read() -> None:
    """`Name: Asha` gives the name, in the type that is asked for."""
    found = fill("Name: Asha Rao\nOrder number: 4711\nhello", obj({"name": TEXT, "order_number": {"type": "integer"}}))
    assert found.value == {"name": "Asha Rao", "order_number": 4711}


def test_rivals_are_told_apart_by_the_words_before_them() -> None:
    """Two phones for sender and receiver go where the text says; where it does not, nowhere."""
    schema = obj({"sender_phone": TEXT, "receiver_phone": TEXT})
    said = fill("sender phone 9876543210 and receiver phone 9123456780", schema)
    assert said.value == {"sender_phone": "+919876543210", "receiver_phone": "+919123456780"}
    unsaid = fill("call 9876543210 or 9123456780", schema)
    assert unsaid.missing == ("sender_phone", "receiver_phone")


def test_one_of_several_is_less_sure() -> None:
    """A single field that several values fit gets the surest, and half the confidence is gone."""
    schema = obj({"upi_id": TEXT})
    one, two = fill("pay rao.k@okaxis", schema), fill("pay rao.k@okaxis or asha.m@okaxis", schema)
    assert two.value["upi_id"] in {"rao.k@okaxis", "asha.m@okaxis"}
    assert two.confidence == pytest.approx(one.confidence * 0.75, abs=0.01)


def test_sentences_become_objects_of_a_list() -> None:
    """Each sentence that holds what an item requires is an item; others are none."""
    schema = obj({"payments": listed(obj({"amount": NUMBER, "upi": TEXT}))})
    found = fill(
        "Pay Rs 500 to rao.k@okaxis. It is late. Then pay Rs 700.50 to asha.m@okaxis. Rs 900 were mine.", schema
    )
    assert found.value["payments"] == [
        {"amount": 500, "upi": "rao.k@okaxis"},
        {"amount": 700.5, "upi": "asha.m@okaxis"},
    ]


def test_enum_is_chosen_by_its_labels() -> None:
    """Options whose names say nothing are known by the caller's keywords; where none fits, it is missing."""
    schema = obj({"queue": {"enum": ["Q1", "Q2"]}})
    labels = (Label("Q1", ("refund", "money back")), Label("Q2", ("parcel", "courier")))
    assert fill("Where is the courier?", schema, labels).value == {"queue": "Q2"}
    assert fill("Good morning", schema, labels).missing == ("queue",)
    many = obj({"topics": listed({"enum": ["refund", "delivery", "login"]})})
    assert fill("refund me, the delivery never came", many).value == {"topics": ["refund", "delivery"]}


def test_evidence_says_where_each_value_stood() -> None:
    """Spans are within the text and quote what was found."""
    found = fill(MESSAGE, obj({"upi_id": TEXT, "amount": NUMBER}))
    quoted = {each.reason.partition(":")[0]: MESSAGE[each.start : each.end] for each in found.evidence}
    assert quoted == {"upi_id": "rao.k@okaxis", "amount": "Rs 1,250.50"}


SCAM = "Your SBI account is blocked. Update KYC now or lose your money: http://sbi-kyc.xyz/verify"


@pytest.mark.parametrize(
    "field, bad, good",
    [
        ({"is_scam": {"type": "boolean"}}, True, False),
        ({"risk_level": {"enum": ["low", "medium", "high"]}}, "high", "low"),
        ({"scamRisk": TEXT}, "high", "low"),
        ({"verdict_phishing": {"enum": ["safe", "suspicious", "phishing"]}}, "phishing", "safe"),
    ],
)
def test_risk_is_asked_by_name(field: dict[str, Any], bad: object, good: object) -> None:
    """Whether it is a scam, and how high the risk is, in the form that the schema asks for."""
    name = next(iter(field))
    assert fill(SCAM, obj(field)).value == {name: bad}
    assert fill("See you at six, mother is cooking.", obj(field)).value == {name: good}


def test_risk_is_counted_as_the_schema_counts() -> None:
    """A share of one, or whole percents where the maximum is 100; an own feed raises it."""
    share, percents = ({"type": "number"}, {"type": "integer", "minimum": 0, "maximum": 100})
    found = fill(SCAM, obj({"risk_score": share, "fraud_score": percents})).value
    assert 0.5 < found["risk_score"] <= 1
    assert found["fraud_score"] == round(100 * found["risk_score"])
    known = Indicator(IndicatorKind.DOMAIN, "dinner.example")
    feeds = Feeds([Feed("own", 0.0, "own.csv", (known,))])
    text = "See you at six: https://dinner.example/menu"
    assert fill(text, obj({"is_scam": {"type": "boolean"}})).value == {"is_scam": False}
    assert fill(text, obj({"is_scam": {"type": "boolean"}}), feeds=feeds).value == {"is_scam": True}


@pytest.mark.parametrize(
    "name, kinds",
    [
        ("upi_ids", (Kind.UPI,)),
        ("vpa", (Kind.UPI,)),
        ("phoneNumbers", (Kind.MOBILE, Kind.PHONE)),
        ("MobileNo", (Kind.MOBILE,)),
        ("account_email", (Kind.EMAIL,)),
        ("bank-account", (Kind.ACCOUNT,)),
        ("account_holder", ()),
        ("card_type", ()),
        ("totalAmount", (Kind.AMOUNT,)),
        ("addresses", ()),
        ("notes", ()),
    ],
)
def test_names_mean_kinds(name: str, kinds: tuple[Kind, ...]) -> None:
    """Notation and number of a name make no difference; what only sounds like a kind is none."""
    assert asked_by(name, {}).kinds == kinds


def test_names_mean_the_whole_text_too() -> None:
    """Language and summary are asked for by name; who of a name is what is left."""
    assert asked_by("langs", {}).whole is Whole.LANGUAGE
    assert asked_by("short_summary", {}).whole is Whole.SUMMARY
    assert asked_by("sender_phone_number", {}).who == ("sender",)
    assert words_of_name("IFSCCodes") == ("ifsccode",)


SCHEMAS: list[Any] = [
    obj({"upi_id": TEXT, "links": listed(TEXT), "n": obj({"amount": NUMBER, "name": TEXT})}),
    obj({"entities": listed(obj({"kind": TEXT, "value": TEXT, "start": {"type": "integer"}}))}),
    {"$defs": {"n": obj({"upi": TEXT, "next": {"$ref": "#/$defs/n"}}, ["upi"])}, "$ref": "#/$defs/n"},
    {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    {"allOf": [obj({"upi": TEXT}), {"properties": {"email": TEXT}}]},
    obj({"links": {"type": "array", "items": TEXT, "minItems": 2}}),
    obj({"upi": {"type": "string", "maxLength": 3}}),
    {"type": "string"},
    {"enum": ["a", None, 3]},
    {"type": 5},
    {"properties": []},
    {},
]


HOSTILE: list[Any] = [
    {"anyOf": [{"$ref": "#"}] * 30, "properties": {"upi": TEXT}},
    {"type": "object", "properties": {f"p{n}": {"$ref": "#"} for n in range(200)} | {"note": TEXT}},
    {"type": "array", "items": {"$ref": "#"}},
    obj({f"payer{n}_upi": TEXT for n in range(1_000)}),
    obj({"a": {"anyOf": [{"allOf": [{"$ref": "#"}] * 10}] * 10}}),
]


@pytest.mark.parametrize("schema", HOSTILE, ids=range(len(HOSTILE)))
def test_schema_that_multiplies_is_looked_at_in_bounds(schema: dict[str, Any]) -> None:
    """References, alternatives and properties without end cost a bounded look, whatever the text holds."""
    text = " ".join(f"payer{n} rao{n}@okaxis" for n in range(800))
    filling = _Filling(text, schema, {}, NO_FEEDS)
    filling.value("", schema, _Scope(0, len(text), extract(text).entities), 0, ())
    assert VALUES_MAX - filling.left <= VALUES_MAX * (ITEMS_MAX + 1)
    assert fill(text, schema) == fill(text, schema)


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(max_size=200) | st.sampled_from([MESSAGE, "pay a.b@okaxis Rs 5", "Name: x\nlinks: a, b"]),
    schema=st.sampled_from(SCHEMAS),
)
def test_any_text_and_schema_give_a_valid_value_or_name_what_is_missing(text: str, schema: dict[str, Any]) -> None:
    """Never raises; what is not partial satisfies the schema, what is breaks nothing but the named requirements."""
    found = fill(text, schema)
    assert 0 <= found.confidence <= 1
    assert fill(text, schema) == found
    assert all(0 <= each.start <= each.end <= len(text) for each in found.evidence)
    if not found.partial:
        assert satisfies(found.value, schema)
    elif found.level is not Level.DISCARD:
        broken = violations(found.value, schema)
        assert isinstance(broken, list)
        assert {one.keyword for one in broken} <= {"required"}
        assert found.missing

"""Replies from persona libraries: what is refused when a library is read, and what a reply promises."""

import pytest

from headgate.local.personas import OTHERWISE, BadLibrary, BadReply, filled, persona_of, reply, slots_in
from headgate.local.shipped_library import FILES, shipped_personas

SHOP = """
name = "shop"
[slots.customer]
default = "friend"
max_chars = 10
[slots.order]
[situations.order]
when = ["order", "parcel"]
replies = ["Order {order} is on its way, {customer}.", "It is coming, {customer}!", "Soon, {{really}}, {customer}."]
[situations.number]
when = ["number"]
replies = ["Your order is {order}."]
[situations.otherwise]
replies = ["What is it, {customer}?"]
"""


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("name = ", "not valid TOML"),
        ("", "name"),
        ('name = "Shop Two"\n[situations.otherwise]\nreplies = ["a"]', "regex"),
        ('name = "a"\n[situations.otherwise]\nreplies = []', "length"),
        ('name = "a"\nhook = "x"\n[situations.otherwise]\nreplies = ["a"]', "hook"),
        ('name = "a"\n[situations.otherwise]\nreplies = ["{who}"]', r"slots\.who"),
        ('name = "a"\n[situations.otherwise]\nreplies = ["{who.__class__}"]', "lone"),
        ('name = "a"\n[situations.otherwise]\nreplies = ["{0}"]', "lone"),
        ('name = "a"\n[slots.x]\n[situations.otherwise]\nreplies = ["a"]', "'x'"),
        ('name = "a"\n[slots.x]\ndefault="aaa"\nmax_chars=2\n[situations.otherwise]\nreplies = ["{x}"]', "max_chars"),
        ('name = "a"\n[situations.sale]\nreplies = ["a"]', "when"),
    ],
)
def test_wrong_library_is_refused_with_its_fault(text: str, complaint: str) -> None:
    """A library that would fail in use fails when it is read, and says where."""
    with pytest.raises(BadLibrary, match=complaint):
        persona_of(text)


def test_same_seed_gives_the_same_words() -> None:
    """The choice hangs on the arguments alone, and seeds do make a choice."""
    shop = persona_of(SHOP)
    told = [reply("where is my parcel", shop, seed=seed).text for seed in range(12)]
    assert told == [reply("where is my parcel", shop, seed=seed).text for seed in range(12)]
    assert set(told) == {"It is coming, friend!", "Soon, {really}, friend."}


def test_situation_is_recognised_and_says_how_surely() -> None:
    """Words of the message choose the situation; without any it is `otherwise`, and hardly sure."""
    shop = persona_of(SHOP)
    found = reply("where is my PARCEL", shop)
    assert found.situation == "order"
    assert [(each.start, each.end) for each in found.evidence] == [(12, 18)]
    other = reply("good evening", shop)
    assert (other.situation, other.text) == (OTHERWISE, "What is it, friend?")
    assert other.confidence < 0.2 < found.confidence
    assert reply("good evening", shop, situation="order").confidence == 1.0


def test_what_was_said_is_not_said_again() -> None:
    """Earlier replies are avoided while there is another; when there is none, half as sure."""
    shop = persona_of(SHOP)
    first = reply("parcel?", shop)
    second = reply("parcel?", shop, avoid=(first.text,))
    assert second.text != first.text
    third = reply("parcel?", shop, avoid=(first.text, second.text))
    assert third.text in {first.text, second.text}
    assert third.confidence == pytest.approx(first.confidence / 2, abs=0.001)


def test_values_are_text_and_nothing_else() -> None:
    """Braces, format strings and markup in a value stay what they are."""
    shop = persona_of(SHOP)
    for value in ("{customer}", "{0}", "{{}}", "%s", "<b>", "__class__", "\\1"):
        said = reply("", shop, situation="number", slots={"order": value}).text
        assert said == f"Your order is {value}."
    assert filled("{{{a}}}", {"a": "x"}) == "{x}"


@pytest.mark.parametrize(
    "arguments, param",
    [
        ({"situation": "sale"}, "situation"),
        ({"situation": "number"}, "slots"),
        ({"slots": {"colour": "red"}}, "slots.colour"),
        ({"slots": {"customer": "x" * 11}}, "slots.customer"),
    ],
)
def test_wrong_reply_is_refused_with_its_option(arguments: dict[str, object], param: str) -> None:
    """Names that a library has not, missing and overlong values are said, with what there is."""
    with pytest.raises(BadReply) as caught:
        reply("hello", persona_of(SHOP), **arguments)  # type: ignore[arg-type]
    assert caught.value.param == param


def test_shipped_libraries_answer_everything_without_any_slot() -> None:
    """Each file is a library of its own name that has a reply for every situation from its defaults."""
    shipped = shipped_personas()
    assert [f"{name}.toml" for name in shipped] == list(FILES)
    for persona in shipped.values():
        assert OTHERWISE in persona.situations
        for name, situation in persona.situations.items():
            assert "{" not in reply("", persona, situation=name).text
            assert all(persona.slots[slot].default for text in situation.replies for slot in slots_in(text))


@pytest.mark.parametrize(
    "persona, text, situation",
    [
        ("elder", "Your SBI account is blocked, complete KYC", "account"),
        ("elder", "Tell me the OTP", "code"),
        ("elder", "Pay Rs 500 fee by UPI", "payment"),
        ("elder", "police will arrest you", "threat"),
        ("elder", "install AnyDesk from this link", "link"),
        ("helpdesk", "Where is my order 4711?", "order"),
        ("helpdesk", "I was charged twice", "refund"),
        ("sahayak", "bhai paise wapas karo", "refund"),
    ],
)
def test_shipped_libraries_know_their_situations(persona: str, text: str, situation: str) -> None:
    """Real messages land where a person would put them."""
    assert reply(text, shipped_personas()[persona]).situation == situation

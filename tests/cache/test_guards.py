"""Which differences keep two messages apart, and which do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.cache.guards import difference
from headgate.cache.likeness import MAX_TEXT_CHARS, Difference
from headgate.cache.wording import read_wording, words_of

APART = [
    ("What is 15% of 240?", "What is 50% of 240?", Difference.NUMBER),
    ("Give me five ideas", "Give me ten ideas", Difference.NUMBER),
    ("the 2nd amendment", "the 4th amendment", Difference.NUMBER),
    ("Is it on the first floor?", "Is it on the third floor?", Difference.NUMBER),
    ("What is -3 squared?", "What is 3 squared?", Difference.NUMBER),
    ("Pay 1,000 rupees", "Pay 10,000 rupees", Difference.NUMBER),
    ("born on 5/6/1990", "born on 6/5/1990", Difference.NUMBER),
    ("How many seconds are in 2 hours?", "How many seconds are in 2 days?", Difference.NAME),
    ("Convert 20 euros to yen", "Convert 20 euros to yuan", Difference.NAME),
    ("Which river flows through Vienna?", "Which river flows through Rome?", Difference.NAME),
    ("Translate it into Tamil", "Translate it into Telugu", Difference.NAME),
    ("How do we polish a table?", "How do we Polish a table?", Difference.NAME),
    ("Run `git reset` now", "Run `git rebase` now", Difference.EXACT),
    ('Say "hello" twice', 'Say "goodbye" twice', Difference.EXACT),
    ("Mail anna@example.com", "Mail hanna@example.com", Difference.EXACT),
    ("What holds user_id?", "What holds user_ip?", Difference.EXACT),
    ("Is C# fast?", "Is C++ fast?", Difference.EXACT),
    ("What happens if a < b?", "What happens if a > b?", Difference.EXACT),
    ("Which foods may I eat?", "Which foods may I not eat?", Difference.NEGATION),
    ("Why does my code compile?", "Why doesn't my code compile?", Difference.NEGATION),
    ("Write it with references", "Write it without references", Difference.NEGATION),
    ("Use butter and oil", "Use butter instead of oil", Difference.NEGATION),
    ("i cant log in", "i can log in", Difference.NEGATION),
    ("Who is the owner of my account?", "Who is the owner of your account?", Difference.PERSON),
    ("What is my IP address?", "What is an IP address?", Difference.PERSON),
    ("Where is your office?", "Where is the office?", Difference.PERSON),
    ("What is the maximum speed?", "What is the minimum speed?", Difference.DIRECTION),
    ("Shops open before noon", "Shops open after noon", Difference.DIRECTION),
    ("Does it increase the price?", "Does it decrease the price?", Difference.DIRECTION),
]
"""What keeps texts apart whoever found them."""


@pytest.mark.parametrize("meaning", [False, True])
@pytest.mark.parametrize("one, other, why", APART, ids=[f"{one} | {other}" for one, other, _ in APART])
def test_a_difference_that_turns_or_names_something(one: str, other: str, why: Difference, *, meaning: bool) -> None:
    """It keeps the two apart in both strictnesses and both ways round, and is called by its name."""
    assert difference(one, other, meaning=meaning) is why
    assert difference(other, one, meaning=meaning) is why


@pytest.mark.parametrize("meaning", [False, True])
@pytest.mark.parametrize(
    "one, other",
    [
        ("Flights from Delhi to Pune", "Flights from Pune to Delhi"),
        ("Should I eat before I exercise?", "Should I exercise before I eat?"),
        ("Did Brutus kill Caesar?", "Did Caesar kill Brutus?"),
        ("a teacher praised a student", "a student praised a teacher"),
        ("Put the blue box on the red box", "Put the red box on the blue box"),
        ("Does poverty cause crime?", "Does crime cause poverty?"),
        ("Is x greater than y?", "Is y greater than x?"),
        ("Wash the rice, then soak it", "Soak the rice, then wash it"),
    ],
)
def test_the_same_words_the_other_way_round(one: str, other: str, *, meaning: bool) -> None:
    """Who does what to whom is part of what was asked."""
    assert difference(one, other, meaning=meaning) in {Difference.ORDER, Difference.DIRECTION}


@pytest.mark.parametrize(
    "one, other",
    [
        ("How do I reset my password?", "how can I reset my password"),
        ("How do I reset my password?", "Hi! Could you please tell me how to reset my password? Thanks!"),
        ("What is the capital of France?", "WHAT'S THE CAPITAL OF FRANCE"),
        ("Where can I download my invoice?", "where can i donwload my invoice"),
        ("Change my password", "Change my passwrod, please"),
        ("In Python, how do I sort a list?", "How to sort a list in Python?"),
        ("What colour is the sky?", "what color is the sky"),
        ("Summarize it in three points", "Summarise it in 3 points"),
        ("Convert 5 kg to pounds", "convert 5kg to pounds"),
        ("Pay $1,000 now", "pay $1000 now!"),
        ("Don’t send it", "do not send it"),
        ("Is vitamin A good?", "is vitamin a good?"),
    ],
)
def test_the_same_question_in_other_clothes(one: str, other: str) -> None:
    """Case, punctuation, politeness, articles, contractions, spellings, slips and a moved adverbial do not matter."""
    assert difference(one, other, meaning=False) is None
    assert difference(other, one, meaning=False) is None


@pytest.mark.parametrize(
    "one, other",
    [
        ("How do I cook rice?", "How do I cook pasta?"),
        ("Send a message", "Send a massage"),
        ("Find the contact", "Find the contract"),
        ("a casual link", "a causal link"),
        ("Ask Maria about it", "Ask Mario about it"),
        ("take metformin daily", "take metoprolol daily"),
        ("the dog you saw", "the dog saw you"),
        ("Is he right", "Is he right or wrong"),
        ("few people came", "a few people came"),
        ("What is my IP address?", "What is an IP address?"),
        ("price of an oil well", "price of oil"),
        ("Who started World War I?", "Who started a world war?"),
        ("Did you hurt it", "Did it hurt you"),
        ("Ask the IT department", "Ask the department"),
        ("Is there a god", "Is a god"),
        ("Book a single room", "Book one room"),
        ("भारत की राजधानी क्या है", "नेपाल की राजधानी क्या है"),
        ("法国的首都是什么", "德国的首都是什么"),
        ("", "hello"),
    ],
)
def test_another_word_where_vectors_see_spelling_only(one: str, other: str) -> None:
    """A word that is no slip of the other keeps two texts apart, in any language."""
    assert difference(one, other, meaning=False) is not None


def test_other_words_where_vectors_see_meaning() -> None:
    """There the vectors answer for plain words, and the guards for names, operations and questions."""
    assert difference("How can I renew my card?", "How do I get my card renewed?", meaning=True) is None
    assert difference("Summarize the mail", "Translate the mail", meaning=True) is Difference.OPERATION
    assert difference("When did it start?", "Where did it start?", meaning=True) is Difference.QUESTION
    assert difference("Does Anna like tea?", "Does Boris like tea?", meaning=True) is Difference.NAME
    assert difference("Is it reversible?", "Is it irreversible?", meaning=True) is Difference.NEGATION


def test_what_is_left_of_a_text() -> None:
    """Only what matters, in order, as it is compared."""
    assert words_of("Hi, could you please tell me: what's the 2nd largest city in India? Thanks!") == (
        "what is 2nd largest city in india"
    )


@given(st.text(max_size=200))
def test_any_text_asks_the_same_as_itself(text: str) -> None:
    """Whatever is in it; one that says nothing is nobody's like."""
    same = difference(text, text, meaning=False)
    assert same is None or not any(piece.text for piece in read_wording(text).pieces)


@given(st.text(max_size=120), st.text(max_size=120), st.booleans())
def test_being_apart_has_no_direction(one: str, other: str, meaning: bool) -> None:
    """What keeps one from the other keeps the other from the one."""
    there = difference(one, other, meaning=meaning) is None
    assert there == (difference(other, one, meaning=meaning) is None)


@given(st.sampled_from(["Why is {} on the bill?", "Order {} items", "What is {} in words?"]), st.data())
def test_no_two_numbers_are_the_same(template: str, data: st.DataObject) -> None:
    """However they are near each other."""
    number = st.integers(0, 10**9)
    one, other = data.draw(number), data.draw(number)
    if one != other:
        assert difference(template.format(one), template.format(other), meaning=True) is Difference.NUMBER
    assert difference(template.format(f"{one:,}"), template.format(one), meaning=False) is None


def test_a_long_text_is_read_in_linear_time() -> None:
    """The longest message of each hostile shape is read whole; none of them makes the reader go back and forth."""
    for unit in ("a", "a.", "`", '"', "'", "a_", "9,", "-", "((", "é", "@", "a/"):
        text = (unit * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]
        assert isinstance(words_of(text), str)

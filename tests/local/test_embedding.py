"""Vectors without a model: the same everywhere, of length one, and nearer for similar texts."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.embedding import embed


def likeness(one: str, other: str, dimensions: int = 512) -> float:
    """The cosine between two texts."""
    first, second = embed([one, other], dimensions)
    return sum(a * b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "text, similar, different",
    [
        ("How do I reset my password?", "how can I reset my password", "What is the weather in Rome today?"),
        ("Cancel my order number 4711", "please cancel order number 4711", "Send me the invoice of last month"),
        ("The invoice is overdue", "the invoices are overdue", "A giraffe eats leaves from high trees"),
        ("मेरा खाता कैसे बंद करें", "मेरा खाता बंद कैसे करें", "आज मौसम कैसा रहेगा दिल्ली में"),
        ("我想取消我的订单号码", "我要取消我的订单号码", "今天北京的天气怎么样呢"),
    ],
)
@pytest.mark.parametrize("dimensions", [256, 512, 1024])
def test_similar_texts_are_nearer(text: str, similar: str, different: str, dimensions: int) -> None:
    """By a clear margin, in any script, at every size."""
    near, far = likeness(text, similar, dimensions), likeness(text, different, dimensions)
    assert near > 0.35
    assert near > far + 0.2


def test_case_and_spacing_do_not_matter() -> None:
    """The same words are the same vector."""
    assert embed(["Hello,  World\n"]) == embed(["hello, world"])


def test_a_vector_is_the_same_in_every_process() -> None:
    """Python's own hash is salted anew in each; ours is pinned here, for stored vectors must stay comparable."""
    program = "from headgate.local.embedding import embed; print(embed(['pinned'], 256)[0])"
    made = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert made[0] == made[1] == str(embed(["pinned"], 256)[0])
    signs = {place: math.copysign(1, value) for place, value in enumerate(embed(["pinned"], 1000)[0]) if value}
    assert signs == PINNED


PINNED = {367: -1, 460: 1, 482: -1, 708: -1, 820: -1, 836: 1, 997: -1}


def test_importing_needs_no_numpy() -> None:
    """It is loaded by the first vector, so that everybody else starts without it."""
    program = "import sys, headgate.local.embedding; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.sampled_from([256, 1024]))
def test_every_text_has_a_vector_of_length_one(texts: list[str], dimensions: int) -> None:
    """Also the empty one, and one with halves of surrogate pairs; each by itself, whatever stands beside it."""
    vectors = embed(texts, dimensions)
    for text, vector in zip(texts, vectors, strict=True):
        assert len(vector) == dimensions
        assert math.isclose(sum(value * value for value in vector), 1, rel_tol=1e-5)
        assert embed([text], dimensions) == [vector]


def test_a_text_whose_parts_cancel_still_has_a_vector() -> None:
    """Both 4-grams of this character meet in one place with opposite signs, which must not be a division by zero."""
    assert sorted(embed(["南"], 256)[0])[-2:] == [0.0, 1.0]


@pytest.mark.parametrize("dimensions", [0, 255, 1025])
def test_other_sizes_are_refused(dimensions: int) -> None:
    """The limits are said."""
    with pytest.raises(ValueError, match="from 256 to 1024"):
        embed(["a"], dimensions)

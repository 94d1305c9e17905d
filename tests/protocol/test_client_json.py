"""What a client's JSON may look like, judged with the cases of JSONTestSuite and our own."""

import json
from pathlib import Path

import pytest

from headgate.protocol.chat import parse_chat
from headgate.protocol.client_json import MAX_DEPTH, InvalidBody, decode_object

SUITE = Path(__file__).parents[2].parent / "shared" / "data" / "JSONTestSuite_test_parsing"
WRAPPED = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"metadata":%b}'


def is_accepted(body: bytes) -> bool:
    """Whether a body is accepted; anything but InvalidBody goes through and fails the test."""
    try:
        parse_chat(body)
    except InvalidBody:
        return False
    return True


@pytest.mark.parametrize("wrap", [WRAPPED, b"%b"], ids=["as a field", "as the body"])
def test_the_suite_is_judged_as_it_says(wrap: bytes) -> None:
    """As the value of a field every y_ is accepted and every n_ refused; as a body none is a chat; i_ never crash."""
    if not SUITE.exists():
        pytest.skip("the shared folder is not there")
    files = sorted(SUITE.glob("*.json"))
    assert len(files) == 318
    for file in files:
        accepted = is_accepted(wrap.replace(b"%b", file.read_bytes()))
        if wrap == b"%b" or file.name.startswith("n_"):
            assert not accepted, file.name
        elif file.name.startswith("y_"):
            assert accepted, file.name


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"a":1} {"a":1}',
        b'{"a":1}x',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\ud800\\u0041"}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    """Encodings, marks, lone surrogates, garbage and bottomless nesting: one kind of error for all."""
    with pytest.raises(InvalidBody):
        decode_object(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","x":1,"mo\\u0064el":"b"}',
        b'{ "model" : "a", "model" : "a" }',
        b'{"model": "a", "x": {"model": "c"}, "model": "b"}',
        b'{"model":"a","x":1e999,"n":%b,"model":"b"}' % (b"9" * 5000),
    ],
)
def test_a_name_given_twice_is_refused_by_name(body: bytes) -> None:
    """However it is spelled and spaced: the door and the upstream must see the same value."""
    with pytest.raises(InvalidBody, match="twice") as refused:
        decode_object(body)
    assert refused.value.param == "model"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":{"x":1},"b":{"x":2}}',
        b'{"a": {"b": 1, "b": 2}}',
        b'\n{\t"a" : [1 , 2],\r\n "b":"\\"a\\":1"}\n',
        json.dumps({"é": "ü", "b": 'quote " and \\'}).encode(),
        json.dumps({"é": 1, "b": 2}, indent=2, ensure_ascii=False).encode(),
    ],
)
def test_names_that_only_look_repeated_are_accepted(body: bytes) -> None:
    """Equal names at other depths or inside strings are nobody's business; values keep their bytes."""
    assert {name: json.loads(bytes(raw)) for name, raw in decode_object(body).items()} == json.loads(body)


def nested(depth: int, filling: str = "") -> bytes:
    """An object whose brackets are `depth` deep in all."""
    return b'{"a":%b%b,"b":"%b"}' % (b"[" * (depth - 1), b"]" * (depth - 1), filling.encode())


def test_nesting_is_capped_and_brackets_in_strings_do_not_count() -> None:
    """64 levels are accepted, 65 refused; a string full of brackets, escapes and quotes is only a string."""
    assert decode_object(nested(MAX_DEPTH, "[{" * 90))
    assert decode_object(nested(MAX_DEPTH, r"\"[[[\\" * 50))
    assert decode_object(b'{"a":[%b]}' % b",".join([b"[]"] * 200))
    with pytest.raises(InvalidBody, match="64 levels"):
        decode_object(b'{"b":"\\\\","a":%b}' % nested(MAX_DEPTH))
    with pytest.raises(InvalidBody, match="64 levels"):
        decode_object(nested(MAX_DEPTH + 1, r"\\\"]]]]" * 50))

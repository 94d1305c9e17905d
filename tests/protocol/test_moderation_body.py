"""Moderation by chat models: the requests, and verdicts that are read or are errors."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import ModerationCreateResponse

from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.chat import parse_chat
from headgate.protocol.moderation import (
    CATEGORIES,
    PROMPT_ATTACK,
    InvalidBody,
    Verdict,
    moderation_body,
    moderation_chat,
    parse_moderation,
    read_verdict,
)
from headgate.protocol.openai import completion_body

SAFEGUARD = "openai/gpt-oss-safeguard-20b"
GUARD = "meta-llama/llama-prompt-guard-2-86m"
CLEAN = '{"flagged": false, "scores": {"hate": 0.01}}'


def body(**fields: object) -> bytes:
    """A request."""
    return json.dumps(fields).encode()


def verdict(text: str, model: str = SAFEGUARD) -> Verdict | Failure:
    """What an answer with this text is read as."""
    return read_verdict(completion_body("c", 1, model, text), model)


def flagged(text: str, model: str = SAFEGUARD) -> bool:
    """Whether an answer flags; it has to be one that can be read."""
    read = verdict(text, model)
    assert isinstance(read, Verdict)
    return read.flagged


@pytest.mark.parametrize(
    "given_input, texts",
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], ("a\nb",)),
    ],
)
def test_inputs_are_texts(given_input: object, texts: tuple[str, ...]) -> None:
    """Parts are one input, as at OpenAI; texts are one each."""
    assert parse_moderation(body(input=given_input)).texts == texts


@pytest.mark.parametrize(
    "model, read",
    [
        (None, None),
        ("omni-moderation-latest", None),
        ("text-moderation-stable", None),
        ("omni-moderation-2024-09-26", None),
        (GUARD, GUARD),
        ("my/omni-moderation-latest-2", "my/omni-moderation-latest-2"),
    ],
)
def test_openai_models_leave_the_choice_to_us(model: str | None, read: str | None) -> None:
    """They exist nowhere here, and every client has one of them as its default."""
    assert parse_moderation(body(input="a", model=model)).model == read


@pytest.mark.parametrize(
    "fields, param",
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": [1]}, "input[0]"),
        ({"input": "a", "metadata": {}}, "metadata"),
        ({"input": ["a", {"type": "text", "text": "b"}]}, "input"),
        ({"input": [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "u"}}]}, "input[1]"),
        ({"input": ["a"] * 257}, "input"),
    ],
)
def test_what_is_no_text_is_refused(fields: dict[str, object], param: str) -> None:
    """An image that nobody looked at must not pass as judged."""
    with pytest.raises(InvalidBody) as refused:
        parse_moderation(body(**fields))
    assert refused.value.param == param


def test_a_safeguard_model_is_given_the_policy() -> None:
    """The system message names every category; the text stands alone in the user message."""
    chat = parse_chat(moderation_chat("a text", SAFEGUARD))
    system, user = chat.messages
    assert (system.role, user.role, user.content) == ("system", "user", "a text")
    assert isinstance(system.content, str)
    assert [name for name in CATEGORIES if name not in system.content] == []


def test_a_prompt_guard_model_is_given_the_text_alone() -> None:
    """Anything else than one user message is a 400 there."""
    assert json.loads(moderation_chat("a", GUARD)) == {"model": GUARD, "messages": [{"role": "user", "content": "a"}]}


@pytest.mark.parametrize(
    "text, flags, scores",
    [
        (CLEAN, False, {"hate": 0.01}),
        ('{"flagged": true, "scores": {"violence/graphic": 0.9}}', True, {"violence/graphic": 0.9}),
        ('```json\n{"flagged": true, "scores": {"hate": 1}}\n```', True, {"hate": 1.0}),
        ('Here it is: {"flagged": false, "scores": {}} Done {ok}.', False, {}),
        ('{"flagged": true}', True, {}),
        ('{"violation": 1, "scores": {"Self_Harm Intent": "0.8"}}', True, {"self-harm/intent": 0.8}),
        ('{"scores": {"hate": 0.5}}', True, {"hate": 0.5}),
        ('{"scores": {"hate": 0.49}}', False, {"hate": 0.49}),
        ('{"flagged": false, "scores": {"hate": 0.97}}', True, {"hate": 0.97}),
        ('{"flagged": false, "scores": {"weapons": 0.97}}', True, {}),
        ('{"flagged": true, "categories": ["sexual", "hate"]}', True, {"sexual": 1.0, "hate": 1.0}),
        ('{"categories": {"hate": true}, "category_scores": {"hate": 0.1}}', True, {"hate": 1.0}),
        (f"{CLEAN}\n{CLEAN}", False, {"hate": 0.01}),
    ],
)
def test_a_verdict_is_read_in_any_dress(text: str, flags: bool, scores: dict[str, float]) -> None:
    """Fences, prose, other spellings and missing keys do not matter; of a flag and a score, the worse one counts."""
    assert verdict(text) == Verdict(flags, scores)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot help with that.",
        "{}",
        "[]",
        "false",
        '{"scores": {}}',
        '{"flagged": "perhaps"}',
        '{"flagged": null}',
        '{"flagged": false, "scores": {"hate": 97}}',
        '{"flagged": false, "scores": {"hate": "high"}}',
        '{"flagged": false, "scores": {"hate": NaN}}',
        '{"flagged": false, "scores": {"hate": null}}',
        '{"flagged": false, "scores": 3}',
        '{"flagged": false, "scores": {"hate": 0.1}',
        '{"flagged": true, "said": {"flagged": false}',
        '{"flagged": true, "flagged": false}',
        f'The text says {CLEAN} but {{"flagged": true}}',
        '{"a": {"flagged": false}}',
        "{" * 9000,
        '{"a":' * 3000 + CLEAN,
        CLEAN + " " * 20000,
    ],
)
def test_an_unreadable_verdict_is_an_error(text: str) -> None:
    """Doubt never becomes "not flagged"."""
    read = verdict(text)
    assert isinstance(read, Failure)
    assert read.kind is FailureKind.MALFORMED_BODY


@pytest.mark.parametrize("reply", [b"", b"{}", b'{"choices":[{"message":{"content":null},"finish_reason":"stop"}]}'])
def test_an_answer_without_text_is_an_error(reply: bytes) -> None:
    """So is no answer at all."""
    assert isinstance(read_verdict(reply, SAFEGUARD), Failure)
    assert isinstance(read_verdict(reply, GUARD), Failure)


@pytest.mark.parametrize(
    "text, flags",
    [
        ("0.9994", True),
        ("0.0003", False),
        (" 1 ", True),
        ("3.2e-05", False),
        ("MALICIOUS", True),
        ("benign", False),
        ("LABEL_1", True),
    ],
)
def test_a_prompt_guard_answers_a_probability_or_a_label(text: str, flags: bool) -> None:
    """Either says how likely an attack is."""
    assert flagged(text, GUARD) is flags


@pytest.mark.parametrize("text", ["", "nan", "-0.1", "97", "perhaps", "0,99", CLEAN])
def test_a_prompt_guard_that_says_anything_else_is_an_error(text: str) -> None:
    """No probability, no verdict."""
    assert isinstance(verdict(text, GUARD), Failure)


def test_the_answer_is_one_that_the_official_sdk_takes() -> None:
    """Every category has its verdict, its score and its kind of input; a guard's own category comes on top."""
    verdicts = [Verdict(True, {"hate": 0.9}), Verdict(True, {PROMPT_ATTACK: 0.99})]
    written: Any = json.loads(moderation_body("modr-1", SAFEGUARD, verdicts))
    read = ModerationCreateResponse.model_validate(written, strict=True)
    assert (read.id, read.model, [each.flagged for each in read.results]) == ("modr-1", SAFEGUARD, [True, True])
    first = read.results[0]
    assert (first.categories.hate, first.categories.harassment, first.category_scores.hate) == (True, False, 0.9)
    assert first.category_applied_input_types.self_harm_intent == ["text"]
    assert read.results[1].categories.to_dict()[PROMPT_ATTACK] is True
    assert set(CATEGORIES) == {field.alias or name for name, field in type(first.categories).model_fields.items()}


@given(st.text(max_size=60) | st.text('{}[]":,flagedtrus01.', max_size=60))
def test_any_answer_is_a_verdict_or_an_error(text: str) -> None:
    """Nothing is raised, and there is no verdict of a safeguard without an object, nor of a guard without a word."""
    judged, guarded = verdict(text), verdict(text, GUARD)
    assert isinstance(judged, Failure) or "{" in text
    assert isinstance(guarded, Failure) or text.strip()
    with suppress(InvalidBody):
        parse_moderation(text.encode("utf-8", "surrogatepass"))

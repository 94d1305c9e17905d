"""Nothing is lost between Anthropic's messages and chat completions, either way: the inverse is written here, anew."""

import json
import re
from collections.abc import Iterator
from typing import Any

from anthropic.types import Message, MessageParam
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from headgate.protocol.anthropic import Asked, chat_body
from headgate.protocol.anthropic_reply import message_body
from headgate.protocol.chat import parse_chat

Block = dict[str, Any]
PARAMS = TypeAdapter(list[MessageParam])
LABEL = re.compile(r"\[images of the result of tool call (\S+): the next (\d+)\]")

# Texts without line feeds or a leading bracket: the inverse can then tell joined texts and the house's own marks apart.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n["), min_size=1, max_size=12)
NAME = st.sampled_from(["weather", "look_up", "f-1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
INPUT = st.dictionaries(st.text(max_size=6), JSON, max_size=3)
TEXT_BLOCK = TEXT.map(lambda text: {"type": "text", "text": text})
BASE64 = st.builds(
    lambda kind, data: {"type": "base64", "media_type": f"image/{kind}", "data": data},
    st.sampled_from(["jpeg", "png", "gif", "webp"]),
    st.text("abcXYZ012+/", min_size=4, max_size=12),
)
URL = st.text("abc/.?=", min_size=1, max_size=9).map(lambda end: {"type": "url", "url": f"https://a.example/{end}"})
IMAGE_BLOCK = (BASE64 | URL).map(lambda source: {"type": "image", "source": source})
RESULT = st.one_of(st.none(), TEXT, st.lists(TEXT_BLOCK | IMAGE_BLOCK, min_size=1, max_size=3))


@st.composite
def turns(draw: st.DrawFn) -> list[Block]:
    """A conversation: the user asks, the model answers and calls, the user brings the results."""
    conversation: list[Block] = []
    calls: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        results = [_result(draw, call) for call in calls]
        words = draw(st.lists(TEXT_BLOCK | IMAGE_BLOCK, min_size=0 if results else 1, max_size=3))
        alone = not results and len(words) == 1 and words[0]["type"] == "text" and draw(st.booleans())
        conversation.append({"role": "user", "content": words[0]["text"] if alone else results + words})
        calls = [f"toolu_{number}{letter}" for letter in "abc"[: draw(st.integers(0, 3))]]
        said = [*draw(st.lists(TEXT_BLOCK, min_size=0 if calls else 1, max_size=1))]
        said += [_use(call, draw(NAME), draw(INPUT)) for call in calls]
        conversation.append({"role": "assistant", "content": said})
    return conversation[: draw(st.sampled_from([len(conversation), len(conversation) - 1]))]


def _use(call: str, name: str, given_input: Block) -> Block:
    return {"type": "tool_use", "id": call, "name": name, "input": given_input}


def _result(draw: st.DrawFn, call: str) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": call}
    if (content := draw(RESULT)) is not None:
        block["content"] = content
    if draw(st.booleans()):
        block["is_error"] = draw(st.booleans())
    return block


def plain(conversation: list[Block]) -> list[Block]:
    """A conversation in the one form that equal ones share: lists of blocks, a result's images behind its texts."""
    return [{"role": turn["role"], "content": [*map(_plain_block, _blocks(turn["content"]))]} for turn in conversation]


def _blocks(content: str | list[Block] | None) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def _plain_block(block: Block) -> Block:
    if block["type"] != "tool_result":
        return block
    content = sorted(_blocks(block.get("content")), key=lambda each: each["type"] == "image")
    return {**block, "content": content, "is_error": block.get("is_error") is True}


def untranslated(chat: list[Block]) -> list[Block]:
    """The conversation that chat messages tell, in its plain form."""
    conversation: list[Block] = []
    for message in chat:
        if message["role"] == "assistant":
            conversation.append({"role": "assistant", "content": [*_assistant_blocks(message)]})
            continue
        if not conversation or conversation[-1]["role"] == "assistant":
            conversation.append({"role": "user", "content": []})
        content: list[Block] = conversation[-1]["content"]
        if message["role"] == "tool":
            content.append(_tool_result(message))
        else:
            content.extend(_words(message["content"], {each["tool_use_id"]: each for each in content}))
    return conversation


def _assistant_blocks(message: Block) -> Iterator[Block]:
    yield from _blocks(message["content"])
    for call in message.get("tool_calls", ()):
        function = call["function"]
        yield {
            "type": "tool_use",
            "id": call["id"],
            "name": function["name"],
            "input": json.loads(function["arguments"]),
        }


def _tool_result(message: Block) -> Block:
    text: str = message["content"]
    failed = text.startswith("[tool error]\n")
    texts = [each for each in text.removeprefix("[tool error]\n").split("\n\n") if each and not each.startswith("[im")]
    blocks = [{"type": "text", "text": each} for each in texts]
    return {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": blocks, "is_error": failed}


def _words(content: str | list[Block], results: dict[str, Block]) -> Iterator[Block]:
    """The user's own blocks; images that belong to a result are put back into it."""
    owed: list[Block] = []  # the result of each image that comes next
    for part in _blocks(content):
        if part["type"] == "image_url":
            if owed:
                owed.pop()["content"].append(_image(part["image_url"]["url"]))
            else:
                yield _image(part["image_url"]["url"])
        elif (label := LABEL.fullmatch(part["text"])) is not None:
            owed = [results[label[1]]] * int(label[2])
        else:
            yield part


def _image(url: str) -> Block:
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def request(conversation: list[Block], **fields: object) -> bytes:
    """A Messages body that asks to see the thinking."""
    thinking = {"type": "adaptive"}
    return json.dumps(
        {"model": "m", "max_tokens": 9, "messages": conversation, "thinking": thinking, **fields}
    ).encode()


@settings(deadline=None, max_examples=100)
@given(turns(), st.none() | TEXT | st.lists(TEXT_BLOCK, min_size=1, max_size=3))
def test_conversation_survives_the_translation(conversation: list[Block], system: str | list[Block] | None) -> None:
    """Texts, tool calls, results and images come back from the chat body block for block, inputs value for value.

    Two orders are the chat's own: a result's images stand behind its texts, and results before the user's words.
    """
    for turn in PARAMS.validate_python(conversation):
        assert [*turn["content"]]  # the SDK's type checks the blocks one by one, when they are looked at
    asked = chat_body(request(conversation, system=system))
    parse_chat(asked.body)
    chat: list[Block] = json.loads(asked.body)["messages"]
    if system is not None:
        told = [{"type": "text", "text": text} for text in chat.pop(0)["content"].split("\n\n")]
        assert told == _blocks(system)
    assert untranslated(chat) == plain(conversation)
    assert asked.notes == ()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(NAME, st.none() | TEXT, INPUT), max_size=4))
def test_tools_survive_the_translation(tools: list[tuple[str, str | None, Block]]) -> None:
    """Name, description and schema of every tool are what they were."""
    given_tools = [
        {
            "name": name,
            "input_schema": {"type": "object", "properties": schema},
            **({"description": said} if said else {}),
        }
        for name, said, schema in tools
    ]
    asked = chat_body(request([{"role": "user", "content": "x"}], tools=given_tools))
    functions = [tool["function"] for tool in json.loads(asked.body).get("tools", [])]
    back = [{"input_schema": function.pop("parameters"), **function} for function in functions]
    assert back == given_tools


@st.composite
def answers(draw: st.DrawFn) -> Block:
    """A chat completion's message and how it ended."""
    calls = [
        {"id": f"fc_{n}", "type": "function", "function": {"name": draw(NAME), "arguments": json.dumps(draw(INPUT))}}
        for n in range(draw(st.integers(0, 3)))
    ]
    text = draw(TEXT) if not calls or draw(st.booleans()) else None
    message: Block = {"role": "assistant", "content": text}
    if draw(st.booleans()):
        message["reasoning"] = draw(TEXT)
    if calls:
        message["tool_calls"] = calls
    return message


@settings(deadline=None, max_examples=100)
@given(answers(), st.integers(1, 999), st.integers(0, 999), st.integers(0, 99))
def test_answer_survives_and_can_be_sent_back(message: Block, prompt: int, cached: int, completion: int) -> None:
    """The SDK reads our message, and the client who sends it back as history asks the model's own words again."""
    cached = min(cached, prompt)
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    finish = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    reply = json.dumps({"id": "chatcmpl-1", "model": "served", "choices": [choice], "usage": usage}).encode()
    body = message_body(reply, Asked(b"", "m", show_thinking=True), "1")
    assert isinstance(body, bytes)
    read = Message.model_validate_json(body)
    assert (read.usage.input_tokens, read.usage.cache_read_input_tokens) == (prompt - cached, cached)
    assert read.usage.output_tokens == completion
    content = [block.model_dump(exclude_none=True) for block in read.content]
    history: list[Block] = [{"role": "user", "content": "x"}, {"role": "assistant", "content": content}]
    again = json.loads(chat_body(request(history)).body)["messages"][1]
    for call in (*message.get("tool_calls", ()), *again.get("tool_calls", ())):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    assert again == message

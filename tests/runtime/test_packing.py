"""Chats and files that are too large are made to fit, by the measure that every request is measured with."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from headgate.decide.learned import weight
from headgate.protocol.chat import Chat, parse_chat
from headgate.runtime.packing import FittedChat, Source, State, fit_chat, fit_files, least_weight, weigh


def chat_of(*messages: dict[str, Any], **fields: Any) -> Chat:
    """A chat as a client sends it."""
    return parse_chat(msgspec.json.encode({"model": "m", "messages": list(messages), **fields}))


def said(chat: Chat) -> list[dict[str, Any]]:
    """The messages as they go upstream."""
    return msgspec.json.decode(chat.fields["messages"], type=list[dict[str, Any]])


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calling(*names: str) -> dict[str, Any]:
    calls = [{"id": name, "type": "function", "function": {"name": "look", "arguments": "{}"}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(name: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": name, "content": text}


def words(count: int, about: str = "word") -> str:
    return " ".join(f"{about}{number}" for number in range(count))


def test_fitting_chat_is_left_alone() -> None:
    """What fits is the very same chat, and every message of it is whole."""
    chat = chat_of(system("be brief"), user("hello"))
    fitted = fit_chat(chat, weight(chat.prompt))
    assert fitted.chat is chat
    assert [item.state for item in fitted.items] == [State.WHOLE, State.WHOLE]


def test_oldest_messages_go_first() -> None:
    """Instructions and the newest stay whole, what is older goes, and the user's next words say how much."""
    turns = [message for n in range(20) for message in (user(words(60, f"q{n}x")), assistant(words(60, f"a{n}x")))]
    chat = chat_of(system("be brief"), *turns, user("and now?"))
    fitted = fit_chat(chat, weight(chat.prompt) / 2)
    left = said(fitted.chat)
    assert fitted.fits
    assert left[0] == system("be brief")
    assert left[-1] == user("and now?")
    assert left[-2] == turns[-1]
    states = [item.state for item in fitted.items]
    dropped = states.count(State.DROPPED)
    assert states[1 : dropped + 1] == [State.DROPPED] * dropped
    assert 15 < dropped < 25
    assert sum(f"[... {dropped} earlier messages left out ...]" in str(each["content"]) for each in left) == 1


def test_one_huge_message_is_cut_in_its_middle() -> None:
    """The only message there is keeps its beginning and its end."""
    chat = chat_of(user(words(5_000)))
    fitted = fit_chat(chat, 2_000)
    text = said(fitted.chat)[0]["content"]
    assert fitted.fits
    assert text.startswith("word0 word1 ")
    assert text.endswith(" word4999")
    assert "tokens left out ...]" in text
    assert 1_800 < weight(fitted.chat.prompt) <= 2_000


def test_calls_of_tools_stay_with_their_results() -> None:
    """The last round of tools stays, its long results cut; older rounds go as a whole."""
    rounds: list[dict[str, Any]] = []
    for n in range(6):
        rounds += [calling(f"c{n}", f"d{n}"), result(f"c{n}", words(300, f"r{n}x")), result(f"d{n}", "ok")]
    chat = chat_of(system("s"), user("find it"), *rounds)
    fitted = fit_chat(chat, 900)
    left = said(fitted.chat)
    assert fitted.fits
    assert left[:2] == [system("s"), user("find it")]
    assert left[-3] == calling("c5", "d5")
    assert [each["tool_call_id"] for each in left[-2:]] == ["c5", "d5"]
    assert_pairs(left)


def test_instructions_are_cut_last_of_all() -> None:
    """Where instructions and question leave no choice the question is cut first, and the instructions only when that
    is not enough."""
    chat = chat_of(system(words(500, "rule")), user(words(500)))
    some, little = fit_chat(chat, 1_600), fit_chat(chat, 600)
    assert some.fits
    assert said(some.chat)[0] == system(words(500, "rule"))
    assert little.fits
    assert "tokens left out" in said(little.chat)[0]["content"]


def test_nothing_helps() -> None:
    """A room that not even the least of it fits is said to be too small."""
    fitted = fit_chat(chat_of(user(words(500))), 12)
    assert not fitted.fits


def test_parts_and_images() -> None:
    """Texts among parts are cut, the image stays and is counted."""
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    chat = chat_of({"role": "user", "content": [{"type": "text", "text": words(2_000), "x": 1}, image]})
    fitted = fit_chat(chat, 3_000)
    parts = said(fitted.chat)[0]["content"]
    assert fitted.fits
    assert parts[1] == image
    assert parts[0]["x"] == 1
    assert "tokens left out" in parts[0]["text"]


def test_note_in_a_message_of_parts() -> None:
    """What was left out is said in the first text of the user's next words, whatever else they hold."""
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    last = {"role": "user", "content": [image, {"type": "text", "text": "what is this?"}]}
    fitted = fit_chat(chat_of(user(words(2_000)), assistant("no"), last), 2_090)
    [left] = said(fitted.chat)[-1:]
    assert left["content"][0] == image
    assert left["content"][1]["text"].startswith("[... ")
    assert left["content"][1]["text"].endswith("what is this?")


def test_former_functions_stay_with_their_results() -> None:
    """A result of a function is never without what called it."""
    called = {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}}
    found = {"role": "function", "name": "look", "content": words(300)}
    turns = [each for _ in range(4) for each in (user(words(200)), called, found)]
    left = said(fit_chat(chat_of(*turns, user("so?")), 1_200).chat)
    assert all(left[at - 1] == called for at, message in enumerate(left) if message["role"] == "function")


def test_repeats_go_before_anything_else() -> None:
    """A document that was pasted three times is said once, the last time, and nothing else is missed."""
    pasted = words(400, "line")
    turns = [user(f"see\n\n{pasted}"), assistant("yes"), user(f"again\n\n{pasted}"), assistant("yes")]
    chat = chat_of(*turns, user(f"so\n\n{pasted}"))
    fitted = fit_chat(chat, weight(chat.prompt) / 2)
    left = said(fitted.chat)
    assert fitted.fits
    assert len(left) == 5
    assert left[-1] == user(f"so\n\n{pasted}")
    assert left[0]["content"].startswith("see\n\n[... ")
    assert "the same as in the last message" in left[0]["content"]
    assert [bool(item.repeated_tokens) for item in fitted.items] == [True, False, True, False, False]


def assert_pairs(messages: list[dict[str, Any]]) -> None:
    """Every result follows the call that it is of, and every call has its results."""
    for at, message in enumerate(messages):
        if message["role"] == "tool":
            before = [each for each in messages[:at] if each.get("tool_calls")]
            assert message["tool_call_id"] in {call["id"] for call in before[-1]["tool_calls"]}
        for call in message.get("tool_calls") or ():
            assert call["id"] in {each.get("tool_call_id") for each in messages[at:]}


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Instructions, turns, rounds of tools; some long, some in other scripts."""
    text = st.builds(
        lambda unit, count: " ".join(unit + str(n) for n in range(count)),
        st.sampled_from(["word", "नमस्ते", "漢字", "é\u0301"]),
        st.sampled_from([1, 5, 40, 300]),
    )
    messages = [system(draw(text))] if draw(st.booleans()) else []
    for n in range(draw(st.integers(1, 8))):
        match draw(st.sampled_from(["user", "assistant", "tools"])):
            case "user":
                messages.append(user(draw(text)))
            case "assistant":
                messages.append(assistant(draw(text)))
            case _:
                messages += [calling(f"c{n}"), result(f"c{n}", draw(text))]
    return messages


@settings(max_examples=150)
@example([user(words(count)) for count in (1, 300, 1, 300, 5)], 40)  # so long that only a sample of it is measured
@given(conversations(), st.integers(40, 3_000))
def test_every_conversation(messages: list[dict[str, Any]], room: int) -> None:
    """The result fits or says that it does not; order, pairs, instructions and the last words stay; doing it again
    changes nothing; and whatever is no message of it is untouched."""
    chat = chat_of(*messages, temperature=0.5, tools=[{"type": "function", "function": {"name": "look"}}])
    fitted = fit_chat(chat, room)
    left = said(fitted.chat)
    assert fitted.fits is (weight(fitted.chat.prompt) <= room)
    assert fitted.fits or room < least_weight(chat) * 1.1 + 10 or any(each["role"] == "system" for each in messages)
    assert_pairs(left)
    assert left[-1]["role"] == messages[-1]["role"]
    kept = [item for item in fitted.items if item.state is not State.DROPPED]
    assert len(kept) == len(left)
    order = [int(item.name.split()[1]) - 1 for item in kept]
    assert [messages[at]["role"] for at in order] == [each["role"] for each in left]
    roles = {item.name.split("(")[1]: item.state for item in fitted.items}
    assert roles.get("system)") is not State.DROPPED
    assert {**fitted.chat.fields, "messages": b""} == {**chat.fields, "messages": b""}
    if fitted.fits:
        assert fit_chat(fitted.chat, room).chat is fitted.chat


@given(conversations())
def test_least_is_reached(messages: list[dict[str, Any]]) -> None:
    """What a chat is said to come down to, it comes down to, give or take what measuring whole and in parts differ."""
    chat = chat_of(*messages)
    least = least_weight(chat)
    assume(weight(chat.prompt) > least * 1.1 + 10)
    fitted: FittedChat = fit_chat(chat, least * 1.1 + 10)
    assert fitted.fits


# Files ---------------------------------------------------------------------------------------------------------------

FILES = (
    Source("a.py", words(100, "a")),
    Source("b.py", words(3_000, "b")),
    Source("c.py", words(100, "c")),
    Source("d.py", words(3_000, "d")),
)


def test_whole_files_first() -> None:
    """Small files are whole wherever they stand, large ones share the rest, the order is that given, and the question
    comes last."""
    fitted = fit_files(FILES, "What is wrong?", 3_000)
    assert fitted.fits
    assert weigh(fitted.text) > 2_700
    assert [item.state for item in fitted.items] == [State.WHOLE, State.CUT, State.WHOLE, State.CUT]
    places = [fitted.text.index(f"=== {source.name} ===") for source in FILES]
    assert places == sorted(places)
    assert fitted.text.endswith("What is wrong?")
    assert fitted.items[1].kept_tokens == pytest.approx(fitted.items[3].kept_tokens, rel=0.15)


def test_what_has_no_room_is_named() -> None:
    """The lowest priority goes first, and its name is said."""
    sources = [msgspec.structs.replace(source, priority=source.name == "d.py") for source in FILES]
    fitted = fit_files(sources, "?", 130)
    assert fitted.fits
    assert "=== d.py ===" in fitted.text
    assert "[... left out: " in fitted.text
    assert fitted.items[3].state is State.CUT


def test_same_file_twice() -> None:
    """The second one is a note; the account says so."""
    text = words(300, "x")
    fitted = fit_files([Source("a", text), Source("b", text)], "", 10_000)
    assert "the same as in a" in fitted.text
    assert fitted.items[1].repeated_tokens > 300
    assert fit_files([Source("a", text), Source("b", text)], "", 10_000, removes_repeats=False).text.count(text) == 2


@given(
    st.lists(st.tuples(st.sampled_from([0, 3, 50, 800]), st.integers(0, 2)), max_size=6),
    st.integers(60, 4_000),
)
def test_any_files(sizes: list[tuple[int, int]], room: int) -> None:
    """They fit, each is accounted for, and packing what was packed changes nothing."""
    sources = [Source(f"f{n}", words(size, f"f{n}x"), priority) for n, (size, priority) in enumerate(sizes)]
    fitted = fit_files(sources, "why?", room)
    assert len(fitted.items) == len(sources)
    assert fitted.fits is (weigh(fitted.text) <= room)
    assert fitted.fits
    chat = chat_of(user(fitted.text))
    assert fit_chat(chat, room + 10).chat is chat

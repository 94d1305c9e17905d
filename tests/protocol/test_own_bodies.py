"""Bodies of our own, read back the way clients read them."""

import json

from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from headgate.domain.answer import Reply
from headgate.protocol.openai import completion_body, error_body, model_body, model_row, models_body, stream_of
from headgate.protocol.reply import answer_text, read_reply
from headgate.protocol.sse import DONE
from headgate.protocol.stream import StreamReader

LABEL = {"headgate": {"source": "local", "skill": "template", "confidence": 0.2}}


def test_an_error_has_openais_four_parts_and_ours_beside_it() -> None:
    """Absent parts are null; what was tried stands under `headgate`."""
    body = json.loads(error_body("No room.", "rate_limit_error", "no_capacity", None, {"headgate": {"tried": []}}))
    assert body == {
        "error": {"message": "No room.", "type": "rate_limit_error", "param": None, "code": "no_capacity"},
        "headgate": {"tried": []},
    }


def test_a_local_answer_is_a_normal_completion() -> None:
    """The official types accept it, it used nothing, and it carries its label."""
    body = completion_body("chatcmpl-1", 1_790_000_000, "headgate/local", "Grüße", LABEL)
    completion = ChatCompletion.model_validate_json(body)
    assert (completion.model, completion.choices[0].finish_reason) == ("headgate/local", "stop")
    assert completion.usage is not None
    assert completion.usage.total_tokens == 0
    assert json.loads(body)["headgate"] == LABEL["headgate"]
    assert answer_text(body) == "Grüße"
    assert isinstance(read_reply(body), Reply)


def test_a_local_answer_as_a_stream_has_role_content_finish_and_end() -> None:
    """The label comes with the first event; usage only where it was asked for; our own reader finds it complete."""
    events = stream_of("chatcmpl-1", 1_790_000_000, "headgate/local", "Hallo\n\nWelt", LABEL)
    assert (len(events), events[-1]) == (4, DONE)
    chunks = [ChatCompletionChunk.model_validate_json(event[6:]) for event in events[:-1]]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Hallo\n\nWelt", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, "stop"]
    assert json.loads(events[0][6:])["headgate"] == LABEL["headgate"]
    reader = StreamReader()
    assert reader.feed(b"".join(events)) == b"".join(events)
    assert (reader.done, reader.end()) == (True, Reply("stop", None, "headgate/local"))


def test_a_local_stream_brings_its_zero_usage_when_asked() -> None:
    """One more event without choices before the end."""
    events = stream_of("chatcmpl-1", 0, "headgate/local", "x", include_usage=True)
    last = json.loads(events[-2][6:])
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 0)


def test_models_are_listed_and_told_one_by_one() -> None:
    """A row is the same in the list and alone."""
    row = model_row("openai/gpt-oss-20b", 1_754_407_957, "OpenAI", {"context_window": 131072})
    assert json.loads(models_body([row])) == {"object": "list", "data": [row]}
    alone = model_body("openai/gpt-oss-20b", 1_754_407_957, "OpenAI", {"context_window": 131072})
    assert json.loads(alone) == row
    assert Model.model_validate_json(alone).id == "openai/gpt-oss-20b"

"""Images in chats: what a model would refuse is refused before the call, with what to do."""

import base64
from typing import Any

import pytest
from tests.remedies.house import chat, open_house, pretend

QWEN = "qwen/qwen3.8-27b"
SMALL_PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()


def pictures(*urls: str, **more: Any) -> list[dict[str, Any]]:
    """A user's message with these images."""
    parts = [{"type": "image_url", "image_url": {"url": url, **more}} for url in urls]
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


@pytest.mark.parametrize(
    "urls, says",
    [
        (["https://a.test/1.png"] * 4, "Leave out some of them"),
        (["data:image/png;base64," + "A" * 6_000_000], "Image 1"),
    ],
)
async def test_images_beyond_the_models_limits_are_refused_before_the_call(urls: list[str], says: str) -> None:
    """Count and size are known here, so no call is spent on finding out."""
    toml = "[server]\nmax_body_bytes = 16_000_000"
    async with open_house(pretend(), models=(), toml=toml) as house:
        answer = await house.ask(chat(model=QWEN, messages=pictures(*urls)))
        assert answer.status == 400, answer.body
        assert says in answer.error["message"]
        assert answer.error["param"] == "messages"
        assert not house.seen


async def test_images_within_limits_reach_the_model_that_sees() -> None:
    """And a field of a part that the provider does not know stays behind."""
    said = pictures("data:image/png;base64," + SMALL_PNG)
    said[0]["content"][0]["cache_control"] = {"type": "ephemeral"}
    async with open_house(pretend(), models=()) as house:
        answer = await house.ask(chat(model=QWEN, messages=said))
        assert answer.status == 200, answer.body
        assert house.seen[0].model == QWEN
        assert "cache_control" not in house.seen[0].body["messages"][0]["content"][0]

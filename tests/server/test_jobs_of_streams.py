"""When the reply of a stream is whole, for the jobs that are about it: at its end, however that is written."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from headgate.batch.job_runner import JobRunner
from headgate.protocol.jobs import Said, read_specs
from headgate.runtime.settings_background import BackgroundSettings
from headgate.server.background import Aside, Jobs
from headgate.store.job_rows import NewJob

HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8")],
}


class Kept(JobRunner):
    """Keeps what it is to do in a list."""

    def __init__(self) -> None:
        self.settings = BackgroundSettings()
        self.kept: list[NewJob] = []
        self.given_up = 0

    def save(self, jobs: Sequence[NewJob]) -> "asyncio.Task[None]":
        self.kept += jobs
        return asyncio.get_running_loop().create_task(asyncio.sleep(0))

    def give_up(self, tenant: str, count: int) -> None:  # noqa: ARG002
        self.given_up += count


async def texts_of(*pieces: bytes) -> list[str]:
    """What the jobs about the reply of a stream in these pieces are about."""
    runner, sent = Kept(), []

    async def send(message: Any) -> None:
        sent.append(message)

    specs = read_specs([{"kind": "local", "skill": "extract", "of": "reply"}], 1)
    aside = Aside(Jobs(runner, "acme", "req_1", "", 0.0), (), specs, Said("hello"), {}, send)
    await aside.send(dict(HEAD))
    for piece in pieces:
        await aside.send({"type": "http.response.body", "body": piece, "more_body": True})
    await aside.send({"type": "http.response.body", "body": b""})
    aside.close()
    assert [message["body"] for message in sent[1:-1]] == list(pieces)
    assert len(runner.kept) + runner.given_up == 1
    return [msgspec.json.decode(job.payload)["text"] for job in runner.kept]


def said(text: str) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode({"choices": [{"index": 0, "delta": {"content": text}}]})


async def test_text_that_speaks_of_an_end_is_none() -> None:
    """A model that explains streams says `data: [DONE]` itself, in the middle of its reply."""
    pieces = (said("A stream ends with data: [DONE]"), said(" and that is all."), b"data: [DONE]\n\n")
    assert await texts_of(*pieces) == ["A stream ends with data: [DONE] and that is all."]


@pytest.mark.parametrize("end", [b"data:[DONE]\n\n", b"data: [DONE]\r\n\r\n", b"\rdata: [DONE]\r\r"])
async def test_ends_in_other_writings(end: bytes) -> None:
    """A space and the ends of lines are the provider's own."""
    assert await texts_of(said("It is ").replace(b"data: ", b"data:"), said("so."), end) == ["It is so."]


async def test_stream_without_an_end_leaves_no_job() -> None:
    """A broken reply is no reply."""
    assert await texts_of(said("It is "), said("data: [DONE]")) == []

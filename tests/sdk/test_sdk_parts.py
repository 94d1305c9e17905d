"""Texts that are too long for one request: extracted and summarised part by part, over a pretend Groq."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.remedies.house import Said, Seen, WatchedGroq, pretend
from tests.running_gateway import QUICK, SHORT

from headgate import Headgate, HeadgateError, HeadgateSync, InvalidRequest
from headgate.catalog import default_catalog
from headgate.domain.limits import Dimension
from headgate.runtime.settings import load_settings
from headgate.sdk.parts import ExtractedLong
from headgate.simulator.http import SimulatorServer
from headgate.simulator.settings import Organisation

MODEL = "openai/gpt-oss-20b"


class Line(msgspec.Struct):
    """What was ordered."""

    name: str
    count: int


class Order(msgspec.Struct):
    """An order, the pieces of which stand all over a text."""

    customer: str
    lines: list[Line]
    note: str = ""


def answer_of(value: Any) -> Said:
    """A completion with this text, said once."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return Said(200, msgspec.json.encode(body), times=1)


BROKEN = Said(400, b'{"error": {"message": "No.", "type": "invalid_request_error", "code": "x"}}', times=1)


@asynccontextmanager
async def gate_over(*said: Said, tokens_per_minute: int = 1_000_000) -> AsyncIterator[tuple[Headgate, list[Seen]]]:
    """A gate over a pretend Groq that says this, one after the other, then thinks for itself."""
    limits = {"*": {Dimension.TPM: tokens_per_minute}}
    world = pretend(organisations={"org_a": Organisation("developer", limits=limits)}, pace=QUICK, lengths=SHORT)
    groq = WatchedGroq(world, default_catalog(), said)
    server = SimulatorServer(groq, "127.0.0.1", 1.0, None)
    await server.listen()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "headgate.toml"
            path.write_text(
                f'[groq]\nendpoints = ["{server.base_url}"]\nkeys = [{{secret = "gsk_a", organisation = "org_a"}}]\n'
                f'[organisations.org_a]\nplan = "developer"\nlimits = {{ "*" = {{ TPM = {tokens_per_minute} }} }}\n'
                f"[routes.default]\nsubstitute = false\n",
                encoding="utf-8",
            )
            settings = load_settings(path, {})
        async with Headgate(settings) as gate:
            yield gate, groq.seen
    finally:
        await server.close()


def long_text(parts: int = 3, about: str = "line") -> str:
    """About so many chunks of 1,000 tokens."""
    return "\n".join(f"{about} {n} of what was said on that day about lamps" for n in range(parts * 70))


OPTIONS: dict[str, Any] = {"model": MODEL, "chunk_tokens": 1_000, "concurrency": 1}


async def test_lists_are_joined_and_scalars_found() -> None:
    """Every part is asked with a schema in which it may say nothing; what they gave is one value of the type."""
    said = (
        answer_of({"customer": None, "lines": [{"name": "lamp", "count": 2}], "note": None}),
        answer_of(
            {"customer": "Anna", "lines": [{"name": "lamp", "count": 2}, {"name": "sofa", "count": 1}], "note": None}
        ),
        answer_of({"customer": "Hanna", "lines": [], "note": "in a hurry"}),
    )
    async with gate_over(*said) as (gate, seen):
        found = await gate.extract_long(long_text(), Order, **OPTIONS)
    assert found.value == Order("Anna", [Line("lamp", 2), Line("sofa", 1)], "in a hurry")
    assert (found.level, found.missing, found.failed) == ("full", (), ())
    [conflict] = found.conflicts
    assert (conflict.path, conflict.taken, conflict.others) == ("customer", "Anna", ("Hanna",))
    assert len(seen) == len(found.parts) == 3
    texts = [each.body["messages"][-1]["content"] for each in seen]
    assert texts[0].startswith("line 0 ")
    assert texts[-1].endswith(long_text().splitlines()[-1])
    assert texts[0].splitlines()[-1] in texts[1]
    assert [part.start for part in found.parts] == sorted(part.start for part in found.parts)
    assert all(each.body["temperature"] == 0 for each in seen)


async def test_part_that_fails_is_named() -> None:
    """The others' answers stand, the result says that it is partial and which part is missing from it."""
    said = (answer_of({"customer": "Anna", "lines": [], "note": None}), BROKEN)
    async with gate_over(*said) as (gate, _):
        found = await gate.extract_long(long_text(2), Order, **OPTIONS)
    assert found.is_partial
    assert found.value == Order("Anna", [])
    [failed] = found.failed
    assert failed.number == 2
    assert isinstance(failed.error, HeadgateError)


async def test_required_field_that_no_part_has() -> None:
    """It is missing, by name, and the value is the plain one."""
    nothing = answer_of({"customer": None, "lines": [{"name": "lamp", "count": 1}], "note": None})
    async with gate_over(nothing) as (gate, _):
        found = await gate.extract_long(long_text(1), Order, **OPTIONS)
    assert found.missing == ("customer",)
    assert found.level == "partial"
    value: Any = found.value
    assert value == {"lines": [{"name": "lamp", "count": 1}]}


async def test_every_part_fails() -> None:
    """Then the first error is raised."""
    async with gate_over(replace(BROKEN, times=9)) as (gate, _):
        with pytest.raises(HeadgateError, match="No"):
            await gate.extract_long(long_text(2), Order, **OPTIONS)


async def test_schema_instead_of_a_type() -> None:
    """A mapping gives plain values; the pretend Groq makes them up for every part."""
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"type": "string"}}},
    }
    async with gate_over() as (gate, seen):
        found: ExtractedLong[Any] = await gate.extract_long(long_text(), schema, **OPTIONS)
    assert len(seen) == 3
    assert set(found.value) <= {"names"}


async def test_summary_of_summaries() -> None:
    """Each part is told which one it is; the last request has the summaries in order."""
    said = tuple(answer_of(f"summary {n}") for n in range(3))
    async with gate_over(*said, answer_of("all of it")) as (gate, seen):
        summary = await gate.summarise(long_text(), words=50, instructions="In rhymes.", **OPTIONS)
    assert str(summary) == summary.text == "all of it"
    assert len(summary.parts) == 3
    assert not summary.failed
    systems = [each.body["messages"][0]["content"] for each in seen]
    assert all("at most 50 words" in system and "In rhymes." in system for system in systems)
    assert ["part 1 of 3" in system for system in systems] == [True, False, False, False]
    assert seen[-1].body["messages"][-1]["content"] == "summary 0\n\nsummary 1\n\nsummary 2"


async def test_summary_without_a_part() -> None:
    """What could not be read is said to the model that puts the rest together, and named."""
    async with gate_over(answer_of("one"), BROKEN, answer_of("three"), answer_of("whole")) as (gate, seen):
        summary = await gate.summarise(long_text(), **OPTIONS)
    assert [part.number for part in summary.failed] == [2]
    assert seen[-1].body["messages"][-1]["content"] == "one\n\n[part 2 of 3 could not be read]\n\nthree"


async def test_summaries_that_are_too_long_together() -> None:
    """They are summarised a few at a time before they are one."""
    long = [answer_of(f"{n} " + "word " * 500) for n in range(4)]
    async with gate_over(*long, answer_of("a"), answer_of("b"), answer_of("c"), answer_of("whole")) as (gate, seen):
        summary = await gate.summarise(long_text(4), **OPTIONS)
    assert summary.text == "whole"
    assert 6 <= len(seen) <= 8


async def test_short_text_takes_one_request() -> None:
    """Nothing is said of parts."""
    async with gate_over(answer_of("short")) as (gate, seen):
        summary = await gate.summarise("A short text.", **OPTIONS)
    assert summary.text == "short"
    assert len(seen) == 1
    assert "part" not in seen[0].body["messages"][0]["content"]


async def test_chunks_fit_the_quota() -> None:
    """Where a minute holds few tokens the parts are small enough for it: none is refused upstream or here."""
    async with gate_over(tokens_per_minute=6_000) as (gate, seen):
        summary = await gate.summarise(long_text(3), model=MODEL, max_completion_tokens=50, priority="batch")
    assert not summary.failed
    assert len(summary.parts) > 1
    assert len(seen) == len(summary.parts) + 1


async def test_files_are_read(tmp_path: Path) -> None:
    """Files come under their names."""
    (tmp_path / "a.txt").write_text("alpha", encoding="utf-8")
    async with gate_over(answer_of("read")) as (gate, seen):
        await gate.summarise([tmp_path / "a.txt"], **OPTIONS)
    assert "a.txt ===\nalpha" in seen[0].body["messages"][-1]["content"]


@pytest.mark.parametrize(
    "text, options, why",
    [
        ("", {}, "no text"),
        ("hello", {"overlap": 0.9}, "overlap"),
        ("hello", {"words": 0}, "words"),
        ("hello", {"model": "no/such"}, "not known"),
        ("x" * 40_000, {"chunk_tokens": 1}, "parts"),
    ],
)
async def test_what_cannot_be_summarised(text: str, options: dict[str, Any], why: str) -> None:
    """Said clearly, before anything is asked."""
    async with gate_over() as (gate, seen):
        with pytest.raises(InvalidRequest, match=why):
            await gate.summarise(text, **{**OPTIONS, **options})
    assert seen == []


def test_without_await() -> None:
    """The same over the built-in simulator."""
    with HeadgateSync(simulate=True) as gate:
        summary = gate.summarise(
            long_text(1), model=MODEL, chunk_tokens=600, max_completion_tokens=60, priority="batch"
        )
        found = gate.extract_long("Anna ordered two lamps.", Order, model=MODEL)
    assert summary.text
    assert len(summary.parts) >= 2
    assert isinstance(found.value, Order)

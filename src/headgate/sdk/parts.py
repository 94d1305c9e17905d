"""Owns `summarise` and `extract_long`: a text that is too long for one request is asked about part by part, and what
the parts gave is put together.

The parts overlap, so that what stands on a border is whole in one of them. Each is an ordinary request of `chat_many`;
a part that fails is named and ends none of the others.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from headgate.decide.fitting import most
from headgate.decide.learned import weight
from headgate.domain.request import Check
from headgate.local.check import check_answer
from headgate.local.chunking import OVERLAP, Chunk, chunks
from headgate.local.merging import Conflict, merge, nullable, settled
from headgate.local.shortening import shorten
from headgate.protocol.chat import parse_chat
from headgate.runtime.packing import Source, fit_files, weigh
from headgate.sdk.answer import Answer
from headgate.sdk.asking import Asking
from headgate.sdk.collecting import collect
from headgate.sdk.extracting import converted, extracted, request_for, schema_of
from headgate.sdk.options import body_of
from headgate.sdk.packing import Packing, readers
from headgate.sdk.problems import HeadgateError, InvalidRequest
from headgate.server.gateway import Gateway

T = TypeVar("T")
Outcome: TypeAlias = Answer | HeadgateError
AskAll: TypeAlias = Callable[[Sequence[Mapping[str, object]]], Awaitable[Sequence[Outcome]]]
"""Answers requests, each the arguments of `chat`, in order."""
Readable: TypeAlias = str | Mapping[str, str] | Sequence[str | os.PathLike[str]]
"""A text, texts by name, or paths of files and folders."""

USUAL_TOKENS: Final = 6_000
"""Of a chunk, unless told otherwise: long enough for the context, short enough to be read well and to fit quotas."""
LEAST_TOKENS: Final = 200
BUCKET_SHARE: Final = 0.4
"""How much of a bucket one chunk may take: two are to fit in a minute."""
MOST_PARTS: Final = 2_000
MOST_LEVELS: Final = 4
"""How often summaries are summarised; what is too long even then is cut."""
SURENESS: Final = {"full": 1.0, "partial": 0.5, "low": 0.25}

SUMMARY: Final = (
    "Summarise the user's text in at most {words} words. Keep names, numbers, dates and what was decided. "
    "Say only what the text says, in its language."
)
OF_A_PART: Final = "The text is part {number} of {total} of a longer one; it begins and ends where the parts were cut."
OF_SUMMARIES: Final = (
    "The text is made of summaries of the parts of one longer text, in order. Summarise them as one text."
)
NOT_READ: Final = "[part {number} of {total} could not be read]"


class Part(msgspec.Struct, frozen=True):
    """One part of the text, by its places in characters, and its answer or what went wrong."""

    number: int
    start: int
    end: int
    answer: Answer | None = None
    error: HeadgateError | None = None


class Parted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked in parts."""

    parts: tuple[Part, ...]

    @property
    def failed(self) -> tuple[Part, ...]:
        """The parts that are missing from the whole."""
        return tuple(part for part in self.parts if part.error is not None)


class Summary(Parted, frozen=True, kw_only=True):
    """A summary; `answer` is the last one that it was made of."""

    text: str
    answer: Answer

    def __str__(self) -> str:
        return self.text


class ExtractedLong(Parted, Generic[T], frozen=True, kw_only=True):
    """What was extracted from all parts. `value` is of the type that was asked for; of a partial result it is the plain
    JSON value. `missing` are required fields that no part had; `conflicts` fields for which parts differed."""

    value: T
    missing: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    level: str = "full"

    @property
    def is_partial(self) -> bool:
        return self.level != "full"


class Parting(msgspec.Struct, frozen=True):
    """How a text is parted. `chunk_tokens` None: as much as the model's window and quota hold, 6,000 at most."""

    model: str | None = None
    instructions: str | None = None
    chunk_tokens: int | None = None
    overlap: float = OVERLAP


def text_of(what: Readable) -> str:
    """The text, files under their names. Raises OSError and InvalidRequest."""
    if isinstance(what, str):
        return what
    if isinstance(what, Mapping):
        sources: Sequence[Source] = [Source(name, text) for name, text in what.items()]
    else:
        sources = collect(what).sources
    return fit_files(sources, "", float("inf"), removes_repeats=False).text


async def parted(
    gateway: Gateway,
    text: str,
    frame: Sequence[Mapping[str, object]],
    parting: Parting,
    form: Mapping[str, object] | None = None,
) -> tuple[tuple[Chunk, ...], float]:
    """The chunks of a text, and what each may weigh beside the messages that come with it. Raises InvalidRequest."""
    if not 0.0 <= parting.overlap <= 0.5:
        raise InvalidRequest("`overlap` is a part of a chunk: from 0 to 0.5.", "overlap")
    with Asking(gateway).understood():
        chat = parse_chat(body_of(frame, parting.model, {"response_format": form}, stream=False))
    around = weight(chat.prompt)
    gate = gateway.driver.gate
    first = readers(gateway, parting.model, chat.needs, around, Packing(larger="never"))[0]
    name, within = first.model.id, first.limit_tokens
    ceilings = [
        most(lambda tokens, place=place: gate.ledger.ceiling(place, int(tokens / BUCKET_SHARE)) >= 0, within)  # type: ignore[misc]
        for place in gate.pool.deployments(name)
    ]
    if ceilings:
        within = min(within, max(ceilings))
    room = gate.learned.weight_within(name, within) - around
    room = min(room, parting.chunk_tokens or USUAL_TOKENS)
    if room < min(LEAST_TOKENS, parting.chunk_tokens or LEAST_TOKENS):
        told = f"{name} has no room for a part of the text beside the instructions: {within:,} tokens in all."
        raise InvalidRequest(told, "model")
    found = await asyncio.to_thread(chunks, text, room, weigh, parting.overlap)
    if not found:
        raise InvalidRequest("There is no text.", "what")
    if len(found) > MOST_PARTS:
        raise InvalidRequest(f"The text has {len(found):,} parts; {MOST_PARTS:,} are the most.", "what")
    return found, room


def _parts(found: Sequence[Chunk], outcomes: Sequence[Outcome]) -> tuple[Part, ...]:
    """The parts with their outcomes. Raises the first error where no part has an answer."""
    parts = []
    for number, (chunk, outcome) in enumerate(zip(found, outcomes, strict=True), start=1):
        answer = outcome if isinstance(outcome, Answer) else None
        error = None if isinstance(outcome, Answer) else outcome
        parts.append(Part(number, chunk.start, chunk.end, answer, error))
    if all(part.error is not None for part in parts):
        assert parts[0].error is not None
        raise parts[0].error
    return tuple(parts)


# Summaries -----------------------------------------------------------------------------------------------------------


async def summary_of(gateway: Gateway, ask: AskAll, text: str, words: int, parting: Parting) -> Summary:
    """The summary of a text. Raises HeadgateError where no part could be read, or the whole could not be put
    together."""
    if words < 1:
        raise InvalidRequest("`words` must be at least 1.", "words")
    frame = _to_summarise("", words, parting, OF_A_PART.format(number=999, total=999))
    found, room = await parted(gateway, text, frame, parting)
    total = len(found)
    asks = [
        _to_summarise(chunk.text, words, parting, OF_A_PART.format(number=number, total=total) if total > 1 else "")
        for number, chunk in enumerate(found, start=1)
    ]
    parts = _parts(found, await ask([{"messages": each} for each in asks]))
    said = [
        NOT_READ.format(number=part.number, total=total) if part.answer is None else part.answer.text for part in parts
    ]
    last = next(part.answer for part in parts if part.answer is not None)
    if total > 1:
        last = await _together(ask, said, words, room, parting)
    return Summary(text=last.text, answer=last, parts=parts)


async def _together(ask: AskAll, said: Sequence[str], words: int, room: float, parting: Parting) -> Answer:
    """One summary of summaries: of a few at a time while they are too long for one request."""
    whole = "\n\n".join(said)
    for _ in range(MOST_LEVELS):
        if weigh(whole) <= room:
            break
        asks = [_to_summarise(each.text, words, parting, OF_SUMMARIES) for each in chunks(whole, room, weigh, 0.0)]
        outcomes = await ask([{"messages": each} for each in asks])
        shorter = "\n\n".join(_given(outcome).text for outcome in outcomes)
        if weigh(shorter) >= weigh(whole):
            break
        whole = shorter
    whole = shorten(whole, room, weigh).text
    [outcome] = await ask([{"messages": _to_summarise(whole, words, parting, OF_SUMMARIES)}])
    return _given(outcome)


def _given(outcome: Outcome) -> Answer:
    if isinstance(outcome, HeadgateError):
        raise outcome
    return outcome


def _to_summarise(text: str, words: int, parting: Parting, about: str) -> list[dict[str, object]]:
    lines = [SUMMARY.format(words=words), *([parting.instructions] if parting.instructions else []), about]
    return [
        {"role": "system", "content": "\n\n".join(line for line in lines if line)},
        {"role": "user", "content": text},
    ]


# Extraction ----------------------------------------------------------------------------------------------------------


async def extracted_from_parts(
    gateway: Gateway,
    ask: AskAll,
    text: str,
    wanted: type[T] | Mapping[str, object],
    examples: Sequence[tuple[str, object]],
    parting: Parting,
) -> ExtractedLong[T]:
    """What is extracted from a text. Raises HeadgateError where no part gave anything."""
    name, schema = schema_of(wanted)
    asked = {**nullable(schema), "title": name}
    frame, form = request_for("", asked, parting.instructions, examples)
    found, _ = await parted(gateway, text, frame, parting, form)
    asks = [request_for(chunk.text, asked, parting.instructions, examples)[0] for chunk in found]
    outcomes = await ask([{"messages": each, "response_format": form} for each in asks])
    read = [_read(outcome, asked) for outcome in outcomes]
    parts = _parts(found, [each[0] for each in read])
    merged = merge([value for _, value, _ in read], schema, [SURENESS.get(level, 0.0) for _, _, level in read])
    value, missing = settled(merged.value, schema)
    problem = check_answer(msgspec.json.encode(value).decode(), Check.SCHEMA, schema)
    is_whole = problem is None and all(each[2] == "full" for each in read)
    if problem is None:
        value = converted(value, wanted)
    return ExtractedLong(
        value=value,
        missing=missing,
        conflicts=merged.conflicts,
        level="full" if is_whole else "partial",
        parts=parts,
    )


def _read(outcome: Outcome, schema: Mapping[str, object]) -> tuple[Outcome, Any, str]:
    """An outcome, the value that it holds, and how much of it; an answer that holds none is an error too."""
    if isinstance(outcome, HeadgateError):
        return outcome, None, ""
    try:
        found: Any = extracted(outcome, schema)
    except HeadgateError as error:
        return error, None, ""
    return outcome, found.value, found.level

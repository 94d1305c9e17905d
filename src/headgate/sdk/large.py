"""Owns the methods for what is too large or too much for one request: both doors have them."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal, TypeVar, Unpack

from headgate.decide.fitting import SHARE
from headgate.local.chunking import OVERLAP
from headgate.runtime.settings import Settings
from headgate.sdk.answer import Answer
from headgate.sdk.extracting import TASK
from headgate.sdk.many import WITHIN_S, Asks, Concurrency, MakeErrand, Many, ManySync, Wishes
from headgate.sdk.options import ChatOptions, with_options
from headgate.sdk.packing import Packable, Packed, Packing, packed
from headgate.sdk.parts import (
    AskAll,
    ExtractedLong,
    Outcome,
    Parting,
    Readable,
    Summary,
    extracted_from_parts,
    summary_of,
    text_of,
)
from headgate.sdk.progress import Tell, teller
from headgate.server.gateway import Gateway
from headgate.server.lines import intake_for_lines

T = TypeVar("T")


class Large:
    """The methods of `Headgate` for what may be too large or too much for one request."""

    settings: Settings

    async def start(self) -> Gateway:
        """The running gate, as the door has it."""
        raise NotImplementedError

    async def _answer(self, gateway: Gateway, body: bytes, errand: MakeErrand) -> Answer:
        """The way of one chat, as the door has it."""
        raise NotImplementedError

    async def _patient(self) -> Gateway:
        """The same gate with the patience of those who do not wait for an answer."""
        gateway = await self.start()
        return gateway.beside(intake_for_lines(gateway, self.settings.routes, substitute=True))

    @with_options
    def chat_many(
        self,
        requests: Asks,
        *,
        model: str | None = None,
        concurrency: Concurrency = "auto",
        progress: bool | Tell | None = None,
        asks_repeats_once: bool = True,
        within_s: float = WITHIN_S,
        **options: Unpack[ChatOptions],
    ) -> Many:
        """An answer or an error for each request, in order: to be iterated, or awaited as a list. `requests` may be of
        any length and may come bit by bit; each is a text, messages, or the arguments of `chat`; the options are all's.

        As many are asked at once as the quotas carry, in the background unless told otherwise; want of quota is waited
        out for `within_s`. Equal requests are asked once (`asks_repeats_once`). `progress`: a bar on stderr,
        which a terminal gets by default, or whoever is told.
        """
        wishes = Wishes(concurrency, asks_repeats_once, within_s, {"priority": "background", "model": model, **options})
        return Many(self._patient, self._answer, requests, wishes, teller(progress))

    @with_options
    async def summarise(
        self,
        what: Readable,
        *,
        words: int = 200,
        model: str | None = None,
        instructions: str | None = None,
        chunk_tokens: int | None = None,
        overlap: float = OVERLAP,
        concurrency: Concurrency = "auto",
        progress: bool | Tell | None = None,
        **options: Unpack[ChatOptions],
    ) -> Summary:
        """A summary of a text, of texts by name or of files, however long: of overlapping parts, then of their
        summaries, until one request holds them. Parts that fail are named (`failed`).

        The parts are asked as by `chat_many`, whose options these are. Raises as `chat` where no part could be read.
        """
        text = await asyncio.to_thread(text_of, what)
        ask = self._ask_all(model, concurrency, progress, {"task": "summarise", **options})
        parting = Parting(model, instructions, chunk_tokens, overlap)
        return await summary_of(await self._patient(), ask, text, words, parting)

    @with_options
    async def extract_long(
        self,
        what: Readable,
        schema_or_type: type[T] | Mapping[str, object],
        *,
        instructions: str | None = None,
        examples: Sequence[tuple[str, object]] = (),
        model: str | None = None,
        chunk_tokens: int | None = None,
        overlap: float = OVERLAP,
        concurrency: Concurrency = "auto",
        progress: bool | Tell | None = None,
        **options: Unpack[ChatOptions],
    ) -> ExtractedLong[T]:
        """What the schema or type asks for, out of a text, texts by name or files, however long: out of overlapping
        parts, their lists joined, each item once, and of every other field what the first of the surest parts says.
        Parts that fail are named (`failed`), so are fields for which parts differ (`conflicts`).

        The parts are asked as by `chat_many`, whose options these are. Raises as `chat` where no part gave anything.
        """
        text = await asyncio.to_thread(text_of, what)
        ask = self._ask_all(model, concurrency, progress, {"temperature": 0.0, "task": TASK, **options})
        parting = Parting(model, instructions, chunk_tokens, overlap)
        return await extracted_from_parts(await self._patient(), ask, text, schema_or_type, examples, parting)

    def _ask_all(
        self,
        model: str | None,
        concurrency: Concurrency,
        progress: bool | Tell | None,
        options: Mapping[str, Any],
    ) -> AskAll:
        async def ask(requests: Sequence[Mapping[str, object]]) -> Sequence[Outcome]:
            return await self.chat_many(requests, model=model, concurrency=concurrency, progress=progress, **options)

        return ask

    async def pack(
        self,
        what: Packable,
        *,
        model: str | None = None,
        question: str = "",
        answer_tokens: int | None = None,
        share: float = SHARE,
        larger: Literal["cheaper", "always", "never"] = "cheaper",
        removes_repeats: bool = True,
        priorities: Mapping[str, int] | None = None,
    ) -> Packed:
        """A prompt that a model's window holds, made of a text, texts by name, paths of files and folders, or messages.

        Nothing is asked for and nothing is changed that fits. Else what is said twice goes, then the oldest messages or
        the files of the lowest of `priorities` (by name or pattern), then the middles of texts, with a marker. `share`
        is how much of the window may be filled, `answer_tokens` of it kept for the answer. `larger`: when a model with
        a larger window takes over. Raises InvalidRequest, and OSError of a path.
        """
        wishes = Packing(model, question, answer_tokens, share, larger, removes_repeats, priorities)
        return await packed(await self.start(), what, wishes)


class LargeSync:
    """The same for `HeadgateSync`."""

    _gate: Large

    @with_options
    def chat_many(
        self,
        requests: Asks,
        *,
        model: str | None = None,
        concurrency: Concurrency = "auto",
        progress: bool | Tell | None = None,
        asks_repeats_once: bool = True,
        within_s: float = WITHIN_S,
        **options: Unpack[ChatOptions],
    ) -> ManySync:
        """The answers in order, as `Headgate.chat_many`. Iterating `requests` and telling `progress` happen on the
        gate's thread."""
        many = self._gate.chat_many(
            requests,
            model=model,
            concurrency=concurrency,
            progress=progress,
            asks_repeats_once=asks_repeats_once,
            within_s=within_s,
            **options,
        )
        return ManySync(self._run, many)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the gate's thread, as the door does."""
        raise NotImplementedError

    @with_options
    def summarise(
        self,
        what: Readable,
        *,
        words: int = 200,
        model: str | None = None,
        instructions: str | None = None,
        chunk_tokens: int | None = None,
        overlap: float = OVERLAP,
        concurrency: Concurrency = "auto",
        progress: bool | Tell | None = None,
        **options: Unpack[ChatOptions],
    ) -> Summary:
        """A summary, as `Headgate.summarise`."""
        return self._run(
            self._gate.summarise(
                what,
                words=words,
                model=model,
                instructions=instructions,
                chunk_tokens=chunk_tokens,
                overlap=overlap,
                concurrency=concurrency,
                progress=progress,
                **options,
            )
        )

    @with_options
    def extract_long(
        self,
        what: Readable,
        schema_or_type: type[T] | Mapping[str, object],
        *,
        instructions: str | None = None,
        examples: Sequence[tuple[str, object]] = (),
        model: str | None = None,
        chunk_tokens: int | None = None,
        overlap: float = OVERLAP,
        concurrency: Concurrency = "auto",
        progress: bool | Tell | None = None,
        **options: Unpack[ChatOptions],
    ) -> ExtractedLong[T]:
        """What was extracted from all parts, as `Headgate.extract_long`."""
        work = self._gate.extract_long(
            what,
            schema_or_type,
            instructions=instructions,
            examples=examples,
            model=model,
            chunk_tokens=chunk_tokens,
            overlap=overlap,
            concurrency=concurrency,
            progress=progress,
            **options,
        )
        return self._run(work)

    def pack(
        self,
        what: Packable,
        *,
        model: str | None = None,
        question: str = "",
        answer_tokens: int | None = None,
        share: float = SHARE,
        larger: Literal["cheaper", "always", "never"] = "cheaper",
        removes_repeats: bool = True,
        priorities: Mapping[str, int] | None = None,
    ) -> Packed:
        """A prompt that a model's window holds, as `Headgate.pack`."""
        return self._run(
            self._gate.pack(
                what,
                model=model,
                question=question,
                answer_tokens=answer_tokens,
                share=share,
                larger=larger,
                removes_repeats=removes_repeats,
                priorities=priorities,
            )
        )

"""Owns the methods for what is too large or too much for one request: both doors have them."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Literal, TypeVar, Unpack

from headgate.decide.fitting import SHARE
from headgate.runtime.settings import Settings
from headgate.sdk.answer import Answer
from headgate.sdk.many import WITHIN_S, Asks, Concurrency, MakeErrand, Many, ManySync, Wishes
from headgate.sdk.options import ChatOptions, with_options
from headgate.sdk.packing import Packable, Packed, Packing, packed
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
        return gateway.beside(intake_for_lines(gateway.catalog, self.settings.routes, substitute=True))

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
        return await asyncio.to_thread(packed, await self.start(), what, wishes)


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

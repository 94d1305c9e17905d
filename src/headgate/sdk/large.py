"""Owns the methods for what is too large for one request: both doors have them."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Literal, TypeVar

from headgate.decide.fitting import SHARE
from headgate.sdk.packing import Packable, Packed, Wishes, packed
from headgate.server.gateway import Gateway

T = TypeVar("T")


class Large:
    """The methods of `Headgate` for what may be too large for one request."""

    async def start(self) -> Gateway:
        """The running gate, as the door has it."""
        raise NotImplementedError

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
        wishes = Wishes(model, question, answer_tokens, share, larger, removes_repeats, priorities)
        return await asyncio.to_thread(packed, await self.start(), what, wishes)


class LargeSync:
    """The same for `HeadgateSync`."""

    _gate: Large

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

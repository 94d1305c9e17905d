"""Owns `pack`: files or messages in, a prompt that a model's window holds out, and an account of what was left out."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import msgspec

from headgate.catalog import Model
from headgate.decide.fitting import SHARE, Larger, Reader, reader
from headgate.decide.learned import PER_MESSAGE, PRIOR_OUTPUT_TOKENS, Learned, weight
from headgate.domain.request import Need
from headgate.protocol.chat import Chat, parse_chat
from headgate.runtime.packing import Item, Source, State, fit_chat, fit_files, weigh
from headgate.sdk.asking import Asking
from headgate.sdk.collecting import Collected, Left, collect
from headgate.sdk.options import AUTO, Messages, body_of
from headgate.sdk.problems import InvalidRequest
from headgate.server.gateway import Gateway

ANSWER_SHARE: Final = 0.25
"""The most of a window that is kept free for the answer unless more is asked for."""
LONGEST_PATH_CHARS: Final = 300
"""A longer text is not taken for a path that somebody forgot to put into a list."""
MOST_LEFT_NAMED: Final = 5

Packable: TypeAlias = str | Mapping[str, str] | Sequence[str | os.PathLike[str]] | Sequence[Mapping[str, object]]
"""A text; texts by name; paths of files and folders; or messages as OpenAI writes them."""


class Packed(msgspec.Struct, frozen=True):
    """A prompt that fits. `messages` go into `chat` as they are; tokens are upper estimates for `model`.

    `reason` is "larger_window" where the model is not the one that was asked for. `left` are files that were not read.
    """

    messages: tuple[Mapping[str, object], ...]
    model: str
    tokens: int
    whole_tokens: int
    limit_tokens: int
    items: tuple[Item, ...]
    left: tuple[Left, ...] = ()
    reason: str = ""

    @property
    def text(self) -> str:
        """What the last message says, where that is plain text."""
        content = self.messages[-1]["content"]
        return content if isinstance(content, str) else ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return not self.left and all(item.state is State.WHOLE for item in self.items)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.count(state)} {state}" for state in State if self.count(state))
        return f"<Packed {self.tokens:,} of {self.limit_tokens:,} tokens for {self.model}: {counts}>"

    def count(self, state: State) -> int:
        """How many messages or files it became of."""
        return sum(item.state is state for item in self.items)


class Packing(msgspec.Struct, frozen=True):
    """How something is to be packed."""

    model: str | None = None
    question: str = ""
    answer_tokens: int | None = None
    share: float = SHARE
    larger: str = Larger.CHEAPER
    removes_repeats: bool = True
    priorities: Mapping[str, int] | None = None


async def packed(gateway: Gateway, what: Packable, wishes: Packing) -> Packed:
    """The prompt. Raises InvalidRequest where the window is too small for the least of it.

    The reading and the fitting happen in threads, what the gate has learned is only looked at in its own.
    """
    if not 0.0 < wishes.share <= 1.0:
        raise InvalidRequest("`share` is a part of the window: above 0 and at most 1.", "share")
    if wishes.larger not in list(Larger):
        raise InvalidRequest(f"`larger` is one of {', '.join(Larger)}.", "larger")
    if isinstance(what, Mapping):
        return await _pack_files(gateway, Collected(tuple(_named(what, wishes))), wishes)
    if isinstance(what, str):
        if await asyncio.to_thread(_is_file, what):
            raise InvalidRequest(
                f"{what!r} is a file here, and a str is packed as a text. Give a list of paths, [{what!r}], to pack "
                'what it holds, or {"text": ...} for these very words.',
                "what",
            )
        return await _pack_messages(gateway, [{"role": "user", "content": what}], wishes)
    if what and all(isinstance(each, Mapping) for each in what):
        return await _pack_messages(gateway, what, wishes)  # type: ignore[arg-type]
    if any(isinstance(each, Mapping) for each in what):
        raise InvalidRequest("Give either paths or messages, not both in one list.", "what")
    paths: Sequence[str | os.PathLike[str]] = what  # type: ignore[assignment]
    return await _pack_files(gateway, await asyncio.to_thread(collect, paths, wishes.priorities), wishes)


def _is_file(text: str) -> bool:
    return len(text) <= LONGEST_PATH_CHARS and "\n" not in text and os.path.isfile(text)  # noqa: PTH113 - never raises


def _named(texts: Mapping[str, str], wishes: Packing) -> list[Source]:
    return [Source(name, text, (wishes.priorities or {}).get(name, 0)) for name, text in texts.items()]


def readers(gateway: Gateway, name: str | None, needs: Need, prompt_weight: float, wishes: Packing) -> list[Reader]:
    """The models that may read a prompt, the one that was asked for first, each with its limit."""
    gate, asked = gateway.driver.gate, name or AUTO
    found = gateway.intake.resolve(asked, needs, substitute=wishes.larger != Larger.NEVER)
    if found is None or not found.candidates:
        raise InvalidRequest(gateway.unknown_model(asked).message, "model")
    models = [gate.models[model] for model in found.candidates]
    return [
        Reader(each, gate.learned.prompt_tokens(each.id, prompt_weight), limit_of(each, wishes))
        for each in models
        if each.context_window_tokens
    ] or [Reader(models[0], 0, 0)]


def limit_of(model: Model, wishes: Packing) -> int:
    """How many tokens the prompt may have: the share of the window, less what is kept for the answer."""
    most = int(model.context_window_tokens * wishes.share)
    answer = wishes.answer_tokens
    if answer is None:
        answer = min(PRIOR_OUTPUT_TOKENS, int(most * ANSWER_SHARE), model.max_output_tokens or PRIOR_OUTPUT_TOKENS)
    return max(0, most - answer)


async def _pack_messages(gateway: Gateway, messages: Sequence[Mapping[str, object]], wishes: Packing) -> Packed:
    said = [*messages, *([{"role": "user", "content": wishes.question}] if wishes.question else [])]
    with Asking(gateway).understood():
        chat = await asyncio.to_thread(_read, said, wishes.model)
    taken, reason = _taken(gateway, chat.needs, weight(chat.prompt), wishes)
    learned = gateway.driver.gate.learned
    room = learned.weight_within(taken.model.id, taken.limit_tokens)
    fitted = await asyncio.to_thread(fit_chat, chat, room, removes_repeats=wishes.removes_repeats)
    if not fitted.fits:
        raise _too_small(taken)
    return _packed(learned, taken, fitted.chat, fitted.items, (), reason)


async def _pack_files(gateway: Gateway, collected: Collected, wishes: Packing) -> Packed:
    if not collected.sources:
        raise InvalidRequest(_no_text(collected.left), "what")
    fit = partial(fit_files, collected.sources, wishes.question, removes_repeats=wishes.removes_repeats)
    whole = await asyncio.to_thread(fit, room=float("inf"))
    taken, reason = _taken(gateway, Need.NONE, weigh(whole.text) + PER_MESSAGE, wishes)
    learned = gateway.driver.gate.learned
    room = learned.weight_within(taken.model.id, taken.limit_tokens) - PER_MESSAGE
    fitted = await asyncio.to_thread(fit, room=room)
    if not fitted.fits:
        raise _too_small(taken)
    chat = await asyncio.to_thread(_read, fitted.text, taken.model.id)
    return _packed(learned, taken, chat, fitted.items, collected.left, reason)


def _read(said: Messages, model: str | None) -> Chat:
    return parse_chat(body_of(said, model, {}, stream=False))


def _taken(gateway: Gateway, needs: Need, prompt_weight: float, wishes: Packing) -> tuple[Reader, str]:
    found = readers(gateway, wishes.model, needs, prompt_weight, wishes)
    taken = reader(found, Larger(wishes.larger))
    return taken, "" if taken is found[0] else "larger_window"


def _packed(
    learned: Learned, taken: Reader, chat: Chat, items: tuple[Item, ...], left: tuple[Left, ...], reason: str
) -> Packed:
    messages = msgspec.json.decode(chat.fields["messages"], type=tuple[dict[str, object], ...])
    tokens = learned.prompt_tokens(taken.model.id, weight(chat.prompt))
    return Packed(messages, taken.model.id, tokens, taken.prompt_tokens, taken.limit_tokens, items, left, reason)


def _no_text(left: Sequence[Left]) -> str:
    named = ", ".join(f"{each.name} ({each.why})" for each in left[:MOST_LEFT_NAMED])
    more = f" and {len(left) - MOST_LEFT_NAMED:,} more" if len(left) > MOST_LEFT_NAMED else ""
    return f"There is no text to pack; not read: {named}{more}." if left else "There is no text to pack."


def _too_small(taken: Reader) -> InvalidRequest:
    text = (
        f"The {taken.limit_tokens:,} tokens that {taken.model.id} leaves for a prompt do not hold the least of "
        "this one. Take a model with a larger window, or ask for a shorter answer."
    )
    return InvalidRequest(text, "model")

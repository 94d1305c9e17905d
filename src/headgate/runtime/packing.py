"""Makes chats and files fit a room: repeats go first, then the oldest messages, then the middles of texts. Pure.

`decide.fitting` says how much of each part stays, `protocol.trimming` and `local.shortening` do it to the words. The
result is measured as every request is, and made smaller again until it fits by that measure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Raw

from headgate.decide.fitting import Piece, share_out
from headgate.decide.learned import PER_IMAGE, PER_MESSAGE, weight
from headgate.local.repeats import without_repeats
from headgate.local.shortening import LEAST_WEIGHT, shorten
from headgate.protocol.chat import Chat, parse_chat, texts_beside, texts_of
from headgate.protocol.prompt import measure
from headgate.protocol.trimming import Place, Unit, rewritten, texts_at, units

MOST_TRIES: Final = 8
"""How often a result that came out too large is made smaller: the sum of the parts is not quite the whole."""
_GAP: Final = re.compile(r"^\[\.\.\. ([0-9]+) earlier messages? left out \.\.\.\]\n?")
_encode: Final = msgspec.json.Encoder().encode


class State(StrEnum):
    """What became of a part."""

    WHOLE = "whole"
    CUT = "cut"
    DROPPED = "dropped"


class Item(msgspec.Struct, frozen=True):
    """One message or file: about how many tokens it had, and how many of them are left. `repeated_tokens` went because
    they are said elsewhere; `note` says what else there is to say."""

    name: str
    state: State
    tokens: int
    kept_tokens: int
    repeated_tokens: int = 0
    note: str = ""


class FittedChat(msgspec.Struct, frozen=True):
    """A chat as it was made to fit. `fits` is False where even the least of it is larger than the room."""

    chat: Chat
    items: tuple[Item, ...]
    fits: bool = True

    def told(self) -> str:
        """What was done, in a line without any of the words."""
        counts = [sum(item.state is state for item in self.items) for state in (State.DROPPED, State.CUT)]
        return f"messages: {counts[0]} left out, {counts[1]} cut, to fit"


def weigh(text: str) -> float:
    """The weight of a text by itself."""
    return weight(measure((text,), messages=0, tools=0, images=0))


class _Part(msgspec.Struct, frozen=True):
    """A unit, its weight, and the texts in it with theirs; the rest of its weight cannot be cut."""

    unit: Unit
    weight: float
    texts: Mapping[Place, str]
    weights: Mapping[Place, float]

    def least(self, *, cuts: bool) -> float:
        if not cuts:
            return self.weight
        return self.weight - sum(each - min(each, LEAST_WEIGHT) for each in self.weights.values())


def _part(chat: Chat, unit: Unit) -> _Part:
    texts: dict[Place, str] = {}
    for at in unit.messages:
        texts.update(texts_at(chat.messages, at))
    said, images, _ = texts_of([chat.messages[at] for at in unit.messages])
    weights = {place: weigh(text) for place, text in texts.items()}
    beside = sum(weigh(text) for text in said) - sum(weights.values())
    whole = sum(weights.values()) + max(0.0, beside) + PER_MESSAGE * len(unit.messages) + PER_IMAGE * images
    return _Part(unit, whole, texts, weights)


def least_weight(chat: Chat) -> float:
    """About what is left of a chat when as much is trimmed as may be: what must stay, cut to heads and tails, and
    everything that is no message. Instructions stay whole."""
    required = [part for part in (_part(chat, unit) for unit in units(chat.messages)) if part.unit.required]
    least = sum(part.least(cuts=not part.unit.instructs) for part in required)
    return _beside(chat) + least + weigh(_gap_note(len(chat.messages)))


def _beside(chat: Chat) -> float:
    """What everything weighs that is no message. The whole less its messages would not tell: of long texts only a
    sample is measured."""
    texts, tools = texts_beside(chat.fields, chat.check, chat.prompt.tools), chat.prompt.tools
    return weight(measure(texts, messages=0, tools=tools, images=0))


def fit_chat(chat: Chat, room: float, *, removes_repeats: bool = True, nearly: bool = True) -> FittedChat:
    """The chat with at most this weight: as it is where it fits. Instructions, the last thing that the user said and
    the last message stay, if need be with their middles cut out, instructions last of all. To look for what is `nearly`
    a repeat takes most of the time."""
    if weight(chat.prompt) <= room:
        return FittedChat(chat, _items(chat, chat, {}, {}))
    repeated: dict[int, int] = {}
    fresh = chat
    if removes_repeats:
        fresh, repeated = _fresh(chat, nearly=nearly)
        if repeated and weight(fresh.prompt) <= room:
            return FittedChat(fresh, _items(chat, fresh, {at: at for at in range(len(chat.messages))}, repeated))
    parts = [_part(fresh, unit) for unit in units(fresh.messages)]
    left = room - (weight(fresh.prompt) - sum(part.weight for part in parts))
    fitted, places = fresh, {at: at for at in range(len(chat.messages))}
    for further in range(MOST_TRIES, -1, -1):
        fitted, places = _fitted(fresh, parts, _shares(parts, left if further else 0.0))
        over = weight(fitted.prompt) - room
        if over <= 0.0:
            return FittedChat(fitted, _items(chat, fitted, places, repeated))
        left -= (over + 1.0) * 2 ** (MOST_TRIES - further)  # a whole message may have to go for a token
    return FittedChat(fitted, _items(chat, fitted, places, repeated), fits=False)


def _fresh(chat: Chat, *, nearly: bool) -> tuple[Chat, dict[int, int]]:
    """The chat without what later messages say again, and how many tokens went from each message. What a message of
    instructions says stands there for good."""
    order = [at for at, message in enumerate(chat.messages) if message.role not in {"system", "developer"}]
    places = [place for at in reversed(order) for place in texts_at(chat.messages, at)]
    texts = [texts_at(chat.messages, place[0])[place] for place in places]
    names = ["a later message" if at else "the last message" for at in range(len(places))]
    said, repeats = without_repeats(texts, names, weigh, nearly=nearly)
    if not repeats:
        return chat, {}
    gone: dict[int, int] = {}
    for each in repeats:
        message = places[each.text][0]
        gone[message] = gone.get(message, 0) + each.tokens
    changed = {place: text for place, text, old in zip(places, said, texts, strict=True) if text != old}
    return _with_messages(chat, rewritten(chat.fields["messages"], range(len(chat.messages)), changed)), gone


def _shares(parts: Sequence[_Part], left: float) -> list[float]:
    """What each unit is given. Instructions are only cut where nothing else helps."""
    pieces: list[Piece] = []
    for cuts in (False, True):
        pieces = [
            Piece(
                part.weight,
                part.least(cuts=cuts or not part.unit.instructs),
                0 if part.unit.instructs else 1 if part.unit.required else len(parts) + 1 - at,
                part.unit.required,
            )
            for at, part in enumerate(parts)
        ]
        shares = share_out(pieces, left, in_a_row=True)
        if shares is not None:
            return list(shares)
    return [piece.least if piece.required else 0.0 for piece in pieces]


def _fitted(chat: Chat, parts: Sequence[_Part], shares: Sequence[float]) -> tuple[Chat, dict[int, int]]:
    """The chat with these shares, and where each message that is left stood before."""
    keep: list[int] = []
    texts: dict[Place, str] = {}
    dropped = 0
    for part, share in zip(parts, shares, strict=True):
        if share <= 0.0:
            dropped += sum(1 + _gap(text) for text in list(part.texts.values())[:1]) or 1
            dropped += len(part.unit.messages) - 1
            continue
        keep += part.unit.messages
        if share < part.weight:
            texts |= _cut(part, share)
        at = part.unit.messages[0]
        first = next((place for place in part.texts if place[0] == at), None)
        if dropped and first is not None and chat.messages[at].role == "user":
            text = texts.get(first, part.texts[first])
            texts[first] = _gap_note(dropped + _gap(text)) + "\n" + _GAP.sub("", text)
            dropped = 0
    made = _with_messages(chat, rewritten(chat.fields["messages"], keep, texts))
    return made, dict(enumerate(keep))


def _cut(part: _Part, share: float) -> dict[Place, str]:
    """The texts of a unit, cut so that together they fit their share of it."""
    places = list(part.texts)
    room = share - (part.weight - sum(part.weights.values()))
    pieces = [Piece(part.weights[each], min(part.weights[each], LEAST_WEIGHT), required=True) for each in places]
    shares = share_out(pieces, room) or [piece.least for piece in pieces]
    return {
        place: shorten(part.texts[place], given, weigh).text
        for place, given in zip(places, shares, strict=True)
        if given < part.weights[place]
    }


def _gap_note(messages: int) -> str:
    return f"[... {messages} earlier message{'' if messages == 1 else 's'} left out ...]"


def _gap(text: str) -> int:
    """How many messages a note at the beginning of a text says are gone."""
    found = _GAP.match(text)
    return int(found[1]) if found is not None and len(found[1]) < 10 else 0


def read_again(chat: Chat) -> Chat:
    """The chat with its messages as its fields have them now, should somebody have put those into another order."""
    return _with_messages(chat, chat.fields["messages"])


def _with_messages(chat: Chat, messages: Raw) -> Chat:
    """The chat with other messages, read anew: what is wrong with them would be found here."""
    fields = {**chat.fields, "messages": messages}
    read = parse_chat(_encode(fields))
    return msgspec.structs.replace(
        chat,
        fields=fields,
        messages=read.messages,
        prompt=msgspec.structs.replace(read.prompt, tools=chat.prompt.tools),
        clean_messages=chat.clean_messages and read.clean_messages,
        _kept=None,
    )


def _items(chat: Chat, fitted: Chat, places: Mapping[int, int], repeated: Mapping[int, int]) -> tuple[Item, ...]:
    """What became of each message of a chat."""
    now = {old: fitted.messages[new] for new, old in places.items()} if places else dict(enumerate(chat.messages))
    items = []
    for at, message in enumerate(chat.messages):
        said = texts_of([message])[0]
        tokens = round(sum(map(weigh, said)))
        left = now.get(at)
        kept = 0 if left is None else round(sum(map(weigh, texts_of([left])[0])))
        state = State.DROPPED if left is None else State.WHOLE if left == message else State.CUT
        items.append(Item(f"message {at + 1} ({message.role})", state, tokens, kept, repeated.get(at, 0)))
    return tuple(items)


# Files ---------------------------------------------------------------------------------------------------------------


class Source(msgspec.Struct, frozen=True):
    """A text with a name. Of two that do not both fit, the one of the higher `priority` stays."""

    name: str
    text: str
    priority: int = 0


class FittedFiles(msgspec.Struct, frozen=True):
    """Files as one text, and what became of each."""

    text: str
    items: tuple[Item, ...]
    fits: bool = True


def fit_files(sources: Sequence[Source], question: str, room: float, *, removes_repeats: bool = True) -> FittedFiles:
    """One text of at most this weight: the files under their names in the order given, then the question. What one file
    has from another goes; whole files come first; those that do not fit whole are cut to head and tail; what then has
    no room is named."""
    repeated: dict[int, int] = {}
    texts = [source.text for source in sources]
    names = [source.name for source in sources]
    if removes_repeats:
        fits = weigh(_joined(sources, texts, (), question)) <= room
        texts, repeats = without_repeats(texts, names, weigh, nearly=not fits)
        for each in repeats:
            repeated[each.text] = repeated.get(each.text, 0) + each.tokens
    weights = [weigh(_headed(name, text)) for name, text in zip(names, texts, strict=True)]
    pieces = [
        Piece(whole, min(whole, LEAST_WEIGHT + weigh(_headed(name, ""))), rank=-source.priority)
        for source, name, whole in zip(sources, names, weights, strict=True)
    ]
    left, made, said = room - weigh(_joined((), (), (), question)), "", list(texts)
    for tries in range(MOST_TRIES):
        shares = share_out(pieces, max(0.0, left)) or ()
        said = [_shared(*each) for each in zip(names, texts, weights, shares, strict=True)]
        dropped = [name for name, share in zip(names, shares, strict=True) if share <= 0.0]
        made = _joined(sources, said, dropped, question)
        over = weigh(made) - room
        if over <= 0.0:
            break
        left -= (over + 1.0) * 2**tries
    items = tuple(_file_items(sources, texts, said, repeated))
    return FittedFiles(made, items, fits=weigh(made) <= room)


def _shared(name: str, text: str, whole: float, share: float) -> str:
    if share >= whole:
        return text
    return "" if share <= 0.0 else shorten(text, share - weigh(_headed(name, "")), weigh).text


def _headed(name: str, text: str) -> str:
    return f"=== {name} ===\n{text}\n\n"


MOST_NAMED: Final = 20
"""How many dropped files are named one by one."""


def _joined(sources: Sequence[Source], texts: Sequence[str], dropped: Sequence[str], question: str) -> str:
    gone = set(dropped)
    parts = [_headed(s.name, text) for s, text in zip(sources, texts, strict=True) if s.name not in gone]
    if dropped:
        more = f" and {len(dropped) - MOST_NAMED:,} more" if len(dropped) > MOST_NAMED else ""
        parts.append(f"[... left out: {', '.join(dropped[:MOST_NAMED])}{more} ...]\n\n")
    return "".join(parts) + question


def _file_items(
    sources: Sequence[Source], fresh: Sequence[str], said: Sequence[str], repeated: Mapping[int, int]
) -> Iterable[Item]:
    for at, source in enumerate(sources):
        state = State.WHOLE if said[at] == fresh[at] else State.CUT if said[at] else State.DROPPED
        if state is State.WHOLE and repeated.get(at):
            state = State.CUT
        yield Item(source.name, state, round(weigh(source.text)), round(weigh(said[at])), repeated.get(at, 0))

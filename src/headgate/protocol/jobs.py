"""What a client may ask to be done in the background, read strictly, and made into what is stored and done.

    spec (what the client wrote) --resolve, with the message and the reply--> work (all that is needed to do it)

A work holds texts, never a credential: it is done with the gateway's own keys.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Raw

from headgate.protocol.chat import parse_chat
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.extraction import extraction_messages, schema_format

AUTO: Final = "headgate/auto"
"""The model of a job that names none."""
MESSAGE_SLOT: Final = "{{message}}"
REPLY_SLOT: Final = "{{reply}}"
_SLOTS: Final = frozenset({MESSAGE_SLOT.encode(), REPLY_SLOT.encode()})
_SLOT: Final = re.compile(rb"\{\{ {0,8}[A-Za-z_][A-Za-z0-9_.-]{0,80} {0,8}\}\}")
MAX_NESTING: Final = 32
MOST_FILLED_CHARS: Final = 16 * 1024 * 1024
"""What the slots of one job may hold together: a slot is short, and what fills it may be long."""
CHAT_URL: Final = "/v1/chat/completions"
EXTRACT_TASK: Final = "extract"

Text = Annotated[str, Meta(min_length=1, max_length=1_000_000)]


class Of(StrEnum):
    """Which text a job is about."""

    MESSAGE = "message"
    REPLY = "reply"
    BOTH = "both"


class Said(msgspec.Struct, frozen=True):
    """What jobs can be about: the last message of the user, and the reply where it is known."""

    message: str = ""
    reply: str = ""


class _About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    of: Of = Of.MESSAGE
    text: Text | None = None

    @property
    def needs_reply(self) -> bool:
        return self.text is None and self.of is not Of.MESSAGE

    def text_of(self, said: Said) -> str:
        if self.text is not None:
            return self.text
        match self.of:
            case Of.MESSAGE:
                return said.message
            case Of.REPLY:
                return said.reply
            case _:
                return f"{said.message}\n\n{said.reply}"


class ExtractSpec(_About, frozen=True, kw_only=True):
    """Values by a JSON Schema out of a text, by a model."""

    schema: dict[str, Any]
    model: Annotated[str, Meta(min_length=1, max_length=256)] = AUTO
    instructions: Text | None = None


class LocalSpec(_About, frozen=True, kw_only=True):
    """A local skill on a text."""

    skill: Annotated[str, Meta(min_length=1, max_length=60)]
    options: dict[str, Any] = {}


class ChatSpec(msgspec.Struct, frozen=True):
    """Any chat. In its texts `{{message}}` and `{{reply}}` stand for what was said."""

    body: dict[str, Any]
    needs_reply: bool


class ChatWork(msgspec.Struct, frozen=True, tag="chat"):
    """A chat to be asked."""

    body: Raw


class ExtractWork(msgspec.Struct, frozen=True, tag="extract"):
    """A chat to be asked whose answer is a value."""

    body: Raw


class LocalWork(msgspec.Struct, frozen=True, tag="local"):
    """A skill to be run."""

    skill: str
    text: str
    options: dict[str, Any] = {}


class ReportWork(msgspec.Struct, frozen=True, tag="report"):
    """A period to be told of, and what a model is asked about it, if anything."""

    since: float
    until: float
    schedule: str = ""
    usage: bool = True
    jobs: bool = True
    max_results: int = 100
    prompt: str | None = None
    model: str = AUTO


Spec: TypeAlias = ExtractSpec | LocalSpec | ChatSpec
Work: TypeAlias = ChatWork | ExtractWork | LocalWork | ReportWork
KINDS: Final = ("extract", "chat", "local")

_encode: Final = msgspec.json.Encoder().encode
_decode: Final[msgspec.json.Decoder[Work]] = msgspec.json.Decoder(Work)


def read_specs(value: object, most: int) -> tuple[Spec, ...]:
    """A list of jobs as a client writes it. Raises InvalidBody, which names the place."""
    if not isinstance(value, list | tuple) or not value:
        raise InvalidBody('`background` is true, or a list of jobs as {"kind": "extract", ...}.', "background")
    if len(value) > most:
        text = f"A request may bring at most {most} jobs (setting background.max_per_request)."
        raise InvalidBody(text, "background")
    return tuple(read_spec(each, f"background[{at}]") for at, each in enumerate(value))


def read_spec(value: object, place: str) -> Spec:
    """One job. Raises InvalidBody."""
    if not isinstance(value, Mapping):
        raise InvalidBody(f"{place!r} must be an object with a `kind`.", place)
    fields = dict(value)
    kind = fields.pop("kind", None)
    match kind:
        case "extract":
            spec: Spec = _converted(fields, ExtractSpec, place)
        case "local":
            spec = _converted(fields, LocalSpec, place)
        case "chat":
            return _chat(fields, place)
        case None:
            raise InvalidBody(f"`kind` is missing: give one of {', '.join(KINDS)}.", f"{place}.kind")
        case _:
            text = f"There is no kind of job {str(kind)[:60]!r}: there are {', '.join(KINDS)}."
            raise InvalidBody(text, f"{place}.kind")
    if isinstance(spec, ExtractSpec):  # what the provider would refuse is refused while somebody listens
        _checked(extract_body(spec, "x"), place)
    return spec


def resolve(spec: Spec, said: Said) -> Work:
    """All that is needed to do a job. Raises InvalidBody where there is nothing to do it on."""
    match spec:
        case ExtractSpec():
            return ExtractWork(Raw(_encode(extract_body(spec, _some(spec.text_of(said))))))
        case LocalSpec():
            return LocalWork(spec.skill, _some(spec.text_of(said)), spec.options)
        case ChatSpec():
            text = _encode(spec.body)
            slots = ((MESSAGE_SLOT, said.message), (REPLY_SLOT, said.reply))
            if sum(text.count(slot.encode()) * len(filling) for slot, filling in slots) > MOST_FILLED_CHARS:
                raise InvalidBody(f"The slots of a job hold over {MOST_FILLED_CHARS:,} characters.", "background")
            return ChatWork(Raw(_encode(_filled(spec.body, said))))


def kind_of(work: Work) -> str:
    """The word for a work."""
    return str(work.__struct_config__.tag)


def spec_kind(spec: Spec) -> str:
    """The word for what a client asked for."""
    match spec:
        case ExtractSpec():
            return "extract"
        case LocalSpec():
            return "local"
        case ChatSpec():
            return "chat"


def write_work(work: Work) -> bytes:
    """A work as it is stored."""
    return _encode(work)


def read_work(payload: bytes) -> Work:
    """A stored work. Raises msgspec.MsgspecError for what no release wrote."""
    return _decode.decode(payload)


def chat_work(body: bytes, left_out: Sequence[str]) -> ChatWork:
    """A client's whole chat body, to be asked later as it is; a stream is asked for as a whole. `left_out` are names of
    its `headgate` object."""
    fields = msgspec.json.decode(body, type=dict[str, Raw])
    for name in ("stream", "stream_options"):
        fields.pop(name, None)
    controls = msgspec.json.decode(fields.pop("headgate", Raw(b"null")), type=dict[str, Raw] | None) or {}
    kept = {name: value for name, value in controls.items() if name.replace("-", "_") not in left_out}
    if kept:
        fields["headgate"] = Raw(_encode(kept))
    return ChatWork(Raw(_encode(fields)))


def _converted(fields: dict[str, Any], kind: type[ExtractSpec | LocalSpec], place: str) -> ExtractSpec | LocalSpec:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise InvalidBody(f"{place!r} is not valid: {error}.", place) from None


def _chat(fields: dict[str, Any], place: str) -> ChatSpec:
    if fields.get("stream"):
        raise InvalidBody(f"{place!r}: a job has nobody to stream to; leave `stream` out.", f"{place}.stream")
    body = {"model": AUTO, **fields}
    controls = body.get("headgate")
    if isinstance(controls, Mapping) and {"background", "webhook"} & set(controls):
        raise InvalidBody(f"{place!r}: a job brings no further jobs.", f"{place}.headgate")
    _checked(body, place)
    text = _encode(body.get("messages"))
    for slot in _SLOT.findall(text):
        if slot not in _SLOTS:
            shown = slot[:60].decode("utf-8", "replace")
            what = f"{place!r}: nothing stands for {shown}; there are {MESSAGE_SLOT} and {REPLY_SLOT}."
            raise InvalidBody(what, f"{place}.messages")
    return ChatSpec(body, REPLY_SLOT.encode() in text)


def _checked(body: Mapping[str, Any], place: str) -> None:
    try:
        parse_chat(_encode(body))
    except InvalidBody as problem:
        raise InvalidBody(
            f"{place!r}: {problem.message}", f"{place}.{problem.param}" if problem.param else place
        ) from None


def extract_body(spec: ExtractSpec, text: str) -> dict[str, Any]:
    """The chat that takes the values out of a text."""
    return {
        "model": spec.model,
        "messages": extraction_messages(text, spec.schema, spec.instructions),
        "temperature": 0,
        "response_format": schema_format(str(spec.schema.get("title", EXTRACT_TASK)), spec.schema),
        "headgate": {"task": EXTRACT_TASK},
    }


def _some(text: str) -> str:
    if not text.strip():
        raise InvalidBody("The job has no text: the request has no message of a user in words.", "background")
    return text


def _filled(value: Any, said: Said, depth: int = 0) -> Any:
    """The same with the slots of its texts filled, each once: what fills one is not looked through again."""
    if isinstance(value, str):
        parts = [part.replace(REPLY_SLOT, said.reply) for part in value.split(MESSAGE_SLOT)]
        return said.message.join(parts)
    if depth < MAX_NESTING:
        if isinstance(value, dict):
            return {name: _filled(each, said, depth + 1) for name, each in value.items()}
        if isinstance(value, list):
            return [_filled(each, said, depth + 1) for each in value]
    return value

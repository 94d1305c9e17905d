"""The client's chat body: understood once, and written again for the provider with everything else byte for byte.

It knows the fields of OpenAI's and Groq's chat requests (groq-api.md 1.1, read 2026-11-20). What only a model can judge
(a value it does not support, a field it does not know) is relayed for the provider to judge.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.domain.request import Check, Need, PromptSize
from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned
from headgate.protocol.client_json import InvalidBody, check_depth, decode_fields, decode_value, invalid_field
from headgate.protocol.dialect import Dialect
from headgate.protocol.prompt import measure

__all__ = ["Chat", "InvalidBody", "Message", "Part", "parse_chat", "texts_of", "to_upstream"]

MAX_TOOLS: Final = 128
MAX_STOPS: Final = 4
MAX_TOKENS: Final = 2**31 - 1
MAX_USER_CHARS: Final = 200
"""A longer name of a user is known by its digest: names are remembered with the facts of requests."""
STREAM: Final = b',"stream":true'
STREAM_WITH_USAGE: Final = b',"stream":true,"stream_options":{"include_usage":true}'

_NO_CHECK: Final = Check.NONE  # looking up a member of an enum costs as much as a call
_NULL: Final = Raw(b"null")
_BUILTIN_TOOLS: Final = frozenset({"browser_search", "code_interpreter", "mcp"})

_Tokens = Annotated[int, Meta(ge=1, le=MAX_TOKENS)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Part(Struct, frozen=True, gc=False):
    """One part of a message's content; an image's own fields stay in the raw body."""

    type: str
    text: str | None = None


class Message(Struct, frozen=True, gc=False):
    """What is read of one message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    reasoning: str | None = None
    tool_calls: Raw = _NULL


class _FunctionCall(Struct, gc=False, forbid_unknown_fields=True):
    name: str
    arguments: str = ""


class _CleanMessage(Message, frozen=True, gc=False, forbid_unknown_fields=True):
    """A message with nothing in it that Groq refuses: no unknown field, and null only where it stands for no text."""

    reasoning: str = ""
    name: str = ""
    tool_call_id: str = ""
    function_call: _FunctionCall | msgspec.UnsetType = msgspec.UNSET


class _StreamOptions(Struct, gc=False):
    include_usage: bool | None = None


class _Function(Struct, gc=False):
    name: str


class _Tool(Struct, gc=False):
    type: str = "function"
    function: _Function | None = None


class _JsonSchema(Struct, gc=False):
    schema: dict[str, object] | None = None


class _ResponseFormat(Struct, gc=False):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: _JsonSchema | None = None


class _Body(Struct, gc=False):
    """The typed view: a wrong type or range is refused by the decoder, with the place. Every optional may be null."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: _Tokens | None = None
    max_tokens: _Tokens | None = None
    n: Annotated[int, Meta(ge=1, le=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    frequency_penalty: _Penalty | None = None
    presence_penalty: _Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=MAX_STOPS)] | None = None
    tools: Annotated[list[_Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, object] | None = None
    response_format: _ResponseFormat | None = None
    user: str | None = None
    service_tier: str | None = None
    reasoning_effort: str | None = None
    headgate: dict[str, object] | None = None


class _CleanBody(_Body, gc=False):
    messages: Annotated[list[_CleanMessage], Meta(min_length=1)]  # type: ignore[assignment]


_HINTS: Final = {
    "model": 'Name a model, for example "openai/gpt-oss-20b".',
    "messages": "Give a list of at least one message, each an object with a role and a content.",
    "max_completion_tokens": "Use a whole number from 1, or leave it out.",
    "max_tokens": "Use max_completion_tokens with a whole number from 1, or leave it out.",
    "n": "One choice is all that is served: use 1 or leave it out.",
    "temperature": "Use a number from 0 to 2, or leave it out.",
    "top_p": "Use a number from 0 to 1, or leave it out.",
    "frequency_penalty": "Use a number from -2 to 2, or leave it out.",
    "presence_penalty": "Use a number from -2 to 2, or leave it out.",
    "stop": f"Use a string or a list of at most {MAX_STOPS} strings.",
    "tools": f"Use a list of at most {MAX_TOOLS} tools; each function needs a name.",
    "tool_choice": 'Use "none", "auto", "required" or {"type": "function", "function": {"name": ...}}.',
    "response_format": 'Its type is "text", "json_object" or "json_schema".',
    "stream": "Use true or false.",
    "headgate": "It is an object of controls.",
}
_TYPED: Final = frozenset(_Body.__struct_fields__)
_FLAT: Final = _TYPED - {"tools", "tool_choice", "response_format", "stream_options", "headgate"}
"""Fields whose type leaves no room for deep nesting; messages when they are clean and all text."""
_REWRITTEN: Final = frozenset(
    {"model", "max_completion_tokens", "max_tokens", "stream", "stream_options", "service_tier", "headgate"}
)

_decode_body: Final = msgspec.json.Decoder(_Body).decode
_decode_clean_body: Final = msgspec.json.Decoder(_CleanBody).decode
_encode: Final = msgspec.json.Encoder().encode


class Chat(Struct, gc=False):
    """One chat body, understood. `ask_tokens` is None where the client set no maximum; `fields` are the raw values.

    `clean_messages`: no message has a field that Groq refuses. False says only that one may.
    """

    model: str
    messages: Sequence[Message]
    fields: dict[str, Raw]
    needs: Need
    check: Check
    schema: dict[str, object] | None
    prompt: PromptSize
    stream: bool
    include_usage: bool
    ask_tokens: int | None
    tool_choice: str | dict[str, object] | None
    user: str | None
    controls: dict[str, object]
    service_tier: str | None
    reasoning_effort: str | None
    n: int | None
    temperature: float | None
    clean_messages: bool
    _kept: bytes | None = None

    @property
    def last_user_text(self) -> str:
        """The text of the last message that the user wrote; "" where there is none."""
        for message in reversed(self.messages):
            if message.role == "user":
                content = message.content
                parts = [content] if isinstance(content, str) else [part.text or "" for part in content or ()]
                return "\n".join(filter(None, parts))
        return ""


def parse_chat(body: bytes) -> Chat:
    """The client's body. Raises `InvalidBody` and nothing else; about 3 µs for 700 bytes."""
    fields = decode_fields(body)
    read, clean = _typed(body)
    if read.model.isspace():
        raise InvalidBody(f"'model' is blank. {_HINTS['model']}", "model")
    form = read.response_format
    check, schema = (_NO_CHECK, None) if form is None else _expected(form)
    texts, images, is_text = texts_of(read.messages)
    if not (is_text and clean and fields.keys() <= _FLAT):
        _look_closer(body, fields)
        clean = clean and not any(each.tool_calls is not _NULL and each.tool_calls == _NULL for each in read.messages)
    if images or read.tools or schema is not None or "functions" in fields:
        needs, tools = _needs(read, fields, check, images, texts)
    else:
        needs, tools = _NEED_OF_CHECK[check], 0
    ask = read.max_completion_tokens
    options, user = read.stream_options, read.user
    if user is not None and len(user) > MAX_USER_CHARS:
        user = sha256(user.encode()).hexdigest()
    # Seven values go without their names: with more than thirty things to pass Python makes a dict of them.
    return Chat(
        read.model,
        read.messages,
        fields,
        needs,
        check,
        schema,
        measure(texts, messages=len(read.messages), tools=tools, images=images),
        stream=read.stream is True,
        include_usage=options is not None and options.include_usage is True,
        ask_tokens=read.max_tokens if ask is None else ask,
        tool_choice=read.tool_choice,
        user=user,
        controls=read.headgate or {},
        service_tier=read.service_tier,
        reasoning_effort=read.reasoning_effort,
        n=read.n,
        temperature=read.temperature,
        clean_messages=clean,
    )


def _typed(body: bytes) -> tuple[_Body, bool]:
    """The typed view, and whether its messages are clean."""
    try:
        return _decode_clean_body(body), True
    except (msgspec.ValidationError, RecursionError):
        check_depth(body)
    try:
        return _decode_body(body), False
    except msgspec.ValidationError as error:
        raise invalid_field(error, _HINTS) from None


def _look_closer(body: bytes, fields: dict[str, Raw]) -> None:
    """Where types do not say what is in a value: how deep it is, and whether it can be read at all."""
    check_depth(body)
    for name in fields.keys() - _TYPED:
        decode_value(name, fields[name])


def to_upstream(
    chat: Chat,
    *,
    dialect: Dialect,
    model: str,
    max_completion_tokens: int,
    service_tier: str | None = None,
    cleaned: Cleaned = NOTHING_TO_CLEAN,
) -> bytes:
    """The body for the provider: our model and maximum, always with usage when streaming, the rest byte for byte.

    `service_tier` None keeps the client's; `cleaned` is what the provider takes otherwise. Null fields are left out.
    The client's own wish for usage is `chat.include_usage`: without it the usage chunk is not relayed.
    """
    if cleaned is NOTHING_TO_CLEAN:
        kept = chat._kept  # noqa: SLF001 a cache that only this file fills
        if kept is None:
            kept = chat._kept = _kept(chat.fields)  # noqa: SLF001
    else:
        kept = _kept(cleaned.apply(chat.fields))
    tier = dialect.service_tier(chat.service_tier if service_tier is None else service_tier)
    return b"%b%d%b%b%b" % (
        _opening(model, dialect.max_tokens_field),
        max_completion_tokens,
        (STREAM_WITH_USAGE if dialect.sends_stream_usage else STREAM) if chat.stream else b"",
        b"" if tier is None else b',"service_tier":%b' % _encode(tier),
        kept,
    )


@lru_cache(maxsize=256)
def _opening(model: str, max_tokens_field: str) -> bytes:
    return b'{"model":%b,"%b":' % (_encode(model), max_tokens_field.encode())


def _kept(fields: Mapping[str, Raw]) -> bytes:
    """Every field that is relayed as it came, with the comma before and the brace behind."""
    kept = {name: raw for name, raw in fields.items() if name not in _REWRITTEN and (len(raw) != 4 or raw != _NULL)}
    return b"," + _encode(kept)[1:] if kept else b"}"


def _expected(form: _ResponseFormat) -> tuple[Check, dict[str, object] | None]:
    if form.type == "text":
        return Check.NONE, None
    if form.type == "json_object":
        return Check.JSON, None
    schema = form.json_schema.schema if form.json_schema is not None else None
    if schema is None:
        place = "response_format.json_schema"
        raise InvalidBody(f'\'{place}\' is missing its schema: give {{"name": ..., "schema": {{...}}}}.', place)
    return Check.SCHEMA, schema


_NEED_OF_CHECK: Final = {Check.NONE: Need.NONE, Check.JSON: Need.JSON_OBJECT, Check.SCHEMA: Need.JSON_SCHEMA}


def texts_of(messages: Sequence[Message]) -> tuple[list[str], int, bool]:
    """What a model reads of the messages, the number of images among it, and whether contents are all there is."""
    texts: list[str] = []
    images, is_text = 0, True
    for message in messages:
        content = message.content
        if type(content) is str:
            texts.append(content)
        elif content is not None:
            images += _add_parts(content, texts)  # type: ignore[arg-type]
            is_text = False
        if message.reasoning:
            texts.append(message.reasoning)
        if message.tool_calls is not _NULL:
            texts.append(str(message.tool_calls, "utf-8"))
            is_text = False
    return texts, images, is_text


def _needs(read: _Body, fields: dict[str, Raw], check: Check, images: int, texts: list[str]) -> tuple[Need, int]:
    """What a model must be able to do, and its number of tools; tools and schema are added to what it reads."""
    needs = _NEED_OF_CHECK[check]
    if images:
        needs |= Need.VISION
    tools = read.tools or ()
    texts += texts_beside(fields, check, len(tools))
    if tools:
        builtin = sum(tool.type in _BUILTIN_TOOLS for tool in tools)
        if builtin:
            needs |= Need.BUILTIN_TOOLS
        if builtin < len(tools):
            needs |= Need.TOOLS
    elif "functions" in fields:  # OpenAI's former name for tools, still typed in Groq's SDK
        needs |= Need.TOOLS
    return needs, len(tools)


def texts_beside(fields: Mapping[str, Raw], check: Check, tools: int) -> list[str]:
    """What a model reads beside the messages: so many tools, or functions as they were called, and the schema."""
    names = ["tools"] if tools else ["functions"] if "functions" in fields else []
    if check is Check.SCHEMA:
        names.append("response_format")
    return [str(fields[name], "utf-8") for name in names]


def _add_parts(parts: list[Part], texts: list[str]) -> int:
    """Adds the texts of `parts`; the number of images among them."""
    images = 0
    for part in parts:
        if part.text is not None:
            texts.append(part.text)
        images += part.type == "image_url"
    return images

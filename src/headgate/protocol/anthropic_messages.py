"""Anthropic's messages as chat messages.

Only user messages may hold parts: Groq refuses a list as the content of any other role (its 400 says that the value
must be a string; public reports of 2024 and 2025). So the texts of a system prompt or of a tool's result become one
text, and an image in a tool's result moves to the user message behind it, labelled with its call.
"""

from collections.abc import Iterator, Sequence
from typing import Final, assert_never

from headgate.protocol.anthropic_blocks import (
    Base64Image,
    Block,
    ContentSource,
    Document,
    FileImage,
    FileSource,
    Image,
    Message,
    PdfSource,
    PlainSource,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    UrlImage,
    UrlSource,
)
from headgate.protocol.client_json import InvalidBody

TOOL_ERROR: Final = "[tool error]\n"
"""What a result begins with whose tool failed: chat messages have no field for it."""

IMAGES_FOLLOW: Final = "[images of this result follow in the next user message]"
"""What stands in a tool's result in the place of its images."""

IMAGES_OF: Final = "[images of the result of tool call {}: the next {}]"
"""What introduces those images: the call and how many they are, so that the user's own are not taken for them."""

_PARAGRAPH: Final = "\n\n"
_REDACTED: Final = "redacted_thinking: only Anthropic can read it"

_Part = dict[str, object]


def chat_messages(system: str | list[Text] | None, messages: Sequence[Message], notes: list[str]) -> list[_Part]:
    """The chat messages, system prompt first. Adds to `notes` what was left out; raises `InvalidBody`."""
    chat: list[_Part] = []
    if system:
        chat.append({"role": "system", "content": _joined(system)})
    for index, message in enumerate(messages):
        place = f"messages[{index}].content"
        if isinstance(message.content, str):
            chat.append({"role": message.role, "content": message.content})
        elif message.role == "assistant":
            chat.append(_assistant(message.content, place, notes))
        elif message.role == "user":
            chat += _user(message.content, place)
        else:
            chat.append({"role": "system", "content": _system(message.content, place)})
    return chat


def _joined(system: str | list[Text]) -> str:
    return system if isinstance(system, str) else _PARAGRAPH.join([block.text for block in system])


def _system(blocks: list[Block], place: str) -> str:
    texts = []
    for index, block in enumerate(blocks):
        if not isinstance(block, Text):
            raise _misplaced(f"{place}[{index}]", "A system message holds text blocks only.")
        texts.append(block.text)
    return _PARAGRAPH.join(texts)


def _assistant(blocks: list[Block], place: str, notes: list[str]) -> _Part:
    """One assistant message: text pieces belong together as they are (citations cut one sentence into several)."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[_Part] = []
    for index, block in enumerate(blocks):
        if isinstance(block, Text):
            texts.append(block.text)
        elif isinstance(block, ToolUse):
            calls.append(_call(block, f"{place}[{index}]"))
        elif isinstance(block, Thinking):
            if block.thinking:
                thoughts.append(block.thinking)
        elif isinstance(block, RedactedThinking):
            if _REDACTED not in notes:
                notes.append(_REDACTED)
        else:
            raise _misplaced(f"{place}[{index}]", "An assistant message holds text, thinking and tool_use blocks.")
    message: _Part = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if thoughts:
        message["reasoning"] = _PARAGRAPH.join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message


def _call(block: ToolUse, place: str) -> _Part:
    written = str(block.input, "utf-8")
    if not written.startswith("{"):
        raise InvalidBody(f"'{place}.input' must be an object.", f"{place}.input")
    return {"id": block.id, "type": "function", "function": {"name": block.name, "arguments": written}}


def _user(blocks: list[Block], place: str) -> list[_Part]:
    """The tools' results, which must follow their calls at once, then everything else in its order."""
    results: list[_Part] = []
    moved: list[_Part] = []
    parts: list[_Part] = []
    for index, block in enumerate(blocks):
        where = f"{place}[{index}]"
        if isinstance(block, ToolResult):
            text, images = _result(block, where)
            results.append({"role": "tool", "tool_call_id": block.tool_use_id, "content": text})
            if images:
                moved += [_text(IMAGES_OF.format(block.tool_use_id, len(images))), *images]
        elif isinstance(block, Text | Image | Document | SearchResult):
            parts += _parts(block, where)
        else:
            raise _misplaced(where, "A user message holds text, image, document, search_result and tool_result blocks.")
    parts = moved + parts
    if parts or not results:
        alone = len(parts) == 1 and parts[0]["type"] == "text"
        results.append({"role": "user", "content": parts[0]["text"] if alone else parts or ""})
    return results


def _result(block: ToolResult, place: str) -> tuple[str, list[_Part]]:
    """The text of a tool's result, and its images."""
    mark = TOOL_ERROR if block.is_error else ""
    if block.content is None or isinstance(block.content, str):
        return mark + (block.content or ""), []
    texts: list[str] = []
    images: list[_Part] = []
    for index, inner in enumerate(block.content):
        for part in _parts(inner, f"{place}.content[{index}]"):
            if part["type"] == "text":
                texts.append(str(part["text"]))
            else:
                images.append(part)
    if images:
        texts.append(IMAGES_FOLLOW)
    return mark + _PARAGRAPH.join(texts), images


def _parts(block: Text | Image | Document | SearchResult, place: str) -> Iterator[_Part]:
    match block:
        case Text():
            yield _text(block.text)
        case Image():
            yield _image(block, place)
        case Document():
            yield from _document(block, place)
        case SearchResult():
            found = _PARAGRAPH.join([each.text for each in block.content])
            yield _text(f"Search result: {block.title}\nSource: {block.source}{_PARAGRAPH}{found}")
        case _:
            assert_never(block)


def _document(block: Document, place: str) -> Iterator[_Part]:
    head = f"Document: {block.title or 'untitled'}"
    if block.context:
        head += f"\nContext: {block.context}"
    match block.source:
        case PlainSource(data):
            yield _text(head + _PARAGRAPH + data)
        case ContentSource(content):
            if isinstance(content, str):
                yield _text(head + _PARAGRAPH + content)
                return
            yield _text(head)
            for index, each in enumerate(content):
                yield from _parts(each, f"{place}.source.content[{index}]")
        case PdfSource() | UrlSource() | FileSource():
            raise InvalidBody(
                f"'{place}.source' is not plain text: PDF documents and uploaded files are not read here."
                ' Send the text itself: {"type": "text", "media_type": "text/plain", "data": ...}.',
                f"{place}.source",
            )
        case _:
            assert_never(block.source)


def _image(block: Image, place: str) -> _Part:
    match block.source:
        case Base64Image(media_type, data):
            url = f"data:{media_type};base64,{data}"
        case UrlImage(url):
            pass
        case FileImage():
            raise InvalidBody(
                f"'{place}.source' names an uploaded file, which cannot be read here. Send the image as base64 or url.",
                f"{place}.source",
            )
        case _:
            assert_never(block.source)
    return {"type": "image_url", "image_url": {"url": url}}


def _text(text: str) -> _Part:
    return {"type": "text", "text": text}


def _misplaced(place: str, rule: str) -> InvalidBody:
    return InvalidBody(f"'{place}' is a block that does not belong there. {rule}", place)

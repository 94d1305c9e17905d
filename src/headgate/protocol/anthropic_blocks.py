"""The blocks that Anthropic's messages are made of, typed: what the decoder lets in. It translates nothing.

Fields that only steer Anthropic's servers (cache_control, citations, caller, toolset_name) are not read: nothing that a
model sees is in them. Source: the *_param types of Anthropic's Python SDK 2.11.0 (read 2026-11-21).
"""

from typing import Literal

from msgspec import Raw, Struct


class Base64Image(Struct, tag_field="type", tag="base64", gc=False):
    """An image in the body."""

    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class UrlImage(Struct, tag_field="type", tag="url", gc=False):
    """An image elsewhere."""

    url: str


class FileImage(Struct, tag_field="type", tag="file", gc=False):
    """An image among files uploaded to Anthropic, which nobody here can read."""


class Text(Struct, tag_field="type", tag="text", gc=False):
    """Plain text; cache markers and citations are not read."""

    text: str


class Image(Struct, tag_field="type", tag="image", gc=False):
    """A picture."""

    source: Base64Image | UrlImage | FileImage


class PlainSource(Struct, tag_field="type", tag="text", gc=False):
    """A document's text."""

    data: str


class ContentSource(Struct, tag_field="type", tag="content", gc=False):
    """A document made of blocks."""

    content: str | list[Text | Image]


class PdfSource(Struct, tag_field="type", tag="base64", gc=False):
    """A PDF in the body."""


class UrlSource(Struct, tag_field="type", tag="url", gc=False):
    """A PDF elsewhere."""


class FileSource(Struct, tag_field="type", tag="file", gc=False):
    """A file uploaded to Anthropic."""


class Document(Struct, tag_field="type", tag="document", gc=False):
    """A document with an optional title and remarks about it."""

    source: PlainSource | ContentSource | PdfSource | UrlSource | FileSource
    title: str | None = None
    context: str | None = None


class SearchResult(Struct, tag_field="type", tag="search_result", gc=False):
    """A piece of a search that the client made."""

    content: list[Text]
    source: str
    title: str


class Thinking(Struct, tag_field="type", tag="thinking", gc=False):
    """Reasoning of an earlier answer; its signature can only be checked by who wrote it."""

    thinking: str


class RedactedThinking(Struct, tag_field="type", tag="redacted_thinking", gc=False):
    """Reasoning that only Anthropic can read."""


class ToolUse(Struct, tag_field="type", tag="tool_use", gc=False):
    """A call that the model made; `input` is kept as it was written."""

    id: str
    name: str
    input: Raw


class ToolResult(Struct, tag_field="type", tag="tool_result", gc=False):
    """What a tool answered."""

    tool_use_id: str
    content: str | list[Text | Image | Document | SearchResult] | None = None
    is_error: bool | None = None


Block = Text | Image | Document | SearchResult | Thinking | RedactedThinking | ToolUse | ToolResult


class Message(Struct, gc=False):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]

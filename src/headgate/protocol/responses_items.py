"""The input of a Responses request as chat messages: items become turns; what cannot be carried is refused or noted.

Consecutive items that the model wrote (reasoning, a message, function calls) are one assistant message in chat; that is
what the chat completion was from which they came. It knows nothing of tools, formats and settings.
"""

from typing import Final

from msgspec import Struct

from headgate.protocol.client_json import InvalidBody

_TEXT_PARTS: Final = frozenset({"input_text", "output_text", "text"})
_DETAILS: Final = {"auto": "auto", "low": "low", "high": "high", "original": "high"}
_CALLS_OF_BUILTIN_TOOLS: Final = frozenset(
    {"web_search_call", "code_interpreter_call", "mcp_call", "mcp_list_tools", "browser_call"}
)


class Part(Struct, gc=False):
    """One part of an item's content, summary or output."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None


class Item(Struct, gc=False):
    """One input item of any type. Without a type it is a message; fields that name server state are not read."""

    type: str | None = None
    role: str | None = None
    content: str | list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None


class _Turn(Struct, gc=False):
    """An assistant message while its items come."""

    reasoning: list[str]
    content: str | list[dict[str, object]] | None
    calls: list[dict[str, object]]


class Messages:
    """Builds the messages, item by item. `notes` says what was left out and why."""

    __slots__ = ("_call_ids", "_turn", "done", "notes")

    def __init__(self, instructions: str | None) -> None:
        self.done: list[dict[str, object]] = []
        self.notes: list[str] = []
        self._turn: _Turn | None = None
        self._call_ids: set[str] = set()
        if instructions:
            self.done.append({"role": "system", "content": instructions})

    def add(self, item: Item, place: str) -> None:
        """Takes the next item; `place` is its name in the client's words (`input[3]`). Raises `InvalidBody`."""
        match item.type or "message":
            case "message":
                self._add_message(item, place)
            case "function_call":
                self._add_call(item, place)
            case "function_call_output":
                self._add_output(item, place)
            case "reasoning":
                self._add_reasoning(item, place)
            case kind if kind in _CALLS_OF_BUILTIN_TOOLS:
                self._note(f"{place} ({kind}) was left out: results of built-in tools are no part of later history.")
            case kind:
                raise _refused_item(kind, place)

    def end(self) -> list[dict[str, object]]:
        """All messages, once the last item is in."""
        self._close()
        return self.done

    def _add_message(self, item: Item, place: str) -> None:
        content = self._content(item, place)
        match item.role:
            case "assistant":
                turn = self._turn
                if turn is None or turn.content is not None:
                    turn = self._open()
                turn.content = content
            case "user" | "system" | "developer":
                self._close()
                self.done.append({"role": item.role, "content": content})
            case role:
                raise InvalidBody(
                    f'\'{place}.role\' is {role!r}: use "user", "assistant", "system" or "developer".',
                    f"{place}.role",
                )

    def _add_call(self, item: Item, place: str) -> None:
        call_id = _needed(item.call_id, f"{place}.call_id")
        function = {"name": _needed(item.name, f"{place}.name"), "arguments": item.arguments or "{}"}
        turn = self._turn or self._open()
        turn.calls.append({"id": call_id, "type": "function", "function": function})
        self._call_ids.add(call_id)

    def _add_output(self, item: Item, place: str) -> None:
        call_id = _needed(item.call_id, f"{place}.call_id")
        if call_id not in self._call_ids:
            raise InvalidBody(
                f"'{place}.call_id' is {call_id!r}, and no function_call before it has that id. Nothing is stored: "
                "send the function_call item of the earlier response together with its output.",
                f"{place}.call_id",
            )
        if item.output is None:
            raise InvalidBody(f"'{place}.output' is missing: give the function's result as text.", f"{place}.output")
        self._close()
        text = item.output if isinstance(item.output, str) else _output_text(item.output, place)
        self.done.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def _add_reasoning(self, item: Item, place: str) -> None:
        parts = item.content if isinstance(item.content, list) and item.content else item.summary or []
        text = "\n".join(part.text for part in parts if part.text)
        if item.encrypted_content:
            self._note(f"{place}.encrypted_content was left out: only the service that wrote it can read it.")
        if not text:
            return
        turn = self._turn
        if turn is None or (turn.content is not None and not turn.calls):
            turn = self._open()
        turn.reasoning.append(text)

    def _content(self, item: Item, place: str) -> str | list[dict[str, object]]:
        content = item.content
        if content is None:
            raise InvalidBody(f"'{place}.content' is missing: give text or a list of parts.", f"{place}.content")
        if isinstance(content, str):
            return content
        if not content:
            return ""
        if len(content) == 1 and content[0].type in _TEXT_PARTS:
            return _needed(content[0].text, f"{place}.content[0].text")
        return [self._part(part, f"{place}.content[{index}]") for index, part in enumerate(content)]

    def _part(self, part: Part, place: str) -> dict[str, object]:
        match part.type:
            case kind if kind in _TEXT_PARTS:
                return {"type": "text", "text": _needed(part.text, f"{place}.text")}
            case "refusal":
                return {"type": "text", "text": _needed(part.refusal, f"{place}.refusal")}
            case "input_image":
                return self._image(part, place)
            case kind:
                raise InvalidBody(
                    f"'{place}.type' is {kind!r}, which chat models here cannot be given: send the text itself as "
                    "input_text, or an image as input_image.",
                    f"{place}.type",
                )

    def _image(self, part: Part, place: str) -> dict[str, object]:
        if not part.image_url:
            raise InvalidBody(
                f"'{place}.image_url' is missing: give a URL or a data: URL; a file_id is known to no provider here.",
                f"{place}.image_url",
            )
        image: dict[str, object] = {"url": part.image_url}
        if part.detail is not None:
            if part.detail not in _DETAILS:
                raise InvalidBody(f'\'{place}.detail\' must be "auto", "low" or "high".', f"{place}.detail")
            image["detail"] = _DETAILS[part.detail]
            if part.detail == "original":
                self._note(f"{place}.detail was sent as high: chat knows no larger one.")
        return {"type": "image_url", "image_url": image}

    def _open(self) -> _Turn:
        self._close()
        self._turn = turn = _Turn([], None, [])
        return turn

    def _close(self) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.content is None and not turn.calls:
            self._note("A reasoning item was left out: no message or function call of its turn follows it.")
            return
        message: dict[str, object] = {"role": "assistant", "content": turn.content}
        if turn.reasoning:
            message["reasoning"] = "\n".join(turn.reasoning)
        if turn.calls:
            message["tool_calls"] = turn.calls
        self.done.append(message)

    def _note(self, text: str) -> None:
        self.notes.append(text)


def _output_text(parts: list[Part], place: str) -> str:
    """A function's output given in parts. Tool messages hold text only."""
    texts = []
    for index, part in enumerate(parts):
        if part.type not in _TEXT_PARTS:
            at = f"{place}.output[{index}]"
            raise InvalidBody(
                f"'{at}.type' is {part.type!r}: a function's output is text here. Give an image in a user message "
                "behind it.",
                f"{at}.type",
            )
        texts.append(_needed(part.text, f"{place}.output[{index}].text"))
    return "\n".join(texts)


def _needed(value: str | None, place: str) -> str:
    if value is None:
        raise InvalidBody(f"'{place}' is missing: give it as a string.", place)
    return value


def _refused_item(kind: str, place: str) -> InvalidBody:
    if kind == "item_reference":
        text = "nothing is stored here to refer to: send the item itself."
    elif kind.startswith("mcp_approval"):
        text = 'approvals need a stored response: give the mcp tool require_approval "never".'
    else:
        text = (
            "this type cannot be carried to a chat model: use message, function_call, function_call_output, reasoning."
        )
    return InvalidBody(f"'{place}.type' is {kind!r}: {text}", f"{place}.type")

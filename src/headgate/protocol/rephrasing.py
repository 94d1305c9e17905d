"""Words a chat otherwise after a provider refused it for safety: the last user message in a fixed frame.

The frame asks for what can be answered safely and says nothing that the client did not mean; it is no way around a
provider's rules, but takes away what made a harmless request look like a harmful one.
"""

from typing import Final

import msgspec
from msgspec import Raw

from headgate.protocol.chat import Chat
from headgate.protocol.trimming import rewritten, texts_at

BEFORE: Final = (
    "Please answer the request below as far as it can be answered safely, in a factual and neutral way. Leave out "
    "anything that could help to cause harm, and say in a sentence what you left out.\n\nThe request:\n"
)
FRAME_CHARS: Final = len(BEFORE)
NOTE: Final = "the last user message stands in a frame that asks for a safe answer"


def rephrased(chat: Chat) -> Chat:
    """The chat with its last user text in the frame; as it is where the user wrote none."""
    for at in range(len(chat.messages) - 1, -1, -1):
        if chat.messages[at].role != "user":
            continue
        texts = texts_at(chat.messages, at)
        if not texts:
            return chat
        place, text = next(iter(texts.items()))
        messages: Raw = rewritten(chat.fields["messages"], range(len(chat.messages)), {place: BEFORE + text})
        return msgspec.structs.replace(chat, fields={**chat.fields, "messages": messages}, _kept=None)
    return chat

"""One text's moderation as an errand: a chat with a judge, whose words count only if they are a verdict."""

from collections.abc import Mapping

from headgate.catalog import Model
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply
from headgate.domain.failure import Failure
from headgate.domain.request import Request
from headgate.local.skills import Supplies
from headgate.local.template import LocalAnswer
from headgate.protocol.chat import parse_chat
from headgate.protocol.dialect import Dialect
from headgate.protocol.moderation import Verdict, moderation_chat, read_verdict
from headgate.protocol.reply import read_reply
from headgate.runtime.errand import CHAT_PATH, JSON, ChatErrand
from headgate.runtime.settings_model import HandlingSettings


class ModerationErrand:
    """One text. `verdict` is what the model said, once it has said it. Judges of another kind are asked otherwise, so
    the chat is written anew for each."""

    __slots__ = ("_handling", "_text", "judge", "verdict")

    path = CHAT_PATH
    content_type = JSON
    include_usage = False

    def __init__(self, text: str, handling: HandlingSettings) -> None:
        self._text = text
        self._handling = handling
        self.verdict: Verdict | None = None
        self.judge = ""

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:
        self.judge = model.id
        chat = parse_chat(moderation_chat(self._text, model.id))
        return ChatErrand(chat, self._handling).write(call, model, dialect)

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:  # noqa: ARG002
        reply = read_reply(body)
        if isinstance(reply, Failure):
            return reply
        verdict = read_verdict(body, self.judge)
        if isinstance(verdict, Failure):
            return verdict
        self.verdict = verdict
        return reply

    def given(self, call: a.Call, body: bytes) -> bytes:  # noqa: ARG002
        return body

    def check(self, body: bytes) -> str:  # noqa: ARG002 what is no verdict has failed already
        return ""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> None:
        """Never: a mended verdict would be ours."""

    def answer_locally(self, request: Request, reason: str, supplies: Supplies) -> LocalAnswer | None:  # noqa: ARG002
        """Never: nobody may be told that a text is harmless because nobody looked."""
        return None

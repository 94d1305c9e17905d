"""Embeddings as an errand: vectors of a model, which no other model's can stand in for."""

from collections.abc import Mapping
from typing import Final

from headgate.catalog import Model
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply
from headgate.domain.failure import Failure
from headgate.domain.request import Request
from headgate.local.skills import Supplies
from headgate.local.template import LocalAnswer
from headgate.protocol.dialect import Dialect
from headgate.protocol.embeddings import Embeddings, embeddings_to_upstream, read_embeddings
from headgate.runtime.errand import JSON

EMBEDDINGS_PATH: Final = "/embeddings"


class EmbeddingsErrand:
    """The vectors of some texts. The reply passes byte for byte once it holds one for each."""

    __slots__ = ("_asked",)

    path = EMBEDDINGS_PATH
    content_type = JSON
    include_usage = False

    def __init__(self, asked: Embeddings) -> None:
        self._asked = asked

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:  # noqa: ARG002
        return embeddings_to_upstream(self._asked, model=model.sent_as())

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:  # noqa: ARG002
        found = read_embeddings(body, self._asked.count)
        return found if isinstance(found, Failure) else Reply("stop", found.usage, found.model)

    def given(self, call: a.Call, body: bytes) -> bytes:  # noqa: ARG002
        return body

    def check(self, body: bytes) -> str:  # noqa: ARG002 vectors are counted when they are read
        return ""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> None:  # noqa: ARG002 a vector has no gaps
        return None

    def answer_locally(self, request: Request, reason: str, supplies: Supplies) -> LocalAnswer | None:  # noqa: ARG002
        """None: whoever asked a model for vectors would compare ours with its own."""
        return None

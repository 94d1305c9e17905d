"""Owns `gate.local`: the local skills as methods, with what the gate's settings bring for them.

They need no model and no network, take well under a millisecond for a message, and so are no coroutines: the same
object serves `Headgate` and `HeadgateSync`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import TypeVar, cast

import msgspec

from headgate.local.classification import Classification, Label
from headgate.local.extract_types import Extraction, Kind
from headgate.local.filling import Filled
from headgate.local.language import Language
from headgate.local.personas import Persona, Reply
from headgate.local.repetition import Repetition
from headgate.local.risk import Risk
from headgate.local.safety import Safety
from headgate.local.shipped_library import shipped_personas
from headgate.local.skills import Misused, SkillResult, Supplies, run
from headgate.local.summary import Summary
from headgate.sdk.extracting import schema_of
from headgate.sdk.problems import InvalidRequest

T = TypeVar("T")


class LocalSkills:
    """Every local skill. Each result says how sure it is and what in the text it rests on. Raises InvalidRequest for
    options that a skill cannot have."""

    def __init__(self, supplies: Callable[[], Supplies]) -> None:
        self._load = supplies

    @cached_property
    def _supplies(self) -> Supplies:
        return self._load()

    def extract(
        self,
        text: str,
        *,
        kinds: Sequence[Kind | str] | None = None,
        region: str | None = None,
        today: date | None = None,
    ) -> Extraction:
        """UPI ids, phones, accounts, IFSC codes, cards, emails, links, amounts and dates, normalised, with spans."""
        return self._run("extract", text, Extraction, kinds=kinds, region=region, today=today)

    def classify(
        self, text: str, labels: Sequence[str | Label | Mapping[str, object]], *, threshold: float | None = None
    ) -> Classification:
        """One of your labels, by keywords, names and likeness to examples; None where nothing fits."""
        return self._run("classify", text, Classification, labels=labels, threshold=threshold)

    def reply(
        self,
        text: str,
        *,
        persona: str | None = None,
        situation: str | None = None,
        slots: Mapping[str, str] | None = None,
        seed: int | None = None,
        avoid: Sequence[str] | None = None,
    ) -> Reply:
        """What a persona library says to a message."""
        return self._run(
            "reply", text, Reply, persona=persona, situation=situation, slots=slots, seed=seed, avoid=avoid
        )

    def repetition(self, text: str, earlier: Sequence[str], *, threshold: float | None = None) -> Repetition:
        """Whether a message repeats one of the `earlier` ones, the oldest first."""
        return self._run("repetition", text, Repetition, earlier=earlier, threshold=threshold)

    def language(self, text: str) -> Language:
        """The language and script of a text, as far as it says."""
        return self._run("language", text, Language)

    def summary(self, text: str, *, max_sentences: int | None = None, max_chars: int | None = None) -> Summary:
        """The telling sentences of a text, word for word and in their order."""
        return self._run("summary", text, Summary, max_sentences=max_sentences, max_chars=max_chars)

    def fill(
        self,
        text: str,
        schema_or_type: type | Mapping[str, object],
        *,
        labels: Sequence[str | Label | Mapping[str, object]] | None = None,
    ) -> Filled:
        """A JSON value for a schema or type, of what the text holds; what is missing is named. Nothing is invented."""
        return self._run("fill", text, Filled, schema=schema_of(schema_or_type)[1], labels=labels)

    def risk(self, text: str) -> Risk:
        """How likely a message is scam or phishing, and by what; the operator's threat feeds raise it."""
        return self._run("risk", text, Risk)

    def safety(self, text: str, *, block: Sequence[str] | None = None, allow: Sequence[str] | None = None) -> Safety:
        """Which blocked words and phrases the text holds, also in disguise: the settings' and those given here."""
        return self._run("safety", text, Safety, block=block, allow=allow)

    def run(self, skill: str, text: str, **options: object) -> SkillResult:
        """Any skill by its name, with its options as `GET /v1/local` lists them."""
        return cast("SkillResult", self._run(skill, text, object, **options))

    @property
    def personas(self) -> Mapping[str, Persona]:
        """The persona libraries that `reply` has, by name."""
        return {**shipped_personas(), **self._supplies.personas}

    def _run(self, skill: str, text: str, kind: type[T], **options: object) -> T:  # noqa: ARG002 - it names the result
        given = {name: msgspec.to_builtins(value) for name, value in options.items() if value is not None}
        try:
            return cast("T", run(skill, text, given, self._supplies))
        except Misused as problem:
            raise InvalidRequest(problem.message, problem.param) from None

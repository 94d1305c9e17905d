"""The invariant of prompts that are made smaller: 42, that no word goes missing unless it may, and none unsaid."""

from typing import Final

from headgate.decide import actions as a
from headgate.decide.learned import weight
from headgate.domain.answer import Source
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.time import Instant
from headgate.runtime.packing import State, fit_chat
from headgate.simulator.invariants import Invariant, Scene
from headgate.simulator.virtual_run import Run

TOLERANCE: Final = 1.05
"""What is left of a prompt is estimated from its parts, which is not quite the sum."""


class WordsAreKept(Invariant):
    """42. No word is left out unless the request allows it; then the prompt is no heavier than what is reserved for,
    instructions and the last words stay, and the label says so."""

    number = 42

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.trimmed: dict[str, bool] = {}

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        request = run.request
        self.trimmed[request.id] = bool(action.trim_to)
        if not action.trim_to:
            return
        self.require(request.trims_to, "words are left out that may not be", now, request.id)
        fitted = fit_chat(run.chat, action.trim_to, nearly=False)
        weighs, most = weight(fitted.chat.prompt), max(action.trim_to, request.trims_to * TOLERANCE + 1.0)
        self.require(weighs <= most, f"a prompt of {weighs:.1f} for {action.trim_to:.1f}", now, request.id)
        gone = [item.name for item in fitted.items if item.state is State.DROPPED]
        last = fitted.items[-1].name
        self.require(last not in gone, f"{last} was left out", now, request.id)
        self.require(not [name for name in gone if "(system)" in name], "instructions were left out", now, request.id)

    def told(self, fact: Fact) -> None:
        if isinstance(fact, RequestFinished):
            was_trimmed = self.trimmed.pop(fact.request_id, False)
            if was_trimmed and fact.source is Source.UPSTREAM:
                said = (fact.fitted or "").startswith("prompt ")
                self.require(said, f"a trimmed prompt is labelled {fact.fitted}", fact.at, fact.request_id)


ALL: Final = (WordsAreKept,)

"""Local skills as jobs: checked while somebody listens, run later. The skills are loaded when one is first named."""

from typing import TYPE_CHECKING

from headgate.batch.asking import Verdict
from headgate.batch.job_work import Outcome, failed
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.jobs import LocalSpec, LocalWork

if TYPE_CHECKING:
    from headgate.local.skills import Supplies


def check_skill(spec: LocalSpec) -> None:
    """Raise InvalidBody for a skill that there is not, or options that it cannot have."""
    from headgate.local.skills import MOST_CHARS, Misused, options_of, skill

    if spec.text is not None and len(spec.text) > MOST_CHARS:
        raise InvalidBody(_too_long(spec.text, MOST_CHARS), "text")
    try:
        options_of(skill(spec.skill), spec.options)
    except Misused as problem:
        raise InvalidBody(problem.message, problem.param) from None


def run_skill(supplies: "Supplies", work: LocalWork) -> Outcome:
    """What a skill makes of a text, with what the operator brought for it."""
    from headgate.local.skills import MOST_CHARS, Misused, as_json, run

    if len(work.text) > MOST_CHARS:
        return failed("text_too_long", _too_long(work.text, MOST_CHARS))
    try:
        return Outcome(Verdict.DONE, as_json(run(work.skill, work.text, work.options, supplies)))
    except Misused as problem:
        return failed("skill_misused", problem.message)


def _too_long(text: str, most: int) -> str:
    return f"The text of the job has {len(text):,} characters, more than {most:,}: give it part by part."

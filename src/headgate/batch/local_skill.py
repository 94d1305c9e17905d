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
    from headgate.local.skills import Misused, options_of, skill

    try:
        options_of(skill(spec.skill), spec.options)
    except Misused as problem:
        raise InvalidBody(problem.message, problem.param) from None


def run_skill(supplies: "Supplies", work: LocalWork) -> Outcome:
    """What a skill makes of a text, with what the operator brought for it."""
    from headgate.local.skills import Misused, as_json, run

    try:
        return Outcome(Verdict.DONE, as_json(run(work.skill, work.text, work.options, supplies)))
    except Misused as problem:
        return failed("skill_misused", problem.message)

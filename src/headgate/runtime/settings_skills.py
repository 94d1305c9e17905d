"""Owns what settings say of local skills in the cascade: which one answers for a route or task, how sure it must be.

Whether a skill of that name exists and takes those options is checked when the settings are read, not when all else
has failed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from headgate.domain.request import SkillUse

MIN_CONFIDENCE: Final = 0.5
Confidence = Annotated[float, Meta(ge=0, le=1)]
SkillName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
TaskName = Annotated[str, Meta(min_length=1, max_length=200)]

_FROM_THE_CHAT: Final[Mapping[str, Mapping[str, object]]] = {"fill": {"schema": {}}, "repetition": {"earlier": []}}
"""Options that a chat brings itself."""


class TaskSkillTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[local.tasks.TASK]`; `TASK = "SKILL"` is short for one that says no more."""

    skill: SkillName
    first: bool = False
    """Ask the skill before any model; where it is sure enough, no call is made."""
    confidence: Confidence | None = None
    """How sure it must be; left out: `[local] min_confidence`."""
    options: dict[str, Any] = {}


class WrongSkill(ValueError):
    """A skill or options that cannot be used; `key` is the one at fault."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key
        self.what = what


def skill_use(name: str, options: Mapping[str, object], *, first: bool, min_confidence: float) -> SkillUse:
    """A skill with its options as they will be used. Raises WrongSkill."""
    from headgate.local.skills import Misused, options_of, skill

    try:
        row = skill(name)
    except Misused as problem:
        raise WrongSkill("skill", problem.message) from None
    try:
        options_of(row, {**_FROM_THE_CHAT.get(name, {}), **options})
        return SkillUse(name, min_confidence, first, msgspec.json.encode(options))
    except (Misused, TypeError) as problem:
        raise WrongSkill("options", str(problem)) from None


def task_skills(tasks: Mapping[str, str | TaskSkillTable], min_confidence: float) -> dict[str, SkillUse]:
    """The skill of each task. Raises WrongSkill, whose key begins with the task's name."""
    found = {}
    for task, said in tasks.items():
        table = TaskSkillTable(skill=said) if isinstance(said, str) else said
        least = min_confidence if table.confidence is None else table.confidence
        try:
            found[task] = skill_use(table.skill, table.options, first=table.first, min_confidence=least)
        except WrongSkill as wrong:
            raise WrongSkill(task if isinstance(said, str) else f"{task}.{wrong.key}", wrong.what) from None
    return found

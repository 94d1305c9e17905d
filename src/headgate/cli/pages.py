"""Owns the Markdown made from the control list and from the tables of the machine."""

import textwrap

from headgate.decide import machine
from headgate.decide.journey import Phase
from headgate.decide.remedies import NOT_YET, ROWS
from headgate.server.control_list import document_controls

CONTROLS_INTRODUCTION = """\
# Controls and answer headers

Made from the code: `headgate docs controls > docs/controls.md`. What is not active yet is accepted, does nothing,
and is named by `explain`; a control that does not exist is refused with a 400.

"""


def controls_page() -> str:
    """docs/controls.md."""
    return CONTROLS_INTRODUCTION + document_controls().rstrip() + "\n"


def architecture_parts() -> dict[str, str]:
    """The generated parts of docs/ARCHITECTURE.md by the names of their markers."""
    return {"phases": _phases(), "remedies": _remedies()}


def with_parts(page: str) -> str:
    """A page with its generated parts as they are now; what stands between other markers stays."""
    for name, text in architecture_parts().items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, _, rest = page.partition(begin)
        _, found, after = rest.partition(end)
        if found:
            page = f"{before}{begin}\n{text}\n{end}{after}"
    return page


def _phases() -> str:
    known = {phase: sorted(event.__name__ for event in machine.legal_events(phase)) for phase in Phase}
    rows = [f"| {phase.name.lower()} | {', '.join(events)} |" for phase, events in known.items()]
    return "\n".join(["```text", _diagram(), "```", "", "| phase | events it knows |", "| --- | --- |", *rows])


def _diagram() -> str:
    """The drawing in the machine's own docstring."""
    lines = (machine.__doc__ or "").splitlines()
    drawn = [line for line in lines if line.startswith("    ") and "step(" not in line]
    return textwrap.dedent("\n".join(drawn))


def _remedies() -> str:
    def words(text: str) -> str:
        return text.replace("_", " ")

    rows = []
    for kind, row in ROWS.items():
        remedies = [
            f"*{words(remedy)}* ({NOT_YET[remedy]})" if remedy in NOT_YET else words(remedy) for remedy in row.remedies
        ]
        limit = "calls" if row.limit is None else str(row.limit)
        effects = ", ".join(words(effect) for effect in row.effects) or "–"
        rows.append(f"| {words(kind)} | {', '.join(remedies)} | {limit} | {effects} |")
    heading = ["| failure | remedies in order | limit | effect beyond the request |", "| --- | --- | --- | --- |"]
    return "\n".join([*heading, *rows])

"""Does the work of one job, once: asks a model at the gateway's own door, runs a local skill, or gathers a report.

It keeps nothing: what came of it is a value for whoever keeps jobs.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from headgate.batch.asking import Ask, LineAnswer, Verdict, pause_s, verdict
from headgate.domain.answer import RefusalCode
from headgate.protocol.jobs import CHAT_URL, ChatWork, ExtractWork, LocalWork, ReportWork, Work, read_work
from headgate.protocol.reply import answer_text

REPORT_TASK: Final = "report"
UNREADABLE: Final = "unreadable_job"
OFF_FORM: Final = "answer_is_no_json"
WANT_OF_QUOTA: Final = frozenset({429, 498})
NO_ROOM: Final = frozenset({RefusalCode.NO_CAPACITY, RefusalCode.DEADLINE_EXCEEDED, RefusalCode.BUDGET_EXCEEDED})
"""What is no failure of a job: it waits for as long as it may."""
_encode: Final = msgspec.json.Encoder().encode

RunSkill: TypeAlias = Callable[[LocalWork], Awaitable["Outcome"]]
"""Runs a local skill; what cannot be run is a failed outcome."""
Gather: TypeAlias = Callable[[str, ReportWork], Awaitable[Mapping[str, object]]]
"""The figures of a tenant's report."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of doing a job once. LATER: it is to be done again after `pause_s`, `tries` failures so far."""

    verdict: Verdict
    result: bytes = b""
    problem: str = ""
    pause_s: float = 0.0
    tries: int = 0


class _Flag(msgspec.Struct):
    partial: bool = False
    missing: tuple[str, ...] = ()


class _Labelled(msgspec.Struct):
    model: str = ""
    headgate: _Flag | None = None


class _Error(msgspec.Struct):
    code: str | None = None
    type: str | None = None


class _Refused(msgspec.Struct):
    error: _Error


class JobWork:
    """All kinds of work. `gather` is None where there is no store to gather from."""

    def __init__(self, ask: Ask, gather: Gather | None, skills: RunSkill) -> None:
        self._ask = ask
        self._gather = gather
        self._skills = skills

    async def do(self, tenant: str, payload: bytes, tries: int) -> Outcome:
        """Do it once; `tries` is how often the other side broke down before. Cancelling it ends the request."""
        try:
            work = read_work(payload)
        except msgspec.MsgspecError:
            return failed(UNREADABLE, "What the job is to do cannot be read by this release.")
        return await self._do(tenant, work, tries)

    async def _do(self, tenant: str, work: Work, tries: int) -> Outcome:
        match work:
            case ChatWork():
                return await self._chat(tenant, bytes(work.body), tries)
            case ExtractWork():
                return _extracted(await self._chat(tenant, bytes(work.body), tries))
            case LocalWork():
                return await self._skills(work)
            case ReportWork():
                return await self._report(tenant, work, tries)

    async def _chat(self, tenant: str, body: bytes, tries: int) -> Outcome:
        return outcome_of(await self._ask(tenant, CHAT_URL, body), tries + 1)

    async def _report(self, tenant: str, work: ReportWork, tries: int) -> Outcome:
        assert self._gather is not None, "reports come from a store"
        figures = await self._gather(tenant, work)
        told: dict[str, object] = {
            "schedule": work.schedule,
            "since": work.since,
            "until": work.until,
            **figures,
        }
        if work.prompt is None:
            return Outcome(Verdict.DONE, _encode(told))
        body = _encode(
            {
                "model": work.model,
                "messages": [
                    {"role": "system", "content": work.prompt},
                    {"role": "user", "content": msgspec.json.encode(told).decode()},
                ],
                "headgate": {"task": REPORT_TASK},
            }
        )
        outcome = await self._chat(tenant, body, tries)
        if outcome.verdict is not Verdict.DONE:
            return outcome
        return msgspec.structs.replace(outcome, result=_encode({**told, **_fields(outcome.result)}))


def failed(code: str, message: str) -> Outcome:
    """A job that cannot be done, and why."""
    return Outcome(Verdict.FAILED, _encode({"error": {"code": code, "message": message}}), code)


def outcome_of(answer: LineAnswer, tries: int) -> Outcome:
    """What an answer of the door means: the answer's text beside the whole of it, or its error."""
    if answer.status >= 400 and (answer.status in WANT_OF_QUOTA or _code(answer) in NO_ROOM):
        answer = msgspec.structs.replace(answer, lacks_room=True)
    found = verdict(answer, tries)
    if found is Verdict.LATER:
        return Outcome(found, pause_s=pause_s(answer, tries), tries=tries - 1 if answer.lacks_room else tries)
    if found is Verdict.FAILED:
        return Outcome(found, _readable(answer.body), _code(answer))
    told: dict[str, object] = {"text": answer_text(answer.body) or "", "request_id": answer.request_id}
    if answer.label is not None:
        told["label"] = answer.label
    return Outcome(found, _encode({**told, "answer": Raw(answer.body)}))


def _extracted(outcome: Outcome) -> Outcome:
    """The same with the value that the answer's text is."""
    if outcome.verdict is not Verdict.DONE:
        return outcome
    fields = _fields(outcome.result)
    try:
        value = msgspec.json.decode(msgspec.json.decode(fields["text"], type=str))
    except (msgspec.MsgspecError, UnicodeError):
        return failed(OFF_FORM, "The model's answer is no JSON.")
    flag = msgspec.json.decode(fields["answer"], type=_Labelled).headgate or _Flag()
    told = {"value": value, "partial": flag.partial, "missing": flag.missing}
    return msgspec.structs.replace(outcome, result=_encode({**told, **fields}))


def _fields(result: bytes) -> dict[str, Raw]:
    return msgspec.json.decode(result, type=dict[str, Raw])


def _readable(body: bytes) -> bytes:
    """An error body as it came, or one that says that it was none."""
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        return _encode({"error": {"code": "upstream_failed", "message": body[:500].decode("utf-8", "replace")}})
    return body


def _code(answer: LineAnswer) -> str:
    try:
        error = msgspec.json.decode(answer.body, type=_Refused).error
    except (msgspec.MsgspecError, UnicodeError):
        return f"status_{answer.status}"
    return error.code or error.type or f"status_{answer.status}"

"""The door of `POST /moderations`: each text is judged by a model of its own request, and all verdicts come or none."""

import asyncio
from typing import Final

import msgspec

from headgate.catalog import Kind
from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal
from headgate.domain.request import Request
from headgate.protocol.chat import parse_chat
from headgate.protocol.moderation import Moderation, moderation_body, moderation_chat, parse_moderation
from headgate.runtime.errand_moderation import ModerationErrand
from headgate.runtime.outcome import Answered
from headgate.server.control_list import LocalMode
from headgate.server.controls import Controls, read_controls
from headgate.server.errors import invalid
from headgate.server.fetching import Asker, watched
from headgate.server.labels import JSON, labels, labels_of_many, lines_of
from headgate.server.outcome import overhead_s, told
from headgate.server.visit import Visit, send_whole

SAFETY: Final = "safety"
SAFETY_TIER: Final = f"headgate/{SAFETY}"
JUDGED_AT_ONCE: Final = 8
"""Texts of one request that are with a model at the same time."""
JUDGES: Final = frozenset({Kind.GUARD, Kind.CHAT})


Case = tuple[Request, ModerationErrand]


class _Unjudged(Exception):
    """One text got no verdict; the others are given up."""

    def __init__(self, answered: Answered) -> None:
        super().__init__()
        self.answered = answered


async def moderations(visit: Visit, body: bytes, started_at: float) -> None:
    """Answer one request."""
    gateway = visit.gateway
    asked = parse_moderation(body)
    controls = read_controls(visit.scope["headers"], asked.controls, visit.identity)
    cases = cases_of(visit, asked, controls, started_at)
    if isinstance(cases, Refusal):
        await visit.refuse(cases)
        return
    judged = await watched(visit, judge(visit, cases))
    if judged is None:
        return
    failed = judged if isinstance(judged, Answered) else None
    if failed is not None:
        marks = labels(failed, overhead_s=overhead_s(gateway, failed, started_at))
        await send_whole(visit.scope, visit.send, *told(gateway, failed, marks))
        return
    answer = body_of(visit, cases)
    spent_s = max(0.0, gateway.now() - started_at - max(each.upstream_s for each in judged))
    marks = labels_of_many(judged, visit.name, overhead_s=spent_s)
    await send_whole(visit.scope, visit.send, 200, lines_of([JSON]) + marks, answer)


def cases_of(asker: Asker, asked: Moderation, controls: Controls, now: float) -> list[Case] | Refusal:
    """Every text with the request that has it judged; a refusal where one can be judged by nobody."""
    tier = controls.tier if asked.model or controls.route else controls.tier or SAFETY  # the default route chats
    controls = msgspec.structs.replace(controls, local=LocalMode.OFF, tier=tier)
    cases: list[Case] = []
    for index, text in enumerate(asked.texts):
        request = _request(asker, asked.model or SAFETY_TIER, text, index, controls, now)
        if isinstance(request, Refusal):
            return request
        cases.append((request, ModerationErrand(text, asker.gateway.handling)))
    return cases


def body_of(asker: Asker, cases: list[Case]) -> bytes:
    """The answer, when every case is judged."""
    verdicts = [errand.verdict for _, errand in cases if errand.verdict is not None]
    assert len(verdicts) == len(cases)
    return moderation_body(f"modr-{asker.name.removeprefix('req_')}", cases[0][1].judge, verdicts)


def _request(asker: Asker, model: str, text: str, index: int, controls: Controls, now: float) -> Request | Refusal:
    """The facts of one text's judging. The first has the id of the whole, so that its story is found by it."""
    gateway, identity = asker.gateway, asker.identity
    chat = parse_chat(moderation_chat(text, model))
    request = gateway.intake.request(
        chat,
        controls,
        request_id=asker.name if not index else f"{asker.name}-{index}",
        tenant=identity.tenant,
        now=now,
        own_key=identity.own_key_id,
    )
    if isinstance(request, Refusal):
        return request
    for name in (*request.candidates, *request.elsewhere):
        judge = gateway.catalog.model(name)
        if judge is not None and judge.kind not in JUDGES:
            return invalid(f"`{name}` is a {judge.kind} model, which can judge no text.", "model")
    return request


async def judge(asker: Asker, cases: list[Case]) -> list[Answered] | Answered:
    """The answers in the order of the cases; the first that is none ends all others and is given back alone."""
    limit = asyncio.Semaphore(JUDGED_AT_ONCE)
    driver, own_key = asker.gateway.driver, asker.identity.own_key

    async def one(request: Request, errand: ModerationErrand) -> Answered:
        async with limit:
            answered = await driver.ask(request, errand, own_key)
        if answered.finish.ending is not Ending.ANSWER:
            raise _Unjudged(answered)
        return answered

    unjudged: list[_Unjudged] = []
    tasks: list[asyncio.Task[Answered]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(one(*case)) for case in cases]
    except* _Unjudged as group_of:
        unjudged += [each for each in group_of.exceptions if isinstance(each, _Unjudged)]
    return unjudged[0].answered if unjudged else [task.result() for task in tasks]

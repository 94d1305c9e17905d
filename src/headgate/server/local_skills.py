"""The doors of the local skills: `POST /local/{id}` runs one, `GET /local` tells which there are and what they take."""

from typing import Any, Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode, Source
from headgate.domain.fact import RequestFinished
from headgate.local.skills import (
    MOST_CHARS,
    Misused,
    Options,
    Skill,
    SkillResult,
    Supplies,
    as_json,
    options_of,
    skill,
    table,
)
from headgate.protocol.client_json import InvalidBody, decode_object, decode_value
from headgate.server.control_list import BODY_FIELD
from headgate.server.controls import Controls, read_controls
from headgate.server.fetching import watched
from headgate.server.labels import JSON, LOCAL_MODEL, lines_of, local_labels
from headgate.server.visit import Visit, send_whole

LONG_BODY_BYTES: Final = 4_000
"""Longer bodies are worked on in a thread: from here on a skill takes longer than the way there and back. Options count
as well as the text, because examples, schemas and earlier messages are work too."""
TEXT: Final = "text"

_loaded: Final[set[str]] = set()
"""Skills that were run once: the first time loads what they need, in a thread too."""


async def run_skill(visit: Visit, body: bytes, started_at: float) -> None:
    """Answer one request."""
    try:
        row = skill(visit.given["id"])
    except Misused as problem:
        await visit.refuse(Refusal(RefusalCode.INVALID_REQUEST, problem.message, 404, param=problem.param))
        return
    text, options, controls = _read(visit, row, body)
    try:
        if len(body) > LONG_BODY_BYTES or row.name not in _loaded:
            threads = visit.gateway.driver.threads
            answer = await watched(visit, threads.run(_answer, row, text, options, visit.gateway.supplies))
            _loaded.add(row.name)
        else:
            answer = _answer(row, text, options, visit.gateway.supplies)
    except Misused as problem:
        raise InvalidBody(problem.message, problem.param) from None
    if answer is None:
        return
    asked = f"{LOCAL_MODEL}/{row.name}"
    spent_s = visit.gateway.now() - started_at
    _note(visit, asked, controls, spent_s)
    marks = local_labels(visit.name, asked, overhead_s=spent_s)
    await send_whole(visit.scope, visit.send, 200, lines_of([JSON]) + marks, answer)


def _read(visit: Visit, row: Skill, body: bytes) -> tuple[str, Options, Controls]:
    """The text, the options and the controls of a body. Raises InvalidBody or InvalidControl."""
    values = {name: decode_value(name, raw) for name, raw in decode_object(body).items()}
    text = values.pop(TEXT, None)
    if not isinstance(text, str):
        raise InvalidBody(f"'text' is missing or no text: give the text that `{row.name}` shall work on.", TEXT)
    if len(text) > MOST_CHARS:
        raise InvalidBody(f"'text' has {len(text):,} characters, more than {MOST_CHARS:,}: give it part by part.", TEXT)
    given: Any = values.pop(BODY_FIELD, None)
    controls = read_controls(visit.scope["headers"], given, visit.identity)
    try:
        return text, options_of(row, values), controls
    except Misused as problem:
        raise InvalidBody(problem.message, problem.param) from None


def _answer(row: Skill, text: str, options: Options, supplies: Supplies) -> bytes:
    return result_body(row.name, row.run(text, options, supplies))


def result_body(name: str, result: SkillResult) -> bytes:
    """A result with the name of its skill before it."""
    return b'{"skill":%b,%b' % (msgspec.json.encode(name), as_json(result)[1:])


def _note(visit: Visit, asked: str, controls: Controls, spent_s: float) -> None:
    """The request's story: it was answered here, by nobody else."""
    gateway = visit.gateway
    tenant = controls.tenant or visit.identity.tenant
    now = gateway.now()
    gateway.driver.observe(
        RequestFinished(
            now,
            visit.name,
            tenant,
            asked,
            LOCAL_MODEL,
            Source.LOCAL,
            "",
            "",
            0,
            0,
            0.0,
            spent_s,
            agent=controls.agent,
            task=controls.task,
            route=controls.route,
            session=controls.session,
        )
    )


async def skills(visit: Visit) -> None:
    """Every skill with its options, and the persona libraries that `reply` has."""
    await visit.reply(msgspec.json.encode({"object": "list", **table(visit.gateway.supplies)}))


async def one_skill(visit: Visit) -> None:
    """One of them."""
    rows = table(visit.gateway.supplies)["data"]
    found = next((row for row in rows if row["id"] == visit.given["id"]), None)
    if found is None:
        try:
            skill(visit.given["id"])
        except Misused as problem:
            await visit.refuse(Refusal(RefusalCode.INVALID_REQUEST, problem.message, 404, param=problem.param))
        return
    await visit.reply(msgspec.json.encode(found))

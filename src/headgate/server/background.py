"""What a chat leaves to be done in the background: jobs beside its answer, or the chat itself as a job.

Jobs about the message alone are kept, and begin, while the model still thinks. Those about the reply are kept when it
is there: of a stream before its `[DONE]` goes out, of a whole answer after its head and before its body. So nothing
waits for them but the last bytes, and whoever has those can rely on the jobs.
"""

import asyncio
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from headgate.batch.job_runner import JobRunner, new_job_id
from headgate.domain.answer import Refusal, RefusalCode
from headgate.protocol.chat import Chat, InvalidBody
from headgate.protocol.jobs import (
    Said,
    Spec,
    Work,
    chat_work,
    kind_of,
    read_specs,
    resolve,
    write_work,
)
from headgate.protocol.reply import answer_text
from headgate.runtime.keys import Scope as KeyScope
from headgate.server.auth import Identity, out_of_scope
from headgate.server.controls import PREFIX, Controls
from headgate.server.errors import invalid
from headgate.server.gateway import Gateway
from headgate.server.job_checks import check_job
from headgate.server.labels import EVENT_STREAM
from headgate.server.visit import Scope, Send, indirect
from headgate.store.job_rows import NewJob
from headgate.store.problems import StoreError

JOBS_HEADER: Final = b"x-headgate-jobs"
LEFT_OUT: Final = ("background", "webhook", "priority", "tenant")
"""Controls that say how a chat is asked for, and are no part of it."""
COMMIT_WAIT_S: Final = 2.0
"""How long the last bytes may wait for a storage at fault; the jobs are kept as soon as it is well again."""
CLOSED_RETRY_S: Final = 60.0
NO_STORE: Final = Refusal(
    RefusalCode.INVALID_REQUEST,
    "Background work needs a store, and this gateway has none: set `enabled = true` under `[store]` in headgate.toml.",
    501,
)
OWN_KEY: Final = invalid(
    "Background work is done with the keys of this gateway, since yours would have to be kept: leave your provider key "
    "out, or `background`.",
    "background",
)
TAIL_BYTES: Final = 64
_DATA: Final = b"data:"
_END: Final = re.compile(rb"[\r\n]data: *\[DONE\]")
"""The end of a stream, at the beginning of a line: the text of a model may say the same."""
_log: Final = logging.getLogger(__name__)


class Accepted(msgspec.Struct, frozen=True):
    """A chat that became a job: what its client is told, with status 202."""

    body: bytes


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode


async def take(
    gateway: Gateway,
    scope: Scope,
    send: Send,
    controls: Controls,
    chat: Chat,
    body: bytes,
    identity: Identity,
    name: str,
    *,
    is_chat: bool,
) -> "Accepted | Aside | Refusal":
    """What becomes of the `background` of a request that could be asked now. `is_chat`: the body is as it came."""
    runner = gateway.jobs
    if not controls.background:
        return invalid("`webhook` says who is told of jobs, and the request brings none.", "webhook")
    if runner is None:
        return NO_STORE
    if not identity.may(KeyScope.JOBS):
        return out_of_scope(KeyScope.JOBS)
    if identity.own_key is not None:
        return OWN_KEY
    webhook = controls.webhook or ""
    if webhook and webhook not in gateway.webhooks:
        known = ", ".join(gateway.webhooks) or "none"
        text = f"There is no webhook `{webhook}`; there are {known}. Webhooks are `[webhooks.NAME]` in headgate.toml."
        return invalid(text, "webhook")
    new = Jobs(runner, controls.tenant or identity.tenant, name, webhook, gateway.clock.wall())
    try:
        if controls.background is True:
            if not is_chat:
                return invalid("`background: true` is for chat completions; others can bring jobs.", "background")
            return await _queued(new, chat_work(_with_headers(body, scope["headers"]), LEFT_OUT))
        specs = read_specs(controls.background, runner.settings.max_per_request)
        return _aside(gateway, new, specs, chat, scope, send, is_chat=is_chat)
    except InvalidBody as problem:
        return invalid(problem.message, problem.param)
    except StoreError as problem:
        text = f"The store of this gateway is at fault ({problem.fault}); no job was kept."
        return Refusal(RefusalCode.UPSTREAM_FAILED, text, 503, CLOSED_RETRY_S)


class Jobs(msgspec.Struct, frozen=True):
    """Whose jobs these are, and of which request."""

    runner: JobRunner
    tenant: str
    request_id: str
    webhook: str
    at: float

    def new(self, job_id: str, work: Work) -> NewJob:
        """A job. Raises InvalidBody for one that is too large."""
        payload, most = write_work(work), self.runner.settings.max_payload_bytes
        if len(payload) > most:
            text = f"A job holds {len(payload):,} bytes, over {most:,} (setting background.max_payload_bytes)."
            raise InvalidBody(text, "background")
        return NewJob(job_id, self.tenant, kind_of(work), self.at, payload, self.request_id, self.webhook)

    def refusal(self) -> Refusal:
        """For a tenant with too many open jobs."""
        most = self.runner.settings.max_open_per_tenant
        text = f"At most {most:,} jobs may be open at a time (setting background.max_open_per_tenant)."
        return Refusal(RefusalCode.NO_CAPACITY, text, 429, CLOSED_RETRY_S)


async def _queued(new: Jobs, work: Work) -> Accepted | Refusal:
    job = new.new(new_job_id(), work)
    return await queue(new, job)


async def queue(new: Jobs, job: NewJob) -> Accepted | Refusal:
    """Keep one job now. Raises StoreError."""
    if not new.runner.admit(new.tenant, 1):
        return new.refusal()
    try:
        await new.runner.add((job,))
    except BaseException:
        new.runner.give_up(new.tenant, 1)
        raise
    told = {"id": job.id, "object": "job", "kind": job.kind, "status": "queued", "created_at": job.created_at}
    return Accepted(msgspec.json.encode(told))


def _aside(
    gateway: Gateway, new: Jobs, specs: Sequence[Spec], chat: Chat, scope: Scope, send: Send, *, is_chat: bool
) -> "Aside | Refusal":
    message = Said(chat.last_user_text)
    waiting = [spec for spec in specs if spec.needs_reply]
    if waiting and not is_chat:
        text = "Jobs about the reply are for chat completions; others can bring jobs about the message."
        return invalid(text, "background")
    for spec in specs:
        check_job(gateway, spec, new.tenant)
    now = tuple(new.new(new_job_id(), resolve(spec, message)) for spec in specs if not spec.needs_reply)
    for spec in waiting:  # what cannot be done is said while somebody listens
        new.new("", resolve(spec, Said(message.message, "x")))
    if not new.runner.admit(new.tenant, len(specs)):
        return new.refusal()
    return Aside(new, now, waiting, message, scope, send)


class Aside:
    """The way out of an answer that leaves jobs behind: it passes everything on as it is, but for one header."""

    def __init__(
        self, new: Jobs, now: tuple[NewJob, ...], waiting: Sequence[Spec], said: Said, scope: Scope, send: Send
    ) -> None:
        self.scope = indirect(scope)  # head and body on their own ways
        self._new = new
        self._waiting = tuple((new_job_id(), spec) for spec in waiting)
        self._said = said
        self._send = send
        self._saving = [new.runner.save(now)] if now else []
        self._ids = [job.id for job in now]
        self._is_streamed = False
        self._held = bytearray()
        self._tail = b""

    async def send(self, message: Any) -> None:
        """Send a message on."""
        if message["type"] == "http.response.start":
            message = self._head(message)
        elif message["type"] == "http.response.body":
            body, is_last = message.get("body", b""), not message.get("more_body", False)
            if self._waiting and len(self._held) < self._new.runner.settings.max_payload_bytes:
                self._held += body
            self._tail = (self._tail + body)[-TAIL_BYTES:] if self._is_streamed else b""
            is_whole = _END.search(self._tail) is not None if self._is_streamed else is_last
            if is_last or is_whole:
                await self._kept(is_whole=is_whole)
        await self._send(message)

    def close(self) -> None:
        """The answer is over, well or not: no job comes of what it did not bring."""
        if self._waiting:
            self._new.runner.give_up(self._new.tenant, len(self._waiting))
            self._waiting = ()

    def _head(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["status"] != 200:
            self.close()
        self._is_streamed = EVENT_STREAM in message["headers"]
        ids = [*self._ids, *(name for name, _ in self._waiting)]
        return {**message, "headers": [*message["headers"], (JOBS_HEADER, ", ".join(ids).encode())]} if ids else message

    async def _kept(self, *, is_whole: bool) -> None:
        """Everything that was promised is kept, or the wait for it is over."""
        if self._waiting and is_whole:
            reply = _streamed_text(self._held) if self._is_streamed else answer_text(bytes(self._held))
            said = msgspec.structs.replace(self._said, reply=reply or "")
            if jobs := self._about_reply(said):
                self._saving.append(self._new.runner.save(jobs))
        saving, self._saving = self._saving, []
        if saving:
            await asyncio.wait(saving, timeout=COMMIT_WAIT_S)

    def _about_reply(self, said: Said) -> tuple[NewJob, ...]:
        """The jobs that waited for the reply; one that cannot be made of it is left out and logged."""
        jobs, waiting, self._waiting = [], self._waiting, ()
        for name, spec in waiting:
            try:
                jobs.append(self._new.new(name, resolve(spec, said)))
            except InvalidBody as problem:
                self._new.runner.give_up(self._new.tenant, 1)
                _log.warning("%s was not kept: %s", name, problem.message)
        return tuple(jobs)


def _streamed_text(events: bytes | bytearray) -> str:
    """The text of a chat stream's events."""
    text = []
    for line in bytes(events).splitlines():
        data = line.removeprefix(_DATA).lstrip() if line.startswith(_DATA) else b""
        if data.startswith(b"{"):
            try:
                chunk = _decode_chunk(data)
            except (msgspec.MsgspecError, UnicodeError):
                continue
            text += [choice.delta.content for choice in chunk.choices[:1] if choice.delta.content]
    return "".join(text)


def _with_headers(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A chat body with the controls of its headers among those of its own, since the headers are not kept."""
    found = {
        name[len(PREFIX) :].decode("latin-1"): value.decode("utf-8", "replace").strip()
        for name, value in headers
        if name.startswith(PREFIX)
    }
    if not found:
        return body
    fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    own = msgspec.json.decode(fields.get("headgate", msgspec.Raw(b"null")), type=dict[str, Any] | None) or {}
    kept = {name: value for name, value in own.items() if name.replace("_", "-") not in found}
    fields["headgate"] = msgspec.Raw(msgspec.json.encode({**kept, **found}))
    return msgspec.json.encode(fields)

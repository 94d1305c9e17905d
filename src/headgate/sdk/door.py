"""Owns the asynchronous door: a gate of one's own in this process, started when it is first used.

A request goes the way of an HTTP request, through the same reader, intake and driver; only the socket is missing.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

import msgspec

from headgate.assembly import catalog_of, make_gateway, supplies_of
from headgate.catalog import GROQ, Model
from headgate.domain.request import Request
from headgate.observe.stories import Story
from headgate.protocol.chat import Chat, parse_chat
from headgate.runtime.answers import Wish
from headgate.runtime.errand import ChatErrand
from headgate.runtime.settings import InvalidSettings, RouteSettings, Settings, load_settings
from headgate.runtime.settings_model import HandlingSettings
from headgate.sdk.answer import Answer, Done, Error, Event, Token
from headgate.sdk.asking import Asking
from headgate.sdk.batching import WITHIN_S, results_of
from headgate.sdk.conversing import Bringing, Conversation, conversed
from headgate.sdk.demo import UPSTREAM, start_simulator
from headgate.sdk.embedding import vectors_of
from headgate.sdk.extracting import TASK, Extracted, extracted, request_for
from headgate.sdk.hearing import AUDIO_TIER, WORD_FIELDS, AudioFile, transcript_of
from headgate.sdk.jobs import PassingJobs
from headgate.sdk.large import Large
from headgate.sdk.local_skills import LocalSkills
from headgate.sdk.many import MakeErrand
from headgate.sdk.moderating import verdicts_of
from headgate.sdk.options import CallOptions, ChatOptions, Messages, body_of, with_controls, with_options
from headgate.sdk.problems import HeadgateError, Refused
from headgate.sdk.reading import stream_events, whole_answer
from headgate.sdk.results import BatchResult, Embeddings, Moderation, Speech, Transcript
from headgate.sdk.routes import Route, routes_in_code
from headgate.sdk.speaking import sound_of
from headgate.server.auth import LOCAL_TENANT
from headgate.server.controls import Controls, InvalidControl
from headgate.server.embeddings import LOCAL_EMBEDDINGS
from headgate.server.gateway import Gateway
from headgate.server.jobbing import work_of
from headgate.server.wishes import asked, wish_of
from headgate.store.place import usual_path
from headgate.store.problems import StoreError
from headgate.store.sqlite import SqliteStore
from headgate.store.sqlite_opening import Durability

if TYPE_CHECKING:
    from headgate.simulator.http import SimulatorServer

T = TypeVar("T")


class Headgate(Large):
    """A gate in this process: `async with Headgate() as gate: answer = await gate.chat("Hello")`.

    Without `settings` they are read as by `headgate serve`: from `config` or the first file that is found, and from the
    environment. Without a key and an upstream, or with `simulate=True`, a pretend Groq answers. `routes` come on top of
    the file's. Belongs to the event loop where it is first used. Raises InvalidSettings.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        routes: Mapping[str, Route | RouteSettings | Mapping[str, object]] | None = None,
        config: Path | str | None = None,
        simulate: bool | None = None,
    ) -> None:
        if settings is not None and config is not None:
            raise InvalidSettings("Headgate()", "config", "stands beside `settings`", "give one of them")
        if settings is None:
            settings = load_settings(None if config is None else Path(config), os.environ)
        if routes:
            added = routes_in_code(
                routes,
                settings.routes["default"],
                catalog_of(settings),
                settings.local.min_confidence,
                [provider.name for provider in settings.providers],
            )
            settings = msgspec.structs.replace(settings, routes={**settings.routes, **added})
        if simulate is False and settings.uses_simulator:
            fix = "set it, or give simulate=True to try Headgate out"
            raise InvalidSettings("environment", "GROQ_API_KEY", "there is no provider key", fix)
        self.settings = settings
        self._simulates = settings.uses_simulator if simulate is None else simulate
        self._simulator: SimulatorServer | None = None
        self._gateway: Gateway | None = None
        self._starting: asyncio.Lock | None = None
        self._passing: PassingJobs | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> Gateway:
        """Make the gate ready in this loop, once. Nobody needs to call it: the first request does."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            raise HeadgateError("This gate belongs to another event loop. Make one for each loop, or use HeadgateSync.")
        if self._gateway is not None:
            return self._gateway
        if self._is_closed:
            raise HeadgateError("This gate is closed. Make another one.")
        self._loop, self._starting = loop, self._starting or asyncio.Lock()
        async with self._starting:
            if self._is_closed:
                raise HeadgateError("This gate is closed. Make another one.")
            if self._gateway is None:
                self._gateway = await self._made()
        return self._gateway

    async def _made(self) -> Gateway:
        """A gateway that runs. Where it cannot, nothing of it is left behind."""
        settings, store, simulator, gateway = self.settings, None, None, None
        try:
            store = await _opened(settings, simulated=self._simulates)
            if self._simulates:
                settings, simulator = await start_simulator(settings)
            gateway = make_gateway(
                settings,
                upstream=UPSTREAM if self._simulates else GROQ,
                environment=os.environ,
                store=store,
                keeps_quota=not self._simulates,
            )
            await gateway.start()
        except BaseException:
            if gateway is not None:
                await gateway.stop()  # whatever of it was started, and its store
            elif store is not None:
                await store.close()
            if simulator is not None:
                await simulator.close()
            raise
        self._simulator = simulator
        return gateway

    async def close(self) -> None:
        """End every connection. May be called twice."""
        self._is_closed = True
        if self._starting is not None:
            async with self._starting:  # whoever is starting it finishes, and nobody begins
                pass
        for task in (tasks := tuple(self._tasks)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._passing is not None:
            await self._passing.close()
        gateway, self._gateway = self._gateway, None
        simulator, self._simulator = self._simulator, None
        if gateway is not None:
            await gateway.stop()
        if simulator is not None:
            await simulator.close()

    @with_options
    async def chat(self, messages: Messages, *, model: str | None = None, **options: Unpack[ChatOptions]) -> Answer:
        """One whole answer. `messages` is a text or OpenAI's list; `model` None leaves the choice to the route.

        Raises Refused, UpstreamRefused or InvalidRequest. Cancel the task to give the request up.
        """
        return await self._answer(await self.start(), body_of(messages, model, options, stream=False), _errand)

    async def _answer(self, gateway: Gateway, body: bytes, errand: MakeErrand) -> Answer:
        """The way of every chat that is not streamed."""
        request, chat, controls, wish = self._understand(gateway, body)
        answered = await asked(gateway, request, errand(request, chat, gateway.handling), wish)
        return whole_answer(answered, controls.inactive, gateway.clock.wall())

    @cached_property
    def local(self) -> LocalSkills:
        """The local skills, which need no model; they are no coroutines."""
        return LocalSkills(lambda: supplies_of(self.settings))

    @with_options
    async def extract(
        self,
        text: str,
        schema_or_type: type[T] | Mapping[str, object],
        *,
        instructions: str | None = None,
        examples: Sequence[tuple[str, object]] = (),
        model: str | None = None,
        **options: Unpack[ChatOptions],
    ) -> Extracted[T]:
        """What the schema or type asks for, taken out of a text. `examples` are texts with the values they should give.

        Temperature is 0 and the task `extract` unless the options say otherwise. A result of which only a part could be
        had says so (`is_partial`). Raises as `chat`.
        """
        messages, form = request_for(text, schema_or_type, instructions, examples)
        options = {"temperature": 0.0, "task": TASK, **options, "response_format": form}
        return extracted(await self.chat(messages, model=model, **options), schema_or_type)

    @with_options
    async def converse(
        self,
        messages: Messages,
        *,
        extract: type[T] | Mapping[str, object] | None = None,
        background: Sequence[Mapping[str, object]] = (),
        webhook: str | None = None,
        model: str | None = None,
        extract_model: str | None = None,
        **options: Unpack[ChatOptions],
    ) -> Conversation[T]:
        """The reply as soon as it is ready, and handles to the rest: what `extract` asks for taken out of the user's
        message alongside, and jobs in the background as over HTTP, durable where the gate has a store.

        `webhook` names a target of the settings that is told of the jobs. Raises as `chat`.
        """
        gateway = await self.start()
        message = parse_chat(body_of(messages, model, {}, stream=False)).last_user_text
        if self._passing is None:
            self._passing = PassingJobs(
                work_of(gateway, self.settings), LOCAL_TENANT, self.settings.background.concurrency
            )
        most = self.settings.background.max_per_request
        jobs = Bringing(gateway, self._passing, background, webhook, message, most)
        task = None
        if extract is not None:
            task = self._alongside(self.extract(message, extract, model=extract_model))
        return await conversed(lambda: self.chat(messages, model=model, **options), task, jobs)

    def _alongside(self, work: Coroutine[Any, Any, Extracted[T]]) -> "asyncio.Task[Extracted[T]]":
        """A task that ends with the gate; whoever holds it need not wait for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return task

    @with_options
    def stream(self, messages: Messages, *, model: str | None = None, **options: Unpack[ChatOptions]) -> "AnswerStream":
        """The same as events: Token and ToolCall, then one Done or Error. Leaving the iterator gives the request up.

        Raises InvalidRequest at once for arguments that cannot be written, at the first event for all others.
        """
        return AnswerStream(self._events(body_of(messages, model, options, stream=True)))

    async def _events(self, body: bytes) -> AsyncGenerator[Event, None]:
        gateway = await self.start()
        try:
            request, chat, controls, wish = self._understand(gateway, body)
        except Refused as error:
            yield Error(error)
            return
        answered = await asked(gateway, request, ChatErrand(chat, gateway.handling), wish)
        if answered.stream is not None:
            events = stream_events(answered, controls.inactive)
            try:
                async for event in events:
                    yield event
            finally:
                await events.aclose()
            return
        try:
            answer = whole_answer(answered, controls.inactive, gateway.clock.wall())
        except HeadgateError as error:
            yield Error(error)
        else:
            if answer.text or not answer.tool_calls:
                yield Token(answer.text)
            for call in answer.tool_calls:
                yield call
            yield Done(answer)

    def _understand(self, gateway: Gateway, body: bytes) -> tuple[Request, Chat, Controls, Wish | None]:
        asking, now = Asking(gateway), gateway.now()
        with asking.understood():
            chat = parse_chat(body)
            controls = asking.controls(chat.controls)
            if controls.background or controls.webhook:
                raise InvalidControl("background", "Jobs are brought by `converse`, which gives out their handles.")
        found = gateway.intake.request(chat, controls, request_id=asking.name, tenant=asking.identity.tenant, now=now)
        request = asking.allowed(found)
        with asking.understood():
            wish = wish_of(gateway, chat, request, controls)
        return request, chat, controls, wish

    @with_controls
    async def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str = LOCAL_EMBEDDINGS,
        dimensions: int | None = None,
        **options: Unpack[CallOptions],
    ) -> Embeddings:
        """A vector for each text. Without a model they are our own, which see spelling and not meaning, cost nothing
        and are labelled `local`; no other model's vectors ever stand in for those of a named one. Raises as `chat`.
        """
        return await vectors_of(Asking(await self.start()), texts, model, dimensions, options)

    @with_controls
    async def transcribe(
        self,
        file: AudioFile | None = None,
        *,
        url: str | None = None,
        filename: str | None = None,
        model: str | None = None,
        language: str | None = None,
        prompt: str | None = None,
        temperature: float | None = None,
        words: bool = False,
        **options: Unpack[CallOptions],
    ) -> Transcript:
        """What is said in a sound, in its own language: `file` is a path, bytes or an open file, or its `url` is given.

        The format is told by the file's name, or `filename`, or what its bytes begin with. `language` is a code such as
        `de`; `words` asks for the time of each word. Raises as `chat`, and OSError of the file.
        """
        fields = {
            "model": model or AUDIO_TIER,
            "url": url,
            "language": language,
            "prompt": prompt,
            "temperature": temperature,
            **(WORD_FIELDS if words else {}),
        }
        return await transcript_of(Asking(await self.start()), file, filename, fields, options, translates=False)

    @with_controls
    async def translate(
        self,
        file: AudioFile | None = None,
        *,
        url: str | None = None,
        filename: str | None = None,
        model: str | None = None,
        prompt: str | None = None,
        temperature: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Transcript:
        """What is said in a sound, in English; otherwise as `transcribe`."""
        fields = {"model": model or AUDIO_TIER, "url": url, "prompt": prompt, "temperature": temperature}
        return await transcript_of(Asking(await self.start()), file, filename, fields, options, translates=True)

    @with_controls
    async def speak(
        self,
        text: str,
        *,
        model: str,
        voice: str,
        response_format: str | None = None,
        speed: float | None = None,
        sample_rate: int | None = None,
        instructions: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Speech:
        """A text as sound, spoken by one of the model's voices; `speed` 1 is normal. Raises as `chat`."""
        fields = {
            "model": model,
            "input": text,
            "voice": voice,
            "response_format": response_format,
            "speed": speed,
            "sample_rate": sample_rate,
            "instructions": instructions,
        }
        return await sound_of(Asking(await self.start()), fields, options)

    @with_controls
    async def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> Moderation:
        """A verdict for each text by a model of the safety tier or the one named: all of them, or an error and never
        a guess. Raises as `chat`."""
        return await verdicts_of(Asking(await self.start()), texts, model, options)

    async def run_batch(
        self,
        requests: Iterable[Mapping[str, object]],
        *,
        concurrency: int | None = None,
        within_s: float = WITHIN_S,
    ) -> tuple[BatchResult, ...]:
        """A result for each request, in their order, asked at the lowest priority and again while quota is short.

        A request is a line of a batch's file: `{"body": {...}}`, with a `custom_id` and a `url` where they are not the
        number of the line and `/v1/chat/completions`. A line that fails does not end the others. Raises InvalidRequest.
        """
        return await results_of(await self.start(), self.settings, requests, concurrency, within_s)

    async def models(self) -> tuple[Model, ...]:
        """The models that can be asked here."""
        return (await self.start()).models()

    def story(self, request_id: str, tenant: str = LOCAL_TENANT) -> Story | None:
        """What was done for a request that is over: every call, its failure, its usage. None when it is forgotten."""
        return None if self._gateway is None else self._gateway.stories.story(request_id, tenant)


def _errand(request: Request, chat: Chat, handling: HandlingSettings) -> ChatErrand:  # noqa: ARG001
    return ChatErrand(chat, handling)


async def _opened(settings: Settings, *, simulated: bool) -> SqliteStore | None:
    """The store, opened by a thread, which nobody stops: who leaves meanwhile has to wait for it, and close it."""
    opening = asyncio.ensure_future(asyncio.to_thread(_store_of, settings, simulated=simulated))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        with suppress(HeadgateError):
            if (store := await opening) is not None:
                await store.close()
        raise


def _store_of(settings: Settings, *, simulated: bool) -> SqliteStore | None:
    """The store that the settings ask for by `[store] enabled = true`; in a process of one's own nothing is kept unless
    it is asked for. Raises HeadgateError."""
    if settings.store.enabled is not True:
        return None
    path = usual_path(simulated=simulated) if settings.store.path is None else Path(settings.store.path).expanduser()
    try:
        return SqliteStore.open(path, durability=Durability(settings.store.durability.value))
    except StoreError as error:
        raise HeadgateError(str(error)) from None


class AnswerStream:
    """The events of one answer. Iterate it to its end, or leave it: by `break`, `aclose()` or `async with`."""

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        self._events = events

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        """A loop that is left closes what it iterates, and so the request, although somebody holds the stream."""
        try:
            async for event in self._events:
                yield event
        finally:
            await self._events.aclose()

    async def __anext__(self) -> Event:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the request up, unless it is over."""
        await self._events.aclose()

    async def answer(self) -> Answer:
        """Read to the end; the whole answer. Raises what an Error event carries."""
        async for event in self._events:
            if isinstance(event, Done):
                return event.answer
            if isinstance(event, Error):
                raise event.error
        raise HeadgateError("The stream was read before.")

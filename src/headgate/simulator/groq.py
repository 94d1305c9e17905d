"""The pretend Groq: requests in, scripts out, in whatever time it is given. No sockets, no clock, no dice of its own.

Order of judgement: door faults, key, spend limit, the request itself, the service tier, status faults, the limiter,
generation, then damage. Nothing is charged before the limiter admits; what is admitted is settled when the script ends
or when the client leaves. A table says which endpoint a path is; what its requests look like is the endpoint's affair.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final
from urllib.parse import unquote

import msgspec

from headgate.catalog import Catalog
from headgate.domain.limits import Dimension
from headgate.domain.time import NEVER, Instant
from headgate.simulator import audio, embeddings, errors, listing, responses, speech
from headgate.simulator.admission import METERED, RESPONSES, STORED, pretended, struck_by
from headgate.simulator.batch_lines import LineRunner
from headgate.simulator.batches import Batches
from headgate.simulator.caching import PromptCache
from headgate.simulator.damage import damaged
from headgate.simulator.errors import Rejection
from headgate.simulator.faults import Facts, Fault, FaultKind, FaultPlan, first
from headgate.simulator.files import Files
from headgate.simulator.generate import write
from headgate.simulator.headers import faulty, head, limit_headers
from headgate.simulator.identity import stamp
from headgate.simulator.limiter import Account, Call, Charge, Limiter
from headgate.simulator.requests import Asked, read
from headgate.simulator.scribe import Scribe, Told, Voice, served_tier
from headgate.simulator.script import Ending, Headers, Part, Script
from headgate.simulator.settings import Admission, SimulatorSettings
from headgate.simulator.visit import Visit, Work

PREFIXES: Final = ("/openai/v1/", "/v1/")
CAPPED_OUTPUT_TOKENS: Final = 2048
DEFAULT_ORIGIN_S: Final = 1_795_132_800.0
PAID_REQUESTS_PER_DAY: Final = 500_000
"""What one developer organisation's page showed (groq-api 2.7); used for paid plans that state no RPD."""

MOST_JSON_BYTES: Final = 32 * 1024 * 1024
"""The largest body of a request that brings no file."""

UPLOADS: Final = frozenset({"files", "audio/transcriptions", "audio/translations"})


class PretendGroq:
    """One provider with its organisations, buckets, cache and faults.

    Use: `script = handle(...)`; at `script.first_at_s` send `status` and `opening(script, at)`; play the parts; end as
    `script.ending` says; call `abandon` if the client leaves first. Instants must not go back.
    """

    def __init__(self, settings: SimulatorSettings, catalog: Catalog) -> None:
        self.settings = settings
        self.catalog = catalog
        self.limiter = Limiter(self._limits_of, settings.strangers)
        self.faults = FaultPlan(settings.faults, settings.seed)
        self._cache = PromptCache(settings.cache_idle_s)
        self._hashed: dict[str, str] = {}
        self._count = 0
        self._unix_origin_s = DEFAULT_ORIGIN_S if settings.unix_origin_s is None else settings.unix_origin_s
        self._scribe = Scribe(settings, self._unix_origin_s)
        self._files = Files(settings.offer)
        runner = LineRunner(settings, catalog, lambda: self.faults, self._scribe, self._unix_origin_s)
        self._batches = Batches(settings.offer, self._files, runner, self._unix_origin_s)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: Instant) -> Script:
        """Answer one request. Header names are lower case. Total: whatever comes, a script comes out."""
        self.limiter.advance(now)
        self._count += 1
        digest = blake2b(body, digest_size=16).digest()
        drawn = stamp(self.settings.seed, self._count, digest)
        key = headers.get("authorization", "").removeprefix("Bearer ").strip()
        organisation = self.organisation_of(key, now) or ""
        url, _, query = path.partition("?")
        url = unquote(url)  # SDKs write the slash of a model id as %2F
        visit = Visit(
            number=self._count,
            method=method,
            path=path,
            route=next((url[len(prefix) :] for prefix in PREFIXES if url.startswith(prefix)), ""),
            query=query,
            headers=headers,
            body=body,
            digest=digest,
            drawn=drawn,
            key=key,
            organisation=organisation,
            plan=self.settings.organisation(organisation).plan,
            now=now,
            unix_s=self._unix_origin_s + now,
        )
        fault = self.faults.at_door(Facts(now, key), digest)
        if fault is not None and fault.kind is FaultKind.REFUSED:
            return Script(self._count, now, 0, (), (), Ending.REFUSED, 0.0)
        if fault is not None:
            denied = fault.kind is FaultKind.ACCESS_DENIED
            return self._rejected(errors.ACCESS_DENIED if denied else errors.INVALID_KEY, visit)
        endpoint = _ENDPOINTS.get((method, visit.route)) or _COLLECTIONS.get((method, visit.route.partition("/")[0]))
        if endpoint is None:
            return self._rejected(errors.unknown_url(method, path), visit)
        refused = self._turned_away(visit)
        return endpoint(self, visit) if refused is None else self._rejected(refused, visit)

    def abandon(self, script_id: int, at: Instant) -> None:
        """The client hung up: generation stops, and what was generated by then is metered. Idempotent."""
        self.limiter.advance(at)
        self.limiter.settle(script_id, at)

    def advance(self, now: Instant) -> None:
        """Settle what ended by `now`. Every other method does it by itself."""
        self.limiter.advance(now)

    def opening(self, script: Script, at: Instant) -> Headers:
        """The headers as they go out at `at`. A buffered reply shows the limiter at that moment, itself settled;
        a stream showed it at admission."""
        if not script.limits_due or script.account is None:
            return script.headers
        self.limiter.advance(at)
        script.account.touch(at)
        return faulty(script.headers + limit_headers(script.account), script.faults)

    def level(self, organisation: str, model: str, dimension: Dimension, now: Instant) -> float:
        """What is used in one bucket."""
        return self.limiter.level(organisation, model, dimension, now)

    def organisation_of(self, key: str, now: Instant) -> str | None:
        """The organisation that a key reaches at `now`; None for a key that is unknown or revoked."""
        settings = self.settings
        if not key or settings.revoked_keys.get(key, NEVER) <= now:
            return None
        name = settings.keys.get(key)
        if name is None:
            if not settings.any_key_organisation:
                return None
            name = self._hashed_organisation(key)
        return None if settings.organisation(name).revoked_at <= now else name

    def _hashed_organisation(self, key: str) -> str:
        name = self._hashed.get(key)
        if name is None:
            name = self._hashed[key] = "org_" + blake2b(key.encode(), digest_size=13).hexdigest()
        return name

    def _limits_of(self, organisation: str, model: str) -> Mapping[Dimension, int]:
        told = self.settings.organisation(organisation)
        limits = dict(self.catalog.limits(model, told.plan))
        if limits and told.plan != "free":
            limits.setdefault(Dimension.RPD, PAID_REQUESTS_PER_DAY)
        for place in ("*", model):
            limits.update(told.limits.get(place, {}))
        return {dimension: limit for dimension, limit in limits.items() if limit >= 0}

    def _turned_away(self, visit: Visit) -> Rejection | None:
        """Why a request to an endpoint that exists is not read: its key, the spend limit, its size."""
        if not visit.organisation:
            return errors.INVALID_KEY
        block = self.settings.organisation(visit.organisation).spend_block
        if visit.method == "POST" and block is not None and block.from_at <= visit.now < block.until:
            return errors.spend_limit(block.code)
        if len(visit.body) > MOST_JSON_BYTES and visit.route not in UPLOADS:
            return errors.BODY_TOO_LARGE
        return None

    # The endpoints, which the table below names. Use `handle`.

    def models(self, visit: Visit) -> Script:
        """List, retrieve and delete models; nobody may delete these."""
        name = visit.route.removeprefix("models").removeprefix("/")
        body = listing.single(self.catalog, name) if name else listing.listed(self.catalog)
        if body is None or visit.method == "DELETE":
            return self._rejected(errors.model_not_found(name), visit)
        return self._whole(200, head("application/json", visit.request_id, len(body)), body, visit)

    def chat(self, visit: Visit) -> Script:
        """POST chat/completions."""
        asked = read(visit.body, self.catalog, self.settings)
        if isinstance(asked, Rejection):
            return self._rejected(asked, visit)
        return self._generated(asked, visit, self._scribe.chat)

    def responses(self, visit: Visit) -> Script:
        """POST responses."""
        understood = responses.understood(visit, self.catalog, self.settings)
        if isinstance(understood, Rejection):
            return self._rejected(understood, visit)
        asked, voice = understood
        return self._generated(asked, visit, voice, RESPONSES)

    def audio(self, visit: Visit) -> Script:
        """POST audio/transcriptions and audio/translations."""
        return self._worked(audio.read(visit, self.catalog, self.settings), visit)

    def speech(self, visit: Visit) -> Script:
        """POST audio/speech."""
        return self._worked(speech.read(visit, self.catalog, self.settings), visit)

    def embeddings(self, visit: Visit) -> Script:
        """POST embeddings."""
        return self._worked(embeddings.read(visit, self.catalog, self.settings), visit)

    def stored(self, visit: Visit) -> Script:
        """Files and batches, which are charged to no bucket. A reply that breaks has done its work all the same."""
        faults = self.faults.among(STORED, Facts(visit.now, visit.key, visit.organisation), visit.digest)
        struck = struck_by(faults, "") if faults else None
        if struck is not None:
            return self._rejected(struck, visit)
        self._batches.advance(visit.organisation, visit.now)
        store = self._files if visit.route.startswith("files") else self._batches
        shown = store.answer(visit)
        if isinstance(shown, Rejection):
            return self._rejected(shown, visit)
        sent = head(shown.content_type, visit.request_id, len(shown.body))
        script = self._whole(200, sent, shown.body, visit)
        return damaged(msgspec.structs.replace(script, faults=faults), faults) if faults else script

    # Admission and generation.

    def _generated(self, asked: Asked, visit: Visit, voice: Voice, kinds: frozenset[FaultKind] | None = None) -> Script:
        """The script of a chat request, in the voice of its endpoint."""
        facts = Facts(visit.now, visit.key, visit.organisation, asked.model.id, asked.stream, asked.text)
        faults = self.faults.among(kinds, facts, visit.digest) if kinds else self.faults.inside(facts, visit.digest)
        account = self.limiter.account(visit.organisation, asked.model.id, visit.now)
        held = self._charge(asked)
        refused = self._tier_refused(asked, visit) or self._refusal(
            asked.model.id, asked.tier, visit, account, held, faults
        )
        if refused is not None:
            return self._rejected(refused, visit, account, faults)
        return self._answer(asked, visit, account, held, faults, voice)

    def _charge(self, asked: Asked) -> Charge:
        """What is reserved at admission, by the mode of the settings."""
        settings, prompt = self.settings, asked.prompt_tokens
        output = asked.ask_tokens
        if output is None:
            output = min(settings.unset_output_tokens, asked.model.max_output_tokens or settings.unset_output_tokens)
        if settings.admission is Admission.PROMPT_PLUS_MAX:
            return Charge(1, prompt + output, prompt, output)
        output = min(output, CAPPED_OUTPUT_TOKENS)
        counted = 0 if settings.admission is Admission.PROMPT_ONLY else output
        return Charge(1, prompt + counted, prompt, output)

    def _tier_refused(self, asked: Asked, visit: Visit) -> Rejection | None:
        if visit.plan != "free" or asked.tier not in ("flex", "auto", "performance"):
            return None
        text = f"service_tier `{asked.tier}` is not available for this organization"
        return errors.invalid(text, "service_tier")

    def _refusal(
        self, model: str, tier: str | None, visit: Visit, account: Account, held: Charge, faults: tuple[Fault, ...]
    ) -> Rejection | None:
        """Why an understood request is not admitted: a status fault, or a bucket."""
        struck = struck_by(faults, model) if faults else None
        if struck is not None:
            return struck
        shortage = account.shortage(held) or pretended(account, held, faults)
        if shortage is None:
            return None
        free, tier = visit.plan == "free", served_tier(tier, self.settings)
        if shortage.too_large:
            status = self.settings.output_too_large_status if shortage.dimension is Dimension.OTPM else 413
            return errors.too_large(shortage, model, visit.organisation, tier, free=free, status=status)
        if self.settings.rejections_cost_requests:
            account.hold(Charge(1, 0, 0, 0))
        return errors.rate_limited(shortage, model, visit.organisation, tier, free=free)

    def _answer(
        self, asked: Asked, visit: Visit, account: Account, held: Charge, faults: tuple[Fault, ...], voice: Voice
    ) -> Script:
        cached = self._cached(asked, visit)
        written = write(asked, self.settings, faults)
        used = self._scribe.consumed(asked, written, cached, visit.drawn)
        starts_at = visit.now + self.settings.pace.network_s + used.queue_s + used.prompt_s
        call = Call(
            account,
            held,
            asked.prompt_tokens,
            cached,
            written.completion_tokens,
            starts_at,
            starts_at + used.completion_s,
        )
        told = Told(asked, written, used, self._scribe.names(asked, visit.drawn, visit.now))
        script = self._streamed(told, call, visit, voice) if asked.stream else self._buffered(told, call, visit, voice)
        if faults:
            script = self._damaged(script, call, faults)
        self.limiter.admit(script.id, call, visit.now + script.ends_at_s)
        if asked.stream and script.status == 200:
            shown = faulty(script.headers + limit_headers(account), faults)
            return msgspec.structs.replace(script, headers=shown, limits_due=False)
        return script

    def _cached(self, asked: Asked, visit: Visit) -> int:
        """Prompt tokens that come from Groq's prompt cache this time."""
        settings = self.settings
        if not asked.model.prompt_caching or asked.prompt_tokens < settings.cache_least_tokens:
            return 0
        text = asked.text
        if asked.tools:
            text = msgspec.json.encode(asked.tools).decode() + text
        tokens = asked.prompt_tokens
        hit = self._cache.cached_tokens(visit.organisation, asked.model.id, text, tokens, visit.now)
        return hit if hit and visit.drawn[23] < settings.cache_hit_probability * 256 else 0

    def _buffered(self, told: Told, call: Call, visit: Visit, voice: Voice) -> Script:
        status, failure = 200, told.written.failure
        if failure is not None:
            status, data = failure.status, failure.body
        else:
            data = voice.buffered(told)
        return self._paid(status, "application/json", data, 1, call, visit)

    def _streamed(self, told: Told, call: Call, visit: Visit, voice: Voice) -> Script:
        start_s = call.output_from - visit.now
        per_token_s = told.used.completion_s / max(1, told.written.completion_tokens)
        parts = tuple([Part(start_s + tokens * per_token_s, data) for tokens, data in voice.streamed(told)])
        sent = head("text/event-stream", visit.request_id, None)
        return Script(
            visit.number, visit.now, 200, sent, parts, Ending.CLEAN, parts[-1].at_s, call.account, limits_due=True
        )

    def _worked(self, work: Work | Rejection, visit: Visit) -> Script:
        """The script of sound, speech or embeddings: admitted by the same buckets, written when admitted."""
        if isinstance(work, Rejection):
            return self._rejected(work, visit)
        facts = Facts(visit.now, visit.key, visit.organisation, work.model, stream=False, text=work.text)
        faults = self.faults.among(METERED, facts, visit.digest)
        account = self.limiter.account(visit.organisation, work.model, visit.now)
        refused = self._refusal(work.model, None, visit, account, work.charge, faults)
        if refused is not None:
            return self._rejected(refused, visit, account, faults)
        ends_at = visit.now + self.settings.pace.network_s + work.takes_s
        call = Call(account, work.charge, work.charge.input, 0, 0, ends_at, ends_at, work.charge.audio_s)
        script = self._paid(200, work.content_type, work.write(), work.pieces, call, visit)
        if faults:
            script = self._damaged(script, call, faults)
        self.limiter.admit(script.id, call, visit.now + script.ends_at_s)
        return script

    def _damaged(self, script: Script, call: Call, faults: tuple[Fault, ...]) -> Script:
        slow = first(faults, FaultKind.SLOW)
        if slow is not None:
            call.output_from += slow.delay_s
            call.output_until += slow.delay_s
        return damaged(msgspec.structs.replace(script, faults=faults), faults)

    # Scripts.

    def _paid(self, status: int, content_type: str, data: bytes, pieces: int, call: Call, visit: Visit) -> Script:
        """A whole reply of an admitted call, at its end or in pieces until then. Its limits are told as it goes."""
        ends_at_s = call.output_until - visit.now
        sent = head(content_type, visit.request_id, len(data))
        size = max(1, -(-len(data) // pieces))
        parts = tuple(
            [
                Part(ends_at_s * (number + 1) / pieces, data[number * size : (number + 1) * size])
                for number in range(pieces)
            ]
            if pieces > 1
            else [Part(ends_at_s, data)]
        )
        return Script(
            visit.number, visit.now, status, sent, parts, Ending.CLEAN, ends_at_s, call.account, limits_due=True
        )

    def _rejected(
        self, rejection: Rejection, visit: Visit, account: Account | None = None, faults: tuple[Fault, ...] = ()
    ) -> Script:
        sent = head(rejection.content_type, visit.request_id, len(rejection.body))
        if account is not None:
            sent += limit_headers(account)
        if rejection.retry_after_s is not None:
            sent += (("retry-after", str(rejection.retry_after_s)),)
        return self._whole(rejection.status, faulty(sent, faults), rejection.body, visit)

    def _whole(self, status: int, sent: Headers, body: bytes, visit: Visit) -> Script:
        at_s = self.settings.pace.network_s
        return Script(visit.number, visit.now, status, sent, (Part(at_s, body),), Ending.CLEAN, at_s)


Endpoint = Callable[[PretendGroq, Visit], Script]

_ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("POST", "chat/completions"): PretendGroq.chat,
    ("POST", "responses"): PretendGroq.responses,
    ("POST", "audio/transcriptions"): PretendGroq.audio,
    ("POST", "audio/translations"): PretendGroq.audio,
    ("POST", "audio/speech"): PretendGroq.speech,
    ("POST", "embeddings"): PretendGroq.embeddings,
}
"""Paths as they are."""

_COLLECTIONS: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "models"): PretendGroq.models,
    ("DELETE", "models"): PretendGroq.models,
    ("GET", "files"): PretendGroq.stored,
    ("POST", "files"): PretendGroq.stored,
    ("DELETE", "files"): PretendGroq.stored,
    ("GET", "batches"): PretendGroq.stored,
    ("POST", "batches"): PretendGroq.stored,
}
"""Paths by their first part; what stands behind it is the endpoint's to read."""

"""The pretend Groq in other providers' clothes: their bodies, headers and paths, read back by their dialects."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import openai
import pytest
from tests.simulator.asking import KEY, MODEL, PLENTY, body, groq, rich, settings

from headgate.catalog import Kind, default_catalog
from headgate.domain.failure import Failure
from headgate.domain.failure import FailureKind as K
from headgate.domain.limits import Dimension
from headgate.protocol.cleaning import clean
from headgate.protocol.client_json import decode_object
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.reply import read_reply
from headgate.protocol.stream import StreamReader
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.profiles import PROFILES, Dresser
from headgate.simulator.script import Script
from headgate.simulator.settings import Organisation, Pace, SpendBlock, settings_from

D = Dimension
WALL_S = 1_795_200_000.0
FAST = Pace(network_s=0.0, queue_median_s=0.001, output_speed_factor=20.0)
OVER_HTTP = tuple(PROFILES)


class Pretended:
    """One provider in virtual time."""

    def __init__(self, profile: str, *faults: Fault, organisation: Organisation | None = None) -> None:
        self.name = profile
        self.groq = groq(*faults, organisation=organisation or rich(), profile=profile)
        self.dresser = Dresser(PROFILES[profile], default_catalog(), WALL_S)

    def post(self, request: Any, key: str = KEY, path: str | None = None) -> Script:
        path = PROFILES[self.name].prefixes[0] + "chat/completions" if path is None else path
        asked = self.dresser.asked("POST", path, msgspec.json.encode(request), 0.0)
        if isinstance(asked, Script):
            return asked
        headers = {"authorization": f"Bearer {key}"}
        return self.dresser.dress(self.groq.handle("POST", asked.path, headers, asked.body, 0.0), asked)

    def headers(self, script: Script) -> dict[str, str]:
        return dict(self.dresser.headers(script, self.groq.opening(script, script.first_at_s)))

    def failure(self, script: Script) -> Failure:
        """The reply as the provider's dialect reads it."""
        classify = DIALECTS[self.name].classify
        return classify(script.status, script.body, self.headers(script), wall_s=WALL_S)


def limited(dimension: Dimension) -> Fault:
    return Fault(FaultKind.RATE_LIMITED, value=dimension.value, delay_s=30.0)


def poor() -> Organisation:
    return Organisation(limits={"*": PLENTY | {D.TPM: 100}})


SITUATIONS: dict[str, tuple[tuple[Fault, ...], Organisation | None, dict[str, Any], str]] = {
    "minute": ((limited(D.RPM),), None, {}, KEY),
    "tokens": ((limited(D.TPM),), None, {}, KEY),
    "day": ((limited(D.RPD),), None, {}, KEY),
    "too large": ((), poor(), {"max_tokens": 500}, KEY),
    "wrong key": ((), None, {}, "gsk_unknown"),
    "no credits": ((), Organisation(spend_block=SpendBlock()), {}, KEY),
    "overloaded": ((Fault(FaultKind.OVER_CAPACITY),), None, {}, KEY),
    "bad gateway": ((Fault(FaultKind.BAD_GATEWAY),), None, {}, KEY),
    "unknown model": ((), None, {"model": "unknown/none"}, KEY),
    "moderated": ((Fault(FaultKind.SAFETY),), None, {}, KEY),
    "unknown field": ((), None, {"brand_new": 1}, KEY),
    "context": ((), None, {"messages": [{"role": "user", "content": "word " * 140_000}]}, KEY),
}
RATE = K.REQUESTS_PER_MINUTE
EXPECTED: dict[str, tuple[K, ...]] = {
    # in the order of PROFILES: openai, mistral, gemini, openrouter, compatible
    "minute": (RATE, RATE, RATE, RATE, RATE),
    "tokens": (K.TOKENS_PER_MINUTE, RATE, K.TOKENS_PER_MINUTE, RATE, RATE),
    "day": (K.DAILY_LIMIT, RATE, K.DAILY_LIMIT, K.DAILY_LIMIT, RATE),
    "too large": (K.REQUEST_TOO_LARGE, RATE, K.TOKENS_PER_MINUTE, K.CONTEXT_OVERFLOW, K.CONTEXT_OVERFLOW),
    "wrong key": (K.INVALID_KEY,) * 5,
    "no credits": (K.SPEND_LIMIT, K.SPEND_LIMIT, K.INVALID_KEY, K.SPEND_LIMIT, K.OVER_CAPACITY),
    "overloaded": (K.OVER_CAPACITY,) * 5,
    "bad gateway": (K.OVER_CAPACITY,) * 5,
    "unknown model": (K.MODEL_GONE,) * 5,
    "moderated": (K.SAFETY_REFUSAL,) * 5,
    "unknown field": (K.BAD_REQUEST,) * 5,
    "context": (K.CONTEXT_OVERFLOW,) * 5,
}
CASES = [
    (profile, situation, kinds[index])
    for situation, kinds in EXPECTED.items()
    for index, profile in enumerate(PROFILES)
]


@pytest.mark.parametrize("profile, situation, kind", CASES)
def test_a_fault_in_the_providers_words_is_read_by_its_dialect(profile: str, situation: str, kind: K) -> None:
    """What the simulator says and what the grammar hears were written apart, and they agree."""
    faults, organisation, fields, key = SITUATIONS[situation]
    pretended = Pretended(profile, *faults, organisation=organisation)
    script = pretended.post(body("hello", **fields), key=key)
    assert pretended.failure(script).kind is kind
    assert int(pretended.headers(script)["content-length"]) == len(script.body)


def test_each_body_has_the_shape_of_its_provider() -> None:
    """A flat one, an array, numbers for codes, and OpenAI's own with nulls written out."""
    bodies = {name: msgspec.json.decode(Pretended(name, limited(D.RPM)).post(body()).body) for name in PROFILES}
    assert bodies["openai"]["error"].keys() == {"message", "type", "param", "code"}
    assert bodies["mistral"]["object"] == "error"
    assert bodies["mistral"]["code"] == "1300"
    assert bodies["gemini"][0]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert bodies["openrouter"]["error"]["code"] == 429
    assert bodies["compatible"]["code"] == 429


@pytest.mark.parametrize(
    "profile, dimension, wait_s",
    [
        ("openai", D.RPM, 30.0),
        ("openai", D.RPD, 30.0),
        ("gemini", D.RPM, 30.0),
        ("gemini", D.RPD, None),
        ("openrouter", D.RPD, 30.0),
        ("mistral", D.RPM, None),
    ],
)
def test_a_wait_is_announced_where_the_provider_announces_it(
    profile: str, dimension: Dimension, wait_s: float | None
) -> None:
    """In the text, in details, as a moment in milliseconds, or not at all."""
    pretended = Pretended(profile, limited(dimension))
    assert pretended.failure(pretended.post(body())).wait_s == wait_s


def test_openrouter_tells_a_broken_provider_inside_a_200() -> None:
    """The status says well, the body does not."""
    pretended = Pretended("openrouter", Fault(FaultKind.BAD_GATEWAY))
    script = pretended.post(body())
    assert script.status == 200
    assert isinstance(read_reply(script.body), Failure)


LIMITED = Organisation(limits={"*": {D.RPM: 10, D.RPD: 10_000, D.TPM: 30_000, D.TPD: -1}})


@pytest.mark.parametrize("stream", [False, True])
def test_success_shows_limits_as_the_provider_does(*, stream: bool) -> None:
    """OpenAI the minute's requests under Groq's names, Mistral windows in its names, the others nothing."""
    shown = {}
    for name in PROFILES:
        pretended = Pretended(name, organisation=LIMITED)
        script = pretended.post(body(stream=stream, max_tokens=100))
        headers = pretended.headers(script)
        assert not any(header.startswith("x-groq") for header in headers)
        buckets = DIALECTS[name].buckets
        assert buckets is not None
        shown[name] = {bucket.dimension: bucket.limit for bucket in buckets(headers)}
    assert shown["openai"] == {D.TPM: 30_000, D.RPM: 10}
    assert shown["mistral"] == {D.TPM: 30_000, D.RPM: 10}
    assert shown["gemini"] == shown["openrouter"] == shown["compatible"] == {}


@pytest.mark.parametrize(
    "profile, fields, status",
    [
        ("mistral", {"seed": 1}, 422),
        ("mistral", {"user": "u"}, 422),
        ("mistral", {"stream_options": {"include_usage": True}, "stream": True}, 422),
        ("mistral", {"messages": [{"role": "assistant", "content": "a", "refusal": None}]}, 422),
        ("gemini", {"seed": 1}, 400),
        ("gemini", {"frequency_penalty": 1}, 400),
        ("openai", {"reasoning_format": "parsed"}, 400),
        ("openai", {"messages": [{"role": "assistant", "content": "a", "reasoning": "r"}]}, 400),
    ],
)
def test_what_a_provider_does_not_know_it_refuses_until_it_is_cleaned(
    profile: str, fields: dict[str, Any], status: int
) -> None:
    """The raw request fails in the provider's words; the same request cleaned for its dialect is answered."""
    pretended = Pretended(profile)
    request = body(**fields)
    refused = pretended.post(request)
    assert refused.status == status
    assert pretended.failure(refused).kind is K.BAD_REQUEST
    asked = decode_object(msgspec.json.encode(request))
    dialect = DIALECTS[profile]
    made: dict[str, Any] = {name: msgspec.json.decode(raw) for name, raw in clean(asked, dialect).apply(asked).items()}
    if not dialect.sends_stream_usage:
        made.pop("stream_options", None)
    assert pretended.post(made).status == 200


def test_what_a_provider_takes_beyond_groq_is_answered() -> None:
    """A field that Groq refuses is no fault at a provider that has it."""
    refusing = [{"role": "assistant", "content": "a", "refusal": None}, {"role": "user", "content": "x"}]
    assert Pretended("openai").post(body(logprobs=True, verbosity="low", messages=refusing)).status == 200
    assert Pretended("mistral").post(body(random_seed=1)).status == 200
    assert Pretended("compatible").post(body(model="llama3.2:1b", top_k=5)).status == 200
    assert Pretended("openrouter").post(body(provider={"order": []})).status == 200


def test_a_foreign_path_is_unknown() -> None:
    """Each provider has its own paths; another's are 404 in its words."""
    for name in PROFILES:
        script = Pretended(name).post(body(), path="/elsewhere/chat/completions")
        assert script.status == 404


def test_a_reply_bears_the_name_that_was_asked_for_and_nothing_of_groqs() -> None:
    """A stand-in answers, and neither its name nor Groq's own fields are seen."""
    script = Pretended("compatible").post(body(model="llama3.2:1b"))
    reply = msgspec.json.decode(script.body)
    assert reply["model"] == "llama3.2:1b"
    assert not reply.keys() & {"x_groq", "usage_breakdown"}
    assert reply["usage"].keys() <= {
        "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"
    }  # fmt: skip


def test_a_provider_serves_its_own_models_by_their_own_names() -> None:
    """Every running chat model of the catalogue is answered by the name on the wire, and by no other provider."""
    everywhere = default_catalog().with_chain(OVER_HTTP).current()
    chat = [model for model in everywhere if model.provider in PROFILES and model.kind is Kind.CHAT]
    assert {model.provider for model in chat} == {"openai", "mistral", "gemini", "openrouter"}
    for model in chat:
        assert Pretended(model.provider).post(body(model=model.wire_id or model.id)).status == 200
    assert Pretended("mistral").post(body(model="gemini-flash-latest")).status == 400


@pytest.mark.parametrize("profile", OVER_HTTP)
def test_a_stream_is_whole_and_its_break_is_told(profile: str) -> None:
    """Usage only where it was asked for; an error in the middle ends it in the provider's way."""
    script = Pretended(profile).post(body("x [[tokens=30]]", stream=True))
    assert b'"usage"' not in script.body
    assert b"x_groq" not in script.body
    assert script.body.startswith(PROFILES[profile].comment + b"data: {")
    assert script.body.endswith(b"data: [DONE]\n\n")
    broken = Pretended(profile, Fault(FaultKind.STREAM_ERROR_EVENT)).post(body("x [[tokens=30]]", stream=True))
    reader = StreamReader()
    for part in broken.parts:
        reader.feed(part.data)
    assert reader.failure is not None
    assert (b'"finish_reason":"error"' in broken.body) is (profile == "openrouter")


Serve = Callable[..., Awaitable[SimulatorServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start simulators on ports of their own; all are closed at the end."""
    servers: list[SimulatorServer] = []

    async def start(profile: str, *faults: Fault) -> SimulatorServer:
        told = settings(*faults, organisation=rich(), pace=FAST, profile=profile)
        servers.append(await serve_simulator(told))
        return servers[-1]

    yield start
    for server in servers:
        await server.close()


def sdk(server: SimulatorServer, profile: str) -> openai.AsyncOpenAI:
    base_url = server.base_url + PROFILES[profile].prefixes[0]
    return openai.AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0)


@pytest.mark.parametrize("profile", OVER_HTTP)
async def test_the_openai_sdk_talks_to_every_profile(serve: Serve, profile: str) -> None:
    """A completion, a stream and a refusal over real sockets."""
    server = await serve(profile)
    messages: Any = [{"role": "user", "content": "hello [[tokens=20]]"}]
    async with sdk(server, profile) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=messages)
        assert whole.choices[0].message.content
        stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
        chunks = [chunk async for chunk in stream]
        assert chunks[-1].choices[0].finish_reason == "stop"
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(model="unknown/none", messages=messages)
        assert refused.value.status_code in {400, 404}


async def test_a_rate_limit_reaches_the_sdk_as_one(serve: Serve) -> None:
    """Status, class and header of OpenAI's 429."""
    server = await serve("openai", limited(D.RPM))
    async with sdk(server, "openai") as client:
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.response.headers["retry-after"] == "30"
        assert refused.value.response.headers["openai-version"]


def test_a_profile_that_is_not_there_is_refused() -> None:
    """The settings name one of the providers or Groq itself."""
    assert settings_from({"profile": "mistral"}).profile == "mistral"
    with pytest.raises(msgspec.ValidationError, match="profile"):
        settings_from({"profile": "acme"})


def test_every_profile_has_its_dialect() -> None:
    """What the simulator can pretend to be, the gateway can talk to."""
    assert set(PROFILES) == set(DIALECTS) - {"groq"}
    assert SITUATIONS.keys() == EXPECTED.keys()

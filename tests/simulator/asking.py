"""Asking the pretend Groq in virtual time: short ways for tests to say a request and to look at what comes back."""

from typing import Any

import msgspec

from headgate.catalog import default_catalog
from headgate.domain.limits import Dimension
from headgate.simulator.faults import Fault
from headgate.simulator.groq import PretendGroq
from headgate.simulator.script import Script
from headgate.simulator.settings import Organisation, SimulatorSettings

KEY = "gsk_test"
ORG = "org_test"
MODEL = "openai/gpt-oss-120b"
PLENTY = dict.fromkeys((Dimension.RPM, Dimension.RPD, Dimension.TPM, Dimension.TPD), 1000000000)


def settings(*faults: Fault, organisation: Organisation | None = None, **more: Any) -> SimulatorSettings:
    """One key, one organisation on the free plan unless told otherwise, no cache hits."""
    told: dict[str, Any] = {"keys": {KEY: ORG}, "cache_hit_probability": 0.0, "any_key_organisation": False} | more
    return SimulatorSettings(organisations={ORG: organisation or Organisation()}, faults=faults, **told)


def groq(*faults: Fault, organisation: Organisation | None = None, **more: Any) -> PretendGroq:
    """A pretend Groq of those settings with the shipped catalogue."""
    return PretendGroq(settings(*faults, organisation=organisation, **more), default_catalog())


def rich() -> Organisation:
    """An organisation whose buckets never matter."""
    return Organisation(limits={"*": PLENTY | {Dimension.ITPM: -1, Dimension.OTPM: -1}})


def body(text: str = "hello", **fields: Any) -> dict[str, Any]:
    """A chat request; fields override."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]} | fields


def post(groq: PretendGroq, request: Any, now: float = 0.0, key: str = KEY) -> Script:
    """Send a chat request."""
    raw = request if isinstance(request, bytes) else msgspec.json.encode(request)
    return groq.handle("POST", "/openai/v1/chat/completions", {"authorization": f"Bearer {key}"}, raw, now)


def sent(groq: PretendGroq, script: Script) -> dict[str, str]:
    """The headers as they go out, at the time they go out."""
    return dict(groq.opening(script, script.arrived_at + script.first_at_s))


def decoded(script: Script) -> Any:
    """The JSON of a buffered reply."""
    return msgspec.json.decode(script.body)


def error(script: Script) -> Any:
    """The error object of a reply."""
    return decoded(script)["error"]


def events(script: Script) -> list[Any]:
    """The JSON of every event of a stream, `[DONE]` left out."""
    lines = [line for line in script.body.split(b"\n") if line.startswith(b"data: {")]
    return [msgspec.json.decode(line[6:]) for line in lines]

"""What tests of batches share: a pretend Groq without limits, the settings to use it, and input files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.running_gateway import QUICK, SHORT

from headgate.domain.limits import Dimension
from headgate.simulator.settings import Organisation, Pace, SimulatorSettings

MODEL = "openai/gpt-oss-20b"
CHAT: Final = "/v1/chat/completions"
KEY = "gsk_batches"
ORGANISATION = "org_batches"
PLENTY = 1_000_000_000
LIMITS = dict.fromkeys(Dimension, PLENTY)


def pretend(pace: Pace = QUICK, *, rpm: int = PLENTY, **more: Any) -> SimulatorSettings:
    """A Groq that has room for everything but for more requests a minute than `rpm`."""
    organisations = {ORGANISATION: Organisation(plan="developer", limits={"*": LIMITS | {Dimension.RPM: rpm}})}
    return SimulatorSettings(pace=pace, lengths=SHORT, keys={KEY: ORGANISATION}, organisations=organisations, **more)


def config(folder: Path, more: str = "", *, rpm: int = PLENTY) -> Path:
    """Settings of a gateway that knows as much."""
    known = LIMITS | {Dimension.RPM: rpm}
    limits = "".join(f"{dimension.value} = {limit}\n" for dimension, limit in known.items())
    path = folder / "headgate.toml"
    path.write_text(
        f'[[groq.keys]]\nsecret = "{KEY}"\norganisation = "{ORGANISATION}"\n'
        f'[organisations.{ORGANISATION}]\nplan = "developer"\n'
        f'[organisations.{ORGANISATION}.limits."*"]\n{limits}{more}',
        encoding="utf-8",
    )
    return path


def line(number: int, **more: object) -> dict[str, object]:
    """One line of an input file."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"Say {number}"}], "max_completion_tokens": 8}
    return {"custom_id": f"line-{number}", "method": "POST", "url": CHAT, "body": body} | more


def jsonl(lines: Sequence[object]) -> bytes:
    """The lines as a file."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def results_of(content: bytes) -> dict[str, dict[str, Any]]:
    """Results by their custom_id; each may come once."""
    results = [json.loads(text) for text in content.splitlines()]
    by_id = {result["custom_id"]: result for result in results}
    assert len(by_id) == len(results)
    return by_id

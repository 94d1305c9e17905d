"""The lines of a batch: what is wrong with them before they run, and what each gives when it runs.

A line goes through the same reading and generation as a request of its own; it is charged to no bucket (groq-api 9).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog
from headgate.domain.time import Instant
from headgate.simulator import audio, errors
from headgate.simulator.admission import RESPONSES, struck_by
from headgate.simulator.errors import Rejection
from headgate.simulator.faults import Facts, FaultPlan
from headgate.simulator.generate import write
from headgate.simulator.requests import read
from headgate.simulator.scribe import Scribe, Told
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.visit import Visit

CHAT: Final = "/v1/chat/completions"
ENDPOINTS: Final = (CHAT, "/v1/audio/transcriptions", "/v1/audio/translations")
MOST_ERRORS: Final = 100
"""How many wrong lines a failed batch tells."""


class Line(msgspec.Struct, frozen=True):
    """One line that may run. `body` is JSON text."""

    custom_id: str
    url: str
    body: bytes


class LineError(msgspec.Struct, frozen=True):
    """One thing that is wrong with an input file; lines count from 1, None where it is the file itself."""

    code: str
    message: str
    param: str | None
    line: int | None


class Ran(msgspec.Struct, frozen=True):
    """What a line gave."""

    line: Line
    status: int
    request_id: str
    body: msgspec.Raw | str


def read_lines(data: bytes, endpoint: str, most: int) -> tuple[list[Line], list[LineError]]:
    """The lines of a file and everything that is wrong with them; empty lines are passed over."""
    lines: list[Line] = []
    wrong: list[LineError] = []
    seen: set[str] = set()
    for number, text in enumerate(data.split(b"\n"), start=1):
        if not text.strip():
            continue
        found = _line(text, number, endpoint, seen)
        if isinstance(found, LineError):
            wrong.append(found)
        else:
            lines.append(found)
            seen.add(found.custom_id)
        if len(wrong) >= MOST_ERRORS or len(lines) > most:
            break
    if len(lines) > most:
        wrong.insert(0, LineError("too_many_lines", f"The file has more than {most} lines.", None, None))
    if not lines and not wrong:
        wrong.append(LineError("empty_file", "The file has no requests.", None, None))
    return lines, wrong


def _line(text: bytes, number: int, endpoint: str, seen: set[str]) -> Line | LineError:
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        return LineError("invalid_json_line", "This line is not parseable as valid JSON.", None, number)
    for name in ("custom_id", "method", "url", "body"):
        if not raw.get(name):
            return LineError("missing_required_parameter", f"Missing required parameter: '{name}'.", name, number)
    method, url, custom_id, body = raw["method"], raw["url"], raw["custom_id"], raw["body"]
    if method != "POST":
        message = f"Invalid value: '{method}'. Supported values are: 'POST'"
        return LineError("invalid_method", message, "method", number)
    if url != endpoint:
        message = f"Invalid value: '{url}'. The URL must be the endpoint of the batch: '{endpoint}'"
        return LineError("invalid_url", message, "url", number)
    if not isinstance(custom_id, str) or not isinstance(body, dict):
        name = "body" if isinstance(custom_id, str) else "custom_id"
        return LineError("invalid_type", f"Invalid type for '{name}'.", name, number)
    if custom_id in seen:
        message = f"The custom_id '{custom_id}' is used by another line of this file."
        return LineError("duplicate_custom_id", message, "custom_id", number)
    return Line(custom_id, url, msgspec.json.encode(body))


class LineRunner:
    """Runs lines outside of every bucket. The faults of the settings strike them like requests of their own."""

    __slots__ = ("_catalog", "_faults", "_scribe", "_settings", "_unix_origin_s")

    def __init__(
        self,
        settings: SimulatorSettings,
        catalog: Catalog,
        faults: Callable[[], FaultPlan],
        scribe: Scribe,
        unix_origin_s: float,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._faults = faults
        self._scribe = scribe
        self._unix_origin_s = unix_origin_s

    def run(self, line: Line, organisation: str, drawn: bytes, at: Instant) -> Ran:
        """What the line gives when it runs at `at`."""
        visit = self._visit(line, organisation, drawn, at)
        found = self._chat(line, visit) if line.url == CHAT else self._audio(line, visit)
        if isinstance(found, Rejection):
            body: msgspec.Raw | str = (
                msgspec.Raw(found.body) if found.content_type == "application/json" else found.body.decode()
            )
            return Ran(line, found.status, visit.request_id, body)
        return Ran(line, 200, visit.request_id, found)

    def _visit(self, line: Line, organisation: str, drawn: bytes, at: Instant) -> Visit:
        return Visit(
            number=0,
            method="POST",
            path=line.url,
            route=line.url.removeprefix("/v1/"),
            query="",
            headers={},
            body=line.body,
            digest=drawn[:16],
            drawn=drawn,
            key="",
            organisation=organisation,
            plan=self._settings.organisation(organisation).plan,
            now=at,
            unix_s=self._unix_origin_s + at,
        )

    def _chat(self, line: Line, visit: Visit) -> msgspec.Raw | Rejection:
        raw: Mapping[str, Any] = msgspec.json.decode(line.body)
        for name in ("stream", "service_tier"):
            if raw.get(name):
                return errors.invalid(f"'{name}' : not supported in batches", name)
        asked = read(line.body, self._catalog, self._settings)
        if isinstance(asked, Rejection):
            return asked
        facts = Facts(visit.now, "", visit.organisation, asked.model.id, stream=False, text=asked.text)
        faults = self._faults().among(RESPONSES, facts, visit.digest)
        struck = struck_by(faults, asked.model.id)
        if struck is not None:
            return struck
        written = write(asked, self._settings, faults)
        if written.failure is not None:
            return written.failure
        used = self._scribe.consumed(asked, written, 0, visit.drawn)
        told = Told(asked, written, used, self._scribe.names(asked, visit.drawn, visit.now))
        return msgspec.Raw(self._scribe.chat.buffered(told))

    def _audio(self, line: Line, visit: Visit) -> msgspec.Raw | str | Rejection:
        work = audio.read_line(msgspec.json.decode(line.body), visit, self._catalog, self._settings)
        if isinstance(work, Rejection):
            return work
        facts = Facts(visit.now, "", visit.organisation, work.model, stream=False, text=work.text)
        struck = struck_by(self._faults().among(RESPONSES, facts, visit.digest), work.model)
        if struck is not None:
            return struck
        body = work.write()
        return msgspec.Raw(body) if work.content_type == "application/json" else body.decode()

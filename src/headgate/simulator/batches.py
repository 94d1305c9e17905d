"""The batches of every organisation: created, checked, run line by line in the simulator's own time, and written out.

A batch is brought up to date when somebody looks; each step happens at its own instant, so it does not matter when that
is. Lines run in an order drawn for the batch and end in two files: what succeeded, and what failed or expired. Lines
that a cancelled batch never ran stand in neither.
"""

import re
from hashlib import blake2b
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from headgate.domain.time import NEVER, Instant, Seconds
from headgate.simulator import errors
from headgate.simulator.batch_lines import ENDPOINTS, Line, LineError, LineRunner, Ran, read_lines
from headgate.simulator.errors import Rejection
from headgate.simulator.files import BATCH, BATCH_OUTPUT, Files, Shown, StoredFile, not_found
from headgate.simulator.identity import ulid
from headgate.simulator.offer import DAY_S, Offer
from headgate.simulator.visit import Visit

PAGE: Final = 100
MOST_IDS: Final = 200
MOST_METADATA: Final = 16
EXPIRED: Final = ("batch_expired", "This request could not be executed before the completion window expired.")
OPEN: Final = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_WINDOW: Final = re.compile(r"(\d{1,3})([hd])")
_UNITS_S: Final = {"h": 3600.0, "d": DAY_S}
_SHORTEST_S: Final = DAY_S
_LONGEST_S: Final = 7 * DAY_S
_FIELDS: Final = frozenset({"input_file_id", "endpoint", "completion_window", "metadata"})
_STAMPS: Final = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


class Batch:
    """One batch on its way. `stamps` say when it entered each status; what it no longer needs is let go at the end."""

    __slots__ = (
        "completed",
        "completion_window",
        "created_at",
        "data",
        "drawn",
        "endpoint",
        "error_file_id",
        "errors",
        "expires_at",
        "failed",
        "id",
        "input_file_id",
        "lines",
        "metadata",
        "order",
        "organisation",
        "output_file_id",
        "ran",
        "stamps",
        "status",
        "total",
        "unix_ms",
    )

    def __init__(self, visit: Visit, raw: dict[str, Any], data: bytes, window_s: Seconds) -> None:
        self.id = visit.named("batch_")
        self.organisation = visit.organisation
        self.drawn = visit.drawn
        self.unix_ms = int(visit.unix_s * 1000)
        self.input_file_id: str = raw["input_file_id"]
        self.endpoint: str = raw["endpoint"]
        self.completion_window: str = raw["completion_window"]
        self.metadata: dict[str, str] | None = raw.get("metadata")
        self.created_at = visit.now
        self.expires_at = visit.now + window_s
        self.status = "validating"
        self.stamps: dict[str, Instant] = {}
        self.data = data
        self.lines: list[Line] = []
        self.order: list[int] = []
        self.ran: list[Ran] = []
        self.errors: list[LineError] = []
        self.total = self.completed = self.failed = 0
        self.output_file_id: str | None = None
        self.error_file_id: str | None = None

    def enter(self, status: str, at: Instant) -> None:
        """The next status, and when it began."""
        self.status = status
        self.stamps[status] = at


class Batches:
    """Every organisation's batches, in the order of creation; the oldest that ended are forgotten."""

    __slots__ = ("_batches", "_files", "_offer", "_runner", "_unix_origin_s")

    def __init__(self, offer: Offer, files: Files, runner: LineRunner, unix_origin_s: float) -> None:
        self._offer = offer
        self._files = files
        self._runner = runner
        self._unix_origin_s = unix_origin_s
        self._batches: dict[str, dict[str, Batch]] = {}

    def answer(self, visit: Visit) -> Shown | Rejection:
        """The answer to a request whose route begins with `batches`."""
        self.advance(visit.organisation, visit.now)
        batch_id, _, rest = visit.route.removeprefix("batches").removeprefix("/").partition("/")
        match visit.method, bool(batch_id), rest:
            case "POST", False, "":
                return self._create(visit)
            case "GET", False, "":
                return self._list(visit)
            case ("GET", True, "") | ("POST", True, "cancel"):
                batch = self._of(visit.organisation).get(batch_id)
                if batch is None:
                    return errors.error(404, f"batch `{batch_id}` not found", code="not_found")
                return self._cancel(batch, visit.now) if rest else self._shown(batch)
            case _:
                return errors.unknown_url(visit.method, visit.path)

    def advance(self, organisation: str, now: Instant) -> None:
        """Bring the batches of an organisation up to `now`. Costs time for every line that ran since."""
        for batch in self._of(organisation).values():
            while batch.status in OPEN and self._step(batch, now):
                pass

    def _of(self, organisation: str) -> dict[str, Batch]:
        return self._batches.setdefault(organisation, {})

    def _step(self, batch: Batch, now: Instant) -> bool:
        """One step of a batch, if one is due by `now`."""
        pace = self._offer.batch
        match batch.status:
            case "validating":
                at = batch.created_at + pace.validating_s
                return at <= now and self._check(batch, at)
            case "in_progress":
                return self._run(batch, now)
            case "finalizing":
                at = batch.stamps["finalizing"] + pace.finalizing_s
                return at <= now and self._finish(batch, "completed", at)
            case _:
                at = batch.stamps["cancelling"] + pace.cancelling_s
                return at <= now and self._finish(batch, "cancelled", at)

    def _check(self, batch: Batch, at: Instant) -> bool:
        lines, batch.errors = read_lines(batch.data, batch.endpoint, self._offer.batch_lines)
        batch.data = b""
        if batch.errors:
            batch.enter("failed", at)
            return True
        batch.lines, batch.total = lines, len(lines)
        batch.order = list(range(len(lines)))
        Random(int.from_bytes(batch.drawn[:8], "big")).shuffle(batch.order)
        batch.enter("in_progress", at)
        return True

    def _run(self, batch: Batch, now: Instant) -> bool:
        """Run the lines that are due, then go on where no line is left or no time."""
        begun_at, each_s = batch.stamps["in_progress"], 1.0 / self._offer.batch.lines_per_s
        while len(batch.ran) < batch.total:
            number = len(batch.ran)
            at = begun_at + (number + 1) * each_s
            if min(at, batch.expires_at) > now:
                return False
            if at > batch.expires_at:
                return self._finish(batch, "expired", batch.expires_at)
            index = batch.order[number]
            drawn = blake2b(batch.drawn + index.to_bytes(4, "big"), digest_size=32).digest()
            ran = self._runner.run(batch.lines[index], batch.organisation, drawn, at)
            batch.ran.append(ran)
            batch.completed += ran.status == 200
            batch.failed += ran.status != 200
        batch.enter("finalizing", begun_at + batch.total * each_s)
        return True

    def _finish(self, batch: Batch, status: str, at: Instant) -> bool:
        good = [_line_of(batch, i, ran) for i, ran in enumerate(batch.ran) if ran.status == 200]
        bad = [_line_of(batch, i, ran) for i, ran in enumerate(batch.ran) if ran.status != 200]
        if status == "expired":
            left = batch.order[len(batch.ran) :]
            bad += [_expired(batch, batch.total + i, batch.lines[index]) for i, index in enumerate(left)]
            batch.failed += len(left)
        batch.output_file_id = self._written(batch, "output", good, at)
        batch.error_file_id = self._written(batch, "error", bad, at)
        batch.lines, batch.order, batch.ran = [], [], []
        batch.enter(status, at)
        return True

    def _written(self, batch: Batch, kind: str, lines: list[bytes], at: Instant) -> str | None:
        if not lines:
            return None
        unix_s = self._unix_origin_s + at
        file_id = "file_" + ulid(blake2b(batch.drawn + kind.encode(), digest_size=16).digest(), int(unix_s * 1000))
        data = b"\n".join(lines) + b"\n"
        file = StoredFile(file_id, f"{batch.id}_{kind}.jsonl", BATCH_OUTPUT, data, int(unix_s), at)
        self._files.put_output(batch.organisation, file)
        return file_id

    def _create(self, visit: Visit) -> Shown | Rejection:
        try:
            raw = msgspec.json.decode(visit.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return errors.NOT_JSON
        if not isinstance(raw, dict):
            return errors.NOT_JSON
        window_s = _window_s(raw.get("completion_window"))
        wrong = _wrong(raw, window_s)
        if wrong is not None:
            return wrong
        file = self._files.get(visit.organisation, raw["input_file_id"], visit.now)
        if file is None:
            return not_found(raw["input_file_id"])
        if file.purpose != BATCH:
            return errors.invalid(f"file `{file.id}` does not have purpose `{BATCH}`", "input_file_id")
        batches = self._of(visit.organisation)
        if sum(batch.status in OPEN for batch in batches.values()) >= self._offer.open_batches:
            return errors.invalid(f"the organization may run {self._offer.open_batches} batches at a time")
        if len(batches) >= self._offer.batches:
            oldest = next((batch.id for batch in batches.values() if batch.status not in OPEN), None)
            if oldest is not None:
                del batches[oldest]
        assert window_s is not None, "a wrong window was refused above"
        batch = Batch(visit, raw, file.data, window_s)
        batches[batch.id] = batch
        return self._shown(batch)

    def _cancel(self, batch: Batch, now: Instant) -> Shown | Rejection:
        if batch.status not in OPEN:
            return errors.invalid(f"Cannot cancel a batch with status '{batch.status}'.")
        if batch.status != "cancelling":
            batch.enter("cancelling", now)
        return self._shown(batch)

    def _list(self, visit: Visit) -> Shown | Rejection:
        """Newest first; a page goes on behind the batch that the cursor names (`after` to clients of OpenAI's)."""
        query = parse_qs(visit.query)
        batches = list(reversed(self._of(visit.organisation).values()))
        wanted = query.get("id")
        if wanted is not None and len(wanted) > MOST_IDS:
            return errors.invalid(f"id: at most {MOST_IDS} ids may be given", "id")
        if wanted is not None:
            batches = [batch for batch in batches if batch.id in set(wanted)]
        cursor = (query.get("cursor") or query.get("after") or [""])[0]
        if cursor:
            names = [batch.id for batch in batches]
            if cursor not in names:
                return errors.invalid("cursor is not valid", "cursor")
            batches = batches[names.index(cursor) + 1 :]
        page = batches[:PAGE]
        following = page[-1].id if len(batches) > PAGE else None
        data = [self._entry(batch) for batch in page]
        return Shown(msgspec.json.encode({"object": "list", "data": data, "paging": {"next_cursor": following}}))

    def _shown(self, batch: Batch) -> Shown:
        return Shown(msgspec.json.encode(self._entry(batch)))

    def _entry(self, batch: Batch) -> dict[str, Any]:
        stamps = {f"{name}_at": self._unix(batch.stamps.get(name)) for name in _STAMPS}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.endpoint,
            "errors": self._errors(batch),
            "input_file_id": batch.input_file_id,
            "completion_window": batch.completion_window,
            "status": batch.status,
            "output_file_id": batch.output_file_id,
            "error_file_id": batch.error_file_id,
            "created_at": self._unix(batch.created_at),
            "expires_at": self._unix(batch.expires_at),
            **stamps,
            "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
            "metadata": batch.metadata,
        }

    def _errors(self, batch: Batch) -> object:
        if not batch.errors:
            return None
        told = [msgspec.structs.asdict(error) for error in batch.errors]
        return told if self._offer.batch_errors_as == "array" else {"object": "list", "data": told}

    def _unix(self, at: Instant | None) -> int | None:
        return None if at is None or at == NEVER else int(self._unix_origin_s + at)


def _wrong(raw: dict[str, Any], window_s: Seconds | None) -> Rejection | None:
    unknown = next((name for name in raw if name not in _FIELDS), None)
    if unknown is not None:
        return errors.invalid(f"property '{unknown}' is unsupported")
    if not isinstance(raw.get("input_file_id"), str) or not raw["input_file_id"]:
        return errors.invalid("'input_file_id' : property 'input_file_id' is missing", "input_file_id")
    if raw.get("endpoint") not in ENDPOINTS:
        return errors.invalid(f"endpoint must be one of [{' '.join(ENDPOINTS)}]", "endpoint")
    if window_s is None:
        return errors.invalid("completion_window must be a duration from `24h` to `7d`", "completion_window")
    metadata = raw.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or len(metadata) > MOST_METADATA:
        return errors.invalid(f"metadata must be an object of at most {MOST_METADATA} pairs", "metadata")
    if not all(isinstance(value, str) for value in metadata.values()):
        return errors.invalid("metadata values must be strings", "metadata")
    return None


def _window_s(text: object) -> Seconds | None:
    found = _WINDOW.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    window_s = int(found[1]) * _UNITS_S[found[2]]
    return window_s if _SHORTEST_S <= window_s <= _LONGEST_S else None


def _line_of(batch: Batch, number: int, ran: Ran) -> bytes:
    response = {"status_code": ran.status, "request_id": ran.request_id, "body": ran.body}
    return msgspec.json.encode(
        {"id": _line_id(batch, number), "custom_id": ran.line.custom_id, "response": response, "error": None}
    )


def _expired(batch: Batch, number: int, line: Line) -> bytes:
    error = {"code": EXPIRED[0], "message": EXPIRED[1]}
    return msgspec.json.encode(
        {"id": _line_id(batch, number), "custom_id": line.custom_id, "response": None, "error": error}
    )


def _line_id(batch: Batch, number: int) -> str:
    return "batch_req_out_" + ulid(batch.drawn, batch.unix_ms, number + 1)

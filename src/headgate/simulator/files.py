"""The files of every organisation: uploading, listing, reading, deleting, and forgetting after thirty days.

Holds bytes in memory, bounded per organisation. The texts of its refusals are guesses: none was captured.
"""

from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import msgspec

from headgate.domain.time import Instant
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.forms import read_form
from headgate.simulator.offer import Offer
from headgate.simulator.visit import Visit

BATCH: Final = "batch"
BATCH_OUTPUT: Final = "batch_output"
NOT_A_FORM: Final = errors.invalid("request Content-Type isn't multipart/form-data")
NO_FILE: Final = errors.invalid("file must be provided", "file")


class Shown(NamedTuple):
    """A whole answer that costs nothing."""

    body: bytes
    content_type: str = "application/json"


class StoredFile(msgspec.Struct, frozen=True):
    """One file. `created_at` is in Unix seconds, `stored_at` the instant that its keeping counts from."""

    id: str
    filename: str
    purpose: str
    data: bytes
    created_at: int
    stored_at: Instant


class Files:
    """Every organisation's shelf, in the order of storing. What is too old is gone at the next look."""

    __slots__ = ("_offer", "_shelves")

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._shelves: dict[str, dict[str, StoredFile]] = {}

    def answer(self, visit: Visit) -> Shown | Rejection:
        """The answer to a request whose route begins with `files`."""
        shelf = self._shelf(visit.organisation, visit.now)
        file_id, _, rest = visit.route.removeprefix("files").removeprefix("/").partition("/")
        match visit.method, bool(file_id), rest:
            case "POST", False, "":
                return self._upload(visit, shelf)
            case "GET", False, "":
                return _listed(visit, shelf)
            case "GET" | "DELETE", True, "" | "content":
                file = shelf.get(file_id)
                if file is None:
                    return not_found(file_id)
                if rest:
                    return _content(visit, file)
                return self._delete(shelf, file) if visit.method == "DELETE" else _json(_entry(file))
            case _:
                return errors.unknown_url(visit.method, visit.path)

    def get(self, organisation: str, file_id: str, now: Instant) -> StoredFile | None:
        """A file that is still kept."""
        return self._shelf(organisation, now).get(file_id)

    def put_output(self, organisation: str, file: StoredFile) -> None:
        """Store what a batch wrote; the oldest files make room for it."""
        shelf = self._shelf(organisation, file.stored_at)
        while shelf and not self._has_room(shelf, len(file.data)):
            del shelf[next(iter(shelf))]
        shelf[file.id] = file

    def _shelf(self, organisation: str, now: Instant) -> dict[str, StoredFile]:
        shelf = self._shelves.setdefault(organisation, {})
        old = [file.id for file in shelf.values() if file.stored_at + self._offer.kept_s <= now]
        for file_id in old:
            del shelf[file_id]
        return shelf

    def _has_room(self, shelf: dict[str, StoredFile], size_bytes: int) -> bool:
        stored_bytes = sum(len(file.data) for file in shelf.values())
        return len(shelf) < self._offer.files and stored_bytes + size_bytes <= self._offer.stored_bytes

    def _upload(self, visit: Visit, shelf: dict[str, StoredFile]) -> Shown | Rejection:
        form = read_form(visit.headers.get("content-type", ""), visit.body)
        if form is None:
            return NOT_A_FORM
        upload, purpose = form.files.get("file"), form.first("purpose")
        if purpose != BATCH:
            return errors.invalid(f"purpose must be one of [{BATCH}]", "purpose")
        if upload is None:
            return NO_FILE
        if not upload.data:
            return errors.invalid("file must not be empty", "file")
        if len(upload.data) > self._offer.file_bytes:
            return errors.BODY_TOO_LARGE
        if not upload.filename.endswith(".jsonl"):
            return errors.invalid("file must be a .jsonl file", "file")
        if not self._has_room(shelf, len(upload.data)):
            return errors.invalid("the organization stores as many files as it may", "file")
        file = StoredFile(visit.named("file_"), upload.filename, BATCH, upload.data, int(visit.unix_s), visit.now)
        shelf[file.id] = file
        return _json(_entry(file))

    def _delete(self, shelf: dict[str, StoredFile], file: StoredFile) -> Shown:
        del shelf[file.id]
        return _json({"id": file.id, "object": "file", "deleted": True})


def _listed(visit: Visit, shelf: dict[str, StoredFile]) -> Shown:
    """All files on one page. `after` is not documented, but clients of OpenAI's page by it until nothing comes."""
    after = parse_qs(visit.query).get("after", [""])[0]
    files = list(shelf.values())
    if after in shelf:
        files = files[list(shelf).index(after) + 1 :]
    return _json({"object": "list", "data": [_entry(file) for file in files]})


def not_found(file_id: str) -> Rejection:
    """The 404 of a file that is not there or belongs to another organisation."""
    return errors.error(404, f"file `{file_id}` not found", code="not_found")


def _content(visit: Visit, file: StoredFile) -> Shown | Rejection:
    if visit.method != "GET":
        return errors.unknown_url(visit.method, visit.path)
    return Shown(file.data, "application/octet-stream")


def _entry(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.data),
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
    }


def _json(value: object) -> Shown:
    return Shown(msgspec.json.encode(value))

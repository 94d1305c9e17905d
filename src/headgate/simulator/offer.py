"""What a pretend Groq offers besides chat, and how much of it: the switches and sizes of those endpoints."""

from typing import Final, Literal

import msgspec

from headgate.domain.time import Seconds

MEGABYTE: Final = 1024 * 1024
DAY_S: Final[Seconds] = 86_400.0


class BatchPace(msgspec.Struct, frozen=True):
    """How fast batches go: the time of checking, the lines of one batch per second, the time of writing the files.

    `cancelling_s` is how long a cancelled batch takes to stop (up to ten minutes at Groq).
    """

    validating_s: Seconds = 1.0
    lines_per_s: float = 20.0
    finalizing_s: Seconds = 1.0
    cancelling_s: Seconds = 1.0


class Offer(msgspec.Struct, frozen=True):
    """The endpoints besides chat.

    `embeddings`: whether `nomic-embed-text-v1_5` exists; it stands in the SDK only (groq-api 1).
    `terms_wanted`: models that answer 400 `model_terms_required` until somebody accepts their terms (Orpheus).
    `attachment_bytes_free` and `_paid`: the largest uploaded audio; the docs say 25 MB and 100 MB, and elsewhere that
    attachments end at 25 MB on every plan.
    `audio_seconds_per_s`: how much audio a second of work transcribes.
    `file_bytes`: the largest uploaded file; 100 MB in the reference, 200 MB in the guide. `files` and `stored_bytes`
    bound what one organisation may keep, `open_batches` how many batches it may run at once, `batches` how many are
    remembered, and `batch_lines` the lines of one.
    `batch_errors_as`: the errors of a batch as the SDK types them or as the guide shows them (groq-api 9).
    """

    embeddings: bool = False
    terms_wanted: tuple[str, ...] = ()
    attachment_bytes_free: int = 25 * MEGABYTE
    attachment_bytes_paid: int = 100 * MEGABYTE
    audio_seconds_per_s: float = 200.0
    file_bytes: int = 100 * MEGABYTE
    files: int = 1000
    stored_bytes: int = 512 * MEGABYTE
    kept_s: Seconds = 30 * DAY_S
    batch: BatchPace = BatchPace()
    batch_lines: int = 50_000
    batches: int = 1000
    open_batches: int = 100
    batch_errors_as: Literal["list_object", "array"] = "list_object"

"""Writes the log of a process to a file: a snapshot of the gate, then every step, as msgpack behind its length.

Steps hold facts and numbers of requests, never their text. Floats and infinities survive, so a replay is exact.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.gate import Gate
from headgate.decide.replay import Step
from headgate.domain.time import Instant

LENGTH_BYTES: Final = 4
MAX_LOG_BYTES: Final = 4 * 1024**3
"""A log stops growing here."""


class StepLog:
    """A recorder that appends to a file. Start it while no journey is under way."""

    def __init__(self, path: Path, gate: Gate, *, max_bytes: int = MAX_LOG_BYTES) -> None:
        self._file: BinaryIO = path.open("wb")
        self._encoder = msgspec.msgpack.Encoder()
        self._left = max_bytes
        self._append(gate.snapshot())

    def record(self, journey_id: str, event: e.Event, now: Instant, actions: tuple[a.Action, ...]) -> None:
        """Write one step."""
        self._append(self._encoder.encode(Step(journey_id, now, event, actions)))

    def _append(self, record: bytes) -> None:
        if self._left < len(record) or self._file.closed:
            self.close()
            return
        self._left -= len(record) + LENGTH_BYTES
        self._file.write(len(record).to_bytes(LENGTH_BYTES, "big") + record)

    def close(self) -> None:
        """Stop recording."""
        self._file.close()


def read_log(path: Path) -> tuple[bytes, list[Step]]:
    """The snapshot and the steps of a log. A last record that was cut short is left out."""
    records = _records(path.read_bytes())
    snapshot = next(records)
    decode = msgspec.msgpack.Decoder(Step).decode
    return snapshot, [decode(record) for record in records]


def _records(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + LENGTH_BYTES <= len(data):
        length = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        at += LENGTH_BYTES
        if at + length > len(data):
            return
        yield data[at : at + length]
        at += length

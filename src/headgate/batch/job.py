"""Takes one batch from the status that it has to its end, whatever process began it.

validating -> in_progress -> finalizing -> completed
    |             |-- its time is up -------> expired
    v             v
  failed      cancelling -> cancelled
"""

import logging
from typing import Final

import msgspec

from headgate.batch.checking import Limits, check_file
from headgate.batch.handing import Handing
from headgate.batch.lines import Lines, Parts, expire_rest
from headgate.batch.outputs import write_outputs
from headgate.batch.storing import insist
from headgate.store.batch_rows import ENDS, BatchChange, BatchRow, BatchStatus
from headgate.store.problems import IllegalTransition

_S: Final = BatchStatus
_log: Final = logging.getLogger(__name__)


class Job(msgspec.Struct, eq=False):
    """One batch under way. `handing` gives it to a provider's own batch API first, where the operator wants that."""

    parts: Parts
    row: BatchRow
    limits: Limits
    keep_s: int | None
    handing: Handing | None = None
    lines: Lines | None = None

    def cancel(self) -> None:
        """Its status has become cancelling: begin nothing more."""
        if self.lines is not None:
            self.lines.stop()
        if self.handing is not None:
            self.handing.stop()

    async def go(self) -> None:
        """Run it to its end. Raises StoreError where only a restart can help."""
        while await self._refresh() not in ENDS:
            match self.row.status:
                case _S.VALIDATING:
                    await self._check()
                case _S.IN_PROGRESS:
                    await self._run()
                case _S.FINALIZING:
                    await self._finish(_S.COMPLETED)
                case _:
                    assert self.row.status is _S.CANCELLING
                    if self.handing is not None and self.row.handed_id is not None:
                        await self.handing.go(self.row)
                    await self._finish(_S.CANCELLED)

    async def _refresh(self) -> BatchStatus:
        row = await insist(lambda: self.parts.store.batches.find(self.row.tenant, self.row.id))
        assert row is not None, "a batch that has not ended is not forgotten"
        self.row = row
        return row.status

    async def _change(self, change: BatchChange) -> None:
        """Change the batch, unless a client has cancelled it meanwhile: then its new status decides what is next."""
        batches, row = self.parts.store.batches, self.row
        try:
            await insist(lambda: batches.change(row.tenant, row.id, change))
        except IllegalTransition as problem:
            _log.info("%s", problem)

    async def _check(self) -> None:
        async with self.parts.checks:
            checked = await insist(lambda: check_file(self.parts.store.files, self.row, self.limits, self.parts.clock))
        if checked.problems:
            await self._change(BatchChange(self._at(), _S.FAILED, problems=checked.problems))
            return
        await insist(lambda: self.parts.store.batches.add_lines(self.row.id, checked.lines))
        await self._change(BatchChange(self._at(), _S.IN_PROGRESS, model=checked.model))

    async def _run(self) -> None:
        if self.handing is not None:
            await self.handing.go(self.row)
        self.lines = Lines(self.parts, self.row)
        try:
            if await self._refresh() is not _S.IN_PROGRESS:
                return
            is_done = await self.lines.go()
        finally:
            is_over_time = self.lines.is_over_time
            self.lines = None
        if is_done:
            await self._change(BatchChange(self._at(), _S.FINALIZING))
        elif is_over_time and await self._refresh() is _S.IN_PROGRESS:
            await expire_rest(self.parts.store, self.row)
            await self._finish(_S.EXPIRED)

    async def _finish(self, status: BatchStatus) -> None:
        """Leave what there is. The files are there before the status says so."""
        outputs = await insist(lambda: write_outputs(self.parts.store, self.row, self._at(), self.keep_s))
        await self._change(
            BatchChange(
                self._at(),
                status,
                output_file_id=outputs.output_file_id,
                error_file_id=outputs.error_file_id,
                usage=outputs.usage,
            )
        )

    def _at(self) -> int:
        return int(self.parts.clock.wall())

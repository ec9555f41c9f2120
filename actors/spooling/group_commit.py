"""Group commit: many appends, one fdatasync, in a thread of its own, so that the spooler's loop goes on meanwhile.

    appended ──> waits at most `sync`, or until `sync_records` wait ──> SyncJob in the thread ──> on_durable(receipts)
    committed ─> waits for the next of these, or at most LAZY_S

One job runs at a time; what comes while it runs goes with the next. An error of the disk ends it: `on_error` is told in
the owner's loop, and nothing that waited is acknowledged, ever. A job that never returns keeps only its thread.
"""

import os
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from transports.clock import Clock
from transports.errors import SpoolError
from transports.mailbox import Mailbox, Timer
from transports.spool import Settings, Spool, SyncJob

R = TypeVar("R")
LAZY_S = 1.0  # a commit that a power cut takes back is a repetition, not a loss: it can wait for the next sync


class GroupCommit(Generic[R]):
    """Holds a receipt for each producer, the last one replacing those before, until the disk has what it stands for."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        spool: Spool,
        settings: Settings,
        on_durable: Callable[[Iterable[R]], None],
        on_error: Callable[[SpoolError], None],
    ) -> None:
        self._mailbox, self._clock, self._spool, self._settings = mailbox, clock, spool, settings
        self._on_durable, self._on_error = on_durable, on_error
        self._receipts: dict[Hashable, R] = {}
        self._records = 0
        self._timer: Timer | None = None
        self._job: tuple[SyncJob, dict[Hashable, R]] | None = None
        self._begun_at = 0.0
        self._syncer = _Syncer()
        self.syncs = 0
        mailbox.when_readable(self._syncer.done, self._synced)

    def appended(self, producer: Hashable, receipt: R, records: int) -> None:
        """Something was written that is to be acknowledged."""
        self._receipts[producer] = receipt
        self._records += records
        self._soon()

    def written(self) -> None:
        """Something was written that nobody waits for, but which should not wait long."""
        self._within(self._settings.sync_s)

    def committed(self) -> None:
        """A commit was written: it may wait for the next sync."""
        self._within(LAZY_S)

    def awaits(self, producer: Hashable) -> bool:
        """Whether something of this producer was written that is not known to be durable."""
        return producer in self._receipts or (self._job is not None and producer in self._job[1])

    def under_way_s(self) -> float:
        """For how long the sync that runs has been running; 0 when none is."""
        return self._clock.now() - self._begun_at if self._job is not None else 0.0

    def stop(self, within_s: float) -> Iterable[R] | None:
        """Let the job that runs end; the receipts of what is not known to be durable yet, for who closes the spool.

        None when it does not return in time: then nothing may be acknowledged.
        """
        receipts = [*(self._job[1].values() if self._job else ()), *self._receipts.values()]
        self.abandon()
        return receipts if self._syncer.ended(within_s) else None

    def abandon(self) -> None:
        """The spool is lost: nothing more is synced or acknowledged. The thread ends when its job returns."""
        self._forget_timer()
        self._mailbox.forget(self._syncer.done)
        self._receipts, self._job = {}, None
        self._syncer.stop()

    def _soon(self) -> None:
        if self._job is not None:
            return  # the one under way is followed by another
        if self._settings.strict or self._records >= self._settings.sync_records:
            self._sync()
        else:
            self._within(self._settings.sync_s)

    def _within(self, seconds: float) -> None:
        due = self._clock.now() + seconds
        if self._timer is None or due < self._timer.at:
            self._forget_timer()
            self._timer = self._mailbox.at(due, self._sync)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sync(self) -> None:
        self._forget_timer()
        if self._job is not None:
            self._within(self._settings.sync_s)
            return
        try:
            job = self._spool.dirty()
        except SpoolError as error:
            self._on_error(error)
            return
        receipts, self._receipts, self._records = self._receipts, {}, 0
        if job:
            self._job, self._begun_at = (job, receipts), self._clock.now()
            self._syncer.run(job)
        else:
            self._on_durable(receipts.values())

    def _synced(self) -> None:
        error = self._syncer.result()
        if self._job is None:
            return
        try:
            if error is not None:
                raise error
            (job, receipts), self._job = self._job, None
            self._spool.synced(job)
        except SpoolError as failed:
            self._on_error(failed)
            return
        self.syncs += 1
        self._on_durable(receipts.values())
        if self._receipts:
            self._soon()


class _Syncer:
    """The thread, and a descriptor that is readable when its job has returned."""

    def __init__(self) -> None:
        self.done = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._wake = threading.Semaphore(0)
        self._job: SyncJob | None = None
        self._error: SpoolError | None = None
        self._thread = threading.Thread(target=self._loop, name="sync", daemon=True)
        self._thread.start()

    def run(self, job: SyncJob) -> None:
        self._job = job
        self._wake.release()

    def result(self) -> SpoolError | None:
        os.eventfd_read(self.done)
        return self._error

    def stop(self) -> None:
        """End when the job that runs, if there is one, has returned."""
        self._job = None
        self._wake.release()

    def ended(self, within_s: float) -> bool:
        """Whether it has, waiting so long for it."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while True:
            self._wake.acquire()
            job = self._job
            if job is None:
                os.close(self.done)  # here, because this thread is the last to write to it
                return
            try:
                job.run()
            except SpoolError as error:
                self._error = error
            os.eventfd_write(self.done, 1)

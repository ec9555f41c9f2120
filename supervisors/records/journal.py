"""The root's journal: what happened, one line an event, to the gateway's own output and to a file that is bounded.

    say(event) ──> folding (pure) ──> lines ──┬──> output: human or JSON, from the configured level on
    the root's own log records ──────────────┘└──> DATA_DIR/events.ndjson: JSON, always, what `holdfast events` reads

A line of JSON is {"time" (UTC, ISO 8601), "level", "event", "name", ...the event's fields, "text"}. A sum of events
like one that was written has also "count", "over_s" and "last" (when the last of them was), one of different
children "count", "over_s" and "names" ({name: how many}).

Where systemd reads the output it has each line's level in front as `<N>` (sd-daemon(3)), and no time: the journal has
its own.
"""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from supervisors.face.wording import plain, shortened
from supervisors.records.audit import Audit
from supervisors.records.events import Audited, Event
from supervisors.records.folding import Folding, Rest, Told
from supervisors.records.record_lines import MAX_LETTERS, dumped, local_stamp, stamp
from supervisors.records.rotated import Rotated
from transports.clock import Clock
from transports.names import ROOT

EVENTS = "events.ndjson"  # in the data directory
FILE_BYTES, FILES = 2 * 1024 * 1024, 4
LETTERS = 1000  # of a line for a person; a longer text is in the child's log
SHOWN_NAMES = 8  # of a sum, in a line for a person
NOTE = "Note"  # the kind of a line that is no event of the tree
# sd-daemon(3): syslog's levels
_PRIORITIES = ((logging.ERROR + 1, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

Record = Mapping[str, Any]


class Form(StrEnum):
    """How the gateway's own output is written."""

    HUMAN = "human"
    JSON = "json"


class Journal:
    """See the module's note. `path` is the file, `stream` the output, of which lines below `level` are left out.
    With `prefixed` systemd reads the output (see `read_by_systemd`).

    A disk that refuses is said once on the output; so is its return. Nothing here raises.
    """

    def __init__(
        self,
        path: Path,
        form: Form,
        clock: Clock,
        stream: TextIO,
        level: int = logging.INFO,
        prefixed: bool = False,
        audit: Audit | None = None,
    ) -> None:
        self._file, self._path = Rotated(path, FILE_BYTES, FILES), path
        self._form, self._clock, self._stream, self._level, self._prefixed = form, clock, stream, level, prefixed
        self._audit = audit
        self._folding: Folding[Event] = Folding(clock.now())
        self._unwritten = 0

    def say(self, event: Event) -> None:
        """An event happened; it is written now, or counted and summed up later (whoever debugs has each one). An
        operator's deed goes into the audit record too."""
        if isinstance(event, Audited) and self._audit is not None:
            unrecorded = self._audit.record(event)
            if unrecorded:
                self.note(logging.ERROR, unrecorded)
        debugging = self._level <= logging.DEBUG
        for told in [Told(event)] if debugging else self._folding.said(event, self._clock.now()):
            self._tell(told)

    def note(self, level: int, words: str) -> None:
        """A line of the root's own, among the events; it is not folded."""
        self._write(level, {"event": NOTE, "name": ROOT}, words)

    def look(self, now: float) -> None:
        """Time has passed: write the sums that are due. To be called about every second."""
        for told in self._folding.passed(now):
            self._tell(told)

    def close(self) -> None:
        """Write what was only counted, and let go of the file."""
        for told in self._folding.closed(self._clock.now()):
            self._tell(told)
        self._file.close()
        if self._audit is not None:
            self._audit.close()

    def _tell(self, told: Told[Event] | Rest) -> None:
        if isinstance(told, Rest):
            kind = {"event": told.kind, "name": "", "names": told.names}
            self._write(told.level, {**kind, "count": told.count, "over_s": round(told.over_s, 1)}, rest_text(told))
            return
        event = told.event
        record: dict[str, Any] = {"event": event.kind, **event.fields}
        if told.over_s is not None:
            last = stamp(self._clock.utc_ns() - round(told.ago_s * 1e9))
            record |= {"count": told.count, "over_s": round(told.over_s, 1), "last": last}
        self._write(event.level, record, told_text(told))

    def _write(self, level: int, record: Record, words: str) -> None:
        utc_ns, text = self._clock.utc_ns(), shortened(plain(words[:MAX_LETTERS]), LETTERS)
        frame = {"time": stamp(utc_ns), "level": logging.getLevelName(level)}
        line = dumped({**frame, **record, "text": text})
        if level >= self._level:
            self._show(level, line if self._form is Form.JSON else self._sentence(utc_ns, level, text))
        self._keep(line)

    def _sentence(self, utc_ns: int, level: int, text: str) -> str:
        if self._prefixed:
            return text
        return f"{local_stamp(utc_ns)} {logging.getLevelName(level)} {text}"

    def _show(self, level: int, line: str) -> None:
        with suppress(OSError, ValueError):  # nobody reads it any more: the file has it
            self._stream.write(f"<{priority(level)}>{line}\n" if self._prefixed else f"{line}\n")
            self._stream.flush()

    def _keep(self, line: str) -> None:
        try:
            self._file.append(line)
        except OSError as refused:
            self._unwritten += 1
            if self._unwritten == 1:
                self._complain(logging.ERROR, f"{self._path} cannot be written: {refused.strerror}")
            return
        if self._unwritten:
            missing, self._unwritten = self._unwritten, 0
            self.note(logging.WARNING, f"{self._path} can be written again; it lacks {missing} lines")

    def _complain(self, level: int, words: str) -> None:
        utc_ns = self._clock.utc_ns()
        frame = {"time": stamp(utc_ns), "level": logging.getLevelName(level), "event": NOTE, "name": ROOT}
        human = self._form is Form.HUMAN
        self._show(level, self._sentence(utc_ns, level, words) if human else dumped({**frame, "text": words}))


class ToJournal(logging.Handler):
    """Brings the root's log records into the journal; events among them are known again."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        match record.args:
            case (Event() as event,):
                self._journal.say(event)
            case _:
                self._journal.note(record.levelno, self.format(record))


def read_by_systemd(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether `stream` is what systemd connected to its journal: JOURNAL_STREAM has its device and inode
    (systemd.exec(5)); a stream that was redirected since is another."""
    named = environment.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def priority(level: int) -> int:
    """The syslog priority of a severity."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def told_text(told: Told[Event]) -> str:
    return str(told.event) if told.over_s is None else f"{told.event} x {told.count} in {told.over_s:.0f} s"


def rest_text(rest: Rest) -> str:
    """The sum of events there was no room for, with the children that they were about, the busiest first."""
    busiest = sorted(rest.names, key=lambda name: (-rest.names[name], name))
    shown = ", ".join(busiest[:SHOWN_NAMES]) + (", ..." if len(busiest) > SHOWN_NAMES else "")
    children = "1 child" if len(busiest) == 1 else f"{len(busiest)} children"
    return f"and {rest.count} more {rest.kind} from {children} in {rest.over_s:.0f} s: {shown}"

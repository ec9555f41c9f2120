"""The audit record: what operators asked for, and what came of it, kept long and durable line by line.

DATA_DIR/audit.ndjson has one line a verb: {"time" (UTC, ISO 8601), "level", "event": "Audited", "name", "who", "verb",
"names", "why", "result", "text"}, as in the journal. `who` is what the client says of itself; whoever can reach the
root's mailbox is the gateway's own user (the run directory is closed to others), or root.
"""

import logging
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from supervisors.face.wording import plain
from supervisors.records.events import Audited
from supervisors.records.record_lines import dumped, stamp
from supervisors.records.rotated import Rotated
from transports.clock import Clock

AUDIT = "audit.ndjson"  # in the data directory
FILE_BYTES, FILES = 1024 * 1024, 10


class Audit:
    """The writer of the record at `path`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file, self._clock = Rotated(path, FILE_BYTES, FILES, durable=True), clock

    def record(self, deed: Audited) -> str:
        """Keep a deed; it is on the disk when this returns "". Otherwise why not: a full disk must not keep anybody
        from stopping a machine, so that is no error."""
        frame = {"time": stamp(self._clock.utc_ns()), "level": logging.getLevelName(deed.level), "event": deed.kind}
        try:
            self._file.append(dumped({**frame, **deed.fields, "text": plain(str(deed))}))
        except OSError as refused:
            return f"not in the audit record ({refused.strerror}): {deed}"
        return ""

    def close(self) -> None:
        self._file.close()


def whoami(environment: Mapping[str, str]) -> str:
    """The user of this process, for `Operate.who`: `uid 1000 (anna)`, and `uid 0 (root) for anna` under sudo."""
    uid = os.getuid()
    try:
        name = f" ({pwd.getpwuid(uid).pw_name})"
    except KeyError:  # a user without a name
        name = ""
    behind = environment.get("SUDO_USER")
    return f"uid {uid}{name} for {plain(behind)}" if behind else f"uid {uid}{name}"

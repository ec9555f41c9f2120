"""A child's death, told to everybody: the log at once, north when it stays away, a crash report a moment later."""

from dataclasses import dataclass
from pathlib import Path

from supervisors.life import Life
from supervisors.obituary import Obituary
from supervisors.plan import Child, Phase
from supervisors.records import crashes
from supervisors.records.crashes import Crash, Reports
from supervisors.records.events import ChildDied, say
from supervisors.records.logs import log_path
from transports.clock import Clock
from transports.mailbox import Mailbox

REPORT_AFTER_S = 0.1


@dataclass(frozen=True, slots=True)
class Death:
    """One death: `child` as the plan left it, the `life` that ended (None: there was no process), `at` monotonic s."""

    child: Child
    life: Life | None
    how: str
    trace: str
    at: float

    @property
    def name(self) -> str:
        return self.child.spec.name

    @property
    def pid(self) -> int:
        return self.life.process.pid if self.life else 0

    @property
    def next_in_s(self) -> float:
        waits = self.child.phase in (Phase.WAITING, Phase.QUARANTINED)
        return max(0.0, self.child.due - self.at) if waits else 0.0

    @property
    def event(self) -> ChildDied:
        comes_back = self.child.phase is not Phase.ENDED
        return ChildDied(self.name, self.pid, self.how, self.next_in_s, self.child.on_probation, comes_back)

    def crash(self, log: tuple[str, ...]) -> Crash:
        """The report of it, with the last lines of the child's log."""
        return Crash(
            name=self.name,
            pid=self.pid,
            how=self.child.reason,
            traceback=self.trace,
            log=log,
            beat_age_s=self.at - self.life.last_beat if self.life else None,
            restart=self.child.restarts,
            next_in_s=self.next_in_s,
            quarantined=self.child.on_probation,
            state=self.life.state if self.life else {},
            comes_back=self.child.phase is not Phase.ENDED,
            uptime_s=round(self.at - self.life.started, 3) if self.life else None,
        )


class Deaths:
    """Where the root announces them."""

    def __init__(self, data_dir: Path, obituary: Obituary, clock: Clock, mailbox: Mailbox) -> None:
        self._data_dir, self._obituary, self._mailbox = data_dir, obituary, mailbox
        self._reports = Reports(data_dir / "crashes", clock)

    def announce(self, death: Death) -> None:
        say(death.event)
        if death.child.spec.kind == "device" and death.child.phase is Phase.QUARANTINED:
            last_read_ns = death.life.state.get("last_read_ns", 0) if death.life else 0
            self._obituary.announce(death.name, death.how, last_read_ns)
        # written a moment later: the root is needed for the restart now
        self._mailbox.at(death.at + REPORT_AFTER_S, lambda: self._write(death))

    def _write(self, death: Death) -> None:
        log = crashes.last_lines(log_path(self._data_dir, death.name))
        self._reports.write(death.crash(log))

    def look(self, now: float) -> None:
        """Time has passed: write the reports that sum up what came too often."""
        self._reports.look(now)

    def close(self) -> None:
        """Write what was only counted."""
        self._reports.close()


def cause(how: str, trace: str) -> str:
    """How a process ended, with the last line of the traceback that it left, if it left one."""
    if not trace:
        return how
    lines = trace.strip().splitlines()
    return f"{how}: {lines[-1].strip() if lines else ''}"

"""The edge of a reload: has the text read, the attempt recorded, the acts done, and tells what becomes of it.

    request ──> reading ──> recording ──> ending ──> confirming ──> recording ──> idle
                   │                                     └──> restoring ──┘
                   └──> refused (nothing has changed)

What is to be done is decided in changes.py and confirm.py. One at a time; the root's loop never waits for any of it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from supervisors.configuration import tree
from supervisors.records.events import Audited, Reloaded, ReloadRolledBack
from supervisors.reload import confirm, texts
from supervisors.reload.aside import Aside
from supervisors.reload.changes import changes
from supervisors.reload.confirm import Attempt, Stage
from supervisors.reload.events import ConfigPassedOver, ReloadRefused
from supervisors.reload.history import Outcome, sha256_of
from supervisors.reload.opening import Opening, history_of
from supervisors.reload.reader import Reader
from supervisors.reload.records import Records
from supervisors.reload.trial import Answer, Hands, InForce, Trial, objection, unfit
from supervisors.reload.wire import Reading, Unread
from transports.clock import Clock
from transports.mailbox import Mailbox
from transports.messages import Reload

TICK_S = 0.1  # while an attempt is under way
IDLE, READING, RECORDING = "idle", "reading", "recording"
_OUTCOMES: Mapping[Stage, Outcome] = {Stage.CONFIRMED: Outcome.CONFIRMED, Stage.ROLLED_BACK: Outcome.ROLLED_BACK}
_NOTHING: Mapping[str, Any] = {"touched": [], "waits_for": {}, "left_s": None}


class Reloader:
    """See the module's note. `number` is that of the configuration the gateway has begun with (opening.recorded)."""

    def __init__(self, opening: Opening, number: int, hands: Hands, clock: Clock, mailbox: Mailbox) -> None:
        self._config, self._hands, self._clock, self._mailbox = opening.source.config, hands, clock, mailbox
        gateway = opening.gateway
        self._fixed = texts.fixed(gateway)
        self._force = InForce(tree.root(gateway), sha256_of(opening.text), number, opening.passed_over)
        self._records = Records(history_of(gateway.data_dir), self._config)
        self._asked = gateway.run_dir / "asked.toml"
        self._reader = Reader(opening.source, gateway.run_dir / "reading", clock, mailbox)
        self._aside = Aside(clock, mailbox)
        self._trial: Trial | None = None
        self._phase = IDLE
        self._attempts = 0
        self._last: Mapping[str, Any] = {"number": 0, "outcome": "", "why": ""}
        for told in filter(None, (opening.passed_over, opening.warning)):
            hands.say(ConfigPassedOver(told))

    def pids(self) -> set[int]:
        """The process that reads a configuration is the root's child: nobody may take it for a stranger."""
        return self._reader.pids()

    def status(self) -> dict[str, Any]:
        """Two keys for the gateway's status: "config", which one is in force, and "reload", how the last one goes."""
        trial, force = self._trial, self._force
        now = trial.told(self._hands.children(), self._clock.now()) if trial is not None else _NOTHING
        return {
            "config": {
                "file": str(self._config),
                "number": force.number,
                "passed_over": force.passed_over,
                "directory": str(self._records.history.directory),
            },
            "reload": {"attempt": self._attempts, "phase": self._phase, **now, **self._last},
        }

    # --- what it is asked --------------------------------------------------------------------------------------------

    def request(self, wish: Reload, answer: Answer = lambda _: None) -> None:
        """Do it, and have the answer told once: at once when it is refused, else when it is known what will change.

        {"result", "attempt", "number", "changes", "untouched", "warnings"}, {"error"} or {"problems": [line, ...]}.
        `result` is "under way", "unchanged" or "dry run"; how it goes on is in the status.
        """
        trial = Trial(wish, answer)
        refused = objection(wish) or self._occupied()
        if refused:
            self._audit(trial, f"refused: {refused}")
            answer({"error": refused})
            return
        self._trial, self._phase = trial, READING
        self._hands.notify(True)
        if wish.to:
            self._aside.do(
                lambda: self._records.history.text(wish.to),
                then=lambda _: self._begin(trial, self._records.history.text_path(wish.to), self._read),
                failed=lambda why: self._refuse(trial, {"error": why}),
            )
        elif wish.text:
            self._aside.do(
                lambda: self._records.laid_down(wish.text, self._asked),
                then=lambda path: self._begin(trial, path, self._picked_up),
                failed=lambda why: self._refuse(trial, {"error": why}),
            )
        else:
            self._begin(trial, self._config, self._read)

    def _occupied(self) -> str:
        if self._hands.ending():
            return "the gateway is stopping"
        if self._trial is None:
            return ""
        left_s = self.status()["reload"]["left_s"]
        left = f", {left_s:.0f} s left" if left_s is not None else ""
        return f"another reload is in progress ({self._phase}{left}); try again when it is over"

    def _begin(self, trial: Trial, text_file: Path, then: Callable[[Trial, Reading | Unread], None]) -> None:
        try:
            self._reader.read(text_file, partial(then, trial))
        except OSError as failed:  # no process, no descriptor: later perhaps
            then(trial, Unread(why=f"the configuration cannot be read now: {failed}"))

    def _picked_up(self, trial: Trial, told: Reading | Unread) -> None:
        """What was laid down is not left lying about."""

        def go_on(_: object) -> None:
            self._read(trial, told)

        self._aside.do(lambda: self._records.picked_up(self._asked), then=go_on, failed=go_on)

    def _refuse(self, trial: Trial, answer: dict[str, Any]) -> None:
        lines = answer["problems"] if "problems" in answer else [answer["error"]]
        self._hands.say(ReloadRefused(tuple(lines)))
        self._audit(trial, f"refused: {lines[0]}" + (f" and {len(lines) - 1} more" if len(lines) > 1 else ""))
        trial.answer(answer)
        self._rest()

    # --- from the text to the attempt --------------------------------------------------------------------------------

    def _read(self, trial: Trial, told: Reading | Unread) -> None:
        if isinstance(told, Unread):
            self._refuse(trial, {"problems": list(told.problems)} if told.problems else {"error": told.why})
            return
        trial.reading, trial.plan = told, changes(self._force.root, told.root)
        trial.warnings += told.warnings
        problems = unfit(told, trial.plan, self._fixed)
        if problems:
            self._refuse(trial, {"problems": problems})
        elif self._hands.ending():
            self._refuse(trial, {"error": "the gateway is stopping"})
        elif trial.wish.dry_run:
            self._leave(trial, "dry run")
        elif sha256_of(told.text) == self._force.sha256 and not trial.replaces and not trial.plan.any:
            self._force.passed_over = ""
            self._leave(trial, "unchanged")
        else:
            self._record(trial, told)

    def _leave(self, trial: Trial, result: str) -> None:
        self._reply(trial, result)
        self._rest()

    def _record(self, trial: Trial, reading: Reading) -> None:
        """Write first that it is tried. A disk that is full must not keep anybody from changing what filled it."""
        self._phase, utc_ns = RECORDING, self._clock.utc_ns()

        def numbered(number: int) -> None:
            trial.number = number
            self._try(trial, reading)

        def unrecorded(why: str) -> None:
            trial.warnings.append(f"the history cannot be written ({why}); it is tried all the same")
            self._try(trial, reading)

        def late(number: int) -> None:
            trial.number = number
            if self._trial is not trial and trial.attempt is not None:
                self._aside.do(lambda: self._decide(trial), then=lambda _: None, failed=lambda _: None)

        self._aside.do(lambda: self._records.tried(reading.text, trial.wish, utc_ns), numbered, unrecorded, late)

    def _reply(self, trial: Trial, result: str) -> None:
        self._audit(trial, f"{result}: {trial.effect}")
        trial.answer(trial.reply(result, self._attempts))

    # --- the attempt -------------------------------------------------------------------------------------------------

    def _try(self, trial: Trial, reading: Reading) -> None:
        self._attempts += 1
        self._last = {"number": trial.number, "outcome": "", "why": ""}
        self._reply(trial, "under way")
        within_s = trial.wish.confirm_within_s
        self._carry_out(
            trial, confirm.begun(self._force.root, reading.root, within_s, self._clock.now(), trial.wish.over)
        )
        self._tick(trial)

    def _tick(self, trial: Trial) -> None:
        assert trial.attempt is not None
        if self._hands.ending():
            return  # the next start finds that it was cut short
        attempt = confirm.looked(trial.attempt, self._hands.reaches)
        self._carry_out(trial, confirm.passed(attempt, self._hands.children(), self._clock.now()))
        if trial.attempt.over:
            self._over(trial, trial.attempt)
        else:
            self._mailbox.at(self._clock.now() + TICK_S, lambda: self._tick(trial))

    def _carry_out(self, trial: Trial, step: confirm.Step) -> None:
        trial.attempt, acts = step
        self._phase = str(trial.attempt.stage)
        self._force.root = trial.attempt.in_force
        for act in acts:
            self._hands.do(act)

    # --- its outcome -------------------------------------------------------------------------------------------------

    def _over(self, trial: Trial, attempt: Attempt) -> None:
        """Write it down, then tell."""
        self._phase = RECORDING
        tell = partial(self._tell, trial, attempt)
        if trial.number == 0:
            tell("it is not in the history")
            return
        self._aside.do(
            lambda: self._decide(trial), tell, lambda why: tell(f"this cannot be written to the history ({why})")
        )

    def _decide(self, trial: Trial) -> str:
        assert trial.attempt is not None
        return self._records.decided(trial.number, _OUTCOMES[trial.attempt.stage], trial.attempt.why)

    def _tell(self, trial: Trial, attempt: Attempt, note: str) -> None:
        outcome, reading = _OUTCOMES[attempt.stage], trial.reading
        assert reading is not None
        told = "; ".join(filter(None, (attempt.why, note)))
        self._last = {"number": trial.number, "outcome": str(outcome), "why": told}
        if outcome is Outcome.CONFIRMED:
            self._force.sha256, self._force.number = sha256_of(reading.text), trial.number
            self._force.passed_over = note if trial.replaces else ""
            self._hands.preload(reading.modules)
            self._hands.say(Reloaded(f"configuration {trial.number}, {trial.effect}{f'; {note}' if note else ''}"))
        else:
            if not trial.replaces:
                self._force.passed_over = f"{self._config} was tried and taken back: {told}"
            self._hands.say(ReloadRolledBack(told))
        self._rest()

    def _rest(self) -> None:
        self._trial, self._phase = None, IDLE
        self._hands.notify(False)

    def _audit(self, trial: Trial, result: str) -> None:
        self._hands.say(Audited(trial.wish.who, trial.verb, (), trial.wish.why, result))

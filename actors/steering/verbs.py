"""An operator's verbs, asked from above: each is a question to the root or the spooler, whose answer comes in time."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actors.steering.crash_reports import crash_reports
from actors.steering.ended import Ended, Then
from actors.steering.policy import Reason, is_among
from actors.steering.settings import Settings
from actors.steering.standing import shown, unknown
from transports.errors import HoldfastError
from transports.mailbox import Mailbox
from transports.messages import Ledger, Message, Operate, Reload, Status
from transports.names import ROOT, SPOOLER
from transports.requests.answers import Result
from transports.requests.request import Request, Verb

LOOK_WITHIN_S, WITHIN_S = 2.0, 3.0  # together the 5 s in which a verb is answered
READ_WITHIN_S = 90.0  # a process of its own reads a configuration, and tries each module in it
_COUNTS = ("topic", "producer", "consumer", "read", "delivered", "waiting", "gaps")


class Verbs:
    """`crashes` is the directory of the crash reports, `uplink` what is asked over."""

    def __init__(self, mailbox: Mailbox, crashes: Path, uplink: str) -> None:
        self._mailbox, self._crashes, self._uplink = mailbox, crashes, uplink

    def begin(self, request: Request, who: str, may: Settings, then: Then) -> None:
        """Have it done; `then` is called once, in time."""
        name, devices = request.name, may.devices
        match request.verb:
            case Verb.RESTART | Verb.STOP | Verb.START:
                self._operate(Operate(str(request.verb), name, who, request.why), devices, then)
            case Verb.STATUS:
                self._ask(ROOT, Status(), WITHIN_S, lambda status: _read(shown(status, name, may)), then)
            case Verb.LEDGER:
                self._ask(SPOOLER, Ledger(), WITHIN_S, lambda told: _accounts(told, devices), then)
            case Verb.CRASHES:
                then(self._reports(request, devices))
            case Verb.RELOAD:
                text, within_s = request.config.encode(), request.confirm_within_s
                wish = Reload(within_s, request.dry_run, who=who, why=request.why, text=text, over=self._uplink)
                self._ask(ROOT, wish, READ_WITHIN_S, _reloading, then)

    def _operate(self, wish: Operate, devices: tuple[str, ...], then: Then) -> None:
        """Look first whether there is such a child: the root's own answer would name all that there are."""

        def looked(status: Mapping[str, Any]) -> None:
            refused = unknown(status["children"], wish.name, devices)
            if refused is None:
                self._ask(ROOT, wish, WITHIN_S, _operated, then)
            else:
                then(Ended(Result.REFUSED, refused.reason, refused.why, is_audited=False))

        self._mailbox.ask(ROOT, Status(), LOOK_WITHIN_S, looked, lambda failed: then(_silent(failed)))

    def _reports(self, request: Request, devices: tuple[str, ...]) -> Ended:
        try:
            return _read({"crashes": crash_reports(self._crashes, request.name, devices, request.last)})
        except HoldfastError as wrong:
            return Ended(Result.FAILED, Reason.DISK, str(wrong), is_audited=False)

    def _ask(self, whom: str, question: Message, within_s: float, heard: Callable[[Any], Ended], then: Then) -> None:
        self._mailbox.ask(
            whom,
            question,
            within_s,
            lambda told: then(heard(told)),
            lambda failed: then(_silent(failed)),
        )


def _silent(failed: HoldfastError) -> Ended:
    return Ended(Result.FAILED, Reason.DOWN, str(failed), is_audited=False)


def _read(value: Any) -> Ended:
    return Ended(Result.DONE, value=value, is_audited=False)


def _operated(told: Mapping[str, Any]) -> Ended:
    if told.get("error"):
        return Ended(Result.REFUSED, Reason.ROOT, str(told["error"]))
    return Ended(Result.DONE, value=told["results"])


def _accounts(told: Any, devices: tuple[str, ...]) -> Ended:
    if not isinstance(told, Mapping) or told.get("disk"):
        why = told["disk"] if isinstance(told, Mapping) else "it does not know the answer now"
        return Ended(Result.FAILED, Reason.DOWN, f"the spooler: {why}", is_audited=False)
    rows = [dict(zip(_COUNTS, row, strict=False)) for row in told["rows"]]
    return _read({"rows": [row for row in rows if is_among(str(row["producer"]), devices)]})


def _reloading(told: Mapping[str, Any]) -> Ended:
    problems = told.get("problems") or filter(None, [told.get("error")])
    why = "; ".join(map(str, problems))
    return Ended(Result.REFUSED, Reason.ROOT, why[:4000]) if why else Ended(Result.DONE, value=told)

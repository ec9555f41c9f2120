"""What the uplink counts of its requests, and what of them is told to the root for the audit."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from actors.steering.policy import Refusal
from actors.steering.reports import HOUR_S, Reports
from transports.clock import Clock
from transports.errors import Down
from transports.mailbox import Mailbox
from transports.messages import Requested
from transports.names import ROOT
from transports.requests.request import Request

log = logging.getLogger("holdfast.requests")


class Accounts:
    """Of one uplink. What is executed is told by whoever executes it; here is the rest."""

    def __init__(self, mailbox: Mailbox, clock: Clock, uplink: str) -> None:
        self._mailbox, self._clock, self._uplink = mailbox, clock, uplink
        self._reports: dict[bool, Reports] = {}  # of principals, and of strangers, who must not crowd them out
        self.asked = self.granted = self.refused = 0
        self.last_refusal = ""

    def state(self) -> Mapping[str, Any]:
        """Plain values for the status."""
        return {
            "asked": self.asked,
            "granted": self.granted,
            "refused": self.refused,
            "last_refusal": self.last_refusal,
        }

    def who(self, request: Request) -> str:
        """Who asks, as the audit has it."""
        return f"principal {request.principal} via {self._uplink}"

    def turned_away(self, refusal: Refusal, verb: str) -> None:
        """Somebody who proved nothing."""
        self._count(refusal)
        report = Requested(f"a stranger via {self._uplink}", verb, result=_told(refusal))
        self._report(report, refusal.reason, is_stranger=True)

    def was_refused(self, request: Request, refusal: Refusal) -> None:
        """A principal."""
        self._count(refusal)
        self.ended(request, _told(refusal), refusal.reason)

    def ended(self, request: Request, result: str, cause: str) -> None:
        """What nobody else tells the audit of."""
        names = (request.target,) if request.target else ()
        self._report(Requested(self.who(request), request.verb, names, request.why, result), cause)

    def close(self) -> None:
        """Tell all that was only counted."""
        for reports in self._reports.values():
            for report in reports.closed():
                self._tell(report)

    def _count(self, refusal: Refusal) -> None:
        self.refused += 1
        self.last_refusal = _told(refusal)[:200]

    def _report(self, report: Requested, cause: str, is_stranger: bool = False) -> None:
        if not self._reports:
            self._reports = {known: Reports(self._clock.now()) for known in (False, True)}
            self._look_in_an_hour()
        for told in self._reports[is_stranger].said(report, cause):
            self._tell(told)

    def _look_in_an_hour(self) -> None:
        self._mailbox.at(self._clock.now() + HOUR_S, self._hour_is_over)

    def _hour_is_over(self) -> None:
        for reports in self._reports.values():
            for report in reports.passed(self._clock.now()):
                self._tell(report)
        self._look_in_an_hour()

    def _tell(self, report: Requested) -> None:
        log.info("%s: %s %s: %s", report.who, report.verb, " ".join(report.names), report.result)
        with suppress(Down):
            self._mailbox.tell(ROOT, report)


def _told(refusal: Refusal) -> str:
    return f"refused ({refusal.reason}): {refusal.why}"

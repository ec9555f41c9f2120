"""What a line tells of itself: for all, and of each member."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from actors.lines.standing import Ended, Standing
from actors.lines.turns import Turns
from actors.lines.wire import Over


@dataclass(slots=True)
class Account:
    """Of one member. `last_answer_at` is monotonic, and means something once it has `answered`."""

    asked: int = 0
    answered: int = 0
    timeouts: int = 0
    refused: int = 0  # on probation, and not to be probed yet
    overloaded: int = 0  # its turn did not come in time
    round_trip_s: float = 0.0
    last_answer_at: float = 0.0

    def told(self, name: str, turns: Turns, now: float) -> Mapping[str, Any]:
        """Plain values. What there is none of is left out."""
        member = turns.member(name)
        plain = {
            "state": str(member.standing),
            "asked": self.asked,
            "answered": self.answered,
            "timeouts": self.timeouts,
            "refused": self.refused,
            "overloaded": self.overloaded,
        }
        if self.answered:
            plain["round_trip_ms"] = round(self.round_trip_s * 1000, 1)
            plain["last_answer_age_s"] = round(now - self.last_answer_at, 1)
        if member.standing is Standing.PROBATION:
            plain["next_probe_in_s"] = max(0.0, ceil(10 * (member.probe_at - now)) / 10)
        return plain


class Tally:
    """Counts since the process began; `line_s` is the time that turns took, `lost_s` that of those without answer."""

    def __init__(self) -> None:
        self._requests = self._timeouts = self._overloaded = 0
        self._line_s = self._lost_s = 0.0
        self._accounts: dict[str, Account] = {}

    def of(self, name: str, turns: Turns) -> Account:
        """The account of a member; those that the turns have forgotten are forgotten here, too."""
        if name not in self._accounts:
            self._accounts = {other: kept for other, kept in self._accounts.items() if other in turns.members}
            self._accounts[name] = Account()
        return self._accounts[name]

    def asked(self, name: str, turns: Turns) -> None:
        """Its turn begins."""
        self._requests += 1
        self.of(name, turns).asked += 1

    def over(self, name: str, turns: Turns, over: Over, now: float) -> None:
        """Its turn is over."""
        account = self.of(name, turns)
        self._line_s += over.cost_s
        if over.how is Ended.MISSED:
            self._lost_s += over.cost_s
            self._timeouts += 1
            account.timeouts += 1
        elif over.how is Ended.ANSWERED:
            account.answered += 1
            account.round_trip_s, account.last_answer_at = over.round_trip_s, now

    def overdue(self, name: str, turns: Turns) -> None:
        """Its turn did not come in time."""
        self._overloaded += 1
        self.of(name, turns).overloaded += 1

    def told(self, turns: Turns, now: float) -> Mapping[str, Any]:
        """Plain values for `holdfast status`."""
        members = {name: account.told(name, turns, now) for name, account in sorted(self._accounts.items())}
        return {
            "requests": self._requests,
            "timeouts": self._timeouts,
            "overloaded": self._overloaded,
            "line_s": round(self._line_s, 3),
            "lost_s": round(self._lost_s, 3),
            "waiting": len(turns.waiting),
            "on_probation": sum(member["state"] == Standing.PROBATION for member in members.values()),
            "members": members,
        }

"""What a side tells of a scenario: entries as they happened, and after each step who is alive."""

from dataclasses import dataclass

START, GONE = "start", "gone"


@dataclass(frozen=True, slots=True)
class Entry:
    """A start with its outcome, or an end with its reason; `at` is monotonic seconds and not compared."""

    kind: str
    name: str
    how: str
    at: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.how}"


@dataclass(frozen=True, slots=True)
class StepTold:
    """`result` is OTP's answer to a call ("" from the plan, which gives none)."""

    at: float
    entries: tuple[Entry, ...]
    alive: frozenset[str]
    anew: frozenset[str]  # supervisors that live, but ended in between
    result: str = ""
    listed: frozenset[str] = frozenset()  # who has a child specification

    def of(self, names: frozenset[str]) -> "list[Entry]":
        """The entries of these children."""
        return [entry for entry in self.entries if entry.name in names]

    def __str__(self) -> str:
        result = f" ({self.result})" if self.result else ""
        return f"{'; '.join(map(str, self.entries)) or '-'} => {' '.join(sorted(self.alive)) or 'nobody'}{result}"

"""Who wants to hear of which command, and what they are told: of a key that is known, what is known of it."""

from contextlib import suppress
from dataclasses import dataclass

from actors.commanding.checks import Ending
from actors.commanding.entries import BEGUN, Entry, fingerprint
from actors.commanding.journals import Journals
from transports.errors import Down
from transports.mailbox import Mailbox
from transports.messages import Command, Outcome

RESTARTED = "the device's process ended over it; whether it was executed is not known"
ANOTHERS = "the key is another command's: it was used with another tag or value"


@dataclass(frozen=True, slots=True)
class _Pending:
    """What tells a command without an outcome from others, and who wants to hear of it."""

    what: str
    senders: set[str]


class Answers:
    """See the module's note."""

    def __init__(self, mailbox: Mailbox, journals: Journals) -> None:
        self._mailbox, self._journals = mailbox, journals
        self._pending: dict[str, _Pending] = {}

    def is_known(self, sender: str, command: Command) -> bool:
        """Whether the key is; then its sender is told what came of it, now or when it has ended. If not, it is now."""
        what = fingerprint(command)
        pending, known = self._pending.get(command.key), self._journals.find(command.key)
        if pending is None and known is None:
            self._pending[command.key] = _Pending(what, {sender})
            return False
        first = pending.what if pending is not None else known.what if known is not None else ""
        if first not in ("", what):
            self.tell(sender, command.key, Ending.REJECTED, ANOTHERS)
        elif pending is not None:
            pending.senders.add(sender)
        elif known is not None:
            self.tell(sender, command.key, *_said(known))
        return True

    def ended(self, key: str, ending: Ending, detail: str) -> None:
        """Its outcome, to all who wait for it."""
        pending = self._pending.pop(key, None)
        for sender in pending.senders if pending is not None else ():
            self.tell(sender, key, ending, detail)

    def tell(self, sender: str, key: str, outcome: str, detail: str) -> None:
        """Whoever is gone can ask again, under the same key."""
        with suppress(Down):
            self._mailbox.back(sender, Outcome(key, str(outcome), detail))


def _said(known: Entry) -> tuple[str, str]:
    if known.outcome == BEGUN:  # and nobody waits for its end: it is never begun again
        return Ending.UNKNOWN, RESTARTED
    return known.outcome, known.detail

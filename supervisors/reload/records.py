"""What is written down of each configuration that a gateway tries or begins with. All of it may raise OSError.

Everything here waits for the disk: the root has it done beside its loop (aside.py).
"""

from dataclasses import replace
from pathlib import Path

from supervisors.reload.history import Entry, History, Outcome, last_good, noted, sha256_of
from transports.durable import replace_file
from transports.messages import Reload

CUT_SHORT = "the gateway ended before it was confirmed"


class Records:
    """The history of one gateway, and the file CONFIG that a rollback puts a text back into."""

    def __init__(self, history: History, config: Path) -> None:
        self.history, self._config = history, config

    def started(self, text: bytes, who: str, utc_ns: int) -> int:
        """The gateway begins with this text; its number. An attempt that is still open was cut short."""
        for entry in self.history.entries():
            if entry.outcome is Outcome.TRYING:
                self.history.settle(entry.number, Outcome.ABANDONED, CUT_SHORT)
        good = last_good(self.history.entries())
        if good is not None and good.sha256 == sha256_of(text):
            return good.number
        return self.history.add(text, noted(who, "the gateway was started with it", utc_ns, Outcome.STARTED)).number

    def tried(self, text: bytes, wish: Reload, utc_ns: int) -> int:
        """This text is about to be tried; its number. What a rollback will replace in CONFIG is kept as well."""
        entry = noted(wish.who, wish.why or _reason(wish), utc_ns, Outcome.TRYING)
        if wish.to or wish.text:
            entry = replace(entry, instead_of=self._to_be_replaced(text, entry))
        return self.history.add(text, entry).number

    def laid_down(self, text: bytes, path: Path) -> Path:
        """A text that came from elsewhere, where it can be read like any other."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(text)
        return path

    def picked_up(self, path: Path) -> None:
        """It has been read, and is nobody's business any more."""
        path.unlink(missing_ok=True)

    def decided(self, number: int, outcome: Outcome, reason: str) -> str:
        """What became of it; a sentence on what a rollback could not do, or ""."""
        entry = self.history.settle(number, outcome, reason)
        return self._put_back(entry) if entry.good and entry.instead_of else ""

    def _to_be_replaced(self, text: bytes, entry: Entry) -> str:
        try:
            standing = self._config.read_bytes()
        except OSError:
            return ""  # there is nothing to lose
        sha256 = sha256_of(standing)
        if sha256 == sha256_of(text):
            return ""
        if all(known.sha256 != sha256 for known in self.history.entries()):
            self.history.add(standing, replace(entry, outcome=Outcome.REPLACED))
        return sha256

    def _put_back(self, entry: Entry) -> str:
        config = self._config.resolve()  # a link stays one
        try:
            if sha256_of(config.read_bytes()) != entry.instead_of:
                return f"{config} was edited meanwhile and is left as it is; the next start takes that"
            replace_file(config, self.history.text(entry.number), like=config.stat())
        except OSError as refused:
            return (
                f"{config} cannot be replaced ({refused.strerror}); the gateway starts with configuration "
                f"{entry.number} all the same, until that file is changed"
            )
        return ""


def _reason(wish: Reload) -> str:
    return f"rollback to {wish.to}" if wish.to else ""

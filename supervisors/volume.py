"""How much each child says in its log: the configured level, until an operator asks for another."""

import logging
from collections.abc import Callable, Sequence

from supervisors.meant import meant
from supervisors.plan import Tree
from supervisors.records.audit import Audit
from supervisors.records.events import Audited, LevelChanged, say
from transports.errors import Down, HoldfastError
from transports.mailbox import Mailbox
from transports.messages import Level
from transports.settings import nearest

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class Volume:
    """The levels by name; one that was asked for stays for the child's successors, until the gateway ends."""

    def __init__(self, house: str, audit: Audit, tree: Callable[[], Tree], mailbox: Mailbox) -> None:
        self._house, self._audit, self._tree, self._mailbox = house, audit, tree, mailbox
        self._asked: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The level from which a child logs."""
        return self._asked.get(name, self._house)

    def forget(self, name: str) -> None:
        """The child has left the tree."""
        self._asked.pop(name, None)

    def grant(self, wish: Level) -> dict[str, object]:
        """Set it, also for the process that runs: {"results": {name: text}} or {"error": why not}."""
        level = wish.level.upper()
        try:
            if level not in LEVELS:
                raise HoldfastError(f"unknown level {wish.level!r}; {nearest(level, LEVELS)}")
            names = self._processes(meant(self._tree(), wish.name, subtree=True))
        except HoldfastError as refused:
            return {"error": str(refused)}
        for name in names:
            self._set(name, level, wish.who)
        failed = self._audit.record(Audited(wish.who, f"level {level}", tuple(names), "", "done"))
        return {"results": dict.fromkeys(names, f"logs from {level} on{f' ({failed})' if failed else ''}")}

    def _processes(self, names: Sequence[str]) -> list[str]:
        tree = self._tree()
        return [each for name in names for each in (name, *tree.below(name)) if each not in tree.members]

    def _set(self, name: str, level: str, who: str) -> None:
        self._asked[name] = level
        try:
            self._mailbox.tell(name, Level(level))
        except Down:
            logging.getLogger("holdfast.volume").debug("%s is down; its successor will know", name)
        say(LevelChanged(name, level, who))

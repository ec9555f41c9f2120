"""The root's side of a reload: what it lends to the one who carries it out, and whom it asks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from supervisors.held import Held
from supervisors.house import House
from supervisors.plan import Step, Tree
from supervisors.records.audit import Audit
from supervisors.records.events import Audited, Event, say
from supervisors.reload.acts import done
from supervisors.reload.changes import Act
from supervisors.reload.reloader import Reloader
from supervisors.reload.trial import Hands
from transports.clock import Clock
from transports.messages import Reload

NOTHING: Mapping[str, Any] = {"config": None, "reload": None}


class Changing:
    """Brings other configurations into force; without a `reloader` every such wish is refused."""

    def __init__(
        self,
        house: House,
        held: Held,
        audit: Audit,
        clock: Clock,
        tree: Callable[[], Tree],
        decide: Callable[[Step], None],
        reaches: Callable[[str], bool],
    ) -> None:
        self._house, self._held, self._audit, self._clock = house, held, audit, clock
        self._tree, self._decide, self._reaches = tree, decide, reaches
        self._reloader: Reloader | None = None
        self.modules = [*house.preload]  # what the next zygote loads

    def by(self, reloader: Callable[[Hands], Reloader]) -> None:
        """Who does it."""
        self._reloader = reloader(
            Hands(
                children=lambda: self._tree().children,
                ending=lambda: self._tree().ending,
                do=self._do,
                reaches=self._reaches,
                say=self._say,
                preload=self._load_beforehand,
                notify=self._house.reloading,
            )
        )

    def ask(self, wish: Reload, answer: Callable[[Any], None]) -> None:
        """The answer is told when it is known what will change."""
        if self._reloader is None:
            answer({"error": "this gateway has no configuration file"})
        else:
            self._reloader.request(wish, answer)

    def pids(self) -> set[int]:
        """Processes of its own that the root has."""
        return self._reloader.pids() if self._reloader is not None else set()

    def status(self) -> Mapping[str, Any]:
        """The status's keys "config" and "reload"."""
        return self._reloader.status() if self._reloader is not None else NOTHING

    def _do(self, act: Act) -> None:
        self._decide(done(self._tree(), act, self._held.names, self._clock.now()))

    def _say(self, event: Event) -> None:
        say(event)
        if isinstance(event, Audited):
            self._audit.record(event)

    def _load_beforehand(self, modules: Sequence[str]) -> None:
        """This zygote's children import for themselves what the next one will have."""
        self.modules += [module for module in modules if module not in self.modules]

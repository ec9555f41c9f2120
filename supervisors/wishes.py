"""The operator's wishes: each is refused with a cure, or made lasting and handed to the plan; all are audited."""

import logging
from collections.abc import Callable, Mapping, Sequence

from supervisors import plan
from supervisors.held import Held
from supervisors.meant import meant, objection
from supervisors.plan import Step, Tree
from supervisors.records.audit import Audit
from supervisors.records.events import Audited, Commanded, say
from transports.errors import HoldfastError
from transports.messages import Command, Deed, Operate
from transports.settings import nearest

log = logging.getLogger("holdfast.supervisor")
VERBS: Mapping[str, Callable[[Tree, str, float], Step]] = {
    "restart": plan.asked_restart,
    "stop": plan.asked_stop,
    "start": plan.asked_start,
}
Answer = dict[str, object]


class Wishes:
    """Carries them out: `tree` is how things stand, `decide` takes the plan's step, `end` ends all at a given time."""

    def __init__(
        self,
        held: Held,
        audit: Audit,
        tree: Callable[[], Tree],
        decide: Callable[[Step], None],
        end: Callable[[float], object],
    ) -> None:
        self._held, self._audit, self._tree, self._decide, self._end = held, audit, tree, decide, end

    def grant(self, wish: Operate, now: float) -> Answer:
        """The answer to the operator: {"results": {name: what follows}}, or {"error": why nothing does}; `error` is
        also there beside results when some of them were refused."""
        try:
            names = self._meant(wish)
        except HoldfastError as refused:
            self.audited(wish.who, wish.verb, [wish.name] if wish.name else [], wish.why, f"refused: {refused}")
            return {"error": str(refused)}
        if wish.verb == "shutdown":
            note = self.audited(wish.who, wish.verb, [], wish.why, "under way")
            self._end(now)
            return {"results": {"": f"under way{note}"}}
        return self._carry_out(wish, names, now)

    def _meant(self, wish: Operate) -> Sequence[str]:
        if wish.verb == "shutdown":
            return []
        if wish.verb not in VERBS:
            raise HoldfastError(f"unknown verb {wish.verb!r}; {nearest(wish.verb, list(VERBS))}")
        return meant(self._tree(), wish.name, wish.subtree)

    def _carry_out(self, wish: Operate, names: Sequence[str], now: float) -> Answer:
        refused = {name: why for name in names if (why := objection(self._tree(), wish.verb, name))}
        granted = [name for name in names if name not in refused]
        lasting = self._remember(wish.verb, granted)
        results = {}
        for name in granted:
            self._decide(VERBS[wish.verb](self._tree(), name, now))
            results[name] = f"{self._tree().children[name].phase}{lasting}"
        note = self.audited(wish.who, wish.verb, names, wish.why, _told(results, refused))
        results = {name: f"{text}{note}" for name, text in results.items()}
        errors = "; ".join(f"{name}: {why}" for name, why in refused.items())
        return {"results": results, **({"error": errors} if refused else {})}

    def _remember(self, verb: str, names: Sequence[str]) -> str:
        """Hold them, or no longer, also when the gateway is restarted; a word on it when that cannot be."""
        try:
            (self._held.add if verb == "stop" else self._held.remove)(*names)
        except OSError as refused:  # a full disk must not keep anybody from stopping a machine
            return f", until the gateway is restarted: {refused}"
        return ""

    def done(self, deed: Deed) -> None:
        """A device executed a command, or did not. What rules want is an event alone: their own settings stand for it,
        and ten a second must not push what people did out of the record."""
        try:
            command = Command(*deed.command[: len(Command.slots_in_order)])
        except TypeError:  # of a process of another version
            log.warning("%s told of a command that is not understood: %.200r", deed.device, deed.command)
            return
        target = f"{deed.device}.{command.tag} = {command.value!r:.80}" if command.tag else deed.device
        result = f"{deed.outcome}: {deed.detail}" if deed.detail else deed.outcome
        if command.origin.startswith("rule:"):
            say(Commanded(deed.device, command.origin, target, result))
        else:
            self.audited(command.who or command.origin, "send", [target], command.why or f"key {command.key}", result)

    def audited(self, who: str, verb: str, names: Sequence[str], why: str, result: str) -> str:
        """Say what was asked and what came of it, and record it; a word for the answer when that failed."""
        deed = Audited(who, verb, tuple(names), why, result)
        say(deed)
        failed = self._audit.record(deed)
        return f" ({failed})" if failed else ""


def _told(results: Mapping[str, str], refused: Mapping[str, str]) -> str:
    """All outcomes in one line; many children with the same outcome are not named again."""
    outcomes = [*dict.fromkeys(results.values()), *(f"refused: {why}" for why in dict.fromkeys(refused.values()))]
    return ", ".join(outcomes)

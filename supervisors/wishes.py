"""The operator's wishes: each is refused with a cure, or made lasting and handed to the plan."""

from collections.abc import Callable, Mapping

from supervisors import plan
from supervisors.events import Operated, say
from supervisors.held import Held
from supervisors.plan import Phase, Step, Tree
from transports.messages import Operate
from transports.settings import nearest

VERBS: Mapping[str, Callable[[Tree, str, float], Step]] = {
    "restart": plan.asked_restart,
    "stop": plan.asked_stop,
    "start": plan.asked_start,
}


class Wishes:
    """Carries them out: `tree` is how things stand, `decide` takes the plan's step, `end` ends all at a given time."""

    def __init__(
        self, held: Held, tree: Callable[[], Tree], decide: Callable[[Step], None], end: Callable[[float], object]
    ) -> None:
        self._held, self._tree, self._decide, self._end = held, tree, decide, end

    def grant(self, wish: Operate, now: float) -> dict[str, str]:
        """The answer to the operator: {"result": what follows}, or {"error": why nothing does}."""
        refused = objection(wish, self._tree())
        if refused:
            return {"error": refused}
        result = self._carry_out(wish, now)
        say(Operated(wish.who, wish.verb, wish.name, result))
        return {"result": result}

    def _carry_out(self, wish: Operate, now: float) -> str:
        if wish.verb == "shutdown":
            self._end(now)
            return "under way"
        lasting = self._remember(wish)
        self._decide(VERBS[wish.verb](self._tree(), wish.name, now))
        return f"{self._tree().children[wish.name].phase}{lasting}"

    def _remember(self, wish: Operate) -> str:
        """Hold it, or no longer, also when the gateway is restarted; a word on it when that cannot be."""
        try:
            (self._held.add if wish.verb == "stop" else self._held.remove)(wish.name)
        except OSError as refused:  # a full disk must not keep anybody from stopping a machine
            return f", until the gateway is restarted: {refused}"
        return ""


def objection(wish: Operate, tree: Tree) -> str:
    """Why a wish cannot be granted; "" when it can."""
    if wish.verb == "shutdown":
        return ""
    if wish.verb not in VERBS:
        return f"unknown verb {wish.verb!r}; {nearest(wish.verb, list(VERBS))}"
    if wish.name not in tree.children:
        return f"unknown name {wish.name!r}; {nearest(wish.name, list(tree.children))}"
    if tree.children[wish.name].phase is Phase.BROKEN:
        return f"{wish.name} cannot be built: {tree.children[wish.name].reason}"
    return ""

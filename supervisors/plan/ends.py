"""What follows an end: a child comes back, waits, is quarantined or stays down; a supervisor may give up."""

from math import inf

from supervisors.plan.tree import GOING, LIVE, At, Child, End, GiveUp, Phase, Step, Then, Tree, change, without
from supervisors.plan.turns import begin, busy
from supervisors.spec import AutoShutdown, Exhausted, Restart


def ended(tree: Tree, name: str, end: End, how: str, at: At) -> Step:
    """A child is gone: its process, or all the children of a supervisor."""
    child = tree.children[name]
    if child.successor is not None:
        tree = change(tree, name, spec=child.successor, successor=None)
    if child.phase is Phase.STOPPING:
        return _obeyed(tree, name, at)
    if name == tree.root:
        return _at_rest(tree, name, Phase.ENDED, how, at), ()
    keeper = tree.parents[name]
    if tree.children[keeper].phase in GOING:
        return _at_rest(tree, name, Phase.ENDED, how, at), ()
    if child.ready and tree.together(keeper) and busy(tree, keeper):
        return change(_at_rest(tree, name, Phase.WAITING, how, at), name, unheard=end), ()
    return heard(tree, name, end, how, at)


def heard(tree: Tree, name: str, end: End, how: str, at: At) -> Step:
    """The supervisor deals with the end of a child that ended by itself."""
    child, keeper = tree.children[name], tree.parents[name]
    escalates = tree.rules(keeper).on_exhausted is Exhausted.ESCALATE
    if end is End.IGNORED:
        return _at_rest(tree, name, Phase.ENDED, how, at), ()
    if not child.ready and end is End.ABNORMAL:
        if escalates and tree.children[keeper].phase is Phase.STARTING:
            tree = _at_rest(tree, name, Phase.ENDED, how, at)
            return _fall(tree, keeper, End.ABNORMAL, f"{name} failed to start: {how}", at)
        if child.spec.restart is not Restart.TEMPORARY:
            return _failed(tree, name, how, at)
    if comes_back(child.spec.restart, end):
        return _failed(tree, name, how, at)
    return _auto_shutdown(_at_rest(tree, name, Phase.ENDED, how, at), name, at)


def comes_back(restart: Restart, end: End) -> bool:
    """Whether a child of this type is started again after such an end."""
    return restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and end is End.ABNORMAL)


def _obeyed(tree: Tree, name: str, at: At) -> Step:
    """It was told to stop, and did."""
    child = tree.children[name]
    if child.spec.broken and child.then is not Then.HOLD:
        return _at_rest(tree, name, Phase.BROKEN, child.spec.broken, at), ()
    match _then(tree, name):
        case Then.RESTART:
            return begin(change(tree, name, restarts=child.restarts + 1), name, at)
        case Then.GROUP if child.spec.restart is not Restart.TEMPORARY:
            tree = change(tree, name, restarts=child.restarts + 1)
            return _at_rest(tree, name, Phase.PENDING, "", at), ()
        case Then.HOLD:
            return _at_rest(tree, name, Phase.HELD, "held by the operator", at), ()
        case Then.LEAVE:
            return without(tree, name), ()
        case _:
            return _at_rest(tree, name, Phase.ENDED, "", at), ()


def _then(tree: Tree, name: str) -> Then:
    """What follows; nobody comes back to a supervisor that goes down."""
    then = tree.children[name].then
    coming = then in (Then.RESTART, Then.GROUP) and name != tree.root
    return Then.END if coming and tree.children[tree.parents[name]].phase in GOING else then


def _at_rest(tree: Tree, name: str, phase: Phase, reason: str, at: At) -> Tree:
    return change(tree, name, phase=phase, since=at.now, due=inf, reason=reason)


def _auto_shutdown(tree: Tree, name: str, at: At) -> Step:
    """A significant child has ended for good: its supervisor may have done its work."""
    keeper = tree.parents[name]
    rule, child = tree.rules(keeper).auto_shutdown, tree.children[name]
    if rule is AutoShutdown.NEVER or not child.spec.significant:
        return tree, ()
    others = (tree.children[each] for each in tree.members[keeper])
    if rule is AutoShutdown.ALL and any(each.spec.significant and _may_live(each) for each in others):
        return tree, ()
    return _fall(tree, keeper, End.SHUTDOWN, f"{name} has ended, and with it the purpose of {keeper}", at)


def _may_live(child: Child) -> bool:
    return child.phase in LIVE or child.phase in (Phase.PENDING, Phase.WAITING, Phase.QUARANTINED)


def _fall(tree: Tree, keeper: str, fate: End, why: str, at: At) -> Step:
    """A supervisor goes down by itself: its children are stopped in reverse, then it has ended with `fate`."""
    if tree.children[keeper].phase in GOING:
        return tree, ()
    tree = change(tree, keeper, phase=Phase.DYING, since=at.now, due=inf, fate=fate, reason=why, group=())
    return tree, (GiveUp(keeper, why),) if fate is End.ABNORMAL else ()


def _failed(tree: Tree, name: str, how: str, at: At) -> Step:
    """A restart is owed: at once the first time, later with a back-off, as long as the budget lasts."""
    if tree.rules(tree.parents[name]).on_exhausted is Exhausted.ESCALATE:
        return _failed_among_all(tree, name, how, at)
    rules, child = tree.rules(tree.parents[name]), tree.children[name]
    recent = _counted(child.recent, rules.intensity, rules.period_s, at.now)
    spent = child.on_probation or len(recent) > rules.intensity
    tree = change(tree, name, recent=recent, on_probation=spent)
    return _comes_again(tree, name, Phase.QUARANTINED if spent else Phase.WAITING, how, at), ()


def _failed_among_all(tree: Tree, name: str, how: str, at: At) -> Step:
    keeper = tree.parents[name]
    rules = tree.rules(keeper)
    restarted = _counted(tree.children[keeper].restarted, rules.intensity, rules.period_s, at.now)
    tree = change(tree, keeper, restarted=restarted)
    if len(restarted) > rules.intensity:
        why = f"more than {rules.intensity} restarts within {rules.period_s:g} s, the last one of {name}: {how}"
        return _fall(_at_rest(tree, name, Phase.ENDED, how, at), keeper, End.ABNORMAL, why, at)
    return _comes_again(tree, name, Phase.WAITING, how, at), ()


def _counted(times: tuple[float, ...], intensity: int, period_s: float, now: float) -> tuple[float, ...]:
    """The restarts within the period, this one among them; no more are kept than show that it is too many."""
    return (*(then for then in times if now - then <= period_s), now)[-intensity - 1 :]


def _comes_again(tree: Tree, name: str, phase: Phase, how: str, at: At) -> Tree:
    child = tree.children[name]
    delays = bool(child.failures) or phase is Phase.QUARANTINED
    delay_s = child.spec.backoff.delay_s(max(0, child.failures - 1), at.luck) if delays else 0.0
    counts = {"failures": child.failures + 1, "restarts": child.restarts + 1}
    return change(tree, name, phase=phase, since=at.now, due=at.now + delay_s, reason=how, **counts)

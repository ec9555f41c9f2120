"""Scenarios as Erlang terms, the way otp.escript reads them.

{Number, SUP, [{Id, [Outcome]}], [STEP]}.
SUP    {sup, Id, Restart, Significant, {Strategy, Intensity, Period, AutoShutdown}, [SUP | WORKER]}
WORKER {worker, Id, Restart, Significant, Milliseconds | brutal_kill, Manner}
STEP   {crash, Sup, [Id], Reason} | {terminate | restart | delete, Sup, Id} | {start, Sup, SUP | WORKER}
       | {wait, Milliseconds} | {align, Milliseconds} | shutdown
"""

from tests.otp.scenarios import (
    BRUTAL_KILL,
    ERROR,
    Act,
    Add,
    Align,
    Crash,
    End,
    Node,
    RemoveIt,
    Scenario,
    StartIt,
    StopIt,
    Sup,
    Wait,
)

ALWAYS = 50  # more starts than any child is given in a scenario


def term(number: int, scenario: Scenario) -> str:
    """One line."""
    parents = scenario.parents()
    steps = ", ".join(_step(act, parents) for act in scenario.acts)
    return f"{{{number}, {_node(scenario.root)}, {_starts(scenario)}, [{steps}]}}.\n"


def _node(node: Node) -> str:
    head = f"{node.name}, {node.restart}, {str(node.significant).lower()}"
    if isinstance(node, Sup):
        flags = f"{{{node.strategy}, {node.intensity}, {node.period_s}, {node.auto_shutdown}}}"
        return f"{{sup, {head}, {flags}, [{', '.join(_node(child) for child in node.children)}]}}"
    grace = "brutal_kill" if node.grace_ms == BRUTAL_KILL else node.grace_ms
    return f"{{worker, {head}, {grace}, {node.manner}}}"


def _starts(scenario: Scenario) -> str:
    scripts = {
        name: (ERROR,) * ALWAYS if worker.broken else worker.starts for name, worker in scenario.workers().items()
    }
    told = [f"{{{name}, [{', '.join(each)}]}}" for name, each in scripts.items() if each]
    return f"[{', '.join(told)}]"


def _step(act: Act, parents: dict[str, str]) -> str:
    match act:
        case Crash(names, how):
            return f"{{crash, {parents[names[0]]}, [{', '.join(names)}], {how}}}"
        case StopIt(name):
            return f"{{terminate, {parents[name]}, {name}}}"
        case StartIt(name):
            return f"{{restart, {parents[name]}, {name}}}"
        case RemoveIt(name):
            return f"{{delete, {parents[name]}, {name}}}"
        case Add(parent, node):
            return f"{{start, {parent}, {_node(node)}}}"
        case Wait(seconds):
            return f"{{wait, {round(seconds * 1000)}}}"
        case Align(after_s):
            return f"{{align, {round(after_s * 1000)}}}"
        case End():
            return "shutdown"

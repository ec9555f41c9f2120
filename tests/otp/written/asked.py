"""What people ask for: terminate_child, restart_child, delete_child, start_child (reference manual)."""

from tests.otp.scenarios import ERROR, HALTED, IGNORE, OK, Add, RemoveIt, StartIt, StopIt
from tests.otp.written.short import ALL, NORMAL, REST, crash, root, sup, temporary, told, transient, worker, workers

THREE = workers("a b c")
X = worker("x")

SCENARIOS = (
    told("a stopped child stays down", root(*THREE), StopIt("b"), crash("a")),
    told("a stopped child starts when asked to", root(*THREE), StopIt("b"), StartIt("b"), crash("b")),
    told("stopping twice is stopping once", root(*THREE), StopIt("b"), StopIt("b"), StartIt("b")),
    told("starting a running child changes nothing", root(*THREE), StartIt("b")),
    told(
        "stop and start do not count as restarts",
        root(*THREE, intensity=1),
        *(StopIt("b"), StartIt("b")) * 4,
        crash("b"),
    ),
    told(
        "a group's restart comes after an operator's start as before",
        root(*THREE, strategy=ALL),
        StopIt("b"),
        StartIt("b"),
        crash("a"),
    ),
    told(
        "a transient child that ended starts when asked to",
        root(transient("a"), worker("b")),
        crash("a", NORMAL),
        StartIt("a"),
    ),
    told("an ignored child starts when asked to", root(worker("a", IGNORE), worker("b")), StartIt("a")),
    told(
        "an operator's start may be ignored too",
        root(worker("a", OK, IGNORE), worker("b")),
        StopIt("a"),
        StartIt("a"),
        StartIt("a"),
    ),
    told("a removed child is gone", root(*THREE), StopIt("b"), RemoveIt("b"), StartIt("b"), crash("c")),
    told("a removed child is no part of its group", root(*THREE, strategy=ALL), StopIt("b"), RemoveIt("b"), crash("c")),
    told("a running child is not removed", root(*THREE), RemoveIt("b"), crash("b")),
    told(
        "a removed name is free",
        root(*THREE, strategy=ALL),
        StopIt("a"),
        RemoveIt("a"),
        Add("root", worker("a")),
        crash("b"),
    ),
    told("a child added later is supervised alike", root(*THREE), Add("root", X), crash("x")),
    told(
        "a child added later comes last in its group",
        root(*THREE, strategy=ALL, intensity=2),
        Add("root", X),
        crash("x"),
        crash("a"),
    ),
    told("a child added later goes with those before it", root(*THREE, strategy=REST), Add("root", X), crash("c")),
    told("a name is taken once", root(*THREE), Add("root", worker("b")), crash("b")),
    told("a temporary child added later does not come back", root(*THREE), Add("root", temporary("x")), crash("x")),
    told(
        "an added child whose start is ignored is known and starts when asked to",
        root(*THREE),
        Add("root", worker("x", IGNORE)),
        StartIt("x"),
        crash("x"),
    ),
    told(
        "a supervisor is added with all it has",
        root(*THREE, intensity=3),
        Add("root", sup("s", *workers("x y"), strategy=ALL)),
        crash("x"),
        crash("y"),
        crash("y"),
    ),
    told(
        "a child is added to a sub-supervisor",
        root(sup("s", *THREE), worker("d")),
        Add("s", X),
        crash("x"),
        StopIt("x"),
    ),
    told(
        "a sub-supervisor that was stopped starts all its children again",
        root(sup("s", temporary("a"), transient("b"), worker("c")), worker("d")),
        crash("a"),
        crash("b", NORMAL),
        StopIt("s"),
        StartIt("s"),
        crash("c"),
    ),
    told(
        "a stop during a restart loop ends the loop",
        root(worker("a", OK, ERROR, HALTED), worker("b"), intensity=5),
        crash("a"),
        StartIt("a"),
        crash("a"),
    ),
)

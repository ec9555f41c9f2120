"""How children are stopped: shutdown with a time, brutal_kill, deaf ones (design principles, "Child Specification")."""

from tests.otp.scenarios import BRUTAL_KILL, DEAF, OK, UNTIDY, Add, StartIt, StopIt
from tests.otp.written.short import ALL, NORMAL, REST, SHUTDOWN, crash, root, sup, told, transient, worker, workers

DEAF_ONE = worker("d", grace_ms=5, manner=DEAF)
BRUTAL = worker("k", grace_ms=BRUTAL_KILL)
RUDE = worker("u", manner=UNTIDY)

SCENARIOS = (
    told(
        "a child that does not stop in time is killed, then the one before it is stopped",
        root(worker("a"), DEAF_ONE, worker("b")),
    ),
    told("a child with brutal_kill is killed without being asked", root(worker("a"), BRUTAL, worker("b"))),
    told(
        "an error while stopping is no crash",
        root(worker("a"), RUDE, worker("b"), strategy=ALL, intensity=1),
        crash("b"),
    ),
    told(
        "a transient child that stops with an error in a group's restart is started again",
        root(worker("a"), transient("t", manner=UNTIDY), strategy=ALL),
        crash("a"),
    ),
    told(
        "a deaf child in a group's restart is killed and started again",
        root(DEAF_ONE, worker("b"), strategy=ALL),
        crash("b"),
    ),
    told(
        "a brutally killed child in a group's restart is started again",
        root(worker("a"), BRUTAL, strategy=REST),
        crash("a"),
    ),
    told(
        "a supervisor that gives up kills the deaf as well",
        root(DEAF_ONE, worker("b"), BRUTAL, intensity=0),
        crash("b"),
    ),
    told(
        "the end of a tree goes through sub-supervisors in reverse",
        root(worker("a"), sup("s", worker("b"), DEAF_ONE), sup("t", BRUTAL, RUDE), worker("c")),
    ),
    told(
        "stopping a sub-supervisor stops its children in reverse",
        root(sup("s", *workers("a b c")), worker("d")),
        StopIt("s"),
    ),
    told("stopping a deaf child kills it", root(DEAF_ONE, worker("b")), StopIt("d")),
    told("a child that was stopped with an error can be started", root(RUDE, worker("b")), StopIt("u"), StartIt("u")),
    told("a dynamic child is stopped first", root(*workers("a b")), Add("root", worker("x"))),
    told(
        "who is already down is not stopped",
        root(transient("a"), transient("b", OK), worker("c")),
        crash("b", NORMAL),
        crash("a", SHUTDOWN),
    ),
)

"""How a tree comes up: in order, and what becomes of it when a start fails or is ignored (start_link)."""

from tests.otp.scenarios import DIES, ERROR, IGNORE, OK
from tests.otp.written.short import ALL, NORMAL, REST, crash, root, sup, temporary, told, transient, worker, workers

SCENARIOS = (
    told("children start from left to right, and stop from right to left", root(*workers("a b c d e"))),
    told("a supervisor may have no children", root()),
    told(
        "a start that fails stops what was started, and the supervisor does not come up",
        root(*workers("a b"), worker("c", ERROR), worker("d")),
    ),
    told("so does the first one's", root(worker("a", ERROR), worker("b"))),
    told("so does a transient child's", root(worker("a"), transient("b", ERROR))),
    told("so does a temporary child's", root(worker("a"), temporary("b", ERROR))),
    told(
        "an ignored start leaves the child out, and the others start",
        root(worker("a"), worker("b", IGNORE), worker("c")),
    ),
    told(
        "a group's restart tries an ignored child again",
        root(worker("a"), worker("b", IGNORE), worker("c"), strategy=ALL),
        crash("c"),
    ),
    told(
        "an ignored temporary child is not tried again",
        root(worker("a"), temporary("b", IGNORE), worker("c"), strategy=ALL),
        crash("c"),
    ),
    told(
        "a restart that is ignored leaves the child down",
        root(worker("a", OK, IGNORE), worker("b")),
        crash("a"),
        crash("b"),
    ),
    told(
        "an ignored child in a group's restart does not hold up the others",
        root(worker("a"), worker("b", OK, IGNORE), worker("c"), strategy=REST, intensity=2),
        crash("a"),
        crash("a"),
    ),
    told(
        "a sub-supervisor's failing start fails the whole start",
        root(worker("a"), sup("s", worker("b"), worker("c", ERROR)), worker("d")),
    ),
    told(
        "a death during the start is heard when all have started",
        root(worker("a"), worker("b"), worker("c", DIES), intensity=2),
    ),
    told(
        "a normal end after the start changes nothing for the others",
        root(transient("a"), *workers("b c")),
        crash("a", NORMAL),
    ),
)

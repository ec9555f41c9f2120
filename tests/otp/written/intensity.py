"""How often: the maximum restart intensity (design principles, "Maximum Restart Intensity")."""

from tests.otp.scenarios import DIES, ERROR, OK, SHORT_S, Wait
from tests.otp.written.short import ALL, NORMAL, REST, crash, root, sup, temporary, told, transient, worker, workers

THREE = workers("a b c")

SCENARIOS = (
    told("with intensity 0 the first crash ends the supervisor", root(*THREE, intensity=0), crash("b")),
    told("as many restarts as the intensity are survived", root(*THREE, intensity=2), crash("a"), crash("a")),
    told("one more ends the supervisor, the others stopped in reverse", root(*THREE, intensity=1), *[crash("b")] * 2),
    told("restarts of all children count together", root(*THREE, intensity=2), crash("a"), crash("b"), crash("c")),
    told(
        "nothing is restarted any more by a supervisor that gave up", root(*THREE, intensity=0), crash("a"), crash("b")
    ),
    told(
        "a group's restart counts once",
        root(*THREE, intensity=2, strategy=ALL),
        crash("a"),
        crash("b"),
        crash("c"),
    ),
    told(
        "ends that restart nobody do not count",
        root(transient("a"), temporary("b"), worker("c"), intensity=1),
        crash("a", NORMAL),
        crash("b"),
        crash("c"),
    ),
    told(
        "restarts are forgotten after the period",
        root(*THREE, intensity=1, period_s=SHORT_S),
        crash("a"),
        Wait(),
        crash("a"),
        Wait(),
        crash("b"),
    ),
    told(
        "restarts within the period are not forgotten",
        root(*THREE, intensity=1, period_s=SHORT_S),
        crash("a"),
        Wait(),
        crash("a"),
        crash("b"),
    ),
    told("a restart that fails is tried again", root(worker("a", OK, ERROR), worker("b"), intensity=2), crash("a")),
    told("a restart that fails counts", root(worker("a", OK, ERROR), worker("b"), intensity=1), crash("a")),
    told(
        "a restart that fails for ever ends the supervisor",
        root(worker("z"), worker("a", OK, *[ERROR] * 9), worker("b"), intensity=4),
        crash("a"),
    ),
    told(
        "a transient child whose restart fails is tried again",
        root(transient("a", OK, ERROR), intensity=2),
        crash("a"),
    ),
    told(
        "a start that fails in one_for_all's restart has all stopped and started again",
        root(worker("a"), worker("b", OK, ERROR), worker("c"), intensity=2, strategy=ALL),
        crash("c"),
    ),
    told(
        "a start that fails in rest_for_one's restart goes on from there",
        root(worker("a"), worker("b"), worker("c", OK, ERROR), worker("d"), intensity=2, strategy=REST),
        crash("b"),
    ),
    told(
        "a start that fails in a group's restart counts",
        root(worker("a"), worker("b", OK, ERROR), worker("c"), intensity=1, strategy=ALL),
        crash("c"),
    ),
    told(
        "a child that comes up and dies at once uses the intensity up",
        root(worker("a", OK, *[DIES] * 9), worker("b"), intensity=3),
        crash("a"),
    ),
    told(
        "and is left alone when it recovers in time",
        root(worker("a", OK, DIES, DIES), worker("b"), intensity=3),
        crash("a"),
    ),
    told(
        "one_for_all restarts all for a child that comes up and dies",
        root(worker("a", OK, DIES), worker("b"), worker("c", OK, OK, DIES), intensity=5, strategy=ALL),
        crash("a"),
    ),
    told(
        "rest_for_one hears of a death after its group's restart",
        root(worker("a", OK, DIES), worker("b", OK, DIES), worker("c"), intensity=5, strategy=REST),
        crash("a"),
    ),
    told(
        "who fails and who crashed meanwhile take turns",
        root(worker("a", OK, ERROR, ERROR), worker("b", OK, DIES), intensity=9),
        crash("a b"),
    ),
    told(
        "a restarted supervisor has its whole intensity again",
        root(sup("s", *workers("a b"), intensity=1), intensity=3),
        *[crash("a")] * 6,
    ),
)

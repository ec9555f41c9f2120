"""Who is restarted: the three strategies and the three restart types (design principles, "Restart Strategy")."""

from tests.otp.written.short import (
    ALL,
    NORMAL,
    ONE,
    REST,
    SHUTDOWN,
    TEMPORARY,
    TRANSIENT,
    crash,
    root,
    temporary,
    told,
    transient,
    worker,
    workers,
)

THREE = workers("a b c")
MANY = 9

SCENARIOS = (
    told("one_for_one restarts the crashed child alone", root(*THREE), crash("b")),
    told("one_for_all stops the others in reverse and starts all in order", root(*THREE, strategy=ALL), crash("b")),
    told("one_for_all does the same for the first child", root(*THREE, strategy=ALL), crash("a")),
    told("one_for_all does the same for the last child", root(*THREE, strategy=ALL), crash("c")),
    told("rest_for_one restarts the crashed child and those after it", root(*THREE, strategy=REST), crash("b")),
    told("rest_for_one restarts everybody after the first child", root(*THREE, strategy=REST), crash("a")),
    told("rest_for_one restarts the last child alone", root(*THREE, strategy=REST), crash("c")),
    told("a permanent child is restarted after a normal end", root(*THREE), crash("a", NORMAL)),
    told("a permanent child is restarted after a shutdown of its own", root(*THREE), crash("a", SHUTDOWN)),
    told("a transient child is restarted after a crash", root(transient("a"), worker("b")), crash("a")),
    told("a transient child stays down after a normal end", root(transient("a"), worker("b")), crash("a", NORMAL)),
    told("a transient child stays down after a shutdown", root(transient("a"), worker("b")), crash("a", SHUTDOWN)),
    told("a temporary child stays down after a crash", root(temporary("a"), worker("b")), crash("a")),
    told("a temporary child stays down after a normal end", root(temporary("a"), worker("b")), crash("a", NORMAL)),
    told(
        "a normal end of a transient child restarts nobody, whatever the strategy",
        root(transient("a"), worker("b"), strategy=ALL),
        crash("a", NORMAL),
    ),
    told(
        "the crash of a temporary child restarts nobody, whatever the strategy",
        root(temporary("a"), worker("b"), strategy=REST),
        crash("a"),
    ),
    told(
        "a group's restart starts a transient child again that had ended normally",
        root(transient("a"), worker("b"), worker("c"), strategy=ALL),
        crash("a", NORMAL),
        crash("c"),
    ),
    told(
        "a group's restart stops a temporary child and does not start it again",
        root(worker("a"), temporary("b"), worker("c"), strategy=ALL),
        crash("a"),
        crash("c"),
    ),
    told(
        "rest_for_one leaves alone a transient child that ended before the crashed one",
        root(transient("a"), worker("b"), worker("c"), strategy=REST),
        crash("a", NORMAL),
        crash("b"),
    ),
    told("two that crash together are restarted one after the other", root(*THREE, intensity=MANY), crash("c a")),
    told(
        "one_for_all restarts once for two that crash together",
        root(*THREE, strategy=ALL, intensity=1),
        crash("a c"),
    ),
    told(
        "rest_for_one restarts once for one that crashed after the first",
        root(*THREE, strategy=REST, intensity=1),
        crash("a c"),
    ),
    told(
        "rest_for_one restarts twice when the earlier child is heard of last",
        root(*THREE, strategy=REST, intensity=2),
        crash("c a"),
    ),
    *(
        told(
            f"everybody crashes at once under {strategy}, of every type",
            root(worker("a"), transient("b"), temporary("c"), worker("d"), strategy=strategy, intensity=MANY),
            crash("b c d a"),
        )
        for strategy in (ONE, REST, ALL)
    ),
    *(
        told(
            f"{restart} children that end normally together",
            root(worker("z"), *(transient(n) if restart is TRANSIENT else temporary(n) for n in "ab"), strategy=REST),
            crash("a b", NORMAL),
            crash("z"),
        )
        for restart in (TRANSIENT, TEMPORARY)
    ),
)

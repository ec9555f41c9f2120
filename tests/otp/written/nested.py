"""Supervisors under supervisors: what goes up, and what does not (design principles, "Supervision Trees")."""

from tests.otp.scenarios import DEAF, ERROR, OK, StopIt
from tests.otp.written.short import (
    ALL,
    NORMAL,
    REST,
    TEMPORARY,
    TRANSIENT,
    crash,
    root,
    sup,
    temporary,
    told,
    transient,
    worker,
    workers,
)

SCENARIOS = (
    told(
        "a crash concerns its own supervisor alone",
        root(sup("s", *workers("a b"), strategy=ALL), worker("c")),
        crash("a"),
    ),
    told(
        "a sub-supervisor that gives up is restarted with all its children",
        root(sup("s", *workers("a b"), intensity=0), worker("c")),
        crash("a"),
    ),
    told(
        "a restarted supervisor starts what had ended for good",
        root(sup("s", temporary("a"), transient("b"), worker("c"), intensity=0), worker("d")),
        crash("a"),
        crash("b", NORMAL),
        crash("c"),
    ),
    told(
        "each sub-supervisor that gives up counts above",
        root(sup("s", *workers("a b"), intensity=0), worker("c"), intensity=1),
        *[crash("a")] * 2,
    ),
    told(
        "giving up goes up through all levels",
        root(worker("z"), sup("s", worker("y"), sup("t", *workers("a b"), intensity=0), intensity=0), intensity=0),
        crash("a"),
    ),
    told(
        "it stops at the first that can restart",
        root(worker("z"), sup("s", worker("y"), sup("t", *workers("a b"), intensity=0), intensity=1), intensity=0),
        crash("a"),
    ),
    told(
        "one_for_all above stops a neighbour's whole tree",
        root(sup("s", *workers("a b")), worker("c"), sup("t", *workers("d e")), strategy=ALL),
        crash("c"),
    ),
    told(
        "rest_for_one above restarts the trees that come later",
        root(sup("s", *workers("a b"), intensity=0), worker("c"), sup("t", *workers("d e")), strategy=REST),
        crash("b"),
    ),
    told(
        "a restarted supervisor whose child does not start is tried again",
        root(sup("s", worker("a"), worker("b", OK, ERROR), intensity=0), worker("c"), intensity=3),
        crash("a"),
    ),
    told(
        "and counts above each time",
        root(worker("z"), sup("s", worker("a"), worker("b", OK, ERROR, ERROR, ERROR), intensity=0), intensity=2),
        crash("a"),
    ),
    told(
        "a transient supervisor whose restart fails is tried again too",
        root(worker("c"), sup("s", worker("a", OK, ERROR), restart=TRANSIENT), strategy=ALL, intensity=3),
        crash("c"),
    ),
    told(
        "a temporary supervisor that gives up stays down",
        root(sup("s", worker("a"), restart=TEMPORARY, intensity=0), worker("b")),
        crash("a"),
        crash("b"),
    ),
    told(
        "a temporary supervisor goes with its group and stays down",
        root(sup("s", *workers("a b"), restart=TEMPORARY), worker("c"), strategy=ALL),
        crash("c"),
    ),
    told(
        "a failing restart deep below goes up level by level",
        root(
            worker("z"),
            sup("s", worker("y"), sup("t", worker("a", OK, *[ERROR] * 5), intensity=1), intensity=1),
            intensity=1,
        ),
        crash("a"),
    ),
    told(
        "two of a sub-supervisor's children crash and it gives up once",
        root(sup("s", *workers("a b c"), intensity=0), worker("d")),
        crash("c a"),
    ),
    told(
        "a supervisor that is stopped lets nobody come back",
        root(sup("s", worker("a", grace_ms=5, manner=DEAF), worker("b")), worker("c")),
        crash("b"),
        StopIt("s"),
        crash("c"),
    ),
)

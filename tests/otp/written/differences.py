"""Where the gateway is different on purpose: for each documented difference, scenarios that meet it."""

from collections.abc import Mapping

from tests.otp.scenarios import ERROR, IGNORE, OK, Add, Align, RemoveIt, Scenario, StartIt, StopIt
from tests.otp.written.short import (
    ALL,
    NORMAL,
    QUARANTINE,
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

THREE = workers("a b c")

SCENARIOS: Mapping[str, tuple[Scenario, ...]] = {
    "held": (
        told("a group's restart does not start a held child", root(*THREE, strategy=ALL), StopIt("b"), crash("c")),
        told("nor does rest_for_one's", root(*THREE, strategy=REST), StopIt("c"), crash("b")),
        told("nor does its supervisor's", root(sup("s", *THREE, intensity=0)), StopIt("b"), crash("a")),
        told(
            "nor does a group's restart start a held supervisor",
            root(sup("s", *THREE), worker("d"), strategy=ALL),
            StopIt("s"),
            crash("d"),
        ),
        told(
            "a child that had ended can be held as well",
            root(transient("a"), worker("b"), strategy=ALL),
            crash("a", NORMAL),
            StopIt("a"),
            crash("b"),
        ),
        told(
            "a held child stays held through an operator's restart of its supervisor",
            root(sup("s", *THREE), worker("d")),
            StopIt("b"),
            StopIt("s"),
            StartIt("s"),
        ),
    ),
    "quarantine": (
        told(
            "a spent budget quarantines the child and the others live",
            root(*THREE, intensity=1, exhausted=QUARANTINE),
            crash("a"),
            crash("a"),
        ),
        told(
            "it counts each child alone",
            root(*THREE, intensity=1, exhausted=QUARANTINE),
            crash("a"),
            crash("b"),
            crash("c"),
        ),
        told(
            "a child that does not start keeps nobody from starting",
            root(worker("a"), worker("b", ERROR, ERROR), worker("c"), intensity=1, exhausted=QUARANTINE),
        ),
    ),
    "back-off": (
        told(
            "the second failure in a row waits",
            root(worker("a", OK, ERROR, backoff_s=60.0), worker("b"), intensity=5),
            crash("a"),
        ),
        told("a crash loop slows down", root(worker("a", backoff_s=60.0), worker("b"), intensity=5), *[crash("a")] * 3),
    ),
    "float clock": (
        told(
            "restarts 1.5 s apart are one second apart to OTP",
            root(*THREE, intensity=1, period_s=1),
            Align(0.05),
            crash("a"),
            Align(0.55),
            crash("a"),
        ),
    ),
    "broken at boot": (
        told("what cannot be built is left out", root(worker("a"), worker("b", broken=True), worker("c"))),
    ),
    "giving up is abnormal": (
        told(
            "a transient supervisor that gives up comes back",
            root(sup("s", *workers("a b"), restart=TRANSIENT, intensity=0), worker("c")),
            crash("a"),
        ),
    ),
    "kept": (
        told(
            "a temporary child that crashed can be started", root(temporary("a"), worker("b")), crash("a"), StartIt("a")
        ),
        told("its name is taken", root(temporary("a"), worker("b")), crash("a"), Add("root", worker("a"))),
        told("one that an operator stopped as well", root(temporary("a"), worker("b")), StopIt("a"), StartIt("a")),
        told("one that was ignored as well", root(temporary("a", IGNORE), worker("b")), StartIt("a")),
        told(
            "a temporary supervisor that gave up as well",
            root(sup("s", worker("a"), restart=TEMPORARY, intensity=0), worker("b")),
            crash("a"),
            StartIt("s"),
        ),
    ),
    "tried again": (
        told(
            "an operator's start that fails is tried again",
            root(worker("a", OK, ERROR), worker("b"), intensity=1),
            StopIt("a"),
            StartIt("a"),
        ),
        told("an added child that does not start is tried again", root(worker("a")), Add("root", worker("x", ERROR))),
        told(
            "an added supervisor that does not start is tried again",
            root(worker("a")),
            Add("root", sup("s", worker("x"), worker("y", ERROR))),
        ),
    ),
    "dynamic children stay": (
        told(
            "a child added later outlives its supervisor's giving up",
            root(sup("s", *THREE, intensity=0), worker("d")),
            Add("s", worker("x")),
            crash("a"),
        ),
        told(
            "and a group's restart above",
            root(sup("s", *THREE), worker("d"), strategy=ALL),
            Add("s", worker("x")),
            crash("d"),
        ),
        told(
            "a child that was removed does not come back with its supervisor",
            root(sup("s", *THREE, intensity=0), worker("d")),
            StopIt("a"),
            RemoveIt("a"),
            Add("s", worker("x")),
            crash("b"),
        ),
    ),
}

"""Significant children and automatic shutdown (design principles, "Automatic Shutdown"; OTP 24 and later)."""

from tests.otp.scenarios import IGNORE, StartIt, StopIt
from tests.otp.written.short import (
    ALL,
    ALL_SIGNIFICANT,
    ANY_SIGNIFICANT,
    NORMAL,
    PERMANENT,
    SHUTDOWN,
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

JOBS = (transient("a", significant=True), transient("b", significant=True), worker("c"))

SCENARIOS = (
    told(
        "any_significant: the first normal end ends the supervisor",
        root(*JOBS, auto_shutdown=ANY_SIGNIFICANT),
        crash("b", NORMAL),
    ),
    told(
        "all_significant: the last normal end ends the supervisor",
        root(*JOBS, auto_shutdown=ALL_SIGNIFICANT),
        crash("a", NORMAL),
        crash("b", SHUTDOWN),
    ),
    told(
        "a crash of a significant transient child is a restart", root(*JOBS, auto_shutdown=ANY_SIGNIFICANT), crash("a")
    ),
    told(
        "a crash of a significant temporary child ends the supervisor",
        root(temporary("a", significant=True), worker("b"), auto_shutdown=ANY_SIGNIFICANT),
        crash("a"),
    ),
    told(
        "the end of an insignificant child ends nothing",
        root(*JOBS, transient("d"), auto_shutdown=ANY_SIGNIFICANT),
        crash("d", NORMAL),
    ),
    told(
        "a significant child stopped by the operator ends nothing",
        root(*JOBS, auto_shutdown=ANY_SIGNIFICANT),
        StopIt("a"),
    ),
    told(
        "but is not waited for by all_significant",
        root(*JOBS, auto_shutdown=ALL_SIGNIFICANT),
        StopIt("a"),
        crash("b", NORMAL),
    ),
    told(
        "unless it was started again",
        root(*JOBS, auto_shutdown=ALL_SIGNIFICANT),
        StopIt("a"),
        StartIt("a"),
        crash("b", NORMAL),
    ),
    told(
        "an ignored significant child is not waited for",
        root(transient("a", IGNORE, significant=True), JOBS[1], auto_shutdown=ALL_SIGNIFICANT),
        crash("b", NORMAL),
    ),
    told(
        "a significant child that goes with its group ends nothing",
        root(temporary("a", significant=True), worker("b"), strategy=ALL, auto_shutdown=ANY_SIGNIFICANT),
        crash("b"),
    ),
    told(
        "all_significant waits for a child that was started again by its group",
        root(*JOBS, strategy=ALL, intensity=3, auto_shutdown=ALL_SIGNIFICANT),
        crash("a", NORMAL),
        crash("c"),
        crash("b", NORMAL),
    ),
    told(
        "a permanent supervisor that has shut itself down is restarted",
        root(sup("s", *JOBS, auto_shutdown=ANY_SIGNIFICANT, restart=PERMANENT), worker("d")),
        crash("a", NORMAL),
    ),
    told(
        "a transient supervisor that has shut itself down stays down",
        root(sup("s", *JOBS, auto_shutdown=ANY_SIGNIFICANT, restart=TRANSIENT), worker("d")),
        crash("a", NORMAL),
    ),
    told(
        "a temporary supervisor that has shut itself down stays down",
        root(sup("s", *JOBS, auto_shutdown=ANY_SIGNIFICANT, restart=TEMPORARY), worker("d")),
        crash("a", NORMAL),
    ),
    told(
        "a significant supervisor's automatic shutdown goes on upwards",
        root(
            worker("z"),
            sup("s", *JOBS, auto_shutdown=ANY_SIGNIFICANT, restart=TRANSIENT, significant=True),
            auto_shutdown=ANY_SIGNIFICANT,
        ),
        crash("a", NORMAL),
    ),
    told(
        "a significant temporary supervisor that gives up ends its own",
        root(
            *workers("y z"),
            sup("s", *workers("a b"), restart=TEMPORARY, significant=True, intensity=0),
            auto_shutdown=ALL_SIGNIFICANT,
        ),
        crash("a"),
    ),
)

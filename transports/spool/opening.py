"""The spool as its files tell it: every topic is recovered, begins a new segment, and knows its consumers."""

from collections.abc import Callable, Mapping

from transports.errors import SpoolFull
from transports.spool.beginning import BEGINNING, begin_at
from transports.spool.fault import Fault
from transports.spool.files import Files
from transports.spool.log import Log
from transports.spool.recovery import recover
from transports.spool.segment import Place
from transports.spool.terms import Position
from transports.spool.topics import Topics


def take_over(
    topics: Topics, places: Mapping[str, Place], files: Files, fault: Fault, now_ns: int, relieve: Callable[[], bool]
) -> None:
    """Recover all topics, and begin a segment in each. `relieve` makes room on a full disk; False when it cannot.

    Raises SpoolError, and SpoolFull when there is no room for the first segments.
    """
    directories = sorted({place.directory for place in places.values()})
    with fault.guard("open", ", ".join(directories)):
        for each in directories:
            files.make_dir(f"{each}/quarantine")
        found = {topic: recover(files, place) for topic, place in places.items()}
        for each in directories:
            files.fsync_dir(f"{each}/quarantine")
            files.fsync_dir(each)
    for topic, recovered in found.items():
        topics.logs[topic] = Log(files, places[topic], fault, recovered)
        topics.cursors.found(recovered.state.cursors)
    for topic, log in list(topics.logs.items()):
        _begin(log, topics.cursors.furthest(topic), now_ns, relieve)


def welcome(topics: Topics, starts: Mapping[str, str]) -> None:
    """Give those a cursor who have none yet, so that their accounts have a beginning."""
    for topic, names in topics.cursors.consumers.items():
        known = dict(topics.cursors.of(topic))
        for name in names:
            if (topic, name) not in known:
                topics.keep((topic, name), begin_at(topics.logs[topic], starts.get(name, BEGINNING), known))


def _begin(log: Log, furthest: Position, now_ns: int, relieve: Callable[[], bool]) -> None:
    if not log.segments:  # the topic's files were taken away, but cursors elsewhere remember how far it was
        log.state.end = max(log.state.end, furthest)
    while True:
        try:
            log.begin(max(log.epoch, furthest.epoch) + 1, now_ns)
            return
        except SpoolFull:  # which must not keep the gateway from starting
            if not relieve():
                raise

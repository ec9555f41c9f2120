"""What a server says of a stream, whether it can have our messages, and the stream to be created: a decider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transports.uplinks._jetstream.settings import Create
from transports.uplinks._jetstream.subjects import covers

WINDOW_LEAST_S = 120.0  # what a server gives a stream by itself


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as it was when the connection began. `max_message_bytes` is -1 for no limit; `away` names the servers
    that have a replica and are offline."""

    name: str
    subjects: tuple[str, ...]
    replicas: int
    storage: str
    window_s: float
    max_message_bytes: int
    acknowledges: bool
    sealed: bool
    leader: str
    away: tuple[str, ...]


def read(info: Mapping[str, Any]) -> Stream:
    """The answer to STREAM.INFO or STREAM.CREATE. Raises KeyError or TypeError for one that is none."""
    config, cluster = info["config"], info.get("cluster") or {}
    peers = cluster.get("replicas") or ()
    return Stream(
        name=config["name"],
        subjects=tuple(config.get("subjects") or ()),
        replicas=int(config.get("num_replicas", 1)),
        storage=str(config.get("storage", "")),
        window_s=config.get("duplicate_window", 0) / 1e9,
        max_message_bytes=int(config.get("max_msg_size", -1)),
        acknowledges=not config.get("no_ack", False),
        sealed=bool(config.get("sealed", False)),
        leader=str(cluster.get("leader", "")),
        away=tuple(peer["name"] for peer in peers if peer.get("offline")),
    )


def objection(stream: Stream, pattern: str) -> str:
    """Why the stream cannot have our messages, with the cure; "" when it can."""
    if not any(covers(subject, pattern) for subject in stream.subjects):
        has = ", ".join(stream.subjects) or "none of its own, it is a mirror"
        return f"the stream does not take {pattern} (its subjects: {has}); add it there, or look at subject"
    if not stream.acknowledges:
        return "the stream acknowledges nothing (no_ack), so nothing would ever count as delivered; edit the stream"
    if stream.sealed:
        return "the stream is sealed, nothing can be added; look at stream"
    return ""


def warnings(stream: Stream) -> Iterator[str]:
    """What an operator should know of it."""
    if stream.storage == "memory":
        yield "the stream is kept in memory: what it acknowledged is lost when its servers restart"
    if stream.window_s < WINDOW_LEAST_S:
        yield (
            f"the stream recognises repetitions for {stream.window_s:g} s only (duplicate_window):"
            " a message may be in it twice after a longer outage"
        )
    for name in stream.away:
        yield f"a replica is offline: {name}"


def creation(name: str, pattern: str, create: Create) -> dict[str, Any]:
    """The body of STREAM.CREATE; durations are ns, -1 is no limit."""
    return {
        "name": name,
        "subjects": list(create.subjects or (pattern,)),
        "retention": "limits",
        "storage": "file",
        "discard": create.discard,
        "num_replicas": create.replicas,
        "duplicate_window": round(create.duplicate_window_s * 1e9),
        "max_age": round(create.max_age_s * 1e9),
        "max_bytes": create.max_bytes or -1,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "max_consumers": -1,
    }

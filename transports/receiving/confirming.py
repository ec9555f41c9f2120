"""What is confirmed after a commit: ids become ranges, in a message for each place where somebody waits. Pure.

    {"gateway": "plant-7", "topic": "out", "taken": [[epoch, first_seq, last_seq], ...]}

A range means each number in it. Nothing is confirmed that is not durable here.
"""

from collections.abc import Iterable, Iterator

import orjson

from transports.receiving.rows import RecordId

RANGES_MOST = 500  # in one message

Range = tuple[int, int, int]  # epoch, first seq, last seq


def confirmations(taken: Iterable[tuple[str, RecordId]]) -> Iterator[tuple[str, bytes]]:
    """(topic, payload) of each message, from what was taken and the topic under which that is awaited ("": nowhere)."""
    awaited: dict[tuple[str, str, str], set[tuple[int, int]]] = {}
    for reply, (gateway, topic, epoch, seq) in taken:
        if reply:
            awaited.setdefault((reply, gateway, topic), set()).add((epoch, seq))
    for (reply, gateway, topic), ids in awaited.items():
        found = ranges(ids)
        for at in range(0, len(found), RANGES_MOST):
            told = {"gateway": gateway, "topic": topic, "taken": found[at : at + RANGES_MOST]}
            yield reply, orjson.dumps(told)


def ranges(ids: Iterable[tuple[int, int]]) -> list[Range]:
    """The ids (epoch, seq) as few ranges, in their order."""
    made: list[Range] = []
    for epoch, seq in sorted(set(ids)):
        if made and made[-1][0] == epoch and made[-1][2] == seq - 1:
            made[-1] = (epoch, made[-1][1], seq)
        else:
            made.append((epoch, seq, seq))
    return made

"""Live values as lines: what `holdfast tail` prints, until Ctrl-C or until nobody reads it any more.

    2024-05-01T12:00:00.250+02:00 press-1 force=12.5 kN, count=18, level=? BadTimeout

With JSON, one object a scan: {"device", "seq", "time" (ns UTC), "missed", "restarted", "readings": [{"tag", "value",
"quality", "unit"}]}; values as in transports/payloads/json.py. `missed` counts the messages of that device that went by
unseen just before; `restarted` says that another process speaks now, and that they cannot be counted.
"""

import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import orjson
import zmq

from supervisors.face.wording import local_time, plain, quality_text, reading, value_text
from transports import codec
from transports.errors import NotUnderstood
from transports.feed import Live, Subscriber
from transports.names import ROOT, listens, mailbox_path
from transports.payloads._records import as_text
from transports.samples import Batch, Tag, Value

LOOK_S = 1.0  # how often it is seen whether gateway and reader are still there


def follow(run_dir: Path, names: Sequence[str], as_json: bool, out: TextIO | None = None) -> None:
    """Print what these devices say. Returns at Ctrl-C, and when the reader of `out` (standard output) is gone."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    subscriber = Subscriber(context, run_dir)
    try:
        for name in names:
            subscriber.follow(name)
        _print(subscriber, run_dir, as_json, out or sys.stdout)
    except BrokenPipeError:
        with suppress(BrokenPipeError):
            (out or sys.stdout).close()  # what is still in its buffer has no reader: not a second error at the exit
    except KeyboardInterrupt:
        return
    finally:
        subscriber.close()
        context.destroy(linger=0)


def lines(live: Live, as_json: bool) -> Iterator[str]:
    """A message of the feed as lines of text. Raises NotUnderstood for one of another version."""
    batch = codec.unpack(live.payload)
    if isinstance(batch, Batch):
        yield from _objects(live, batch) if as_json else _sentences(live, batch)


def _print(subscriber: Subscriber, run_dir: Path, as_json: bool, out: TextIO) -> None:
    hung_up, present = _reader_of(out), True
    while not hung_up.poll(0):
        for live in subscriber.receive(LOOK_S):
            out.writelines(f"{line}\n" for line in _understood(live, as_json))
        out.flush()
        if listens(mailbox_path(run_dir, ROOT)) is not present:
            present = not present
            sys.stderr.write("the gateway is back\n" if present else "the gateway has gone; waiting for it\n")


def _understood(live: Live, as_json: bool) -> Iterator[str]:
    try:
        yield from lines(live, as_json)
    except NotUnderstood as odd:
        sys.stderr.write(f"{plain(live.name)}: {plain(str(odd))}\n")


def _reader_of(out: TextIO) -> "select.poll":
    """Polls as ready when the other end of `out` has been closed (POLLERR, which need not be asked for)."""
    poll = select.poll()
    with suppress(OSError, ValueError):  # not a file of the system's: it has no other end
        poll.register(out.fileno(), 0)
    return poll


def _sentences(live: Live, batch: Batch) -> Iterator[str]:
    who = plain(live.name)
    if live.restarted:
        yield f"{local_time(batch.times_ns[0])} {who} restarted"
    if live.missed:
        yield f"{local_time(batch.times_ns[0])} {who} missed {live.missed}"
    for time_ns, values, codes in batch.rows():
        told = ", ".join(map(_told, batch.tags, values, codes))
        yield f"{local_time(time_ns)} {who} {told}"


def _told(tag: Tag, value: Value | None, code: int) -> str:
    return " ".join(filter(None, (f"{plain(tag.name)}={value_text(value)}", plain(tag.unit), quality_text(code))))


def _objects(live: Live, batch: Batch) -> Iterator[str]:
    missed, restarted = live.missed, live.restarted
    for seq, (time_ns, values, codes) in enumerate(batch.rows(), batch.seq):
        scan: dict[str, Any] = {"device": live.name, "seq": seq, "time": time_ns}
        scan |= {"missed": missed, "restarted": restarted, "readings": list(map(reading, batch.tags, values, codes))}
        yield orjson.dumps(scan, default=as_text).decode()
        missed, restarted = 0, False

"""Which spool is meant, and what in it: the words of a command line as directories, topics and positions.

Where a gateway keeps what, and its name, is in the last configuration that it had (DATA_DIR/config).
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from supervisors.reload.history import History, last_good
from transports.errors import HoldfastError
from transports.settings import nearest
from transports.spool import START, Position
from transports.spool.inspection import Inspection
from transports.spool.sights import sights

RAW = "raw"


def inspection(data_dir: Path) -> Inspection:
    """Its spool, to be looked at. Raises HoldfastError when there is none, or when it is another user's."""
    directory = data_dir / "spool"
    if not os.access(data_dir, os.X_OK):
        raise HoldfastError(f"{data_dir} is not for this user to read; run holdfast as {_owner(data_dir)}")
    if not directory.is_dir():
        raise HoldfastError(f"{data_dir} has no spool; it is a gateway's data directory that is needed")
    if os.geteuid() not in (0, directory.stat().st_uid):  # its files are for their owner only
        raise HoldfastError(f"{directory} is not for this user to read; run holdfast as {_owner(directory)}")
    raw_dir = _table(_configured(data_dir), "spool").get("raw_dir")
    return Inspection(str(directory), elsewhere={RAW: raw_dir} if isinstance(raw_dir, str) and raw_dir else None)


def gateway_name(spool: Inspection) -> str:
    """The name that its gateway had last; that of the directory where no configuration tells it."""
    data_dir = Path(spool.directory).parent
    name = _table(_configured(data_dir), "gateway").get("name")
    return name if isinstance(name, str) else data_dir.name


def known(spool: Inspection, topic: str) -> str:
    """The topic. Raises HoldfastError when the spool has none of that name."""
    topics = spool.topics()
    if topic not in topics:
        raise HoldfastError(f"the spool has no topic {topic!r}; {nearest(topic, topics)}")
    return topic


def cursor(spool: Inspection, topic: str, consumer: str) -> Position:
    """Where a consumer is; the start for "". Its commits may be kept in another topic: all are looked at."""
    if not consumer:
        return START
    cursors = next(sight.cursors for sight in sights(spool) if sight.topic == topic)
    if consumer not in cursors:
        raise HoldfastError(f"{topic} has no consumer {consumer!r}; {nearest(consumer, list(cursors))}")
    return cursors[consumer]


def just_before(start: str) -> Position:
    """The position before EPOCH/SEQ; the start for "". Raises BadParameter for anything else."""
    if not start:
        return START
    epoch, _, seq = start.partition("/")
    if not (epoch.isdecimal() and seq.isdecimal()):
        raise typer.BadParameter(f"--from {start!r} is no record; write EPOCH/SEQ, as `holdfast spool dump` shows it")
    return Position(int(epoch), max(0, int(seq) - 1))


def _configured(data_dir: Path) -> Mapping[str, Any]:
    """The last configuration that was good, as it was written; empty without one that can be read."""
    history = History(data_dir / "config")
    try:
        entry = last_good(history.entries())
        return tomllib.loads(history.text(entry.number).decode()) if entry else {}
    except (HoldfastError, OSError, ValueError):
        return {}


def _table(configured: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = configured.get(name)
    return table if isinstance(table, dict) else {}


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # a user without a name
        return str(path.stat().st_uid)

"""Where unreadable segments go: out of the way, never deleted, and remembered as a hole in their log.

quarantine/<topic>/<epoch>-<first>-<last>.seg          a hole that some consumer has yet to meet
quarantine/<topic>/<epoch>-<first>-<last>.seg.passed   every consumer is past it, or it was reported as dropped
"""

import errno

from transports.spool.files import Files
from transports.spool.segment import Place, Segment, parse_name

_SEG, _PASSED = ".seg", ".passed"


def names(files: Files, place: Place) -> list[tuple[str, tuple[int, int, int | None]]]:
    """The files in a topic's quarantine and what their names say. Makes the directory where there is none."""
    files.make_dir(place.quarantine)
    found = [(name, parse_name(name.partition(_SEG)[0] + _SEG)) for name in files.listdir(place.quarantine)]
    return [(name, parsed) for name, parsed in found if parsed]


def holes(files: Files, place: Place) -> list[Segment]:
    """The segments in quarantine that still count as holes."""
    waiting = [(name, parsed) for name, parsed in names(files, place) if not name.endswith(_PASSED)]
    return [Segment(f"{place.quarantine}/{name}", epoch, first, 0, last) for name, (epoch, first, last) in waiting]


def put(files: Files, place: Place, segment: Segment, last: int) -> None:
    """Move a segment away; from now on it is a hole that ends with seq `last`. Raises OSError."""
    path = _free(files, place, place.quarantine_path(segment, last))
    _rename(files, segment.path, path)
    files.fsync_dir(place.quarantine)
    files.fsync_dir(place.folder)
    segment.path, segment.lost_to = path, last


def passed(files: Files, place: Place, segment: Segment) -> None:
    """The hole has been told of; the file stays for whoever wants to look into it. Raises OSError."""
    _rename(files, segment.path, _free(files, place, segment.path + _PASSED))
    files.fsync_dir(place.quarantine)


def _free(files: Files, place: Place, path: str) -> str:
    """A name that nothing has: what is in quarantine already is not written over."""
    taken, free, number = set(files.listdir(place.quarantine)), path, 0
    while free.rpartition("/")[2] in taken:
        number += 1
        free = f"{path}.{number}"
    return free


def _rename(files: Files, old: str, new: str) -> None:
    try:
        files.rename(old, new)
    except OSError as error:
        if error.errno != errno.ENOENT:  # somebody took the file away: the hole is the same
            raise

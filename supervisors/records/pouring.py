"""Prints lines as they come, until Ctrl-C, or until nobody reads them any more."""

import select
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

LOOK_MS = 250  # how often it is seen whether there is more


def pour(first: Iterable[str], news: Callable[[], Iterable[str]] | None = None, out: TextIO | None = None) -> None:
    """Print `first`, then (to follow) what `news` brings, again and again. Returns at the end, at Ctrl-C, and when the
    reader of `out` (standard output) is gone."""
    to = out or sys.stdout
    try:
        _print(first, to)
        hung_up = _reader_of(to)
        while news is not None and not hung_up.poll(LOOK_MS):
            _print(news(), to)
    except BrokenPipeError:
        with suppress(BrokenPipeError):
            to.close()  # what is still in its buffer has no reader: not a second error at the exit
    except KeyboardInterrupt:
        return


def _print(lines: Iterable[str], out: TextIO) -> None:
    out.writelines(f"{line}\n" for line in lines)
    out.flush()


def _reader_of(out: TextIO) -> "select.poll":
    """Polls as ready when the other end of `out` has been closed (POLLERR, which need not be asked for)."""
    poll = select.poll()
    with suppress(OSError, ValueError):  # not a file of the system's: it has no other end
        poll.register(out.fileno(), 0)
    return poll

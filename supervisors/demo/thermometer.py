"""A thermometer on a serial line, which is a pty: it says `T=21.37 RH=40.2` five times a second, asked or not.

    python -m supervisors.demo.thermometer LINK        LINK becomes a symbolic link to the line's other end

It keeps the other end open too: while no gateway listens, its words wait in the line as long as there is room (4 KiB);
after that they are lost, as with any device that talks by itself.
"""

import math
import os
import sys
import tty
from contextlib import suppress
from pathlib import Path
from threading import Event

from transports.clock import MachineClock

PERIOD_S = 0.2


def said(at_s: float) -> bytes:
    """What it says at a time: a room that is aired every two minutes."""
    airing = math.sin(2 * math.pi * at_s / 120.0)
    draught = math.sin(2 * math.pi * at_s / 7.0)
    return f"T={21.4 + 1.1 * airing + 0.12 * draught:.2f} RH={41.0 - 4.0 * airing:.1f}\n".encode()


def line(link: Path) -> int:
    """A new pty without echo or translation; `link` leads to its far end, in place of an older line's."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    fresh = link.with_name(f"{link.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    fresh.symlink_to(os.ttyname(theirs))
    fresh.rename(link)
    os.set_blocking(ours, False)
    return ours


def speak(link: Path) -> None:
    """Be the thermometer until the process ends."""
    clock, never = MachineClock(), Event()
    ours, started = line(link), clock.now()
    while not never.wait(PERIOD_S):
        with suppress(BlockingIOError):  # the line is full because nobody listens
            os.write(ours, said(clock.now() - started))


if __name__ == "__main__":
    speak(Path(sys.argv[1]))

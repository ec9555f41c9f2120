"""An RS-485 line: a request of the gateway's goes to the slave it names, what a slave answers to the gateway.

python -m tests.field.hub LINK FD...        # LINK names the port for the gateway, FD: the masters of the slaves' ptys

The port is a pseudo-terminal of this process: when that is killed, it is hung up like an adapter that is pulled out.
The slaves' terminals are held by whoever started it, and outlive it. The first FD is unit 1, the next unit 2.

A slave does not hear what is for others, though on a wire it would: it knows two frames by the silence between them,
which no pseudo-terminal has. pymodbus's server, of which `holdfast simulate modbus` is made, takes the first frame in
its buffer and throws the rest away, so that with one processor for all it misses a request now and then.
"""

import os
import select
import sys
import tty
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 4096


def main() -> None:
    link, slaves = Path(sys.argv[1]), [int(number) for number in sys.argv[2:]]
    master, port = os.openpty()  # the port stays open here, or the line would be hung up when the gateway closes it
    tty.setraw(port)
    for slave in slaves:
        os.set_blocking(slave, False)
        _hear(slave)  # what was answered while no adapter was there
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.ttyname(port))
    fresh.replace(link)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([master, *slaves], [], [])
        for each in ready:
            heard = _hear(each)
            other = master if each != master else _named(heard, slaves)
            with suppress(BlockingIOError):  # a dead slave hears nothing, and its terminal may be full
                os.write(other, heard) if other is not None else None


def _named(request: bytes, slaves: Sequence[int]) -> int | None:
    """Whom the request is for, by its first byte; the gateway writes no other before it was answered or gave up."""
    return slaves[request[0] - 1] if request and 0 < request[0] <= len(slaves) else None


def _hear(descriptor: int) -> bytes:
    with suppress(BlockingIOError):
        return os.read(descriptor, CHUNK_BYTES)
    return b""


if __name__ == "__main__":
    main()

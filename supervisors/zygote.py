"""The zygote: a small single-threaded process with everything imported, which forks on request.

    root ──{token, name}──> zygote ──fork──> middle ──fork──> spare child
    root <──{token, pid}─── zygote <──pid── middle (exits)      │ is the root's own now: the root is a subreaper
                              └───────{token, name}────────────>│ asks to die with the root, runs supervisors.host

    root ──{0, ""}──> zygote ──{0, its own pid}──> root           also said once, unasked, when it can fork

It forks twice so that the child becomes the root's own, and always one ahead: a spare, with a ZeroMQ context made,
waits for the name that it is going to be, and the next one is forked when nobody waits any more. So the cost of a
fork is not paid while a device is dead.

It is started by exec (the root may have threads by then), holds no ZeroMQ context itself, and its collector is frozen,
so that children share its pages. What it knows of a child is a file, `run_dir/NAME.spec`; a request is a few bytes.
Killed, it takes no child along but the spare; the root starts another.

Run as `python -m supervisors.zygote SOCKET_FD RUN_DIR ROOT_PID [MODULE ...]`.
"""

import contextlib
import errno
import gc
import importlib
import os
import select
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import msgpack

from supervisors import host
from supervisors.lifeline import die_with
from transports import catalog
from transports.settings import fields_of

REQUEST_BYTES = 4096
SETTLE_S = 0.008  # a child that was just made has the processor to itself for this long before the next spare is


@dataclass(frozen=True, slots=True)
class Spare:
    """A child that does not know yet who it will be; it reads that from `orders`."""

    pid: int
    orders: int

    def become(self, request: bytes) -> None:
        """Tell it, for good. One that has died is the root's to notice: it has its pid by then."""
        try:
            os.write(self.orders, request)
        except BrokenPipeError:
            return
        finally:
            os.close(self.orders)


@dataclass(frozen=True, slots=True)
class Nest:
    """What children need from here: where they live, whose they are, and the socket that is not theirs."""

    run_dir: Path
    root: int
    requests: socket.socket


def serve(nest: Nest) -> None:
    """Make a child for each request until the root closes its end."""
    spare: Spare | None = None
    while True:
        if spare is None and not _asked(nest.requests, SETTLE_S):
            spare = _try_spare(nest)
        request = nest.requests.recv(REQUEST_BYTES)
        if not request:
            return
        token, *_ = msgpack.unpackb(request)
        if token == 0:
            _here(nest.requests)
            continue
        try:
            child = spare or _fork_twice(nest)
        except OSError as refused:  # EAGAIN, ENOMEM: the root counts it as a failed start and tries again later
            nest.requests.send(msgpack.packb([token, 0, f"the system refused a new process: {refused.strerror}"]))
            continue
        nest.requests.send(msgpack.packb([token, child.pid, ""]))  # first: its own news must not overtake this
        child.become(request)
        spare = None


def _here(requests: socket.socket) -> None:
    """Tell the root that this zygote works: when it can fork, and whenever it is asked."""
    requests.send(msgpack.packb([0, os.getpid(), ""]))


def _asked(requests: socket.socket, within_s: float) -> bool:
    return bool(select.select([requests], [], [], within_s)[0])


def _try_spare(nest: Nest) -> Spare | None:
    """A spare is a kindness; whether a process can be had at all is found out when one is needed."""
    try:
        return _fork_twice(nest)
    except OSError:
        return None


def _fork_twice(nest: Nest) -> Spare:
    """A child of the root. Raises OSError when the system has no process to give."""
    pipes = list[int]()
    try:
        pipes += os.pipe()
        pipes += os.pipe()
        middle = os.fork()
    except OSError:
        for descriptor in pipes:
            os.close(descriptor)
        raise
    pid_read, pid_write, orders_read, orders_write = pipes
    if middle == 0:
        os.close(pid_read)
        os.close(orders_write)
        _middle(nest, pid_write, orders_read)
    os.close(pid_write)
    os.close(orders_read)
    answer = os.read(pid_read, 16)
    os.close(pid_read)
    os.waitpid(middle, 0)  # from here on the child is the root's
    if not answer:
        os.close(orders_write)
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return Spare(int(answer), orders_write)


def _middle(nest: Nest, pid_write: int, orders: int) -> None:
    """Fork once more and leave; never returns."""
    try:
        child = os.fork()
    except OSError:
        os._exit(1)
    if child:
        os.write(pid_write, b"%d" % child)
        os._exit(0)
    os.close(pid_write)
    nest.requests.close()
    _wait_for_orders(nest, orders)


def _wait_for_orders(nest: Nest, orders: int) -> None:
    """The spare child: everything that needs no name is done before the name is known. Never returns."""
    context = host.warm_context()
    host.rehearse(nest.run_dir, context)
    request = os.read(orders, REQUEST_BYTES)
    if not request:
        os._exit(0)  # the zygote has died; its successor brings its own
    os.close(orders)
    _adopted(nest.root)
    token, name, last_end = msgpack.unpackb(request)
    host.main(nest.run_dir, name, token, last_end, context)


def _adopted(root: int) -> None:
    """Die with the root from now on; it is the parent since the zygote reaped the middle process."""
    for _ in range(10_000):
        if os.getppid() == root:
            break
        os.sched_yield()  # the zygote died in the act: the kernel is about to hand this process over
    die_with(root)


def preload(modules: list[str]) -> None:
    """Import what children will need, and what they will ask of it. What cannot be imported is its child's problem."""
    for kind in (catalog.LINKS, catalog.UPLINKS, catalog.PAYLOADS):
        catalog.is_own(kind, "")
    for name in modules:
        try:
            module = importlib.import_module(name)
        except Exception:  # noqa: BLE001  a stranger's code at import: a broken library is no end of all children
            continue
        if hasattr(module, "Settings"):
            fields_of(module.Settings)


def main(arguments: list[str]) -> None:
    """See the module's note."""
    descriptor, run_dir, root, *modules = arguments
    die_with(int(root))
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the root's to handle
    with contextlib.suppress(OSError):  # a service may shield its root from the kernel's choice; children are none
        Path("/proc/self/oom_score_adj").write_text("0")
    preload(["numpy", "numpy.random", "orjson", *modules])
    host.warm_up()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as requests:
        _here(requests)
        serve(Nest(Path(run_dir), int(root), requests))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The zygote: a small single-threaded process with everything imported, which forks on request.

    root ──{token, name}──> zygote ──fork──> middle ──fork──> child
    root <──{token, pid}─── zygote <──pid── middle (exits)      │ is the root's own now: the root is a subreaper
                              └────────── go ──────────────────>│ asks to die with the root, runs supervisors.host

It is started by exec (the root may have threads by then), holds no ZeroMQ context, and its collector is frozen, so that
a child shares its pages. What it knows of a child is a file, `run_dir/NAME.spec`; a request is a few bytes. Killed, it
takes no child along; the root starts another.

Run as `python -m supervisors.zygote SOCKET_FD RUN_DIR ROOT_PID [MODULE ...]`.
"""

import gc
import importlib
import os
import signal
import socket
import sys
from pathlib import Path

import msgpack

from supervisors.lifeline import die_with

REQUEST_BYTES = 4096


def serve(requests: socket.socket, run_dir: Path, root: int) -> None:
    """Fork for each request until the root closes its end."""
    while request := requests.recv(REQUEST_BYTES):
        token, name = msgpack.unpackb(request)
        try:
            pid, go = _fork_twice(requests, run_dir, root, name, token)
        except OSError as refused:  # EAGAIN, ENOMEM: the root counts it as a failed start and tries again later
            requests.send(msgpack.packb([token, 0, f"the system refused a new process: {refused.strerror}"]))
            continue
        requests.send(msgpack.packb([token, pid, ""]))
        os.close(go)  # it may run: it has been handed over


def _fork_twice(requests: socket.socket, run_dir: Path, root: int, name: str, token: int) -> tuple[int, int]:
    pid_read, pid_write = os.pipe()
    go_read, go_write = os.pipe()
    try:
        middle = os.fork()
    except OSError:
        for descriptor in (pid_read, pid_write, go_read, go_write):
            os.close(descriptor)
        raise
    if middle == 0:
        _middle(requests, run_dir, root, name, token, pid_write, go_read, (pid_read, go_write))
    os.close(pid_write)
    os.close(go_read)
    answer = os.read(pid_read, 16)
    os.close(pid_read)
    os.waitpid(middle, 0)
    pid = int(answer or b"0")
    if pid == 0:
        os.close(go_write)
        raise OSError(11, "the second fork failed")
    return pid, go_write


def _middle(
    requests: socket.socket,
    run_dir: Path,
    root: int,
    name: str,
    token: int,
    pid_write: int,
    go_read: int,
    foreign: tuple[int, int],
) -> None:
    """Fork once more and leave; never returns."""
    try:
        child = os.fork()
    except OSError:
        os._exit(1)
    if child:
        os.write(pid_write, b"%d" % child)
        os._exit(0)
    for descriptor in (pid_write, *foreign):
        os.close(descriptor)
    requests.close()
    os.read(go_read, 1)  # ends when the zygote has reaped the middle process, or has died itself
    os.close(go_read)
    _adopted(root)
    from supervisors.host import main

    main(run_dir, name, token, root)


def _adopted(root: int) -> None:
    """Wait until this process is the root's child. Only after a zygote's death can that take more than one look."""
    for _ in range(10_000):
        if os.getppid() == root:
            break
        os.sched_yield()
    die_with(root)


def preload(modules: list[str]) -> None:
    """Import what children will need. What cannot be imported is its child's problem, which will say so."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            continue


def main(arguments: list[str]) -> None:
    """See the module's note."""
    descriptor, run_dir, root, *modules = arguments
    die_with(int(root))
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the root's to handle
    preload(["supervisors.host", "numpy", "orjson", *modules])
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as requests:
        requests.send(msgpack.packb([0, os.getpid(), ""]))  # ready
        serve(requests, Path(run_dir), int(root))


if __name__ == "__main__":
    main(sys.argv[1:])

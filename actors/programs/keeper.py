"""The keeper: a tiny process between an actor and its program, which lets nothing of the program outlive the actor.

It starts the program, reaps whatever becomes an orphan below it (it is a subreaper), and kills all of that when the
line to its actor breaks. It is run by its path, without the house's imports: `python -I -S keeper.py LINE_FD USER_ID
GROUP_ID GROUPS DIRECTORY COMMAND ...` (ids are numbers, "" for "the same"; GROUPS are separated by commas).

    keeper -> actor    started PID | failed STEP ERRNO | ended WAIT_STATUS LEFT
    actor -> keeper    stop SIGNAL | the end of the line: kill everything

LEFT is how many processes the program left behind when it ended; they are ended before `ended` is said.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
DESCRIPTORS = 1024  # the soft limit that programs expect (select(2), loops that close everything); ours is higher
LEFT_BEHIND_S = 1.0  # how long what a program left behind may take to end by itself
LINE_BYTES = 4096
_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument. Raises OSError."""
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def children(pid: int) -> set[int]:
    """The children of a process; none when it is gone, or when the kernel was built without telling."""
    found: set[int] = set()
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as known:
                found.update(map(int, known.read().split()))
    return found


def say(line: int, words: bytes) -> None:
    """Tell the actor. When it is gone, nobody needs to know, and `keep` ends everything."""
    with suppress(BrokenPipeError, ConnectionResetError):
        os.write(line, words)


def launch(line: int, ids: tuple[str, str, str], directory: str, command: list[str]) -> int:
    """Start the program; its pid, or 0 when that failed, which is then said."""
    why_read, why_write = os.pipe()
    keeper, pid = os.getpid(), os.fork()
    if pid == 0:
        become(why_write, keeper, ids, directory, command)
    os.close(why_write)
    why = os.read(why_read, 64)  # nothing: exec has closed it
    os.close(why_read)
    if why:
        os.waitpid(pid, 0)
        say(line, b"failed " + why)
        return 0
    say(line, b"started %d" % pid)
    return pid


def become(why: int, keeper: int, ids: tuple[str, str, str], directory: str, command: list[str]) -> None:
    """Be the program; never returns. The parent-death signal comes after the change of user, which would clear it."""
    step = "start"
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
            signal.signal(number, signal.SIG_DFL)
        few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(few, DESCRIPTORS), most))
        step = "user"
        change_user(*ids)
        step = "directory"
        os.chdir(directory or ".")
        step = "start"
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(0)
        step = "command"
        os.execv(command[0], command)
    except OSError as refused:
        os.write(why, f"{step} {refused.errno}".encode())
    finally:
        os._exit(127)


def change_user(user: str, group: str, groups: str) -> None:
    """The user last: without root's rights nothing else could be changed any more."""
    if user:
        os.setgroups([int(each) for each in groups.split(",") if each])
        os.setresgid(int(group), int(group), int(group))
        os.setresuid(int(user), int(user), int(user))


def keep(line: int, wake: int, program: int) -> None:
    """Until the program and everything that it started has ended."""
    status: int | None = None
    left, deadline = 0, 0.0
    while True:
        patience_s = None if status is None else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([line, wake], [], [], patience_s)
        if wake in ready:
            os.read(wake, 512)
        ended = reaped()
        if status is None and program in ended:
            status, remaining = ended[program], children(os.getpid())
            left, deadline = len(remaining), time.monotonic() + LEFT_BEHIND_S
            ask(remaining, signal.SIGTERM)
        if line in ready and not obey(line, program if status is None else 0):
            kill(program if status is None else 0)
            return
        if status is not None and (time.monotonic() >= deadline or not children(os.getpid())):
            kill(0)
            say(line, b"ended %d %d" % (status, left))
            return


def obey(line: int, program: int) -> bool:
    """What the actor asks; False when the line is broken. `program` is 0 when it has ended already."""
    try:
        order = os.read(line, LINE_BYTES).split()
    except ConnectionResetError:
        return False
    if order and program:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program, int(order[1]))
            os.killpg(program, signal.SIGCONT)  # one that was stopped hears it, too
    return bool(order)


def ask(pids: set[int], number: int) -> None:
    """Signal those that still live and may be signalled."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)


def reaped() -> dict[int, int]:
    """The children that have ended: pid -> wait status."""
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = status
    return ended


def kill(program: int) -> None:
    """Kill everything below this process, also what is only just being made there."""
    if program:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program, signal.SIGKILL)
    immune: set[int] = set()  # of another user, where the keeper is not root
    while mortal := children(os.getpid()) - immune:
        for pid in mortal:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except PermissionError:
                immune.add(pid)
            except (ProcessLookupError, ChildProcessError):
                continue


def main(arguments: list[str]) -> None:
    """See the module's note."""
    line, user, group, groups, directory, *command = arguments
    os.set_inheritable(int(line), False)
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # handled ones are reset by exec
        signal.signal(number, lambda *_: None)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    program = launch(int(line), (user, group, groups), directory, command)
    if program:
        keep(int(line), wake_read, program)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The first step of a device's program: it asks to die with its parent, then becomes the program.

Run by its path, without the house's imports: `python -I -S program_guard.py PARENT_PID DIRECTORY COMMAND ...`. What
cannot be started is said on standard error, and ends with 127 (as a shell's).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
CANNOT_START = 127


def main(parent: int, directory: str, command: list[str]) -> None:
    """Never returns. The request is kept through exec, but not by programs that change their user (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(CANNOT_START)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
        signal.signal(number, signal.SIG_DFL)
    try:
        os.chdir(directory or ".")
        os.execvp(command[0], command)
    except OSError as refused:
        sys.stderr.write(f"{refused.filename or command[0]}: {refused.strerror}\n")
    os._exit(CANNOT_START)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])

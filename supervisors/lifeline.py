"""What ties processes to the root's life: Linux's subreaper and parent-death signal (prctl(2)).

The root is a subreaper, so a grandchild whose parent ended becomes the root's own child. A child asks for SIGKILL when
its parent dies, *after* it has become the root's: asked earlier, the end of the middle process would be its own.
"""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the one that inherits its descendants' orphans. Raises OSError where Linux refuses."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """End this process (SIGKILL) when `parent` ends; at once when it has ended already."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

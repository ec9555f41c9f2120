"""A connect that blocks (names, TCP, TLS), done in one short-lived thread and awaited through a descriptor.

It carries no data: when the connection stands, or cannot be had, the thread ends. Whoever lost patience calls
`abandon`, and a connection that is made after all is closed by the thread that made it.
"""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Opening(Generic[T]):
    """`make()` under way. Its OSError or ValueError is kept for the one who asks for the result."""

    def __init__(self, name: str, make: Callable[[], T], discard: Callable[[T], None]) -> None:
        self._make, self._discard = make, discard
        self._lock = threading.Lock()
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._abandoned = False
        self._made: T | None = None
        self._error: OSError | ValueError | None = None
        self._thread = threading.Thread(target=self._run, name=f"{name} connecting", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Readable once `result` has something to say."""
        return self._event

    def done(self) -> bool:
        """Whether `result` has something to say."""
        with self._lock:
            return self._made is not None or self._error is not None

    def result(self) -> T:
        """What was made, to be asked once. Raises the OSError or ValueError of `make`."""
        with self._lock:
            made, error, self._made = self._made, self._error, None
        self.abandon()
        if error is not None:
            raise error
        if made is None:
            raise ValueError("the result is not there, or has been asked for before")
        return made

    def abandon(self) -> None:
        """Nobody waits any more. May be called twice."""
        with self._lock:
            made, self._made = self._made, None
            if not self._abandoned:
                os.close(self._event)
            self._abandoned = True
        if made is not None:
            self._discard(made)

    def _run(self) -> None:
        made, error = None, None
        try:
            made = self._make()
        except (OSError, ValueError) as wrong:
            error = wrong
        with self._lock:
            late = self._abandoned
            if not late:
                self._made, self._error = made, error
                os.eventfd_write(self._event, 1)
        if late and made is not None:
            self._discard(made)
        made = error = None  # an error knows this frame by its traceback: what was half made would live on with it

"""An asyncio loop in a thread of its own, and an inbox with a descriptor: for drivers whose library is asynchronous.

The device's process waits on descriptors and calls its driver; libraries on asyncio want to run all the time. This is
the one place where the two meet:

    driver ──run(coroutine, timeout_s)──> loop in its thread        Inbox: put there, `fileno` readable here, take here
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")
JOIN_S = 2.0  # how long `close` waits for what was cancelled to let go


class LoopThread:
    """Runs coroutines from the time it is made until `close`; its thread never keeps a process alive."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Its result, or what it raised. Raises TimeoutError, with the work cancelled, when it takes longer."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except (Late, CancelledError) as late:
            if future.done() and not future.cancelled():
                raise  # a TimeoutError of the work itself
            future.cancel()
            raise TimeoutError(f"not done within {timeout_s:g} s") from late

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Have it run until it ends or the loop is closed; it handles its own errors."""
        asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        """Cancel whatever runs and end the thread. May be called twice; never raises, never waits for long."""
        if self.loop.is_closed():
            return
        with suppress(Late, TimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(_cancel_all(), self.loop).result(JOIN_S)
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(JOIN_S)
        if not self._thread.is_alive():
            self.loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.wait(others, timeout=JOIN_S / 2) if others else None


class Inbox(Generic[T]):
    """Things put by one thread and taken by another; its descriptor is readable while there are any."""

    def __init__(self, most: int) -> None:
        self._most, self._items = most, deque[T]()
        self._lock, self._descriptor = threading.Lock(), os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.refused = 0

    def fileno(self) -> int:
        """Readable while something waits; -1 once closed."""
        return self._descriptor

    def put(self, item: T) -> bool:
        """Whether there was room for it. Refused ones are counted in `refused`."""
        with self._lock:
            if self._descriptor < 0 or len(self._items) >= self._most:
                self.refused += 1
                return False
            self._items.append(item)
            os.eventfd_write(self._descriptor, 1)
            return True

    def take(self) -> list[T]:
        """Everything that waits, oldest first; nothing when nothing does."""
        with self._lock:
            taken = list(self._items)
            self._items.clear()
            if self._descriptor >= 0:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._descriptor)
            return taken

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

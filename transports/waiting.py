"""What an actor waits for, all in one poll: timers, readable descriptors and sockets, and a call from another thread.

    another thread ──> eventfd ┐
    timers ──> heap, timerfd   ├─ one poll ─> the queue ─> one thing to do after the other
    sockets, files ────────────┘

Whatever happens becomes an envelope in the queue, so that a failure in any of it is the failure of who works it off.

A `steadfast` one (the root's) watches its descriptors by epoll(7), which the poll sees as one. poll(2) with more
descriptors than RLIMIT_NOFILE allows fails, which libzmq takes for the end of the process; and with 200 pidfds it costs
a tenth. It asks that a descriptor is forgotten before it is closed; for others, whose drivers open and close as they
like, the plain poll looks at the number each time.
"""

import heapq
import itertools
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any, Union

import zmq
from pykka._envelope import Envelope

from transports.alarm import Alarm
from transports.clock import Clock

Source = Union[int, "zmq.Socket[bytes]"]  # what can be waited for: a descriptor, or a socket of ZeroMQ


@dataclass(frozen=True, slots=True)
class Call:
    """Something to do in the actor's thread: a timer that is due, a file that is ready."""

    what: Callable[[], None]


@dataclass(order=True, slots=True)
class Timer:
    """A thing to do at a monotonic time, once; `cancel` makes it nothing, also when its time has come already."""

    at: float
    number: int
    what: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        self.what = None

    def fire(self) -> None:
        what, self.what = self.what, None
        if what is not None:
            what()


class Waiting:
    """The queue of what is to be done, and the poll that fills it. Only `put` may be called from another thread."""

    def __init__(self) -> None:
        self.queue: deque[Envelope[Any]] = deque()
        self.numbers = itertools.count(1)
        self._wake, self._waking = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC), threading.Lock()
        self._poller = zmq.Poller()
        self._epoll: select.epoll | None = None
        self._handlers: dict[Any, Callable[[], None]] = {}
        self.listen(self._wake, self._woken)
        self._alarm = Alarm()
        self._armed_for = inf
        self.listen(self._alarm.fileno(), self._rang)
        self._timers: list[Timer] = []
        self._thread = 0

    def begin(self, clock: Clock, steadfast: bool = False) -> None:
        """From now on it is this thread that waits, by this clock."""
        self.clock = clock
        self._thread = threading.get_ident()
        if steadfast:
            self._epoll = select.epoll()
            for descriptor in (self._wake, self._alarm.fileno()):
                self._poller.unregister(descriptor)
                self._epoll.register(descriptor, select.EPOLLIN)
            self._poller.register(self._epoll.fileno(), zmq.POLLIN)
            self._handlers[self._epoll.fileno()] = self._gathered

    def close(self) -> None:
        """Wait no more: what is put from now on is heard by nobody."""
        with self._waking:
            if self._wake >= 0:
                os.close(self._wake)
            self._wake = -1
        self._alarm.close()
        if self._epoll is not None:
            self._epoll.close()

    # --- what is to be done ------------------------------------------------------------------------------------------

    def put(self, envelope: "Envelope[Any]") -> None:
        """Queue something from within this process; from any thread."""
        self.queue.append(envelope)
        if threading.get_ident() != self._thread:
            with self._waking:  # or the number could be another file's by now
                if self._wake >= 0:
                    os.eventfd_write(self._wake, 1)

    def call(self, what: Callable[[], None]) -> None:
        """Queue a call, behind what is queued already."""
        self.queue.append(Envelope(Call(what)))

    # --- what is waited for ------------------------------------------------------------------------------------------

    def at(self, when: float, what: Callable[[], None]) -> Timer:
        """Do something at a monotonic time."""
        timer = Timer(when, next(self.numbers), what)
        heapq.heappush(self._timers, timer)
        return timer

    def when_readable(self, source: Source, what: Callable[[], None], writable: bool = False) -> None:
        """Call `what` whenever the source is readable (and, if asked, writable), until `forget`."""

        def call() -> None:
            if self._handlers.get(source) is handler:  # not forgotten since it was seen to be ready
                what()

        def handler() -> None:
            self.call(call)

        self.listen(source, handler, writable)

    def listen(self, source: Source, handler: Callable[[], None], writable: bool = False) -> None:
        """Have `handler` take what is there, within the poll itself: for what only fills the queue."""
        self._register(source, writable)
        self._handlers[source] = handler

    def forget(self, source: Source) -> None:
        """Stop watching a descriptor or socket; harmless when it is not watched."""
        if self._handlers.pop(source, None) is None:
            return
        if source in self._poller:
            self._poller.unregister(source)
        elif self._epoll is not None and isinstance(source, int):
            with suppress(OSError):  # closed already, which forgets it too
                self._epoll.unregister(source)

    def _register(self, source: Source, writable: bool = False) -> None:
        if not isinstance(source, int) or not self._gather(source, writable):
            self._poller.register(source, zmq.POLLIN | (zmq.POLLOUT if writable else 0))

    def _gather(self, descriptor: int, writable: bool) -> bool:
        """Have epoll watch it; False when there is none, or the system has no memory for one watch more."""
        if self._epoll is None:
            return False
        events = select.EPOLLIN | (select.EPOLLOUT if writable else 0)
        try:
            if descriptor in self._handlers:
                self._epoll.modify(descriptor, events)
            else:
                self._epoll.register(descriptor, events)
        except OSError:
            return False
        return True

    def _gathered(self) -> None:
        assert self._epoll is not None
        for ready, _ in self._epoll.poll(0):
            handler = self._handlers.get(ready)
            if handler is not None:
                handler()

    # --- the one poll ------------------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Wait until something happens, and queue it."""
        self._due()
        patience_ms = 0 if self.queue else self._patience_ms()  # a timer that is always due must not deafen the actor
        for ready, _ in self._poller.poll(patience_ms):
            handler = self._handlers.get(ready)
            if handler is not None:
                handler()
        self._due()

    def _due(self) -> None:
        now = self.clock.now() if self._timers else 0.0
        while self._timers and (self._timers[0].what is None or self._timers[0].at <= now):
            timer = heapq.heappop(self._timers)
            if timer.what is not None:
                self.call(timer.fire)

    def _patience_ms(self) -> int | None:
        """How long to poll at most. The alarm is the exact clock; the poll's own milliseconds only back it up."""
        if not self._timers:
            return None
        first = self._timers[0].at
        wait_s = max(0.0, first - self.clock.now())
        if first != self._armed_for:
            self._armed_for = first
            self._alarm.ring_in(wait_s)
        return int(wait_s * 1000) + 1

    def _rang(self) -> None:
        self._armed_for = inf
        self._alarm.heard()

    def _woken(self) -> None:
        os.eventfd_read(self._wake)

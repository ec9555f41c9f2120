"""The live feed: the newest values, over PUB/SUB, lossy on purpose.

    publisher  NAME.live  ── [name, session u64 · seq u64, payload] ──>  any number of subscribers

A slow or absent subscriber costs the publisher nothing. Each message is numbered within its publisher's session, so
a subscriber knows how many it missed and when the publisher was another process; it decides what that means.
Nothing may be built on the feed that must not miss a value: that is what the spool is for.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zmq

from transports.names import endpoint, feed_path

_NUMBERS = struct.Struct("<QQ")
HIGH_WATER = 1_000  # messages waiting for a slow subscriber before new ones are dropped


class Publisher:
    """One actor's side of the feed; payloads are what transports.codec packs."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", run_dir: Path, name: str, session: int) -> None:
        self._socket = context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        self._socket.bind(endpoint(feed_path(run_dir, name)))
        self._name, self._session, self._seq = name.encode(), session, 0

    def publish(self, payload: bytes) -> None:
        """Send to whoever listens now; never blocks."""
        self._seq += 1
        self._socket.send_multipart([self._name, _NUMBERS.pack(self._session, self._seq), payload], zmq.NOBLOCK)

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Live:
    """One message of the feed. `missed` messages of this publisher went by unseen just before it (0: none);
    `restarted` when the publisher is another process than before, and what was missed cannot be counted."""

    name: str
    payload: bytes
    missed: int
    restarted: bool


class Subscriber:
    """Follows any number of publishers, also ones that are not there yet."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", run_dir: Path) -> None:
        self._socket = context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._run_dir = run_dir
        self._seen: dict[str, tuple[int, int]] = {}

    @property
    def socket(self) -> "zmq.Socket[bytes]":
        """To wait on: readable when `receive` has something."""
        return self._socket

    def follow(self, name: str) -> None:
        """Also listen to `name`, across its restarts."""
        self._socket.connect(endpoint(feed_path(self._run_dir, name)))

    def receive(self, timeout_s: float) -> Iterator[Live]:
        """What arrived, waiting at most `timeout_s` for the first of it."""
        if not self._socket.poll(round(timeout_s * 1000)):
            return
        while True:
            try:
                name, numbers, payload = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            session, seq = _NUMBERS.unpack(numbers)
            yield self._live(name.decode(), session, seq, payload)

    def close(self) -> None:
        self._socket.close()

    def _live(self, name: str, session: int, seq: int, payload: bytes) -> Live:
        before, last = self._seen.get(name, (session, seq - 1))
        self._seen[name] = (session, seq)
        restarted = before != session
        return Live(name, payload, 0 if restarted else seq - last - 1, restarted)

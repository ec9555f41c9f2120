"""Where others' messages come in: one ROUTER socket bound at the name's path, and the way back to who sent them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import zmq

from transports.errors import Down
from transports.names import endpoint
from transports.peers import MAX_AT_ONCE, bounded
from transports.waiting import Waiting


class Router:
    """`arrived(sender, frames)` is called within the poll."""

    def __init__(
        self,
        path: Path,
        context: "zmq.Context[zmq.Socket[bytes]]",
        waiting: Waiting,
        arrived: Callable[[bytes, list[bytes]], None],
    ) -> None:
        self._arrived = arrived
        self._socket = bounded(context, zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.bind(endpoint(path))
        waiting.listen(self._socket, self._routed)

    def send(self, to: bytes, frames: Sequence[bytes]) -> None:
        """Say something to a peer that has connected. Raises Down when it is gone, or does not read."""
        try:
            self._socket.send_multipart([to, *frames], zmq.NOBLOCK, copy=True)
        except zmq.ZMQError as gone:
            raise Down(to.decode("utf-8", "replace")) from gone

    def close(self) -> None:
        """What is still queued has a moment to leave."""
        self._socket.close()

    def _routed(self) -> None:
        for _ in range(MAX_AT_ONCE):
            try:
                sender, *frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._arrived(sender, frames)

"""A TCP proxy that notes when somebody came: how often is a far end tried? Nobody gets through before it is opened."""

import socket
import threading
import time
from contextlib import suppress

_PIECE = 1 << 16


class Turnstile:
    """Stands before 127.0.0.1:`far`; `times` are the moments (monotonic s) at which a connection was taken.

    The first ones come while it is shut, and wait: they say nothing about how often is tried."""

    def __init__(self, far: int) -> None:
        self.times: list[float] = []
        self._far = far
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def open(self) -> None:
        """Let everybody through from now on."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let nobody through any more; who is inside may stay."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.times.append(time.monotonic())
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._far)) as far:
            back = threading.Thread(target=pass_on, args=(far, near), daemon=True)
            back.start()
            pass_on(near, far)
            back.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Until the source ends, or the target is gone; the end is passed on, too."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

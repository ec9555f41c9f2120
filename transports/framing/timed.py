"""Frames that are made by when bytes come: without a pause, or in one datagram."""


class Paused:
    """Frames that end with `pause_s` of silence on the line.

    Bytes are as old as the call that brings them: whoever feeds it late sees two frames as one, so the pause must be
    longer than the machine may be late (20 ms is safe, 2 ms is not).
    """

    def __init__(self, pause_s: float, max_frame_bytes: int) -> None:
        if pause_s <= 0:
            raise ValueError("a pause is longer than nothing")
        self.lost = 0
        self.due: float | None = None
        self._pause_s, self._max_bytes = pause_s, max_frame_bytes
        self._held, self._too_long = bytearray(), False

    def reset(self) -> None:
        self._held.clear()
        self.due, self._too_long = None, False

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        frames = self._ended() if self.due is not None and now >= self.due else []
        if chunk:
            self._held += chunk
            self.due = now + self._pause_s
            self._bound()
        return frames

    def _ended(self) -> list[bytes]:
        frames = [] if self._too_long else [bytes(self._held)]
        self.reset()
        return frames

    def _bound(self) -> None:
        if len(self._held) > self._max_bytes or self._too_long:
            self.lost += not self._too_long
            self._too_long = True
            self._held.clear()


class Datagrams:
    """Each chunk is a frame: for what arrives in datagrams."""

    due: float | None = None

    def __init__(self, max_frame_bytes: int) -> None:
        self.lost = 0
        self._max_bytes = max_frame_bytes

    def reset(self) -> None:
        """Nothing is held between two datagrams."""

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        if len(chunk) > self._max_bytes:
            self.lost += 1
            return []
        return [chunk] if chunk else []

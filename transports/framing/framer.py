"""What a framer promises to whoever feeds it."""

from typing import Protocol


class Framer(Protocol):
    """Frames gathered from chunks of a stream; `lost` counts those thrown away since the framer was made.

    `due` is the time (monotonic s) at which the frame that has begun ends unless more bytes come: feed an empty chunk
    then. None where only bytes can end it.
    """

    lost: int
    due: float | None

    def feed(self, chunk: bytes, now: float = 0.0) -> list[bytes]:
        """The frames that this chunk, or the time that has come, completed: oldest first, without their marks."""
        ...

    def reset(self) -> None:
        """Forget a frame that has begun: what follows is a new conversation."""
        ...

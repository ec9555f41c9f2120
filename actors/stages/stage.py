"""What a stage of a pipeline is: batches of one source in, batches out, and what it remembers as plain values.

- The order of a tag's samples stays, and so do their times, but for stages that make new times (`resample`).
- A Bad sample never enters a filter or a sum as a value. It passes as it is. Neither does NaN or an infinity.
- The same batches in the same order give the same output, whether or not the stage was made anew in between and given
  what it remembered.
"""

from typing import Any, Protocol

from transports.samples import Batch


class Stage(Protocol):
    """One stage for one source. No I/O, no clock, no log."""

    def take(self, batch: Batch) -> list[Batch]:
        """What comes out by this batch, in order; its `seq` means nothing, whoever sends it on numbers it."""
        ...

    def flush(self) -> list[Batch]:
        """What is held back, in order: the stage is about to be given up."""
        ...

    def state(self) -> Any:
        """Everything that the next `take` depends on, for msgpack."""
        ...

    def restore(self, state: Any) -> None:
        """Go on where `state` was asked. Raises ValueError, TypeError or KeyError for what is no state."""
        ...

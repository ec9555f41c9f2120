"""The account of an outbox, in samples: what became of everything that it was handed.

    taken = acknowledged + waiting + missing

A gap stands for samples that are not kept. While it waits they are `missing`; acknowledged, it counts as them, as it
does in the spool's ledger. `dropped` is how many were given up in all, whatever became of their gap.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Account:
    """Samples of this incarnation, in one topic."""

    taken: int = 0
    acknowledged: int = 0
    waiting: int = 0
    missing: int = 0
    dropped: int = 0

    def entered(self, samples: int, is_gap: bool) -> None:
        """So many are in the ring now, or a gap that stands for them is."""
        if is_gap:
            self.missing += samples
        else:
            self.waiting += samples

    def left(self, samples: int, is_gap: bool) -> None:
        """They are not in the ring any more."""
        self.entered(-samples, is_gap)

"""A batch as columns, for the compact formats: names once, then one row of values for each scan.

source_seq  the source's number of the first scan; the others follow
thinned_to  the number of the last scan, where the spool thinned: the rows then sum up all from source_seq on
window_ns   the length of the window that each row sums up; left out for readings
tags        names, in the order of the columns; units beside them if any tag has one
times       ns UTC, one for each row
values      rows; null where the sample is Bad
quality     one OPC UA status code for all samples, or rows of them
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transports.samples import FIXED, Batch, Tag, is_bad

if TYPE_CHECKING:
    import numpy
    import numpy.typing


def names(tags: tuple[Tag, ...]) -> dict[str, list[str]]:
    """The columns' names, and their units where there are any."""
    columns = {"tags": [tag.name for tag in tags]}
    if any(tag.unit for tag in tags):
        columns["units"] = [tag.unit for tag in tags]
    return columns


def scans(batch: Batch) -> dict[str, Any]:
    """When the rows were read and which they are."""
    window = {"window_ns": batch.window_ns} if batch.window_ns else {}
    thinned = {"thinned_to": batch.thinned_to} if batch.thinned_to else {}
    return {"source_seq": batch.seq, **thinned, **window, "times": batch.times_ns}


def block(batch: Batch) -> "numpy.typing.NDArray[Any] | None":
    """All values as they lie in memory, if they are numbers of one type and none is Bad: no object a sample."""
    if len(batch.blocks) != 1 or any_bad(batch):
        return None
    (kind,) = batch.blocks
    return batch.matrix(kind) if kind in FIXED else None


def any_bad(batch: Batch) -> bool:
    """Whether any sample has no value."""
    if isinstance(batch.quality, int):
        return is_bad(batch.quality)
    return is_bad(int(batch.qualities().max(initial=0)))


def rows(batch: Batch) -> list[Sequence[Any]]:
    """The values scan by scan, whatever their types."""
    return [values for _, values, _ in batch.rows()]

"""Dilution: of many records of one producer, fewer that sum them up, when there is no room for all.

    [batch, batch, gap, batch, ...] ──> stretches without a gap ──> runs of the same tags ──> one record a run
                                          └── a gap, what is not understood: as it is

A run becomes one batch with a scan for each interval (aligned to 1970-01-01 UTC), in the form of an aggregate's window:
the tag `oil` becomes `oil.count`, `oil.min`, `oil.max`, `oil.mean`, `oil.last` and `oil.bad` (thinning.py). The
batch is marked by `thinned_to`, the last scan that it stands for. Diluted again with a larger interval the statistics
are merged, each with its weight.

Nothing is diluted to something larger: a run that would not have fewer samples and fewer bytes stays as it was. Windows
of an aggregate that cannot be merged (a mean without its count), or are longer than the interval, stay as well.

A scan lies in the interval that its own time falls in, also where the clock went back: an interval that is met twice is
two scans. At the ends of what is handed in, an interval may be cut in two; the next dilution makes one of it.

    runs.py       which records go together       thinning.py   a run of batches becomes one
    sheets.py     which statistic of which tag    intervals.py  the arithmetic
"""

from transports.dilution.runs import Diluted, diluted

__all__ = ["Diluted", "diluted"]

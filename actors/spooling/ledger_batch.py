"""The ledger as readings: so that whoever reads the cloud's data can see what is read, delivered, waiting and missing.

A decider: accounts become one batch of the source `ledger`, four whole numbers a row:

    <topic>/<producer>/<consumer>/read | delivered | waiting | gaps
"""

from collections.abc import Sequence

from transports.samples import Batch, DataType, Scan, Tag, batch_of

SOURCE = "ledger"
COLUMNS = ("read", "delivered", "waiting", "gaps")

Row = tuple[str, str, str, int, int, int, int]  # topic, producer, consumer, and the columns


def batch(rows: Sequence[Row], seq: int, time_ns: int) -> Batch:
    """One scan of all accounts, numbered `seq`. There must be a row."""
    tags = tuple(Tag("/".join((*row[:3], column)), DataType.INT64) for row in rows for column in COLUMNS)
    values = [count for row in rows for count in row[3:]]
    return batch_of(SOURCE, seq, [Scan(time_ns, tags, values)])

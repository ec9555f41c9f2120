"""What a message says, one file a format: a record becomes bytes that a cloud application reads.

Each file has `CONTENT_TYPE` and `encode(records, gateway, many) -> bytes`: pure, no I/O. A record is a batch or a gap
with its id in the spool. With `many` false there is exactly one record and the payload is that record; with `many`
true it is a list of records, also when there is only one: a reader never has to guess.

Every record carries the dedupe key (gateway, topic, epoch, seq): equal keys are the same record, delivered again. One
that comes late, out of the backlog of an outage, says that it is historical, so that nobody takes it for the present.
"""

from dataclasses import dataclass, field

from transports.samples import Batch, Gap


@dataclass(frozen=True, slots=True)
class OutRecord:
    """One record of the spool on its way out: its id (topic, epoch, seq) and what it says.

    `historical`: it does not come as it happened. `kept_ns` is when the spool took it (UTC ns, 0 unknown); not told.
    """

    topic: str
    epoch: int
    seq: int
    item: Batch | Gap
    historical: bool = False
    kept_ns: int = field(default=0, compare=False)

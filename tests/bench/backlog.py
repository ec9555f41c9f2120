"""A backlog of small readings, as it lies in a gateway's spool and as the messages that it becomes.

One scan of 4 float64 each, a record and a message of its own in `json`, numbered from 1, a millisecond apart.
"""

import time
from collections.abc import Iterator

from tests.peers.gateway import Gateway
from transports import codec
from transports.payloads import OutRecord
from transports.payloads.json import encode
from transports.samples import Batch, Scan, Tag, batch_of
from transports.spool import Settings, Spool

DEVICE, GATEWAY, OUT = "press", "bench", "out"
TAGS = tuple(Tag(name) for name in ("force", "way", "speed", "heat"))
BEGIN_NS, STEP_NS = 1_700_000_000_000_000_000, 1_000_000
TOGETHER = 100  # records written in one transaction


def write(gateway: Gateway, records: int) -> None:
    """Have so many of them in the spool of a gateway that has not been started."""
    directory = gateway.data_dir / "spool"
    gateway.data_dir.mkdir(mode=0o750)
    directory.mkdir()
    spool = Spool.open(str(directory), Settings(), {"raw": (), OUT: ("cloud",)}, time.time_ns())
    for begin in range(1, records + 1, TOGETHER):
        payloads = [codec.pack(_batch(seq)) for seq in range(begin, min(begin + TOGETHER, records + 1))]
        spool.append(OUT, DEVICE, begin, payloads, time.time_ns(), counts=[len(TAGS)] * len(payloads))
    spool.close()


def messages(records: int, epoch: int) -> Iterator[bytes]:
    """The payloads that an uplink makes of as many of them."""
    for seq in range(1, records + 1):
        yield encode([OutRecord(OUT, epoch, seq, _batch(seq))], GATEWAY, many=False)


def _batch(seq: int) -> Batch:
    return batch_of(DEVICE, seq, [Scan(BEGIN_NS + seq * STEP_NS, TAGS, [seq * 0.25, 12.5, 3.125, 71.0])])

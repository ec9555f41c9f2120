"""What a link that talks by itself says, read when its descriptor says so."""

import select

from transports.links import Link, Listening
from transports.samples import Scan

PATIENCE_S = 10.0


def listen(link: Link, count: int) -> list[Scan]:
    """The next `count` scans, or a few more."""
    assert isinstance(link, Listening)
    scans: list[Scan] = []
    while len(scans) < count:
        assert select.select([link.fileno()], [], [], PATIENCE_S)[0]
        read = link.read()
        assert isinstance(read, list)
        scans += read
    return scans

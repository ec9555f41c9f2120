"""Framing: bytes in, frames out, for any stream that has no frames of its own (serial lines, TCP).

    class            a frame is                                   example
    Delimited        what lies before a delimiter                 b"23.5\\r\\n"           -> b"23.5"
    Enclosed         what lies between start and end              b"\\x0223.5\\x03"       -> b"23.5"
    Stuffed          the same, marks within it being escaped      b"\\x02\\x10\\x03\\x03" -> b"\\x03"
    slip             what lies between END bytes (RFC 1055)       b"\\xc0a\\xdb\\xdc\\xc0" -> b"a\\xc0"
    FixedSize        every `size` bytes                           b"\\x01\\x02"           -> b"\\x01\\x02"
    LengthPrefixed   as many bytes as its header says             b"\\x00\\x02ab"         -> b"ab"
    Paused           what comes without a pause                   b"ab" ... silence     -> b"ab"
    Datagrams        each chunk, as it comes                      b"ab"                 -> b"ab"

A new framing is one more class here that keeps the promises of `Framer`:
- pure: no clock, no I/O; any split of a stream into chunks gives the same frames and the same `lost` (of Datagrams
  and Paused, whose frames are chunks and times, any split at one time);
- bounded: it never holds more than `max_frame_bytes` and a mark or a header beyond the chunk that it is being fed;
- a frame that is too long or damaged is thrown away up to the next, and counted: it cannot hide what follows it.
"""

from transports.framing.framer import Framer
from transports.framing.marked import Delimited, Enclosed
from transports.framing.sized import FixedSize, Header, LengthPrefixed
from transports.framing.stuffed import Stuffed, slip, stuff, stuff_slip
from transports.framing.timed import Datagrams, Paused

__all__ = [
    "Datagrams",
    "Delimited",
    "Enclosed",
    "FixedSize",
    "Framer",
    "Header",
    "LengthPrefixed",
    "Paused",
    "Stuffed",
    "slip",
    "stuff",
    "stuff_slip",
]

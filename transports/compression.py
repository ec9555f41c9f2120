"""zstd around a payload (RFC 8878), as the standard library has it from Python 3.14 on.

A frame begins with the bytes 28 B5 2F FD, as no payload of the house does. It is taken apart only when it says how long
its content is and keeps to it: a damaged frame, or one made to fill the memory, costs no more than that.
"""

import sys
from importlib import import_module

if sys.version_info >= (3, 14):
    zstd = import_module("compression.zstd")  # by its name: the older ones' standard library does not know it
else:
    import backports.zstd as zstd

from transports.errors import NotUnderstood

MAX_CONTENT_BYTES = 64 * 1024 * 1024


def compressed(payload: bytes, level: int) -> bytes:
    """One frame, which tells the length of its content. Raises ValueError for what `decompressed` would not take."""
    if len(payload) > MAX_CONTENT_BYTES:
        raise ValueError(f"{len(payload)} bytes; {MAX_CONTENT_BYTES} are the most in a frame")
    return zstd.compress(payload, level)


def decompressed(frame: bytes | memoryview) -> bytes:
    """The content of exactly one frame. Raises NotUnderstood for anything else."""
    try:
        length = zstd.get_frame_info(frame).decompressed_size
        if length is None or length > MAX_CONTENT_BYTES:
            raise NotUnderstood(f"a frame of {length} bytes when decompressed; {MAX_CONTENT_BYTES} are the most")
        decompressor = zstd.ZstdDecompressor()
        content = decompressor.decompress(frame, max_length=length)
    except zstd.ZstdError as wrong:
        raise NotUnderstood(f"a damaged frame of {len(frame)} bytes: {wrong}") from wrong
    if len(content) != length or not decompressor.eof or decompressor.unused_data:
        raise NotUnderstood(f"a damaged frame of {len(frame)} bytes: its content is not as long as it says")
    return content

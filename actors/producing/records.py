"""Batches as the payloads of records: packed, and cut by scans so that each fits one."""

from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import replace

from actors.producing.outbox import Covers, Entry
from transports.samples import Batch

TOO_LARGE = "larger than a record may be"


def pieces(batch: Batch, packed: Callable[[Batch], bytes], max_bytes: int) -> Iterator[tuple[Batch, bytes | None]]:
    """The batch in as few halves of halves as fit, each with its payload; None for a scan that does not fit alone."""
    payload, n = packed(batch), len(batch.times_ns)
    if len(payload) <= max_bytes:
        yield batch, payload
    elif n <= 1:
        yield batch, None
    else:
        yield from pieces(part(batch, 0, n // 2), packed, max_bytes)
        yield from pieces(part(batch, n // 2, n), packed, max_bytes)


def entries(batches: Sequence[Batch], packed: Callable[[Batch], bytes], max_bytes: int) -> Iterator[Entry]:
    """The batches in order, as transactions that are little larger than a record; what fits none has no payloads."""
    held: list[tuple[Batch, bytes]] = []
    size_bytes = 0
    for piece, payload in (each for batch in batches for each in pieces(batch, packed, max_bytes)):
        if held and (payload is None or size_bytes + len(payload) > max_bytes):
            yield _entry(*zip(*held, strict=True))
            held, size_bytes = [], 0
        if payload is None:
            yield _entry([piece], ())
        else:
            held.append((piece, payload))
            size_bytes += len(payload)
    if held:
        yield _entry(*zip(*held, strict=True))


def covered(first: Batch, last: Batch) -> Covers:
    """What a gap must say that stands in the place of these batches and of all between them."""
    return first.seq, last.seq + len(last.times_ns) - 1, first.times_ns[0], last.times_ns[-1]


def part(batch: Batch, begin: int, end: int) -> Batch:
    """The scans from `begin` to before `end`, all tags, as a batch of their own."""
    n = len(batch.times_ns)
    blocks = {kind: block[_within(block, n, begin, end)] for kind, block in batch.blocks.items()}
    quality = batch.quality
    if not isinstance(quality, int):
        quality = quality[_within(quality, n, begin, end)]
    times_ns = batch.times_ns[begin:end]
    return replace(batch, seq=batch.seq + begin, times_ns=times_ns, blocks=blocks, quality=quality)


def _entry(pieces: Sequence[Batch], payloads: Sequence[bytes]) -> Entry:
    counts = tuple(piece.samples for piece in pieces)
    scans = sum(len(piece.times_ns) for piece in pieces)
    return Entry(tuple(payloads), covered(pieces[0], pieces[-1]), count=scans, counts=counts)


def _within(block: Sized, n: int, begin: int, end: int) -> slice:
    """Where these scans are in a block of `n`."""
    width = len(block) // n
    return slice(begin * width, end * width)

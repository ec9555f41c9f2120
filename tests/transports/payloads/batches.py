"""Any batch and any gap that a device could have caused, for property tests of the payload formats."""

from hypothesis import strategies as st

from transports.payloads import OutRecord
from transports.samples import DataType, Gap, Quality, Scan, Tag, batch_of

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT64 = st.integers(0, 2**64 - 1)
VALUES = {
    DataType.BOOL: st.booleans(),
    DataType.INT64: INT64,
    DataType.UINT64: UINT64,
    DataType.FLOAT64: st.floats(),
    DataType.STRING: st.text(max_size=8),
    DataType.BYTES: st.binary(max_size=8),
    DataType.INT64_ARRAY: st.lists(INT64, max_size=3).map(tuple),
    DataType.UINT64_ARRAY: st.lists(UINT64, max_size=3).map(tuple),
    DataType.FLOAT64_ARRAY: st.lists(st.floats(), max_size=3).map(tuple),
}
QUALITIES = st.sampled_from([Quality.GOOD, Quality.UNCERTAIN_LAST_USABLE, Quality.BAD_TIMEOUT, 0xC000_0000])
TIMES = st.integers(0, 2**62)
MAYBE = st.none() | UINT64


@st.composite
def scans(draw, tags):
    shared = draw(st.booleans())
    codes = [draw(QUALITIES)] * len(tags) if shared else [draw(QUALITIES) for _ in tags]
    values = [None if code >= 0x8000_0000 else draw(VALUES[tag.type]) for tag, code in zip(tags, codes, strict=True)]
    return Scan(draw(TIMES), tags, values, codes[0] if shared else codes)


@st.composite
def batches(draw):
    kinds = draw(st.lists(st.sampled_from(DataType), min_size=1, max_size=4))
    if draw(st.booleans()):
        kinds = [kinds[0]] * len(kinds)
    tags = tuple(Tag(f"tag {i}", kind, draw(st.sampled_from(["", "kN"]))) for i, kind in enumerate(kinds))
    rows = draw(st.lists(scans(tags), min_size=1, max_size=4))
    batch = batch_of(draw(st.text(max_size=5)), draw(st.integers(0, 2**60)), rows)
    return batch.__class__(
        batch.source, batch.seq, batch.tags, batch.times_ns, batch.blocks, batch.quality, draw(st.sampled_from([0, 60]))
    )


GAPS = st.builds(Gap, st.text(max_size=5), st.text(max_size=5), TIMES, TIMES, MAYBE, MAYBE, MAYBE, st.text(max_size=5))
NUMBERS = st.integers(0, 2**63 - 1)


def records(items):
    """Records of the spool that hold what `items` draws."""
    return st.builds(OutRecord, st.just("out"), NUMBERS, NUMBERS, items)


def same(one, other):
    """Whether two values are equal, NaN being equal to NaN, -0.0 not to 0.0, and 1 not to True."""
    return repr(one) == repr(other)

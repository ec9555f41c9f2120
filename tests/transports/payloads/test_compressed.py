import gzip
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports import compression
from transports.errors import UplinkRefused
from transports.payloads import OutRecord, _compressed, json
from transports.samples import Scan, Tag, batch_of

WINDOW_MOST = 8 * 1024 * 1024  # RFC 9659
BACK = {"none": bytes, "gzip": gzip.decompress, "zstd": compression.decompressed}


@pytest.mark.parametrize("how", _compressed.CHOICES)
@given(payload=st.binary())
def test_what_is_compressed_comes_back_and_twice_the_same(how, payload):
    sent = _compressed.compressed(payload, how)
    assert BACK[how](sent) == payload
    assert _compressed.compressed(payload, how) == sent


def test_every_choice_but_none_has_a_name_in_http():
    assert set(_compressed.CONTENT_ENCODING) == set(_compressed.CHOICES) - {"none"}


def test_gzip_has_no_time_in_it():
    assert _compressed.compressed(b"press-1", "gzip")[4:8] == bytes(4)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_readings_get_several_times_smaller(how):
    tags = tuple(Tag(f"force{i}") for i in range(8))
    scans = [Scan(1_700_000_000_000_000_000 + i * 10**8, tags, [i + k / 8 for k in range(8)]) for i in range(50)]
    payload = json.encode([OutRecord("out", 1, 1, batch_of("press-1", 1, scans))], "plant-7", False)
    assert len(_compressed.compressed(payload, how)) < len(payload) / 5


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_the_usual_tools_take_it_apart(how):
    if shutil.which(how) is None:
        pytest.skip(f"the command {how} is not installed")
    payload = b"press-1 " * 1000
    done = subprocess.run([how, "-dc"], input=_compressed.compressed(payload, how), capture_output=True, timeout=30)
    assert done.stdout == payload


def test_a_zstd_frame_needs_no_larger_window_than_a_receiver_must_have():
    frame = _compressed.compressed(bytes(range(256)) * (40 * 2**20 // 256), "zstd")
    assert not frame[4] & 0x20, "a single segment: its window would be its content (RFC 8878, section 3.1.1.1.1)"
    exponent, mantissa = frame[5] >> 3, frame[5] & 7
    base = 1 << (10 + exponent)
    assert base + base // 8 * mantissa <= WINDOW_MOST


def test_a_payload_too_large_for_a_frame_is_refused_and_kills_nobody(monkeypatch):
    monkeypatch.setattr(compression, "MAX_CONTENT_BYTES", 10)
    with pytest.raises(UplinkRefused, match="too large"):
        _compressed.compressed(b"x" * 11, "zstd")


def test_a_choice_that_is_none_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="none, gzip, zstd"):
        _compressed.compressed(b"", "br")

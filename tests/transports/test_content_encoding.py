import gzip
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports import compression, content_encoding
from transports.errors import UplinkRefused
from transports.payloads import OutRecord, json
from transports.samples import Scan, Tag, batch_of

WINDOW_MOST = 8 * 1024 * 1024  # RFC 9659
BACK = {"": bytes, "gzip": gzip.decompress, "zstd": compression.decompressed}


@pytest.mark.parametrize("how", content_encoding.CHOICES)
@given(payload=st.binary(max_size=600))
def test_what_is_compressed_comes_back_and_twice_the_same(how, payload):
    sent = content_encoding.compressed(payload, how)
    assert BACK[sent.encoding](sent.octets) == payload
    assert content_encoding.compressed(payload, how) == sent


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_small_payload_stays_as_it_is_and_says_so(how):
    assert content_encoding.compressed(bytes(255), how) == (bytes(255), "")
    assert content_encoding.compressed(bytes(256), how).encoding == how


def test_gzip_has_no_time_in_it():
    assert content_encoding.compressed(bytes(256), "gzip").octets[4:8] == bytes(4)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_readings_get_several_times_smaller(how):
    tags = tuple(Tag(f"force{i}") for i in range(8))
    scans = [Scan(1_700_000_000_000_000_000 + i * 10**8, tags, [i + k / 8 for k in range(8)]) for i in range(50)]
    payload = json.encode([OutRecord("out", 1, 1, batch_of("press-1", 1, scans))], "plant-7", False)
    assert len(content_encoding.compressed(payload, how).octets) < len(payload) / 5


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_the_usual_tools_take_it_apart(how):
    if shutil.which(how) is None:
        pytest.skip(f"the command {how} is not installed")
    payload = b"press-1 " * 1000
    sent = content_encoding.compressed(payload, how).octets
    done = subprocess.run([how, "-dc"], input=sent, capture_output=True, timeout=30)
    assert done.stdout == payload


def test_a_zstd_frame_needs_no_larger_window_than_a_receiver_must_have():
    frame = content_encoding.compressed(bytes(range(256)) * (40 * 2**20 // 256), "zstd").octets
    assert not frame[4] & 0x20, "a single segment: its window would be its content (RFC 8878, section 3.1.1.1.1)"
    exponent, mantissa = frame[5] >> 3, frame[5] & 7
    base = 1 << (10 + exponent)
    assert base + base // 8 * mantissa <= WINDOW_MOST


def test_a_payload_too_large_for_a_frame_is_refused_and_kills_nobody(monkeypatch):
    monkeypatch.setattr(compression, "MAX_CONTENT_BYTES", 10)
    with pytest.raises(UplinkRefused, match="too large"):
        content_encoding.compressed(b"x" * 300, "zstd")


def test_a_choice_that_is_none_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="none, gzip, zstd"):
        content_encoding.compressed(bytes(300), "br")

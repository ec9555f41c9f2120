import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transports.building import build
from transports.errors import SettingsError, UplinkDown, UplinkRefused
from transports.uplinks import Identity, Outgoing, file


def opened(path, **table):
    settings = build(file.Settings, {"path": str(path), **table}, "uplink.disk")
    return file.connect(settings, Identity("plant", "disk"))


def send(uplink, *payloads, first=0):
    for ticket, payload in enumerate(payloads, first):
        uplink.send(Outgoing(ticket, {"device": "d"}, payload))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.ndjson"


def test_a_message_is_taken_when_it_is_durable_and_not_before(path):
    uplink = opened(path, sync="100ms")
    send(uplink, b'{"a":1}', b'{"a":2}')
    assert uplink.next_step(5.0) == 5.0
    uplink.step(5.0)
    assert (uplink.taken(), uplink.next_step(5.0)) == ([], 5.1)
    uplink.step(5.1)
    assert (uplink.taken(), uplink.taken()) == ([0, 1], [])
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert uplink.next_step(5.1) == float("inf")


def test_one_sync_serves_all_that_was_written(path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    uplink = opened(path)
    for now in (0.0, 0.05, 0.1, 0.15):
        send(uplink, b"{}")
        uplink.step(now)
    assert len(synced) == 1


def test_a_farewell_makes_durable_what_was_written_and_tells_of_it(path):
    uplink = opened(path)
    send(uplink, b"{}")
    uplink.close()
    uplink.close()
    assert uplink.taken() == [0]
    assert not uplink.ready()


def test_a_torn_last_line_never_runs_into_the_next_record(path):
    path.write_bytes(b'{"a":1}\n{"a":')
    uplink = opened(path)
    send(uplink, b'{"a":2}')
    uplink.close()
    assert path.read_bytes() == b'{"a":1}\n{"a":\n{"a":2}\n'


def test_a_whole_last_line_is_left_as_it_is(path):
    path.write_bytes(b"{}\n")
    opened(path).close()
    assert path.read_bytes() == b"{}\n"


def test_a_full_file_is_put_aside_and_only_so_many_are_kept(path):
    uplink = opened(path, max="20B", keep=2)
    send(uplink, *(b'{"n":%d}' % n for n in range(10, 20)))
    uplink.close()
    assert uplink.taken() == list(range(10))
    kept = {name: (path.parent / name).read_bytes() for name in os.listdir(path.parent)}
    assert kept == {
        "out.ndjson": b'{"n":18}\n{"n":19}\n',
        "out.ndjson.1": b'{"n":16}\n{"n":17}\n',
        "out.ndjson.2": b'{"n":14}\n{"n":15}\n',
    }


def test_what_was_written_before_a_rotation_is_durable_by_then(path):
    uplink = opened(path, max="10B")
    send(uplink, b'{"n":1}', b'{"n":2}')
    assert uplink.taken() == [0]


def test_a_message_larger_than_a_file_may_be_is_written_alone(path):
    uplink = opened(path, max="10B")
    send(uplink, b"[1]", b"[1,2,3,4,5,6,7,8]", b"[2]")
    uplink.close()
    assert path.with_name("out.ndjson.1").read_bytes() == b"[1,2,3,4,5,6,7,8]\n"


@pytest.mark.parametrize("payload", [b'{\n"a":1}', b"\x82\xa1a\x01"])
def test_what_is_not_one_line_of_text_is_refused_and_the_next_one_goes(path, payload):
    uplink = opened(path)
    with pytest.raises(UplinkRefused, match="JSON"):
        send(uplink, payload)
    send(uplink, b"{}")
    uplink.close()
    assert path.read_bytes() == b"{}\n"


def test_a_full_disk_takes_nothing_and_says_so():
    uplink = opened("/dev/full")
    with pytest.raises(UplinkDown, match="No space left"):
        send(uplink, b"{}")
    assert uplink.taken() == []
    with pytest.raises(UplinkDown, match="is closed"):
        uplink.step(1.0)
    uplink.close()


def test_a_failed_sync_promises_nothing_even_at_a_farewell(path, monkeypatch):
    def failing(_file):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    uplink = opened(path, sync="0s")
    send(uplink, b"{}")
    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(UplinkDown, match="Input/output error"):
        uplink.step(1.0)
    uplink.close()
    assert uplink.taken() == []


def test_a_missing_directory_is_a_reason_to_try_again_later(tmp_path):
    with pytest.raises(UplinkDown, match="its directory does not exist"):
        opened(tmp_path / "nowhere" / "out.ndjson")


def test_a_directory_is_a_mistake_in_the_configuration(tmp_path):
    with pytest.raises(SettingsError, match=r"uplink\.disk\.path = .*is a directory"):
        opened(tmp_path)


def test_two_writers_never_share_a_file(path):
    first = opened(path)
    with pytest.raises(UplinkDown, match="another process writes to it"):
        opened(path)
    first.close()
    opened(path).close()


def test_nothing_is_ever_waited_for(path):
    uplink = opened(path)
    assert (uplink.fileno(), uplink.wants_write(), uplink.ready()) == (-1, False, True)


@settings(max_examples=30)  # each one syncs to a real disk
@given(
    st.lists(st.lists(st.text(max_size=8).map(lambda text: repr(text).encode()), max_size=6), max_size=5),
    st.integers(1, 60),
)
def test_every_record_stands_on_a_line_of_its_own_whatever_opens_and_rotations_there_were(
    tmp_path_factory, sittings, max_bytes
):
    path, sent = tmp_path_factory.mktemp("any") / "out", []
    for payloads in sittings:
        uplink = opened(path, max=max_bytes, keep=1000)
        send(uplink, *payloads, first=len(sent))
        sent += payloads
        uplink.close()
        assert uplink.taken() == list(range(len(sent) - len(payloads), len(sent)))
    names = sorted(os.listdir(path.parent), key=lambda name: -int(name.partition(".")[2] or 0))
    assert b"".join((path.parent / name).read_bytes() for name in names) == b"".join(line + b"\n" for line in sent)

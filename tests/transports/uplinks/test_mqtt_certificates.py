"""Certificates that end are told of in time; those that are replaced are used without a restart."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto, free_port
from tests.transports.uplinks.driving import Driver
from transports.building import build
from transports.tls import Tls
from transports.uplinks import Identity, Outgoing, _certificates, mqtt
from transports.uplinks._certificates import DAY_S, Dated
from transports.uplinks._mqtt.past import Past
from transports.uplinks._rotation import LOOK_EVERY_S, Rotation

NOW_S = 1_700_000_000.0


def dated(days, serial="1"):
    return Dated("our certificate x.pem", serial, NOW_S + days * DAY_S)


class TestWhatIsSaid:
    @pytest.mark.parametrize(
        ("days", "words"),
        [
            (12.5, "expires in 12 days (2023-11-27 10:13 UTC): renew it"),
            (1.2, "expires in 1 day ("),
            (0.5, "expires in 12 h ("),
            (-1, "has expired ("),
        ],
    )
    def test_when_it_ends_and_what_to_do(self, days, words):
        assert words in _certificates.warnings([dated(days)], NOW_S)[0]

    def test_nothing_while_there_is_time(self):
        assert _certificates.warnings([dated(30.1)], NOW_S) == []

    @given(st.lists(st.floats(0, 2), max_size=60))
    def test_each_stage_is_told_once_however_often_it_is_looked_at(self, pauses_days):
        told, said, left = {}, 0, 40.0
        for pause in pauses_days:
            left -= pause
            new, told = _certificates.notices([dated(left)], told, NOW_S)
            said += len(new)
            assert (not new) or left <= 30
        reached = sum(left <= bound for bound in (30, 7, 1, 0))
        assert said <= reached
        if reached:
            assert said >= 1

    def test_a_successor_is_told_of_anew_and_nothing_is_remembered_of_what_is_gone(self):
        new, told = _certificates.notices([dated(5)], {}, NOW_S)
        assert len(new) == 1
        again, told = _certificates.notices([dated(300, "2")], told, NOW_S)
        assert (again, told) == ([], {})
        last, _ = _certificates.notices([dated(5, "2")], told, NOW_S)
        assert len(last) == 1


class TestWhatIsRead:
    def test_of_two_authorities_of_one_name_the_later_counts(self, tmp_path):
        old, new = (Authority(tmp_path / name, valid_days=(-1, days)) for name, days in (("a", 3), ("b", 300)))
        both = tmp_path / "both.pem"
        both.write_bytes(new.ca.read_bytes() + old.ca.read_bytes())
        (found,) = _certificates.of_authorities(both, b"")
        assert found.not_after_s > time.time() + 200 * DAY_S

    @pytest.fixture(autouse=True)
    def rooms(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()


class TestRotation:
    @pytest.fixture
    def own(self, tmp_path):
        authority = Authority(tmp_path)
        pair = authority.signs("gw")
        return authority, Tls(ca=authority.ca, certificate=pair.certificate, key=pair.key)

    def test_a_file_that_is_touched_is_no_other(self, own):
        _, tls = own
        rotation = Rotation(tls, 0.0)
        os.utime(tls.certificate, (1, 1))
        assert not rotation.changed(4.0)

    def test_a_pair_that_is_written_is_used_when_both_are_there(self, own):
        authority, tls = own
        rotation, old_key = Rotation(tls, 0.0), tls.key.read_bytes()
        authority.signs("gw")
        new_key = tls.key.read_bytes()
        tls.key.write_bytes(old_key)
        assert not rotation.changed(4.0)
        tls.key.write_bytes(new_key)
        assert rotation.changed(8.0)

    def test_a_broken_file_is_said_once_and_the_old_connection_kept(self, own):
        _, tls = own
        rotation = Rotation(tls, 0.0)
        tls.certificate.write_text("not a certificate")
        assert not rotation.changed(4.0)
        with pytest.raises(ValueError, match=r"gw\.pem and .*gw\.key must be"):
            rotation.changed(8.0)
        assert not rotation.changed(12.0)

    def test_a_file_that_is_gone_keeps_the_connection_until_it_is_back(self, own):
        _, tls = own
        rotation, kept = Rotation(tls, 0.0), tls.certificate.read_bytes()
        tls.certificate.unlink()
        assert not rotation.changed(4.0)
        tls.certificate.write_bytes(kept)
        assert not rotation.changed(8.0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), valid_days=(-1, 300))


@pytest.fixture(scope="module")
def broker(authority, tmp_path_factory):
    pair = authority.signs("broker", valid_days=(-1, 200))
    lines = [f"cafile {authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    lines += ["require_certificate true", "use_identity_as_username true"]
    with Mosquitto(tmp_path_factory.mktemp("asking"), lines) as running:
        yield running


def settings(broker, authority, pair):
    tls = {"ca": str(authority.ca), "certificate": str(pair.certificate), "key": str(pair.key)}
    return build(mqtt.Settings, {"host": "127.0.0.1", "port": broker.port, "tls": tls}, "uplink.cloud")


def connect(told):
    return Driver(mqtt.connect(told, Identity("plant", "cloud")))


def test_a_certificate_that_ends_within_30_days_is_told_once_and_stays_in_status(broker, authority):
    pair = authority.signs("ending", valid_days=(-1, 20))
    told = settings(broker, authority, pair)
    d = connect(told).until_ready()
    (notice,) = d.uplink.notices()
    assert f"our certificate {pair.certificate} expires in 19 days" in notice
    assert d.uplink.notices() == []
    assert d.uplink.standing()["warnings"] == [notice]
    d.uplink.close()
    again = connect(told)
    again.until_ready()
    assert again.uplink.notices() == []
    again.uplink.close()


def test_a_replaced_certificate_is_used_without_a_restart_and_nothing_in_flight_is_lost(broker, authority):
    pair = authority.signs("first", valid_days=(-1, 100))
    told = settings(broker, authority, pair)
    d = connect(told).until_ready()
    other = authority.signs("second", valid_days=(-1, 100))
    Path(pair.key).write_bytes(other.key.read_bytes())
    Path(pair.certificate).write_bytes(other.certificate.read_bytes())
    d.uplink.send(Outgoing(7, {"device": "d"}, b"x"))
    now = time.monotonic() + LOOK_EVERY_S
    with pytest.raises(mqtt.UplinkDown, match="certificate was replaced"):
        d.uplink.step(now)
    assert d.uplink.taken() == [7]
    d.uplink.close(farewell=False)
    connect(told).until_ready().uplink.close()
    assert any("u'second'" in line for line in broker.log)


def test_a_broken_new_certificate_leaves_the_connection_as_it_is_and_is_told(broker, authority):
    pair = authority.signs("mangled", valid_days=(-1, 100))
    d = connect(settings(broker, authority, pair)).until_ready()
    pair.certificate.write_text("oops")
    now = time.monotonic()
    d.uplink.step(now + LOOK_EVERY_S)
    d.uplink.step(now + 2 * LOOK_EVERY_S)
    (notice,) = d.uplink.notices()
    assert "the old one goes on" in notice
    d.deliver([b"still here"])
    d.uplink.close()


def test_the_brokers_own_certificate_is_watched_too(authority, tmp_path):
    pair = authority.signs("short", valid_days=(-1, 6))
    lines = [f"cafile {authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    with Mosquitto(tmp_path, lines) as broker:
        tls = {"ca": str(authority.ca)}
        told = build(mqtt.Settings, {"host": "127.0.0.1", "port": broker.port, "tls": tls}, "uplink.cloud")
        d = connect(told).until_ready()
        assert f"the certificate of 127.0.0.1:{broker.port} expires in 5 days" in d.uplink.notices()[0]
        d.uplink.close()


def test_a_certificate_of_ours_that_has_expired_is_told_of_though_nobody_lets_us_in(authority):
    pair = authority.signs("over", valid_days=(-20, -10))
    tls = {"ca": str(authority.ca), "certificate": str(pair.certificate), "key": str(pair.key)}
    told = build(mqtt.Settings, {"host": "127.0.0.1", "port": free_port(), "tls": tls}, "uplink.cloud")
    for attempt in range(2):
        told.past.not_before = float("-inf")
        d = connect(told)
        assert "nobody listens" in d.until_down()
        expected = f"our certificate {pair.certificate} has expired"
        assert [expected in notice for notice in d.uplink.notices()] == [True] * (attempt == 0)
        assert expected in d.uplink.standing()["warnings"][0]
        d.uplink.close()


def test_of_servers_that_are_used_in_turn_each_certificate_is_told_of_once():
    past, said = Past(), 0
    for serial in ("a", "b") * 3:
        new, told = _certificates.notices([dated(5, serial)], past.certificates, NOW_S)
        past.tell_of(told)
        said += len(new)
    assert said == 2
    for number in range(1000):
        past.tell_of({str(number): 1})
    assert len(past.certificates) < 100

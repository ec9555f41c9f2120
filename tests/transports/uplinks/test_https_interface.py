"""HTTPS leaves through the interface that the uplink was told."""

from pathlib import Path

import pytest

from tests.peers.certificates import Authority
from tests.transports.uplinks.driving import Driver
from tests.transports.uplinks.https_driving import far_end, settings_for
from transports.clock import MachineClock
from transports.errors import UplinkDown
from transports.uplinks import Identity, Outgoing, https


def _driver(settings: https.Settings, interface: str) -> Driver:
    return Driver(https.HttpsUplink(settings, Identity("plant", "cloud", None, interface), MachineClock()))


def test_a_message_goes_out_through_the_interface(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with far_end(tmp_path, authority.signs("server")) as far:
        driver = _driver(settings_for(far, authority), "lo")
        driver.until(driver.uplink.ready)
        driver.uplink.send(Outgoing(1, {"device": "press"}, b"{}"))
        driver.until(lambda: driver.took == [1])


def test_an_interface_that_is_not_there_is_named(tmp_path: Path) -> None:
    with far_end(tmp_path) as far, pytest.raises(UplinkDown, match="no network interface 'wwan7'"):
        _driver(settings_for(far), "wwan7").until(lambda: False)

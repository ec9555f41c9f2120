"""When a link is checked, and what a check says."""

import select
import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest

from actors.networks import check
from actors.networks.check import NEVER_S, Check
from actors.networks.settings import Settings
from tests.actors.networks.post import Post
from transports.interfaces.probe import probe

PERIOD_S, PATIENCE_S = 2.0, 1.0


class Site:
    """A check of the loopback, at a server that the test may close."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.post, self.changes = Post(), 0
        address: Any = self.server.getsockname()
        settings = Settings(interface="lo", check_period_s=PERIOD_S, check_timeout_s=PATIENCE_S)
        self.check = Check(cast(Any, self.post), self.post.clock, settings, [address], self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def looked(self) -> None:
        """The look that is under way has ended."""
        (source,) = self.post.readable
        assert select.select([source], [], [], 10)[0]
        self.post.readable[source]()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.check.end()
    made.server.close()


def test_a_link_is_checked_at_once_and_then_each_period(site: Site) -> None:
    site.check.soon()
    site.post.wait(0.0)
    site.looked()
    assert site.check.standing.good_at == site.post.clock.now()
    assert site.post.due == site.post.clock.now() + PERIOD_S


def test_messages_that_arrive_put_the_check_off(site: Site) -> None:
    site.check.soon()
    for _ in range(5):
        site.check.fared(True)
        assert site.post.due == site.post.clock.now() + PERIOD_S / 2
        site.post.wait(0.9)
    assert not site.post.readable, "nothing was probed"
    assert site.check.standing.good_at == site.post.clock.now() - 0.9


def test_bad_checks_follow_each_other_quickly_until_the_link_is_given_up_and_then_each_period(site: Site) -> None:
    site.server.close()
    site.check.soon()
    for number in (1, 2, 3):
        site.post.wait(0.0 if number == 1 else 0.5)
        site.looked()
        assert site.check.standing.failures == number
    assert not site.check.standing.up
    assert "refused" in site.check.standing.why
    assert site.post.due == site.post.clock.now() + PERIOD_S


def test_a_look_that_does_not_end_is_bad_and_no_other_is_begun_beside_it(site: Site) -> None:
    site.check.soon()
    site.post.wait(0.0)
    for number in (1, 2, 3):
        site.post.wait(PERIOD_S)
        assert (site.check.standing.failures, len(site.post.readable)) == (number, 1)
    assert not site.check.standing.up
    assert "resolved" in site.check.standing.why


def test_what_was_under_way_when_the_cable_was_pulled_says_nothing(site: Site) -> None:
    site.check.soon()
    site.post.wait(0.0)
    site.check.cut("no carrier")
    site.looked()
    site.check.fared(True)
    assert (site.check.standing.up, site.check.standing.why) == (False, "no carrier")
    site.post.wait(10 * PERIOD_S)
    assert not site.post.readable, "nobody looks through a cable that is not there"
    site.check.mended()
    site.post.wait(0.0)
    site.looked()
    assert site.check.standing.up


def test_a_link_that_matters_more_is_looked_at_sooner_and_never_later(site: Site) -> None:
    site.check.pace(60.0)
    site.check.soon()
    site.post.wait(0.0)
    site.looked()
    assert site.post.due == site.post.clock.now() + 60
    site.post.wait(30.0)
    site.check.pace(PERIOD_S)
    assert site.post.due <= site.post.clock.now()


def test_news_of_an_interface_while_a_look_is_under_way_is_no_bad_look(site: Site) -> None:
    site.check.soon()
    site.post.wait(0.0)
    for _ in range(5):
        site.check.soon()
        site.check.fared(False)
        site.post.wait(0.0)
    assert site.check.standing.failures == 0
    site.looked()
    assert site.check.standing.good_at == site.post.clock.now()


def test_a_cable_that_comes_and_goes_ten_times_a_second_is_looked_at_twice_a_second(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def counted(*given: Any) -> Any:
        nonlocal looks
        looks += 1
        return probe(*given)

    monkeypatch.setattr(check, "probe", counted)
    site.check.soon()
    for _ in range(100):
        site.check.cut("no carrier")
        site.check.mended()
        site.check.soon()
        site.post.wait(0.1)
        if site.post.readable:
            site.looked()
    assert 10 <= looks <= 21, "in 10 s"


def test_a_look_that_is_stuck_in_the_resolver_is_the_only_one_however_often_the_cable_is_pulled(site: Site) -> None:
    site.check.soon()
    site.post.wait(0.0)
    (stuck,) = site.post.readable
    for _ in range(5):
        site.check.cut("no carrier")
        site.check.mended()
        site.post.wait(PERIOD_S)
        assert [*site.post.readable] == [stuck]
    assert "resolved" in site.check.standing.why
    site.looked()
    site.post.wait(0.0)
    site.looked()
    assert site.check.standing.up


def test_over_a_link_that_lets_nothing_pass_goes_no_check_until_it_may_again(site: Site) -> None:
    site.check.soon()
    site.post.wait(0.0)
    site.looked()
    site.check.pace(NEVER_S)
    site.check.soon()
    site.check.fared(True)
    site.check.fared(False)
    site.post.wait(100 * PERIOD_S)
    assert not site.post.readable
    site.check.pace(PERIOD_S)
    site.post.wait(0.0)
    assert site.post.readable

"""An uplink finds its way: it asks, it is told, and it does not wait for ever."""

from typing import Any, cast

from actors.networks.wayfinding import ANY, LOSSES, PATIENCE_S, Wayfinder
from tests.actors.networks.post import Post
from transports.mailbox import PeerDown, PeerUp
from transports.messages import Fared, Way, WhichWay
from transports.names import NETWORK, SPOOLER

LINKS = [("ethernet", "eth0", "all"), ("cellular", "wwan0", "alarms")]
SERVERS = [("broker", 1883)]


class Site:
    def __init__(self, links: Any = LINKS, servers: Any = SERVERS) -> None:
        self.post, self.ways = Post(), list[Way]()
        self.finder = Wayfinder(cast(Any, self.post), self.post.clock, links, servers, self.ways.append)
        self.finder.begin()


def test_without_links_there_is_one_way_and_nobody_is_asked() -> None:
    for links, servers in (([], SERVERS), (LINKS, [])):
        site = Site(links, servers)
        assert (site.finder.way, site.post.watched) == (ANY, [])
        site.finder.fared(True)
        assert site.post.offered == []


def test_it_asks_when_the_process_of_the_links_is_there_and_again_when_that_returns() -> None:
    site = Site()
    assert site.finder.hear(PeerUp(NETWORK))
    assert site.post.offered == [WhichWay(["ethernet", "cellular"], SERVERS, "")]
    assert site.finder.hear(Way("cellular", "wwan0", "alarms"))
    assert site.finder.hear(PeerDown(NETWORK))
    assert site.finder.hear(PeerUp(NETWORK))
    assert site.post.offered[-1] == WhichWay(["ethernet", "cellular"], SERVERS, "cellular"), "and says where it is"


def test_the_spoolers_comings_and_goings_are_not_its_business() -> None:
    site = Site()
    assert not site.finder.hear(PeerUp(SPOOLER))
    assert not site.finder.hear(PeerDown(SPOOLER))


def test_when_nobody_answers_it_takes_its_first_link_by_the_policy_of_that() -> None:
    site = Site()
    site.post.wait(PATIENCE_S * 0.9)
    assert site.ways == []
    site.post.wait(PATIENCE_S * 0.2)
    assert site.ways == [Way("ethernet", "eth0", "all")]
    site.finder.hear(Way("ethernet", "eth0", "all", why="later"))
    assert len(site.ways) == 1, "the same way is no news"
    site.finder.hear(Way("cellular", "wwan0", "alarms", at_once=True))
    assert [way.link for way in site.ways] == ["ethernet", "cellular"]


def test_whoever_was_told_in_time_does_not_take_the_first_link_later() -> None:
    site = Site()
    site.finder.hear(Way("cellular", "wwan0", "alarms"))
    site.post.wait(PATIENCE_S * 2)
    assert [way.link for way in site.ways] == ["cellular"]


def test_good_news_is_told_now_and_then_and_bad_news_at_once() -> None:
    site = Site()
    site.finder.hear(Way("ethernet", "eth0"))
    for _ in range(10):
        site.finder.fared(True)
    site.finder.fared(False)
    assert site.post.offered == [Fared("ethernet", True), Fared("ethernet", False)]
    site.post.wait(10)
    site.finder.fared(True)
    assert len(site.post.offered) == 3


def test_another_interface_of_the_same_name_is_another_way_and_one_that_is_away_is_not() -> None:
    site = Site()
    for index in (5, 5, 0, 5, 7):
        site.finder.hear(Way("ethernet", "eth0", "all", index=index))
    assert [way.index for way in site.ways] == [5, 7]


def test_a_first_link_that_was_taken_unasked_is_not_taken_again_when_its_index_becomes_known() -> None:
    site = Site()
    site.post.wait(PATIENCE_S)
    site.finder.hear(Way("ethernet", "eth0", "all", index=5))
    assert len(site.ways) == 1


def test_whoever_is_left_alone_on_a_dead_link_tries_the_next_and_none_else_does() -> None:
    site = Site()
    site.finder.hear(Way("ethernet", "eth0"))
    for _ in range(3 * LOSSES):
        site.finder.fared(False)
    assert len(site.ways) == 1, "the process of the links knows better"
    site.finder.hear(PeerDown(NETWORK))
    for well in (False, False, True, False, False):
        site.finder.fared(well)
    assert len(site.ways) == 1
    for _ in range(LOSSES):
        site.finder.fared(False)
    assert [(way.link, way.may_pass) for way in site.ways[1:]] == [("cellular", "alarms")], "by its own policy"
    for _ in range(LOSSES):
        site.finder.fared(False)
    assert site.ways[-1].link == "ethernet"
    site.finder.hear(PeerUp(NETWORK))
    assert site.post.offered[-1] == WhichWay(["ethernet", "cellular"], SERVERS, "ethernet")
    site.finder.hear(Way("cellular", "wwan0", "alarms"))
    site.finder.fared(False)
    assert site.post.offered[-1] == Fared("cellular", False)


def test_whoever_was_never_told_a_way_does_not_stay_on_a_dead_link_either() -> None:
    site = Site()
    site.post.wait(PATIENCE_S)
    for _ in range(LOSSES):
        site.finder.fared(False)
    assert [way.link for way in site.ways] == ["ethernet", "cellular"]

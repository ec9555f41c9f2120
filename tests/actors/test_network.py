"""The process of the network links, asked by an uplink that the test plays. Both links are the loopback, each checked
at a server of its own, and the kernel's files of interfaces are the test's."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors import network
from actors.actor import Fate
from actors.network import Network, Work
from tests.actors.neighbours import Neighbours
from tests.transports.desk import Desk
from transports.errors import Down, HoldfastError
from transports.mailbox import Mailbox
from transports.messages import Fared, Message, Notice, Ready, Status, Way, WhichWay

UPLINK = "cloud"
QUICK = {"check_period": "50ms", "check_timeout": "1s", "standby_period": "200ms", "recover_after": "200ms"}


class Site:
    """`listeners` are the servers behind each link; closing one makes its link dead."""

    def __init__(self, tmp_path: Path, **more: dict[str, Any]) -> None:
        self.stack = ExitStack()
        self.sys, self.budgets = tmp_path / "sys", tmp_path / "data" / "budgets.json"
        self.neighbours = Neighbours()
        self.uplink = self.stack.enter_context(Desk(self.neighbours.run_dir, UPLINK))
        self.addresses: dict[str, tuple[str, int]] = {}
        self.listeners: dict[str, socket.socket] = {}
        for name in ("ethernet", "cellular"):
            self.serve(name)
        self.counter(0)
        links = {
            name: {"interface": "lo", "check": "{}:{}".format(*self.addresses[name]), **QUICK, **more.get(name, {})}
            for name in ("cellular", "ethernet")
        }
        links["ethernet"]["priority"] = 1
        work = Work(links, str(self.budgets), "unix:path=/nowhere", str(self.sys))
        self.fate = Fate()
        self.neighbours.actor = Network.start(self.neighbours.place("network"), self.fate, work)
        root = self.neighbours.root
        root.until(lambda: any(isinstance(message, Ready) for message in root.messages))

    def serve(self, name: str) -> None:
        self.listeners[name] = socket.create_server(self.addresses.get(name, ("127.0.0.1", 0)))
        self.addresses[name] = self.listeners[name].getsockname()

    def counter(self, received: int, carrier: str = "1", index: int = 1) -> None:
        place = self.sys / "lo"
        (place / "statistics").mkdir(parents=True, exist_ok=True)
        files = {"flags": "0x9", "carrier": carrier, "operstate": "unknown", "ifindex": str(index)}
        for name, text in {**files, "statistics/rx_bytes": str(received), "statistics/tx_bytes": "0"}.items():
            (place / name).write_text(text)

    def asks(self, link: str = "") -> None:
        self.uplink.mailbox.tell("network", WhichWay([], [("127.0.0.1", 9)], link))

    def dies_and_returns(self) -> None:
        """The uplink has a new process, which has not asked yet."""
        with self.uplink:
            pass
        self.uplink = self.stack.enter_context(Desk(self.neighbours.run_dir, UPLINK))

    def passes(self, seconds: float) -> None:
        """So much later."""
        over: list[bool] = []
        self.uplink.after(seconds, lambda: over.append(True))
        self.uplink.until(lambda: over)

    def told(self, number: int = 1) -> Way:
        """The way that the uplink is told, the first, the second, ..."""

        def ways() -> list[Way]:
            return [each for each in self.uplink.messages if isinstance(each, Way)]

        self.uplink.until(lambda: len(ways()) >= number)
        return ways()[number - 1]

    def notices(self, word: str) -> list[str]:
        """What the operator hears, with this word in it; waits for one."""

        def heard() -> list[str]:
            return [
                each.text for each in self.neighbours.root.messages if isinstance(each, Notice) and word in each.text
            ]

        self.neighbours.root.until(heard)
        return heard()

    def close(self) -> None:
        self.neighbours.close()
        self.stack.close()
        for listener in self.listeners.values():
            listener.close()


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Any]:
    made: list[Site] = []

    def make(**more: dict[str, Any]) -> Site:
        made.append(Site(tmp_path, **more))
        return made[-1]

    yield make
    for site in made:
        site.close()


def test_an_uplink_is_told_the_best_link_whatever_the_order_in_the_file(sites: Any) -> None:
    site = sites()
    site.asks()
    assert site.told() == Way("ethernet", "lo", "all", index=1)
    site.neighbours.root.until(lambda: site.neighbours.state()["links"]["ethernet"]["used_by"] == (UPLINK,))
    links = site.neighbours.state()["links"]
    assert links["cellular"]["uplinks"][UPLINK]["up"]


def test_a_link_that_fails_its_checks_is_left_and_gone_back_to_and_the_operator_hears_of_both(sites: Any) -> None:
    site = sites(cellular={"pass": "aggregated"})
    site.asks()
    site.told()
    site.listeners["ethernet"].close()
    away = site.told(2)
    assert (away.link, away.may_pass, away.at_once) == ("cellular", "aggregated", True)
    assert "refused" in away.why
    assert "aggregated may pass" in site.notices("link cellular")[0]
    site.serve("ethernet")
    back = site.told(3)
    assert (back.link, back.may_pass, back.at_once) == ("ethernet", "all", False)


def test_messages_that_arrive_are_check_enough(sites: Any) -> None:
    site = sites(ethernet={"check_period": "5s"})
    site.asks()
    site.told()
    site.uplink.mailbox.tell("network", Fared("ethernet", True))
    site.uplink.mailbox.tell("network", Fared("a link that is none", True))
    site.listeners["ethernet"].close()
    site.uplink.mailbox.tell("network", Fared("ethernet", False))
    assert site.told(2).link == "cellular", "a lost connection has it checked at once"


def test_an_uplink_that_asks_again_is_told_again_and_nothing_is_forgotten(sites: Any) -> None:
    site = sites(ethernet={"recover_after": "1h"})
    site.asks()
    site.told()
    site.listeners["ethernet"].close()
    assert site.told(2).link == "cellular"
    site.serve("ethernet")
    site.asks()
    assert site.told(3).link == "cellular", "a new process of the uplink is no reason to try a link that just failed"


def test_an_uplink_stays_on_its_link_when_the_process_of_the_links_is_a_new_one(sites: Any) -> None:
    site = sites(ethernet={"recover_after": "1h"})
    site.asks("cellular")
    assert site.told().link == "cellular"


def test_a_carrier_that_is_gone_needs_no_check(sites: Any) -> None:
    site = sites()
    site.asks()
    site.told()
    site.counter(0, carrier="0")
    assert "no carrier" in site.notices("no carrier")[0]
    links = site.neighbours.state()["links"]
    assert not links["ethernet"]["carries"]
    assert not links["ethernet"]["uplinks"][UPLINK]["up"]


def test_a_budget_that_is_used_up_lets_only_alarms_pass_and_is_told_twice(sites: Any) -> None:
    site = sites(ethernet={"monthly_bytes": 1000})
    site.asks()
    assert site.told().may_pass == "all"
    site.counter(800)
    assert "80 %" in site.notices("80 %")[0]
    site.counter(1001)
    assert site.told(2) == Way("ethernet", "lo", "alarms", index=1)
    assert "only alarms pass" in site.notices("100 %")[0]
    assert site.neighbours.state()["links"]["ethernet"]["month_bytes"] == 1001


def test_a_budget_that_leaves_nothing_makes_the_next_link_the_one_and_none_is_said(sites: Any) -> None:
    used_up = {"monthly_bytes": 1000, "over_budget": "none"}
    site = sites(ethernet=used_up, cellular={**used_up, "monthly_bytes": 2000})
    site.asks()
    site.told()
    site.counter(1000)
    assert site.told(2).link == "cellular"
    site.counter(2000)
    none = site.told(3)
    assert (none.link, none.may_pass) == ("", "nothing")
    assert "used up" in none.why


def test_what_was_used_is_kept_over_a_restart(sites: Any, tmp_path: Path) -> None:
    first = sites(ethernet={"monthly_bytes": 1000})
    first.asks()
    first.told()
    first.counter(500)
    first.neighbours.root.until(lambda: first.neighbours.state()["links"]["ethernet"]["month_bytes"] == 500)
    first.close()
    again = sites(ethernet={"monthly_bytes": 1000})
    assert again.neighbours.state()["links"]["ethernet"]["month_bytes"] == 500


def test_what_it_does_not_know_it_refuses(sites: Any) -> None:
    site = sites()
    with pytest.raises(HoldfastError, match="does not take Status"):
        site.uplink.asked("network", Status())


def test_an_uplink_that_dies_several_times_before_it_asks_is_not_forgotten_afterwards(
    sites: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "MISSED_S", 0.5)
    site = sites()
    site.asks()
    site.told()
    for _ in range(3):
        site.dies_and_returns()
        site.passes(0.1)
    site.asks()
    site.told()
    site.passes(1.0)
    site.listeners["ethernet"].close()
    assert site.told(2).link == "cellular"


def test_a_way_that_could_not_be_sent_is_sent_again(sites: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, tell = [True, True], Mailbox.tell

    def refusing(mailbox: Mailbox, to: str, item: Message) -> None:
        if isinstance(item, Way) and refusals:
            refusals.pop()
            raise Down(to)
        tell(mailbox, to, item)

    monkeypatch.setattr(Mailbox, "tell", refusing)
    site = sites()
    site.asks()
    assert site.told().link == "ethernet", "a machine that is busy is no reason to stay on a dead link"


def test_an_interface_that_is_made_anew_is_another_way_for_what_was_bound_to_it_is_dead(sites: Any) -> None:
    site = sites()
    site.asks()
    site.told()
    site.counter(0, index=7)
    anew = site.told(2)
    assert (anew.link, anew.at_once, anew.index) == ("ethernet", True, 7)
    (site.sys / "lo" / "ifindex").unlink()
    site.notices("there is no network interface")
    site.counter(0, index=9)
    assert site.told(3).index == 9


def test_an_uplink_that_asks_for_links_that_are_not_known_here_stays_where_it_is(sites: Any) -> None:
    site = sites()
    site.uplink.mailbox.tell("network", WhichWay(["renamed"], [("127.0.0.1", 9)], "renamed"))
    site.uplink.mailbox.tell("network", WhichWay(["cellular"], [("127.0.0.1", 9)], ""))
    assert site.told().link == "cellular", "the first question had no answer"


class PlayedWatch:
    """What the kernel tells is what the test writes: one interface each time."""

    def __init__(self) -> None:
        self.near, self.far = os.pipe()
        self.heard_of = 0

    def fileno(self) -> int:
        return self.near

    def heard(self) -> frozenset[int]:
        self.heard_of += 1
        return frozenset(os.read(self.near, 1))

    def tell(self, index: int) -> None:
        os.write(self.far, bytes([index]))

    def close(self) -> None:
        os.close(self.near)
        os.close(self.far)


def test_interfaces_that_are_no_links_come_and_go_without_a_check(sites: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = PlayedWatch()
    monkeypatch.setattr(network, "Watch", lambda: watch)
    site = sites(cellular={"standby_period": "60s"})
    site.asks()
    site.told()
    site.listeners["cellular"].accept()[0].close()
    for _ in range(20):
        watch.tell(99)
    site.neighbours.root.until(lambda: watch.heard_of == 20)
    site.listeners["cellular"].settimeout(0.1)
    with pytest.raises(TimeoutError):
        site.listeners["cellular"].accept()

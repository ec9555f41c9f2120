"""Ethernet and cellular to one broker, cut in turn: every reading arrives, over the link that works.

Two veth pairs lead to a namespace in which a real Mosquitto listens (tests/peers/cables.py). A cut with a pulled plug
is seen by the carrier; a silent one only because nothing comes back. The times from each cut to the first delivery over
the other link are printed; the aim is 5 s.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.ledger import arrived
from tests.peers.cables import Cables
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from tests.peers.namespace import Namespace, why_not
from tests.peers.subscriber import Subscriber

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
ETHERNET, CELLULAR = 0, 1
ON_THE_WAY_S = 0.1  # what the broker had already when the cable was cut has reached its reader by then
WITHIN_S = 30.0  # generous: a slow machine is no bug; the times are printed
CONFIG = """
[gateway]
name = "two-ways"
[device.counter]
driver = "sim"
period = "50ms"
tags = {{ n = {{ wave = "counter" }} }}
[aggregate.sums]
from = ["counter"]
window = "500ms"
keep = true
[link.ethernet]
interface = "{ethernet}"
priority = 1
recover_after = "1s"
[link.cellular]
interface = "{cellular}"
kind = "cellular"
priority = 2
pass = "{passes}"
monthly_bytes = "1GiB"
[uplink.cloud]
type = "mqtt"
host = "{host}"
port = {port}
topic = "two-ways/{{device}}"
retry_first = "200ms"
live_within = "60s"
{of_uplink}
"""


class Site:
    """A gateway, its two links, and what the cloud has."""

    def __init__(self, gateway: Gateway, cables: Cables, cloud: Subscriber, arrivals: list[float]) -> None:
        self.gateway, self.cables, self.cloud, self._arrivals = gateway, cables, cloud, arrivals

    def uses(self, link: str) -> None:
        """Wait until messages go over this link."""
        self.gateway.wait(
            lambda _: (state := self.gateway.child("cloud")["state"]).get("link") == link and state.get("connected"),
            within_s=WITHIN_S,
        )
        here = len(self.cloud.messages)
        self.cloud.wait(lambda messages: len(messages) > here + 10)

    def first_after(self, cut_at: float, what: str) -> None:
        """Tell how long after a cut the first message came over the other link."""
        took_s = min(at for at in self._arrivals if at > cut_at + ON_THE_WAY_S) - cut_at
        print(f"{what}: {took_s:.2f} s from the cut to the first delivery over the other link")

    def drained(self) -> None:
        """No more is read, and all of it has arrived."""
        self.gateway.operate("stop", "counter")
        self.gateway.operate("stop", "sums")
        self.gateway.wait(lambda _: self.gateway.child("counter")["phase"] == "stopped")
        self.gateway.wait(
            lambda _: self.gateway.child("spooler")["state"]["topics"]["out"]["waiting"]["cloud"] == 0,
            within_s=WITHIN_S,
        )

    @property
    def counts(self) -> list[int]:
        return arrived(self.cloud.payloads())["counter"].values


@pytest.fixture
def site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    passes, of_uplink = getattr(request, "param", ("all", ""))
    with ExitStack() as stack:
        far = stack.enter_context(Namespace())
        cables = stack.enter_context(Cables(far, 2))
        broker = Mosquitto(tmp_path)
        broker._lines = [f"listener {broker.port} {cables.behind}"]
        with far.inside():
            stack.enter_context(broker)
            arrivals: list[float] = []
            note = lambda _: arrivals.append(time.monotonic())  # noqa: E731
            cloud = stack.enter_context(Subscriber(broker.port, "two-ways/#", on_count=note))
        config = CONFIG.format(
            ethernet=cables.near[ETHERNET],
            cellular=cables.near[CELLULAR],
            host=cables.behind,
            port=broker.port,
            passes=passes,
            of_uplink=of_uplink,
        )
        gateway = stack.enter_context(Gateway(tmp_path, config))
        made = Site(gateway, cables, cloud, arrivals)
        made.uses("ethernet")
        yield made


def _counted(site: Site) -> None:
    """Everything that was read arrived, in the order of its numbers; each record counts once."""
    counts = site.counts
    assert sorted(counts) == list(range(1, max(counts) + 1))
    assert not arrived(site.cloud.payloads())["counter"].gaps


def test_a_pulled_plug_is_seen_at_once_and_nothing_is_lost_on_the_way_there_and_back(site: Site) -> None:
    cut_at = time.monotonic()
    site.cables.cut(ETHERNET)
    site.uses("cellular")
    site.first_after(cut_at, "pulled plug")
    links = site.gateway.child("network")["state"]["links"]
    assert not links["ethernet"]["carries"]
    assert links["cellular"]["used_by"] == ("cloud",)
    site.cables.plug_in(ETHERNET)
    site.uses("ethernet")
    site.drained()
    _counted(site)
    assert site.gateway.child("network")["state"]["links"]["cellular"]["month_bytes"] > 0


def test_a_link_that_dies_silently_is_found_out_and_nothing_is_lost(site: Site) -> None:
    cut_at = time.monotonic()
    site.cables.black_hole(ETHERNET)
    site.uses("cellular")
    site.first_after(cut_at, "silent cut")
    site.cables.heal(ETHERNET)
    site.uses("ethernet")
    site.drained()
    _counted(site)


@pytest.mark.parametrize("site", [("aggregated", "")], indirect=True)
def test_over_the_dear_link_only_aggregates_pass_and_the_readings_follow_over_the_cheap_one(site: Site) -> None:
    site.cables.cut(ETHERNET)
    site.gateway.wait(
        lambda _: (state := site.gateway.child("cloud")["state"]).get("link") == "cellular" and state.get("connected"),
        within_s=WITHIN_S,
    )
    here, plain = len(site.cloud.messages), len(site.counts)
    site.cloud.wait(lambda messages: len(messages) >= here + 4)
    records = [each.payload for each in site.cloud.messages[here:]]
    assert all(b'"aggregate"' in payload for payload in records), "a reading that was delivered over cellular"
    assert len(site.counts) == plain
    site.cables.plug_in(ETHERNET)
    site.uses("ethernet")
    site.drained()
    _counted(site)


def test_both_cut_in_turn_again_and_again(site: Site) -> None:
    for link, other, name in ((ETHERNET, CELLULAR, "cellular"), (CELLULAR, ETHERNET, "ethernet")):
        site.cables.cut(link)
        site.uses(name)
        site.cables.plug_in(link)
        assert link != other
    site.gateway.operate("restart", "network")
    site.gateway.wait(lambda _: site.gateway.child("network")["phase"] == "running")
    site.uses("ethernet")
    site.drained()
    _counted(site)
    live = arrived(site.cloud.payloads())["counter"].live
    assert all(first < second for first, second in pairwise(live)), "in order, also from link to link"


@pytest.mark.parametrize("site", [("all", 'keepalive = "1h"\nlinks = ["ethernet"]')], indirect=True)
def test_an_interface_that_returns_as_another_one_is_taken_at_once_whatever_the_keepalive(site: Site) -> None:
    cut_at = time.monotonic()
    site.cables.lay_anew(ETHERNET)  # what was bound to the old one hears nothing any more
    site.uses("ethernet")
    site.first_after(cut_at, "another interface of the same name")
    assert "was made anew" in site.gateway.output.read_text()
    site.drained()
    _counted(site)

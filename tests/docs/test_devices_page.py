"""docs/devices.md: every driver and simulator there is has its place on it."""

import re

from tests.docs.pages import ROOT
from transports import catalog

PAGE = (ROOT / "docs" / "devices.md").read_text()


def test_every_driver_is_on_the_page_and_no_other() -> None:
    rows = [line.split("|")[1] for line in PAGE.partition("|---")[2].splitlines() if line.startswith("| `")]
    own = [name for name in catalog.names(catalog.LINKS) if catalog.is_own(catalog.LINKS, name)]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)} - {"line"}
    assert named & set(own) == set(own)


def test_every_simulator_is_on_the_page() -> None:
    named = set(re.findall(r"holdfast simulate (\w+)", PAGE))
    assert set(catalog.names(catalog.SIMULATORS)) - {"udp"} <= named

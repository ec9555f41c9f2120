"""Network links in a configuration: who may use which, what is a mistake, and what their processes are told."""

from pathlib import Path

import pytest

from supervisors.configuration.config import load
from supervisors.configuration.gateway import Gateway
from supervisors.configuration.tree import children, modules
from transports.errors import SettingsError

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "links.toml"
TEXT = """
[link.modem]
interface = "wwan0"
pass = "alarms"
priority = 2
[link.cable]
interface = "eth0"
priority = 1
[uplink.cloud]
type = "mqtt"
host = "broker.example.com"
"""


def _loaded(tmp_path: Path, text: str) -> Gateway:
    (tmp_path / "gw.toml").write_text(text)
    return load(tmp_path / "gw.toml")


def _links_of_cloud(gateway: Gateway) -> list[list[str]]:
    table = next(child.table for child in children(gateway) if child.name == "cloud")
    return list(table["links"])


def test_an_uplink_uses_all_links_by_their_priority_unless_it_names_some(tmp_path: Path) -> None:
    cable, modem = ["cable", "eth0", "all"], ["modem", "wwan0", "alarms"]
    for more, expected in (
        ("", [cable, modem]),
        ('links = ["modem", "cable"]', [modem, cable]),
        ('links = ["modem"]', [modem]),
        ("links = []", []),
    ):
        assert _links_of_cloud(_loaded(tmp_path, TEXT + more)) == expected


def test_a_link_that_is_disabled_is_left_out_everywhere(tmp_path: Path) -> None:
    text = TEXT.replace('interface = "wwan0"', 'interface = "wwan0"\nenabled = false')
    gateway = _loaded(tmp_path, f'{text}links = ["modem", "cable"]')
    assert _links_of_cloud(gateway) == [["cable", "eth0", "all"]]
    network = next(child for child in children(gateway) if child.kind == "network")
    assert list(network.table["links"]) == ["cable"]


def test_one_process_has_all_links_and_is_there_before_the_uplinks(tmp_path: Path) -> None:
    gateway = _loaded(tmp_path, TEXT)
    names = [child.name for child in children(gateway)]
    assert names.index("network") < names.index("cloud")
    assert "actors.network" in modules(gateway)
    without = _loaded(tmp_path, TEXT[TEXT.index("[uplink") :])
    assert "network" not in [child.name for child in children(without)]
    assert _links_of_cloud(without) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT + 'links = ["cabel"]', "uplink.cloud.links[0] = 'cabel': is no [link.NAME]; did you mean 'cable'?"),
        (
            TEXT.replace('"wwan0"', '"wwan0"\nenabled = false') + 'links = ["modem"]',
            "uplink.cloud.links = ['modem']: are all disabled; enable one",
        ),
        (TEXT.replace("wwan0", "eth0"), "link.cable.interface = 'eth0': is that of link.modem already"),
        (TEXT.replace("link.modem", 'link."Mo dem"'), "link.Mo dem = 'Mo dem': a name must be"),
        (TEXT.replace("wwan0", "eth 0"), "link.modem.interface = 'eth 0': must be the name of a network interface"),
        (TEXT.replace("[uplink.cloud]", "[uplink.network]"), "must not be one of root, spooler, rules, network"),
        (TEXT.replace("priority = 1", "prioritty = 1"), "did you mean 'priority'?"),
        (
            TEXT + '[uplink.lake]\ntype = "kafka"\nservers = ["k:9092"]\n',
            "uplink.lake.links: must be []: kafka cannot be bound to a link",
        ),
        ("link = 3\n" + TEXT[TEXT.index("[uplink") :], "link = 3: must be written as tables, [link.NAME]"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_cure(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        _loaded(tmp_path, text)
    assert said in str(error.value)


def test_the_example_of_two_ways_loads() -> None:
    gateway = load(EXAMPLE)
    assert [link.name for link in gateway.links] == ["ethernet", "cellular"]
    assert _links_of_cloud(gateway) == [["ethernet", "eth0", "all"], ["cellular", "wwan0", "aggregated"]]

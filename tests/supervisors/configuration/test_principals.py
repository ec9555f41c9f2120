"""The tables [principal.NAME]: each mistake names its place and the cure; each uplink is told of those who may ask."""

from pathlib import Path

import pytest

from supervisors.configuration import tree
from supervisors.configuration.config import load
from supervisors.configuration.gateway import Gateway
from transports.errors import SettingsError
from transports.requests.signing import new_pair

_, PUBLIC = new_pair()
UPLINKS = """
[device.press]
driver = "sim"
tags = { n = { wave = "sine" } }
[uplink.cloud]
type = "mqtt"
host = "broker"
request_topic = "plant/requests"
[uplink.other]
type = "mqtt"
host = "broker"
"""
SCADA = {
    "key": f'"{PUBLIC}"',
    "uplinks": '["cloud"]',
    "verbs": '["write", "status"]',
    "devices": '["press*"]',
    "tags": '["*"]',
}


def loaded(directory: Path, more: str = "", name: str = "scada", **keys: str | None) -> Gateway:
    """A gateway with one principal; None leaves a key out."""
    table = "\n".join(f"{key} = {text}" for key, text in {**SCADA, **keys}.items() if text is not None)
    (directory / "plant.toml").write_text(f"{UPLINKS}\n[principal.{name}]\n{table}\n{more}")
    return load(directory / "plant.toml")


def test_only_the_uplinks_that_it_names_are_told_of_a_principal(tmp_path: Path) -> None:
    tables = {spec.name: spec.table for spec in tree.children(loaded(tmp_path))}
    assert tables["cloud"]["principals"]["scada"]["key"] == PUBLIC
    assert tables["cloud"]["crashes"].endswith("crashes")
    assert "principals" not in tables["other"]


@pytest.mark.parametrize(
    ("keys", "place", "cure"),
    [
        ({"key": None}, "principal.scada.key", "write one of key, key_file and trust"),
        ({"trust": '"uplink"'}, "principal.scada.trust", "write one of key, key_file and trust"),
        ({"key": '"c2hvcnQ="'}, "principal.scada.key", "holdfast request --new-key"),
        ({"uplinks": '["clod"]'}, "principal.scada.uplinks[0]", "did you mean 'cloud'"),
        ({"uplinks": "[]"}, "principal.scada.uplinks", "must name at least one"),
        ({"verbs": '["wirte"]'}, "principal.scada.verbs[0]", "must be one of write"),
        ({"verbs": "[]"}, "principal.scada.verbs", "must name at least one"),
        ({"devices": None}, "principal.scada.devices", "is missing"),
        ({"tags": None}, "principal.scada.tags", "is missing"),
        ({"limits": "{ n = { min = 5, max = 1 } }"}, "principal.scada.limits.n.min", "must be at most max"),
        ({"limits": "{ n = { least = 5 } }"}, "principal.scada.limits.n.least", "unknown setting"),
        ({"max_per_minute": "0"}, "principal.scada.max_per_minute", "at least 1"),
        ({"verb": '["write"]'}, "principal.scada.verb", "did you mean 'verbs'"),
        ({"name": "Big One"}, "principal.Big", ""),
    ],
)
def test_a_mistake_names_its_place_and_the_cure(
    tmp_path: Path, keys: dict[str, str | None], place: str, cure: str
) -> None:
    name = keys.pop("name", None) or "scada"
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, name=f'"{name}"', **keys)
    lines = [line for line in str(error.value).splitlines() if place in line]
    assert len(lines) == 1, error.value
    assert cure in lines[0]


def warnings(gateway: Gateway) -> list[str]:
    return [str(each) for each in gateway.warnings if "principal" in str(each)]


def test_whoever_may_ask_where_nothing_is_heard_is_told_and_the_other_way_round(tmp_path: Path) -> None:
    assert warnings(loaded(tmp_path)) == []
    unheard, unasked = warnings(loaded(tmp_path, uplinks='["other"]'))
    assert "uplink.cloud.request_topic = 'plant/requests': has no effect" in unheard
    assert "uplink.other.request_topic: is not set" in unasked


def test_a_key_that_is_not_there_and_the_power_to_reload_are_worth_a_word(tmp_path: Path) -> None:
    verbs = '["write", "reload"]'
    lost, power = warnings(loaded(tmp_path, key=None, key_file='"/no/such/key"', verbs=verbs))
    assert "principal.scada.key_file = '/no/such/key': is not there" in lost
    assert "lets it change everything" in power

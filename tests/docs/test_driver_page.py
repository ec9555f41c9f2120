"""docs/drivers.md: the driver on it keeps the contract, can be probed, and is read by a gateway."""

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supervisors.configuration.config import load
from supervisors.face.manual import describe_drivers
from supervisors.face.probe import probe
from tests.docs.example_driver import NAME, PAGE, install, installed
from tests.docs.pages import PAGES, blocks
from tests.peers.gateway import Gateway
from tests.transports.links import test_contract as contract
from transports.errors import LinkDown
from transports.links import Link
from transports.samples import Batch

PROMISES = [
    each
    for name, each in vars(contract).items()
    if name.startswith("test_") and list(inspect.signature(each).parameters) == ["name"]
]


@pytest.fixture(autouse=True)
def _driver(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "site").mkdir()
    with installed(tmp_path / "site"):
        yield


@pytest.fixture
def bus(tmp_path: Path) -> Path:
    """The directory in which the kernel would show the sensor of the page."""
    sensor = tmp_path / "bus" / "28-0316a27944ff"
    sensor.mkdir(parents=True)
    (sensor / "temperature").write_text("23562\n")
    return tmp_path / "bus"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_driver_on_the_page_keeps_the_contract(
    promise: Callable[[str], None], bus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"sensor": "28-0316a27944ff", "bus": str(bus)}
    monkeypatch.setitem(contract.WORKS, NAME, lambda: contract.alone(there))
    monkeypatch.setitem(contract.NOTHING_THERE, NAME, lambda: {**there, "sensor": "28-none"})
    promise(NAME)


def test_the_contract_that_the_page_shows_is_asked_in_full() -> None:
    assert len(PROMISES) >= 9


def test_it_is_listed_with_its_settings_like_any_other() -> None:
    (note,) = (note for note in describe_drivers() if note.name == NAME)
    assert note.summary.startswith("A DS18B20 thermometer")
    assert [field.key for field in note.fields] == ["sensor", "bus"]
    assert note.broken == ""


def test_its_device_can_be_probed(bus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gateway.toml").write_text(configuration(bus))
    probe(load(tmp_path / "gateway.toml"), "cold-store", as_json=True)
    (reading,) = json.loads(capsys.readouterr().out)["readings"]
    assert (reading["tag"], reading["value"], reading["unit"]) == ("temperature", 23.562, "degC")


def test_a_sensor_that_has_not_measured_yet_is_bad_and_one_that_is_pulled_out_is_down(bus: Path) -> None:
    module = contract.driver(NAME)
    link: Link = module.connect(module.Settings("28-0316a27944ff", bus))
    (bus / "28-0316a27944ff" / "temperature").write_text("85000\n")
    said = link.read()
    assert not isinstance(said, Batch)
    (scan,) = said
    assert list(scan.values) == [None]
    (bus / "28-0316a27944ff" / "temperature").unlink()
    with pytest.raises(LinkDown, match="No such file"):
        link.read()


def test_a_gateway_reads_it(bus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    text = configuration(bus) + f'[uplink.local]\ntype = "file"\npath = "{out}"\n'
    (tmp_path / "other").mkdir()
    install(tmp_path / "other")
    with Gateway(tmp_path, text, {"PYTHONPATH": str(tmp_path / "other")}) as gateway:
        gateway.wait(lambda status: any(child["state"].get("messages") for child in status["children"]))
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert records[0]["readings"][0]["value"] == 23.562


def configuration(bus: Path) -> str:
    """The device as the page has it, on a bus of ours."""
    (text,) = blocks(PAGE, "toml")
    assert 'driver = "ds18b20"' in text
    return f'{text.replace("5s", "100ms")}bus = "{bus}"\n'


def test_the_page_names_every_error_that_a_driver_may_raise() -> None:
    assert all(f"`{name}`" in PAGES[PAGE] for name in ("LinkTimeout", "LinkRefused", "LinkDown"))

"""Every example is a whole gateway that loads as it is."""

from pathlib import Path

import pytest

from supervisors.configuration import tree
from supervisors.configuration.config import load
from transports.errors import SettingsError

EXAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_loads_without_a_warning(file: Path) -> None:
    gateway = load(file)
    assert gateway.name == file.stem
    assert (gateway.warnings, gateway.broken, gateway.disabled) == ((), (), ())
    assert gateway.devices
    assert gateway.uplinks


def test_the_minimal_example_is_what_the_documentation_promises() -> None:
    gateway = load(next(file for file in EXAMPLES if file.stem == "minimal"))
    (plc,), (cloud,) = gateway.devices, gateway.uplinks
    assert (gateway.name, plc.name, plc.driver, plc.period_s) == ("minimal", "plc", "modbus", 0.1)
    assert (plc.settings.host, plc.settings.port, plc.settings.unit) == ("127.0.0.1", 5020, 1)
    points = [(point.name, point.register, point.address, point.kind) for point in plc.settings.points()]
    assert points == [(f"r{n}", "holding", n, "uint16") for n in range(4)]
    assert gateway.aggregates == ()
    assert (cloud.type, cloud.payload, cloud.settings.host, cloud.settings.tcp_port) == (
        "mqtt",
        "json",
        "127.0.0.1",
        1883,
    )
    assert cloud.settings.topic.startswith("holdfast/{gateway}/")


def test_the_press_line_sums_up_in_windows_and_passes_on_changes() -> None:
    gateway = load(next(file for file in EXAMPLES if file.stem == "press-line"))
    windows, changes = gateway.aggregates
    assert [spec.driver for spec in gateway.devices] == ["modbus", "host"]
    assert windows.settings.window_s == 10.0
    assert changes.settings.deadband_percent == 2.0
    assert [spec.type for spec in gateway.uplinks] == ["mqtt", "file"]


def test_the_tls_variant_in_the_press_line_is_refused_only_for_the_files_it_names(tmp_path: Path) -> None:
    text = next(file for file in EXAMPLES if file.stem == "press-line").read_text()
    lines = text[text.index("# [uplink.cloud]") :].partition("\n\n")[0].splitlines()
    active = "\n".join(line.removeprefix("# ") for line in lines)
    for name in ("ca.pem", "gateway.pem", "gateway.key"):
        active = active.replace(f"/etc/holdfast/{name}", str(tmp_path / name))
    (tmp_path / "tls.toml").write_text(active)
    with pytest.raises(SettingsError) as error:
        load(tmp_path / "tls.toml")
    assert [problem.path for problem in error.value.problems] == [
        f"uplink.cloud.tls.{key}" for key in ("ca", "certificate", "key")
    ]


def test_the_supervised_cell_restarts_what_builds_on_its_broker_and_one_press_alone() -> None:
    root = tree.root(load(next(file for file in EXAMPLES if file.stem == "supervised-cell")))
    assert [spec.name for spec in root.children] == ["spooler", "cell-2", "archive", "box"]
    cell = root.children[1]
    assert [spec.name for spec in cell.children] == ["cell-broker", "cell-uplink", "cell-presses"]
    assert cell.rules is not None
    assert cell.rules.strategy == "rest_for_one"
    presses = cell.children[2]
    assert [spec.name for spec in presses.children] == ["press-1", "press-2"]
    assert presses.rules is not None
    assert (presses.rules.strategy, presses.rules.on_exhausted) == ("one_for_one", "escalate")

"""What a configuration becomes: defaults, plain tables for the children, warnings, and one broken child."""

import types
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import msgpack
import pytest

from supervisors.configuration.config import load
from supervisors.configuration.gateway import Gateway
from transports import catalog
from transports.building import build
from transports.errors import SettingsError
from transports.settings import setting

PLC = """[device.plc]
driver = "modbus"
host = "127.0.0.1"
tags = { r = { address = 0, count = 4 } }
"""
CLOUD = """[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Gateway]:
    def _loaded(text: str, **overrides: Any) -> Gateway:
        (tmp_path / "site.toml").write_text(text)
        return load(tmp_path / "site.toml", **overrides)

    return _loaded


@dataclass(frozen=True)
class StubSettings:
    level: int = setting(1, help="how much")

    def problems(self, path: str) -> list[Any]:
        if self.level == 13:
            raise ZeroDivisionError("unlucky")
        return []


def stranger(monkeypatch: pytest.MonkeyPatch, load_it: Callable[[], Any], group: str = "holdfast.links") -> None:
    """A module `weird` that comes from another distribution's entry point."""

    class Point:
        name, value = "weird", "weird.module"

        def load(self) -> Any:
            return load_it()

    def points(**asked: str) -> list[Point | EntryPoint]:
        return [Point()] if asked["group"] == group and asked.get("name", "weird") == "weird" else []

    monkeypatch.setattr(catalog, "entry_points", points)


def module(**contents: Any) -> types.ModuleType:
    made = types.ModuleType("weird_module", "A stranger.")
    made.__dict__.update(contents)
    return made


WEIRD = PLC + '[device.odd]\ndriver = "weird"\nlevel = 2\n' + CLOUD


def test_a_name_not_given_is_the_files_and_directories_follow_it(
    loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/op")
    gateway = loaded(PLC + CLOUD)
    assert gateway.name == "site"
    assert gateway.data_dir == Path("/home/op/.local/state/holdfast/site")
    assert gateway.run_dir == Path("/run/user/7/holdfast/site")


def test_without_a_session_the_run_directory_is_the_users_own_under_tmp(
    loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert str(loaded(PLC + CLOUD).run_dir).startswith("/tmp/holdfast-")


def test_directories_of_the_command_line_win(loaded: Callable[..., Gateway], tmp_path: Path) -> None:
    text = '[gateway]\ndata_dir = "/a"\nrun_dir = "~/b"\n' + PLC + CLOUD
    written, overridden = loaded(text), loaded(text, data_dir=tmp_path / "d", run_dir="/r")
    assert (written.data_dir, written.run_dir) == (Path("/a"), Path("~/b").expanduser())
    assert (overridden.data_dir, overridden.run_dir) == (tmp_path / "d", Path("/r"))


def test_a_childs_table_survives_msgpack_and_builds_the_same_settings(loaded: Callable[..., Gateway]) -> None:
    for spec in loaded(PLC + CLOUD + '[aggregate.mean]\nfrom = ["plc"]\nwindow = "1s"\n').specs():
        table = msgpack.unpackb(msgpack.packb(spec.table))
        assert build(type(spec.settings), table, spec.path) == spec.settings


def test_specs_have_the_common_settings_as_fields_and_cannot_be_changed(loaded: Callable[..., Gateway]) -> None:
    gateway = loaded(PLC + 'period = "100ms"\nbatch_wait = "1s"\n' + CLOUD + "batch_records = 50\n")
    plc, cloud = gateway.devices[0], gateway.uplinks[0]
    assert (plc.name, plc.driver, plc.period_s, plc.batch_wait_s) == ("plc", "modbus", 0.1, 1.0)
    assert (cloud.type, cloud.payload, cloud.batch_records, cloud.window_messages) == ("mqtt", "json", 50, 64)
    with pytest.raises(FrozenInstanceError):
        plc.period_s = 1.0  # type: ignore[misc]


def test_only_a_changed_spec_differs_after_the_file_was_edited(loaded: Callable[..., Gateway]) -> None:
    before, after = loaded(PLC + CLOUD), loaded("# a comment moves every line\n" + PLC + CLOUD + "qos = 1\n")
    assert after.devices == before.devices
    assert after.uplinks != before.uplinks
    assert replace(after.uplinks[0], table=before.uplinks[0].table) == before.uplinks[0]


def test_what_is_disabled_is_checked_but_does_not_run(loaded: Callable[..., Gateway]) -> None:
    gateway = loaded(PLC + "enabled = false\n" + CLOUD + '[aggregate.mean]\nfrom = ["plc.r*"]\n')
    assert (gateway.devices, gateway.disabled) == ((), ("plc",))
    assert any("device.plc is disabled" in str(warning) for warning in gateway.warnings)
    with pytest.raises(SettingsError):
        loaded(PLC + "enabled = false\nport = 0\n" + CLOUD)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLC, "site.toml:1: uplink: there is none; readings wait in the spool"),
        (CLOUD, "site.toml:1: device: there is none"),
        (PLC + CLOUD + 'user = "u"\npassword = { env = "HOLDFAST_NO_SUCH" }\n', "HOLDFAST_NO_SUCH"),
        (PLC + CLOUD + 'user = "u"\npassword = { file = "/no/such" }\n', "site.toml:9: uplink.cloud.password = "),
        ('[gateway]\ndata_dir = "data"\n' + PLC + CLOUD, "site.toml:2: gateway.data_dir = 'data': is a relative path"),
        (PLC + '[uplink.f]\ntype = "file"\npath = "out.ndjson"\n', "site.toml:7: uplink.f.path = 'out.ndjson'"),
    ],
)
def test_what_is_allowed_but_odd_is_a_warning_with_its_line(
    text: str, said: str, loaded: Callable[..., Gateway]
) -> None:
    assert any(said in str(warning) for warning in loaded(text).warnings)


def test_a_plain_gateway_has_no_warnings(loaded: Callable[..., Gateway]) -> None:
    assert loaded(PLC + CLOUD).warnings == ()


@pytest.mark.parametrize(
    "raised", [RuntimeError("no\nhardware"), OSError(19, "No such device"), SystemExit(3), ImportError("libfoo.so.1")]
)
def test_a_strangers_module_that_raises_breaks_its_own_device_only(
    raised: BaseException, loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise raised

    stranger(monkeypatch, fail)
    gateway = loaded(WEIRD)
    plc, odd = gateway.devices
    assert plc.settings is not None
    assert plc.broken == ""
    assert (odd.settings, odd.table) == (None, {"level": 2})
    assert odd.broken.startswith(type(raised).__name__)
    (line,) = map(str, gateway.broken)
    assert "site.toml:5: device.odd: cannot run: " + type(raised).__name__ in line
    assert "\n" not in line


def test_a_strangers_settings_that_raise_break_its_own_device_only(
    loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger(monkeypatch, lambda: module(Settings=StubSettings, connect=lambda settings: None))
    assert loaded(WEIRD).devices[1].settings == StubSettings(2)
    assert "ZeroDivisionError: unlucky" in loaded(WEIRD.replace("level = 2", "level = 13")).devices[1].broken


def test_a_mistake_in_a_strangers_table_is_a_mistake(
    loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger(monkeypatch, lambda: module(Settings=StubSettings, connect=lambda settings: None))
    with pytest.raises(SettingsError, match=r"site.toml:7: device.odd.levle: unknown setting; did you mean 'level'"):
        loaded(WEIRD.replace("level", "levle"))


@dataclass(frozen=True)
class TwoPeriods:
    period: float = setting(1.0, help="a key that every device has already")


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ({}, "has no dataclass Settings"),
        ({"Settings": StubSettings}, "has no function connect"),
        ({"Settings": TwoPeriods, "connect": print}, "settings that the gateway has itself: period"),
    ],
)
def test_a_strangers_module_without_the_contract_is_broken(
    contents: dict[str, Any], reason: str, loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger(monkeypatch, lambda: module(**contents))
    assert reason in loaded(WEIRD).devices[1].broken


def test_an_entry_point_that_names_no_module_is_a_mistake(
    loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger(monkeypatch, lambda: print)
    with pytest.raises(SettingsError, match="must name a module"):
        loaded(WEIRD)


def test_a_strangers_payload_that_raises_breaks_its_uplink_only(
    loaded: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Any:
        raise RuntimeError("no schema")

    stranger(monkeypatch, fail, "holdfast.payloads")
    gateway = loaded(PLC + CLOUD + 'payload = "weird"\n')
    assert gateway.uplinks[0].broken == "RuntimeError: no schema"
    assert gateway.devices[0].broken == ""


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_bytes(b"\xef\xbb\xbf" + (PLC + CLOUD).replace("\n", "\r\n").encode())
    assert load(tmp_path / "g.toml").devices[0].name == "plc"


@pytest.mark.parametrize("kind", ["links", "uplinks"])
def test_every_own_module_keeps_its_keys_apart_from_the_common_ones(kind: str) -> None:
    from supervisors.configuration.sections import fault_of
    from supervisors.configuration.tables import DeviceCommon, UplinkCommon

    common = {"links": DeviceCommon, "uplinks": UplinkCommon}[kind]
    for name in catalog.names(kind):
        assert fault_of(catalog.load(kind, name, name), common) == ""

"""Every mistake in a configuration is one line: where it is, what was written, and what to write instead."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from supervisors.configuration.config import load
from transports.errors import SettingsError

PLC = """[device.plc]
driver = "modbus"
host = "127.0.0.1"
tags = { speed = { address = 1 } }
"""
CLOUD = """[uplink.cloud]
type = "mqtt"
host = "broker.example.com"
"""
SCALE = """[device.scale]
driver = "serial"
port = "/dev/ttyUSB0"
"""
MEAN = """[aggregate.mean]
from = ["plc"]
"""


@dataclass(frozen=True)
class Mistake:
    """A configuration with one mistake, and the line it must give: number, path (= value) and a part of the cure."""

    text: str
    line: int
    where: str
    cure: str


MISTAKES = {
    # missing
    "no driver": Mistake('[device.plc]\nperiod = "1s"\n', 1, "device.plc.driver", "is missing; write a string"),
    "no host": Mistake(
        '[device.plc]\ndriver = "modbus"\ntags = { a = { address = 1 } }\n', 1, "device.plc.host", "missing"
    ),
    "no tags": Mistake(
        '[device.plc]\ndriver = "modbus"\nhost = "h"\n', 1, "device.plc.tags", "is missing; write a table"
    ),
    "empty tags": Mistake(
        '[device.plc]\ndriver = "modbus"\nhost = "h"\ntags = {}\n', 4, "device.plc.tags = {}", "at least one tag"
    ),
    "tag without address": Mistake(
        '[device.plc]\ndriver = "modbus"\nhost = "h"\n[device.plc.tags]\na = {}\n',
        5,
        "device.plc.tags.a.address",
        "is missing; write a whole number",
    ),
    "no uplink type": Mistake(PLC + '[uplink.cloud]\nhost = "h"\n', 5, "uplink.cloud.type", "is missing"),
    "no broker": Mistake(PLC + '[uplink.cloud]\ntype = "mqtt"\n', 5, "uplink.cloud.host", "is missing"),
    "no sources": Mistake(PLC + "[aggregate.mean]\nwindow = 1\n", 5, "aggregate.mean.from", "is missing"),
    "nothing to do": Mistake('[gateway]\nname = "idle"\n', 1, "gateway", "nothing to do"),
    "empty file": Mistake("", 1, "gateway", "nothing to do"),
    # unknown and misspelt
    "misspelt table": Mistake(PLC.replace("device", "devise"), 1, "devise", "unknown table; did you mean 'device'?"),
    "misspelt driver": Mistake(
        PLC.replace("modbus", "modbsu"), 2, "device.plc.driver = 'modbsu'", "unknown driver; did you mean 'modbus'?"
    ),
    "unknown driver": Mistake(
        PLC.replace("modbus", "telepathy"), 2, "device.plc.driver = 'telepathy'", "allowed here: "
    ),
    "misspelt key of a driver": Mistake(
        PLC.replace("host", "hots"), 3, "device.plc.hots", "unknown setting; did you mean 'host'?"
    ),
    "misspelt key of every device": Mistake(
        PLC + 'perod = "1s"\n', 5, "device.plc.perod", "unknown setting; did you mean 'period'?"
    ),
    "misspelt key driver": Mistake(PLC.replace("driver", "drivr"), 2, "device.plc.drivr", "did you mean 'driver'?"),
    "unknown key": Mistake(PLC + "colour = 1\n", 5, "device.plc.colour", "unknown setting; allowed here: host, "),
    "misspelt key of a tag": Mistake(
        PLC.replace("address = 1", "address = 1, typ = 'int16'"), 4, "device.plc.tags.speed.typ", "did you mean 'type'?"
    ),
    "misspelt gateway key": Mistake('[gateway]\nnam = "x"\n' + PLC, 2, "gateway.nam", "did you mean 'name'?"),
    "misspelt supervision key": Mistake(
        PLC + "[supervision]\nintensitiy = 3\n", 6, "supervision.intensitiy", "did you mean 'intensity'?"
    ),
    "misspelt spool key": Mistake(PLC + "[spool]\nraw_maks = 3\n", 6, "spool.raw_maks", "did you mean 'raw_max'?"),
    "unknown uplink": Mistake(CLOUD.replace("mqtt", "mqqt"), 2, "uplink.cloud.type = 'mqqt'", "did you mean 'mqtt'?"),
    "unknown payload": Mistake(
        CLOUD + 'payload = "jsn"\n', 4, "uplink.cloud.payload = 'jsn'", "unknown payload format; did you mean 'json'?"
    ),
    "unknown statistic": Mistake(
        PLC + MEAN + 'window = "1s"\nstatistics = ["mean", "median"]\n',
        8,
        "aggregate.mean.statistics[1] = 'median'",
        "one of count, min",
    ),
    "unknown device of an aggregate": Mistake(
        PLC + '[aggregate.mean]\nfrom = ["plk.speed"]\n', 6, "aggregate.mean.from = 'plk.speed'", "did you mean 'plc'?"
    ),
    "unknown parity": Mistake(
        SCALE + 'pattern = "(?P<w>.+)"\nparity = "evn"\n', 5, "device.scale.parity = 'evn'", "did you mean 'even'?"
    ),
    # mistyped
    "number as text": Mistake(PLC + 'port = "5020"\n', 5, "device.plc.port = '5020'", "must be a whole number"),
    "fraction": Mistake(PLC + "port = 502.5\n", 5, "device.plc.port = 502.5", "must be a whole number"),
    "truth as text": Mistake(PLC + 'enabled = "yes"\n', 5, "device.plc.enabled = 'yes'", "must be true or false"),
    "truth as number": Mistake(PLC + "[spool]\nstrict = 1\n", 6, "spool.strict = 1", "must be true or false"),
    "text as number": Mistake(PLC.replace('"127.0.0.1"', "127"), 3, "device.plc.host = 127", "must be a string"),
    "driver as number": Mistake(PLC.replace('"modbus"', "1"), 2, "device.plc.driver = 1", "must be a string"),
    "list as text": Mistake(PLC + '[aggregate.a]\nfrom = "plc"\n', 6, "aggregate.a.from = 'plc'", "must be a list"),
    "device as value": Mistake('device = "plc"\n' + CLOUD, 1, "device = 'plc'", "must be written as tables"),
    "device list": Mistake(PLC.replace("[device.plc]", "[[device.plc]]"), 1, "device.plc = ", "a table of settings"),
    "device without name": Mistake(
        '[device]\ndriver = "modbus"\n' + CLOUD, 2, "device.driver = 'modbus'", "must be a table of settings"
    ),
    "date": Mistake(PLC + "period = 2024-05-01\n", 5, "device.plc.period = 2024-05-01", "not be a date"),
    "giant number": Mistake(
        PLC + "port = 99999999999999999999\n", 5, "device.plc.port = 99999999999999999999", "64 bits"
    ),
    # out of range
    "port": Mistake(PLC + "port = 70000\n", 5, "device.plc.port = 70000", "at least 1 and at most 65535"),
    "unit": Mistake(PLC + "unit = 256\n", 5, "device.plc.unit = 256", "at most 255"),
    "period of nothing": Mistake(PLC + 'period = "0s"\n', 5, "device.plc.period = '0s'", "more than 0"),
    "period for ever": Mistake(PLC + "period = inf\n", 5, "device.plc.period = inf", "at most 86400"),
    "period that is no number": Mistake(PLC + "period = nan\n", 5, "device.plc.period = nan", "more than 0"),
    "negative intensity": Mistake(
        PLC + "[supervision]\nintensity = -1\n", 6, "supervision.intensity = -1", "at least 0"
    ),
    "jitter": Mistake(
        PLC + "[supervision]\nbackoff_jitter = 2\n", 6, "supervision.backoff_jitter = 2", "at least 0 and at most 1"
    ),
    "window of messages": Mistake(
        CLOUD + "window_messages = 70000\n", 4, "uplink.cloud.window_messages = 70000", "at most 10000"
    ),
    "address": Mistake(PLC.replace("= 1 }", "= 70000 }"), 4, "device.plc.tags.speed.address = 70000", "at most 65535"),
    "scale": Mistake(
        PLC.replace("= 1 }", "= 1, scale = 0.0 }"), 4, "device.plc.tags.speed.scale = 0.0", "must not be 0"
    ),
    "qos": Mistake(CLOUD + "qos = 3\n", 4, "uplink.cloud.qos = 3", "must be one of 0, 1, 2"),
    "a form of its own": Mistake(
        CLOUD.replace('"mqtt"', '"sparkplug"') + 'group_id = "g"\npayload = "msgpack"\n',
        5,
        "uplink.cloud.payload = 'msgpack'",
        "must be left out; sparkplug has a form of its own",
    ),
    "log level": Mistake(
        '[gateway]\nlog_level = "loud"\n' + PLC, 2, "gateway.log_level = 'loud'", "one of debug, info"
    ),
    # durations and sizes
    "duration without unit": Mistake(PLC + 'period = "100"\n', 5, "device.plc.period = '100'", "a duration such as"),
    "duration of another unit": Mistake(PLC + 'period = "2 weeks"\n', 5, "device.plc.period = '2 weeks'", '"250ms"'),
    "negative duration": Mistake(PLC + 'period = "-1s"\n', 5, "device.plc.period = '-1s'", "a duration such as"),
    "size": Mistake(PLC + '[spool]\nraw_max = "lots"\n', 6, "spool.raw_max = 'lots'", 'a size such as "64KiB"'),
    "size of nothing": Mistake(CLOUD + "batch_bytes = 0\n", 4, "uplink.cloud.batch_bytes = 0", "at least 1"),
    # seen together
    "ceiling below first": Mistake(
        PLC + 'retry_first = "10s"\nretry_ceiling = "1s"\n', 6, "device.plc.retry_ceiling = 1s", "retry_first (10s)"
    ),
    "hang before heartbeat": Mistake(
        PLC + '[supervision]\nheartbeat = "10s"\n', 5, "supervision.hang_after = 10s", "at least twice the heartbeat"
    ),
    "window below batch": Mistake(
        CLOUD + 'window_bytes = "64KiB"\n', 4, "uplink.cloud.window_bytes = 65536", "at least batch_bytes (131072)"
    ),
    "quota below segment": Mistake(PLC + '[spool]\nraw_max = "1MiB"\n', 6, "spool.raw_max = 1048576", "two segments"),
    "window and deadband": Mistake(
        PLC + MEAN + 'window = "1s"\ndeadband = 1\n', 8, "aggregate.mean.deadband = 1", "works without a window only"
    ),
    "tag twice": Mistake(
        PLC.replace("= 1 }", "= 1 }, r = { address = 2, count = 2 }, r1 = { address = 9 }"),
        4,
        "device.plc.tags.r1",
        "rename one of the two",
    ),
    "password of nobody": Mistake(CLOUD + 'password = { env = "P" }\n', 1, "uplink.cloud.user", "is missing"),
    "certificate without key": Mistake(
        CLOUD + f'tls = {{ certificate = "{__file__}" }}\n', 4, "uplink.cloud.tls.key", "without its private key"
    ),
    # files
    "unreadable certificate": Mistake(
        CLOUD + 'tls = { ca = "/nowhere/ca.pem" }\n', 4, "uplink.cloud.tls.ca = '/nowhere/ca.pem'", "No such file"
    ),
    "certificate that is none": Mistake(
        CLOUD + f'[uplink.cloud.tls]\nca = "{__file__}"\n', 5, f"uplink.cloud.tls.ca = '{__file__}'", "PEM"
    ),
    "file uplink to a directory": Mistake(
        '[uplink.f]\ntype = "file"\npath = "/tmp"\n', 3, "uplink.f.path = '/tmp'", "is a directory; name a file"
    ),
    # bad addresses, patterns, topics
    "bad broker address": Mistake(
        CLOUD.replace("broker.", "mqtt://"), 3, "uplink.cloud.host = 'mqtt://example.com'", "a name or an address"
    ),
    "empty address": Mistake(PLC.replace("127.0.0.1", ""), 3, "device.plc.host = ''", "must not be empty"),
    "bad regular expression": Mistake(
        SCALE + 'pattern = "(?P<w>[0-9+"\n', 4, "device.scale.pattern = '(?P<w>[0-9+'", "regular expression"
    ),
    "topic of nothing": Mistake(
        CLOUD + 'topic = "plant/{devise}"\n', 4, "uplink.cloud.topic = 'plant/{devise}'", "{device}"
    ),
    "topic with wildcard": Mistake(CLOUD + 'topic = "plant/#"\n', 4, "uplink.cloud.topic = 'plant/#'", "#"),
    # names
    "name taken": Mistake(
        PLC + CLOUD.replace("cloud", "plc"), 5, "uplink.plc = 'plc'", "has the same name as device.plc (line 1)"
    ),
    "name of the gateway's own": Mistake(
        PLC.replace("plc", "spooler"), 1, "device.spooler = 'spooler'", "not be one of"
    ),
    "name with capitals": Mistake(PLC.replace("plc", "PLC"), 1, "device.PLC = 'PLC'", "the characters a-z"),
    "name with a space": Mistake(
        PLC.replace("device.plc", 'device."my plc"'), 1, "device.my plc = 'my plc'", "the characters a-z"
    ),
    "name too long": Mistake(PLC.replace("plc", "p" * 42), 1, f"device.{'p' * 42} = '{'p' * 42}'", "1 to 41"),
    "gateway name": Mistake('[gateway]\nname = "a/b"\n' + PLC, 2, "gateway.name = 'a/b'", "must be 1 to 64"),
    "run directory": Mistake(
        f'[gateway]\nrun_dir = "/run/{"r" * 90}"\n' + PLC,
        2,
        f"gateway.run_dir = '/run/{'r' * 90}'",
        "too long for the socket of 'diagnostics'; set gateway.run_dir (or --run-dir)",
    ),
    # secrets as text: the line must not repeat them
    "password as text": Mistake(
        CLOUD + 'user = "u"\npassword = "hunter2"\n', 5, "uplink.cloud.password = '...'", "never the secret itself"
    ),
    "password unquoted": Mistake(CLOUD + "password = hunter2\n", 4, "uplink.cloud.password = '...'", "needs quotes"),
    # not TOML
    "unquoted text": Mistake(
        PLC.replace('"modbus"', "modbus"),
        2,
        "device.plc.driver = 'driver = modbus'",
        'text needs quotes, such as "modbus"',
    ),
    "unquoted duration": Mistake(
        PLC + "period = 100ms\n", 5, "device.plc.period = 'period = 100ms'", 'such as "100ms"'
    ),
    "quote not closed": Mistake(
        PLC.replace('127.0.0.1"', "127.0.0.1"), 3, "device.plc.host = 'host = \"127.0.0.1'", "not closed"
    ),
    "no equals sign": Mistake(PLC + "port 502\n", 5, "device.plc.port = 'port 502'", "key = value"),
    "truth with a capital": Mistake(PLC + "enabled = True\n", 5, "device.plc.enabled = ", "in lower case"),
    "backslash": Mistake(
        CLOUD + 'client_id = "C:\\data"\n', 4, "uplink.cloud.client_id = ", "backslashes in single quotes"
    ),
    "header not closed": Mistake("[device.plc\ndriver = 1\n", 1, "device.plc = '[device.plc'", "[ that is not closed"),
    "list not closed": Mistake(
        PLC + '[aggregate.a]\nfrom = ["plc"\n', 6, "aggregate.a.from[0] = ", "[ that is not closed"
    ),
    "table on two lines": Mistake(PLC + "tls = { ca = 1,\n", 5, "device.plc.tls.ca = ", "must stand on one line"),
    "key twice": Mistake(
        PLC + 'host = "other"\n', 5, "device.plc.host", "is written twice; rename or remove one (first in line 3)"
    ),
    "table twice": Mistake(
        PLC + CLOUD + PLC, 8, "device.plc", "is written twice; rename or remove one (first in line 1)"
    ),
}


def lines_of(file: Path, **overrides: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(file, **overrides)
    return str(error.value).splitlines()


@pytest.fixture
def gateway_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # lines name the file as it was given
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    return Path("gw.toml")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place_its_value_and_its_cure(name: str, gateway_file: Path) -> None:
    mistake = MISTAKES[name]
    gateway_file.write_text(mistake.text)
    (line,) = lines_of(gateway_file)
    assert line.startswith(f"gw.toml:{mistake.line}: {mistake.where}")
    assert mistake.cure in line.removeprefix(f"gw.toml:{mistake.line}: {mistake.where}")


@pytest.mark.parametrize("text", [CLOUD + 'user = "u"\npassword = "hunter2"\n', CLOUD + "password = hunter2\n"])
def test_a_secret_written_as_text_is_refused_and_not_repeated(text: str, gateway_file: Path) -> None:
    gateway_file.write_text(text)
    assert "hunter2" not in "".join(lines_of(gateway_file))


def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(
    gateway_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = ("serial", "transports.modbus.ports", "transports.modbus.reading", "transports.links.modbus")
    for name in [name for name in sys.modules if name in using or name.startswith("serial.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "serial", None)
    gateway_file.write_text(PLC)
    (line,) = lines_of(gateway_file)
    assert line.startswith("gw.toml:2: device.plc.driver = 'modbus': ")
    assert "pip install 'holdfast[modbus]'" in line


def test_all_mistakes_are_listed_in_file_order(gateway_file: Path) -> None:
    gateway_file.write_text(CLOUD + "qos = 3\n" + PLC + "port = 0\n[spool]\nsync = 'x'\n[gateway]\nnam = 'x'\n")
    numbers = [int(line.split(":")[1]) for line in lines_of(gateway_file)]
    assert numbers == [4, 9, 11, 13]


def test_a_run_directory_from_the_command_line_is_measured_too(gateway_file: Path) -> None:
    gateway_file.write_text(PLC)
    (line,) = lines_of(gateway_file, run_dir="/run/" + "r" * 100)
    assert "gateway.run_dir = '/run/rrr" in line


def test_the_longest_run_directory_that_is_allowed_holds_every_socket(gateway_file: Path) -> None:
    name = "p" * 41
    gateway_file.write_text(PLC.replace("plc", name))
    room = 107 - len(f"/{name}.live")
    assert load(gateway_file, run_dir="/" + "r" * (room - 1)).devices[0].name == name
    (line,) = lines_of(gateway_file, run_dir="/" + "r" * room)
    assert "is 1 bytes too long" in line


@pytest.mark.parametrize(
    ("content", "line", "cure"),
    [
        (b'[gateway]\nname = "f\xfcr"\n', "gw.toml:2: text = byte 0xfc", "save the file as UTF-8"),
        ("[gateway]\n".encode("utf-16"), "gw.toml:1: text = byte 0xff", "save the file as UTF-8"),
        (b"a = " + b"[" * 5000, "gw.toml:1: ", ""),
    ],
)
def test_a_file_that_is_no_text_is_one_line(content: bytes, line: str, cure: str, gateway_file: Path) -> None:
    gateway_file.write_bytes(content)
    (found,) = lines_of(gateway_file)
    assert found.startswith(line)
    assert cure in found


def test_a_file_that_is_not_there_is_one_line(gateway_file: Path) -> None:
    (line,) = lines_of(gateway_file)
    assert line.startswith("gw.toml:1: file = 'gw.toml': cannot be read (No such file or directory)")


def test_a_directory_in_place_of_the_file_is_one_line(gateway_file: Path) -> None:
    gateway_file.mkdir()
    (line,) = lines_of(gateway_file)
    assert "cannot be read (Is a directory)" in line


def test_a_file_name_that_is_no_gateway_name_asks_for_one(gateway_file: Path) -> None:
    odd = Path("my gateway.toml")
    odd.write_text(PLC)
    (line,) = lines_of(odd)
    assert line.startswith("my gateway.toml:1: gateway.name: is missing, and the file's name 'my gateway'")

"""Mistakes in who is kept by whom, and how: each is one line with its place, its value and its cure."""

from pathlib import Path

import pytest

from supervisors.configuration.config import load
from transports.errors import SettingsError

# Its tables begin in the lines 1, 4, 6, 9 and 12; 14 is the next line
SITE = """[device.press-1]
driver = "sim"
tags = { level = { wave = "sine" } }
[device.box]
driver = "host"
[aggregate.mean]
from = ["press-1"]
window = "1s"
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
[program.broker]
command = ["mosquitto"]
"""


def cell(children: str, *more: str, name: str = "cell") -> str:
    """The table of a supervisor: the first of its lines has its name, the second its children."""
    return "\n".join((f"[supervisor.{name}]", f"children = {children}", *more, ""))


def device(supervise: str) -> str:
    """The table of a device: the third of its lines has `supervise`."""
    return f'[device.own]\ndriver = "host"\nsupervise = {{ {supervise} }}\n'


MISTAKES = {
    # whom it keeps
    "no children": ("[supervisor.cell]\n", "14: supervisor.cell.children", "is missing; write a list"),
    "empty children": (cell("[]"), "15: supervisor.cell.children = []", 'at least one child, such as "press-*"'),
    "children as text": (cell('"box"'), "15: supervisor.cell.children = 'box'", "must be a list of which each"),
    "child as number": (cell("[1]"), "15: supervisor.cell.children[0] = 1", "must be a string"),
    "unknown child": (
        cell('["box", "pres-1"]'),
        "15: supervisor.cell.children[1] = 'pres-1'",
        "is no device, aggregate, uplink, program, line or supervisor; did you mean 'press-1'?",
    ),
    "pattern of nobody": (cell('["prss-*", "box"]'), "15: supervisor.cell.children[0] = 'prss-*'", "did you mean"),
    "child twice": (cell('["box", "box"]'), "15: supervisor.cell.children[1] = 'box'", "is written twice"),
    "itself": (cell('["box", "cell"]'), "15: supervisor.cell.children[1] = 'cell'", "is the supervisor itself"),
    "the spooler": (cell('["spooler"]'), "15: supervisor.cell.children[0] = 'spooler'", "belongs to the root"),
    "two names": (
        cell('["box"]') + cell('["press-1", "box"]', name="b"),
        "17: supervisor.b.children[1] = 'box'",
        "claims box, as 'box' of supervisor.cell (line 15) does; each has one supervisor",
    ),
    "two patterns": (
        cell('["*"]') + cell('["b*"]', name="odd"),
        "17: supervisor.odd.children[0] = 'b*'",
        "claims box and 1 more, as '*' of supervisor.cell (line 15) does",
    ),
    "circle": (
        cell('["box", "b"]') + cell('["cloud", "c"]', name="b") + cell('["mean", "cell"]', name="c"),
        "15: supervisor.cell.children[1] = 'b'",
        "makes a circle, cell in c in b in cell; take one of them out",
    ),
    "circle of patterns": (
        cell('["b*", "box"]') + cell('["c*", "cloud", "broker"]', name="bb"),
        "15: supervisor.cell.children[0] = 'b*'",
        "makes a circle, cell in bb in cell",
    ),
    "left alone": (
        cell('["bo?"]') + cell('["box"]', name="b"),
        "15: supervisor.cell.children",
        "leaves it nobody to keep: box is claimed by name in supervisor.b",
    ),
    "name of a device": (
        cell('["cloud"]', name="box"),
        "14: supervisor.box = 'box'",
        "same name as device.box (line 4)",
    ),
    "name of the house": (cell('["box"]', name="root"), "14: supervisor.root = 'root'", "must not be one of root"),
    "supervisor as list": ("[[supervisor]]\nchildren = ['box']\n", "14: supervisor = [...]", "[supervisor.NAME]"),
    "supervisor as value": ("[supervisor]\ncell = 1\n", "15: supervisor.cell = 1", "must be a table of settings"),
    # how
    "strategy": (cell('["box"]', 'strategy = "one_for_al"'), "16: supervisor.cell.strategy = ", "one of one_for_one"),
    "exhausted": (cell('["box"]', 'on_exhausted = "x"'), "16: supervisor.cell.on_exhausted = 'x'", "quarantine, escal"),
    "misspelt": (cell('["box"]', "intensty = 1"), "16: supervisor.cell.intensty", "did you mean 'intensity'?"),
    "period": (cell('["box"]', 'period = "0s"'), "16: supervisor.cell.period = '0s'", "must be more than 0"),
    "permanent and significant": (
        device("significant = true"),
        "16: device.own.supervise.significant = true",
        'restart = "transient"',
    ),
    "permanent and significant supervisor": (
        cell('["box"]', "significant = true"),
        "16: supervisor.cell.significant = true",
        'write restart = "transient" or "temporary" beside it',
    ),
    "significant for the root": (
        device('restart = "transient", significant = true'),
        "16: device.own.supervise.significant = true",
        "needs a [supervisor.NAME] with auto_shutdown that claims own: the root never ends by itself",
    ),
    "significant for nobody": (
        cell('["own"]') + device('restart = "transient", significant = true'),
        "18: device.own.supervise.significant = true",
        'needs auto_shutdown = "any_significant" or "all_significant" in supervisor.cell (line 14)',
    ),
    "significant supervisor for the root": (
        cell('["box"]', 'restart = "temporary"', "significant = true"),
        "17: supervisor.cell.significant = true",
        "that claims cell",
    ),
    # one process
    "restart": (device('restart = "allways"'), "16: device.own.supervise.restart = 'allways'", "one of permanent, "),
    "misspelt key": (device("memory_hrd = 1"), "16: device.own.supervise.memory_hrd", "did you mean 'memory_hard'?"),
    "no table": (
        '[device.own]\ndriver = "host"\nsupervise = 1\n',
        "16: device.own.supervise = 1",
        "a table of settings",
    ),
    "grace of a word": (device('grace = "never"'), "16: device.own.supervise.grace = 'never'", 'or "unlimited"'),
    "endless grace": (device("grace = inf"), "16: device.own.supervise.grace = inf", "must be finite"),
    "memory without unit": (device("memory_hard = 200"), "16: device.own.supervise.memory_hard = 200", "at least 1MiB"),
    "descriptors": (
        device("descriptors_soft = 1.5"),
        "16: device.own.supervise.descriptors_soft = 1.5",
        "a whole numb",
    ),
    "cpu as text": (device('cpu_hard = "90%"'), "16: device.own.supervise.cpu_hard = '90%'", "a number such as 0.9"),
    "cpu of nothing": (device("cpu_hard = 0"), "16: device.own.supervise.cpu_hard = 0", "must be more than 0"),
    "soft over hard": (
        device("cpu_soft = 0.9, cpu_hard = 0.9"),
        "16: device.own.supervise.cpu_soft = 0.9",
        "must be less than cpu_hard (0.9), or the process is restarted before the alarm",
    ),
    "soft over the house's hard": (
        "[supervision]\ndescriptors_hard = 50\n" + device("descriptors_soft = 60"),
        "18: device.own.supervise.descriptors_soft = 60",
        "must be less than descriptors_hard (50)",
    ),
    "hard under the house's soft": (
        '[supervision]\nmemory_soft = "2MiB"\n' + device('memory_hard = "1MiB"'),
        "18: device.own.supervise.memory_hard = 1048576",
        "must be more than supervision.memory_soft (2097152)",
    ),
    "soft over hard of the house": (
        '[supervision]\nmemory_soft = "2MiB"\nmemory_hard = "1MiB"\n',
        "15: supervision.memory_soft = 2097152",
        "must be less than memory_hard (1048576)",
    ),
    "hang before heartbeat": (
        device('hang_after = "1s"'),
        "16: device.own.supervise.hang_after = 1s",
        "at least twice the heartbeat (1s)",
    ),
    # programs
    "no command": ("[program.p]\n", "14: program.p.command", "is missing; write a list"),
    "command as text": ('[program.p]\ncommand = "a b"\n', "15: program.p.command = 'a b'", "must be a list"),
    "empty command": ("[program.p]\ncommand = []\n", "15: program.p.command = []", "must name a program"),
    "misspelt key of a program": ('[program.p]\ncomand = ["a"]\n', "15: program.p.comand", "did you mean 'command'?"),
}


@pytest.fixture
def gateway_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # lines name the file as it was given
    return Path("gw.toml")


def complaints(file: Path) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(file)
    return str(error.value).splitlines()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place_its_value_and_its_cure(name: str, gateway_file: Path) -> None:
    text, where, cure = MISTAKES[name]
    gateway_file.write_text(SITE + text)
    (line,) = complaints(gateway_file)
    assert line.startswith(f"gw.toml:{where}")
    assert cure in line.removeprefix(f"gw.toml:{where}")


def test_a_mistake_in_a_device_is_none_of_its_supervisor(gateway_file: Path) -> None:
    gateway_file.write_text(SITE.replace('"host"', '"hots"') + cell('["box", "b*"]'))
    (line,) = complaints(gateway_file)
    assert "device.box.driver" in line


def test_a_secret_of_a_program_that_was_written_wrongly_is_not_repeated(gateway_file: Path) -> None:
    gateway_file.write_text(SITE + 'environment = { PASSWORD = { text = "hunter2" } }\n')
    (line,) = complaints(gateway_file)
    assert line.startswith("gw.toml:14: program.broker.environment.PASSWORD")
    assert "hunter2" not in line


def test_everything_that_fits_loads_without_a_warning(gateway_file: Path) -> None:
    gateway_file.write_text(
        SITE
        + cell('["own", "inner"]', 'auto_shutdown = "all_significant"', 'strategy = "rest_for_one"')
        + cell('["press-*"]', 'restart = "temporary"', "significant = true", name="inner")
        + device('restart = "transient", significant = true, grace = "unlimited", memory_hard = "unlimited"')
    )
    gateway = load(gateway_file)
    assert gateway.warnings == ()
    assert [spec.name for spec in gateway.supervisors] == ["cell", "inner"]


def test_a_gateway_of_programs_alone_has_something_to_do(gateway_file: Path) -> None:
    gateway_file.write_text('[gateway]\nlog_format = "json"\n[program.broker]\ncommand = ["mosquitto"]\n')
    gateway = load(gateway_file)
    assert (gateway.log_format, [spec.name for spec in gateway.programs]) == ("json", ["broker"])


def test_a_disabled_program_is_checked_but_does_not_run(gateway_file: Path) -> None:
    gateway_file.write_text(SITE + "enabled = false\n")
    gateway = load(gateway_file)
    assert (gateway.programs, gateway.disabled) == ((), ("broker",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            cell('["box"]', 'auto_shutdown = "any_significant"'),
            "16: supervisor.cell.auto_shutdown = 'any_significant': has no effect: none of its children",
        ),
        ('directory = "run"\n', "14: program.broker.directory = 'run': is a relative path"),
        ('ready = { file = "run/pid" }\n', "14: program.broker.ready.file = 'run/pid': is a relative path"),
        ('environment = { PIN = { env = "HOLDFAST_NO_SUCH" } }\n', "14: program.broker.environment.PIN = "),
    ],
)
def test_what_is_allowed_but_odd_is_a_warning_with_its_line(text: str, said: str, gateway_file: Path) -> None:
    gateway_file.write_text(SITE + text)
    (warning,) = map(str, load(gateway_file).warnings)
    assert warning.startswith(f"gw.toml:{said}")

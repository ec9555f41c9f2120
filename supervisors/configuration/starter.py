"""The configuration that `holdfast init` writes: it runs as it is, and explains every key there is.

The active part needs no device and no network. Every other driver and uplink follows as a comment made from its own
settings, so that it cannot be out of date.
"""

from collections.abc import Iterator
from pathlib import Path

from actors.diagnosing.settings import Settings as DiagnosticsSettings
from actors.lines.settings import Settings as LineSettings
from actors.networks.settings import Settings as LinkSettings
from actors.program_settings import Settings as ProgramSettings
from actors.rules.settings import Settings as RuleSettings
from actors.stages.settings import Settings as AggregateSettings
from actors.steering.settings import Settings as PrincipalSettings
from supervisors.configuration.tables import (
    AggregateCommon,
    DeviceCommon,
    GatewaySettings,
    LineCommon,
    ProgramCommon,
    Supervise,
    Supervision,
    SupervisorCommon,
    UplinkCommon,
)
from supervisors.face.manual import ModuleNote, describe_drivers, describe_uplinks, quoted, toml_of
from transports.settings import FieldNote, fields_of
from transports.spool.settings import Settings as SpoolSettings

__all__ = ["describe_drivers", "describe_uplinks", "starter"]

# Forms that a default shows by itself
_SEEN = ("a string", "true or false", "a duration", "a size", "a path", "a list", "a table of which")
_SINE = 'tags = { level = { wave = "sine", period = "1m", amplitude = 20.0, offset = 50.0, unit = "%" } }'
_HEAD = """\
# A Holdfast gateway. Check this file with `holdfast check FILE`, start it with `holdfast run FILE`.
# A line that begins with "#key" shows a default or an example: take the "#" away to change it.
"""


def starter(name: str = "gateway", output: Path = Path("/tmp/holdfast.ndjson")) -> str:
    """The text of a whole configuration for a gateway of that name, writing to the file `output`; it loads."""
    return "\n".join(_lines(name, output)) + "\n"


def _lines(name: str, output: Path) -> Iterator[str]:
    yield _HEAD
    yield from ("[gateway]", f"name = {quoted(name)}", *_options(GatewaySettings, leave=("name",)), "")
    yield from ("[supervision]  # when a process is restarted", *_options(Supervision), "")
    yield from ("[spool]  # what waits on the disk until every uplink has delivered it", *_options(SpoolSettings), "")
    yield from _rule("Devices: what is read")
    yield from ("[device.sine]  # a simulated device; replace it with your own", 'driver = "sim"', _SINE)
    yield from (*_options(DeviceCommon, leave=("driver",)), "")
    for driver in describe_drivers():
        yield from _module(driver, f"device.{driver.name}-1", f'driver = "{driver.name}"')
    yield from _rule("Aggregates: what becomes of readings on their way; without one, every reading is delivered")
    yield from _commented("[aggregate.summary]", 'from = ["sine"]', 'window = "10s"')
    yield from (*_commented(*_options(AggregateSettings, leave=("from", "window")), *_options(AggregateCommon)), "")
    yield from _rule("Uplinks: where everything goes")
    yield from (
        "[uplink.local]  # a file; replace it with your broker",
        'type = "file"',
        f"path = {quoted(str(output))}",
    )
    yield from (*_options(UplinkCommon, leave=("type",)), "")
    for uplink in describe_uplinks():
        yield from _module(uplink, f"uplink.{uplink.name}-1", f'type = "{uplink.name}"')
    yield from _rule("Links: networks that lead to the uplinks' far ends; the best that works is used")
    yield from (*_commented("[link.ethernet]", *_options(LinkSettings)), "")
    yield from _rule("Principals: who may write tags, or use an operator's verbs, over an uplink that can be asked")
    yield from _commented("[principal.scada]", 'uplinks = ["local"]', 'trust = "uplink"')
    yield from _commented('verbs = ["status"]', 'devices = ["*"]')
    yield from (*_commented(*_options(PrincipalSettings, leave=("uplinks", "trust", "verbs", "devices"))), "")
    yield from _rule("Diagnostics: what the gateway tells of itself, as a device of that name")
    yield from (*_commented("[diagnostics]", *_options(DiagnosticsSettings)), "")
    yield from _rule("Programs: what others made, run and watched alike")
    yield from _commented("[program.broker]", 'command = ["mosquitto", "-p", "1883"]', "ready = { port = 1883 }")
    yield from _commented(*_options(ProgramSettings, leave=("command", "ready")), *_options(ProgramCommon))
    yield from ("", *_rule("Lines: a serial port that several devices share, which say line = NAME"))
    yield from (*_commented("[line.hall-1]", *_options(LineSettings), *_options(LineCommon)), "")
    yield from _rule("Rules: what one device says commands another, without the cloud")
    yield from _commented("[rule.cooling]", 'when = "sine.level > 80"', 'then = ["sine.setpoint = 100"]')
    yield from _commented('#clear = "sine.level < 75"  # hysteresis: once true it stays so until this is')
    yield from _commented(*_options(RuleSettings, leave=("when", "then", "clear")))
    yield from ("", *_rule("Supervision: how one process is kept, and which are kept together"))
    yield '## Of any device, aggregate, uplink or program; in one line: supervise = { grace = "20s" }'
    yield from (*_commented("[device.sine.supervise]", *_options(Supervise)), "")
    yield from _commented("[supervisor.cell-1]", 'children = ["sine"]')
    yield from (*_commented(*_options(SupervisorCommon, leave=("children",))), "")


def _rule(title: str) -> tuple[str, str]:
    return (f"# ---- {title} ".ljust(100, "-"), "")


def _module(note: ModuleNote, table: str, first: str) -> Iterator[str]:
    """One driver or uplink as a comment; taking one "# " from each line makes it active."""
    if note.broken:
        yield from (f"## {note.name}: cannot be used here: {' '.join(note.broken.split())}", "")
        return
    yield f"## {note.name}: {note.summary}"
    yield from _commented(f"[{table}]", first, *map(_option, note.fields))
    yield ""


def _commented(*lines: str) -> Iterator[str]:
    return (f"# {line}" for line in lines)


def _options(cls: type, leave: tuple[str, ...] = ()) -> Iterator[str]:
    return (_option(note) for note in fields_of(cls) if note.key not in leave)


def _option(note: FieldNote) -> str:
    written = f"{'' if note.required else '#'}{note.key} = {toml_of(note) or '...'}"
    form = "" if note.form.startswith(_SEEN) else f" ({note.form})"
    return f"{written.ljust(34)}  # {note.help}{form}"

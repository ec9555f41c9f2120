"""An external command's lines: JSON by paths, or text by a pattern; running on, or run anew for each reading.

    [device.weather]
    driver = "program"
    command = ["rtl_433", "-F", "json"]
    tags = { temperature = { path = "$.temperature_C", unit = "Cel" } }

    [device.disk]
    driver = "program"
    command = ["/usr/local/bin/smart-temperature", "/dev/sda"]
    each = "run"
    period = "1m"
    pattern = 'temp (?P<temperature>\\d+)'
    fields = { temperature = { unit = "Cel" } }

A program that runs on is heard whenever it prints a line; when it ends it is started again after a wait. With
`each = "run"` it is started once a period, and must end by itself within `timeout`. It runs as the user of holdfast, in
a process group of its own, and never outlives its device. Its last line on standard error stands in the error. A line
of another form is passed over and counted. `writes` are lines for its standard input.
"""

import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from transports.child_program import ChildProgram, Start
from transports.clock import Clock, MachineClock
from transports.errors import LinkDown, LinkRefused, LinkTimeout, NotUnderstood, Problem, SettingsError
from transports.fields import FieldSettings, Pattern, pattern_problems, tags_of
from transports.json_paths import document, shown
from transports.json_tags import JsonTag, JsonTags
from transports.json_times import TimeSettings
from transports.links import Link
from transports.program_guard import CANNOT_START
from transports.samples import Scan, Tag, Value
from transports.settings import Secret, duration, setting, size
from transports.write_templates import Written, filled, limits_of, refuse_unknown, said, template_problems

_END_WITHIN_S = 0.5  # between closing its output and ending
_LINES_MOST = 10_000  # of one run


@dataclass(frozen=True, kw_only=True)
class WriteSettings(Written):
    """The line that sets a tag."""

    line: str = setting(help="what to say; {value} is the value as text, {json} as JSON", example="set {value}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A command, and what its lines mean."""

    command: tuple[str, ...] = setting(help="program and arguments", example='["rtl_433", "-F", "json"]')
    each: str = setting("line", choices=("line", "run"), help="line: it runs on; run: it is started once a period")
    env: dict[str, str | Secret] = setting({}, help="variables of its environment, besides holdfast's own")
    cwd: str = setting("", help="directory to start it in", example="/var/lib/weather")
    tags: dict[str, JsonTag] = setting({}, help="tags by name, of lines in JSON")
    time: TimeSettings | None = setting(None, help="where the JSON says when it was taken")
    pattern: str | None = setting(None, help="regular expression for a whole line; each named group is a tag")
    fields: dict[str, FieldSettings] = setting({}, help="type, unit, scale and offset of the pattern's tags")
    writes: dict[str, WriteSettings] = setting({}, help="the line that sets a tag, by the tag's name")
    max_line_bytes: int = size("64KiB", le=2**20, help="a longer line is thrown away and counted")
    timeout_s: float = duration("5s", le=300, help="how long one run, or a write, may take")
    grace_s: float = duration("2s", le=30, help="how long it may take to end when asked to; then it is killed")

    def problems(self, path: str) -> Iterable[Problem]:
        if not self.command or not all(self.command) or any("\0" in word for word in self.command):
            yield Problem(f"{path}.command", repr(list(self.command)), "must be a program and its arguments")
        if bool(self.tags) == (self.pattern is not None):
            yield Problem(f"{path}.tags", "", "write either tags (paths into JSON) or pattern (for text)")
            return
        if self.each == "run" and self.writes:
            yield Problem(f"{path}.writes", "", 'need each = "line": a program that has ended reads nothing')
        mistakes = [] if self.pattern is None else list(pattern_problems(path, self.pattern, self.fields))
        yield from mistakes or self._write_problems(path)

    def _write_problems(self, path: str) -> Iterator[Problem]:
        for name, write in self.writes.items():
            where = f"{path}.writes.{name}"
            yield from write.written_problems(where, name, self.notes)
            yield from template_problems(f"{where}.line", write.line)
            if not write.line.isprintable():
                yield Problem(f"{where}.line", repr(write.line), "must be one line; its end is added to it")

    @property
    def notes(self) -> dict[str, JsonTag]:
        """How the values of its tags are said in a write."""
        if self.pattern is None:
            return self.tags
        plain = {name: self.fields.get(name, FieldSettings()) for name in re.compile(self.pattern).groupindex}
        kinds = {name: note.type or "float64" for name, note in plain.items()}
        return {
            name: JsonTag("$", kind, plain[name].unit, plain[name].scale, plain[name].offset)
            for name, kind in kinds.items()
            if kind != "bytes"
        }

    def start(self) -> Start:
        """What to start. Raises LinkDown, saying which part is not there."""
        if shutil.which(self.command[0]) is None:
            cure = "there is no such program, or it may not be executed; install it, or write its absolute path"
            raise LinkDown(f"{self.command[0]}: {cure}")
        try:
            env = {name: value.reveal() if isinstance(value, Secret) else value for name, value in self.env.items()}
        except SettingsError as missing:
            raise LinkDown(f"{self.command[0]}: {missing}") from missing
        return Start(self.command, env, self.cwd, self.max_line_bytes, bool(self.writes))


def connect(settings: Settings) -> Link:
    """Starts the program, or looks whether it is there. Raises LinkDown."""
    start, clock = settings.start(), MachineClock()
    if settings.each == "run":
        return RunLink(settings, clock)
    return LineLink(settings, ChildProgram(start, clock), clock)


class _Lines:
    """What lines mean, and those that meant nothing."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock, self._name = settings, clock, settings.command[0]
        self._paths = JsonTags(settings.tags, settings.time) if settings.pattern is None else None
        self._pattern = Pattern(settings.pattern, settings.fields, "utf-8") if settings.pattern is not None else None
        self.tags: tuple[Tag, ...] = (
            self._paths.tags() if self._paths else tags_of(self._pattern.fields) if self._pattern else ()
        )
        self.misfits, self.last_rejected = 0, ""

    def _scans(self, lines: Sequence[bytes]) -> list[Scan]:
        now_ns = self._clock.utc_ns()
        return [scan for line in lines if (scan := self._scan(line, now_ns)) is not None]

    def _scan(self, line: bytes, now_ns: int) -> Scan | None:
        try:
            scan = self._pattern.scan(line, now_ns) if self._pattern else None
            if self._paths:
                scan = self._paths.scan(document(line), now_ns)
        except NotUnderstood:
            scan = None
        if scan is None:
            self.misfits += 1
            self.last_rejected = shown(line)
        return scan


class LineLink(_Lines):
    """A program that runs on: its pipes say when to read."""

    def __init__(self, settings: Settings, program: ChildProgram, clock: Clock) -> None:
        super().__init__(settings, clock)
        self._program, self._descriptor = program, program.fileno()
        self._notes, self.writable = settings.notes, limits_of(settings.writes)
        self._closed = False

    @property
    def rejected(self) -> int:
        """Lines passed over since it was started: of another form, or too long."""
        return self.misfits + self._program.lost

    def fileno(self) -> int:
        """Readable when it has said something, or ended."""
        return self._descriptor

    def read(self) -> Sequence[Scan]:
        """The lines that have become complete, oldest first. Never waits. Raises LinkDown when it has ended."""
        if self._closed:
            raise LinkDown(f"{self._name}: closed; connect again")
        scans = self._scans(self._program.said())
        if self._program.over and not scans:
            code = self._program.ended(_END_WITHIN_S)
            self._program.said()  # its last words
            raise _ended(self._program, code)
        return scans

    def write(self, tag: str, value: Value) -> None:
        """Says the tag's line. Raises LinkRefused, LinkTimeout, LinkDown."""
        refuse_unknown(tag, self.writable, self._name)
        if self._closed:
            raise LinkDown(f"{self._name}: closed; connect again")
        write = self._settings.writes[tag]
        field = write.field(tag, self._notes)
        assert field is not None, "problems() has seen to that"
        line = filled(write.line, said(field, value, self._name), self._name)
        self._program.tell(line.encode() + b"\n", self._settings.timeout_s)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._program.close(self._settings.grace_s)


class RunLink(_Lines):
    """A program that is run for each reading."""

    @property
    def rejected(self) -> int:
        """Lines passed over: of another form."""
        return self.misfits

    def read(self) -> Sequence[Scan]:
        """Runs it once: all its lines, oldest first. Raises LinkTimeout for a run that fails, LinkDown without it."""
        deadline = self._clock.now() + self._settings.timeout_s
        program = ChildProgram(self._settings.start(), self._clock)
        try:
            scans = self._run(program, deadline)
        finally:
            program.close(0.0)
        if not scans:
            unfit = f"; its last line was {self.last_rejected!r}" if self.misfits else ""
            raise LinkTimeout(f"{self._name}: it said nothing that fits{unfit}")
        return scans

    def write(self, tag: str, value: Value) -> None:
        raise LinkRefused(f'{self._name}: {tag} cannot be written; a program with each = "run" reads nothing')

    def close(self) -> None:
        """Nothing runs between two readings."""

    def _run(self, program: ChildProgram, deadline: float) -> list[Scan]:
        scans: list[Scan] = []
        while not program.over and (left_s := deadline - self._clock.now()) > 0 and len(scans) < _LINES_MOST:
            scans += self._scans(program.said(left_s))
        code = program.ended(max(0.0, deadline - self._clock.now()))
        program.said()
        if code is None:
            raise LinkTimeout(f"{self._name}: it did not end within {self._settings.timeout_s:g} s")
        if code == CANNOT_START:
            raise _ended(program, code)
        if code != 0:
            raise LinkTimeout(program.how(code))
        return scans


def _ended(program: ChildProgram, code: int | None) -> LinkDown:
    return LinkDown(program.how(code))

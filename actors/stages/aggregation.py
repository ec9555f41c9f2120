"""One aggregation: batches and gaps of many sources in, statistics or changes out, and the open state as bytes.

A dump is one msgpack array:

    ["a1", window_ns, owed, sources]
        window_ns  the windows' length, 0 where samples are passed on
        owed       [payload, ...]: what is closed already and goes out with the next fold (transports/codec.py)
        sources    {name: [seq, folded, late, state]}; the state is that of Source or Deadband, vectors as bytes
"""

from typing import Any, Protocol

import msgpack

from actors.stages.deadband import Deadband
from actors.stages.patterns import takes_from
from actors.stages.settings import Settings
from actors.stages.source import Source
from transports import codec
from transports.errors import NotUnderstood
from transports.samples import Batch, Gap


class Stage(Protocol):
    """What is done with one source: its next sequence number, how many scans were taken and how many came too late."""

    seq: int
    folded: int
    late: int

    def fold(self, batch: Batch, utc_ns: int) -> list[Batch | Gap]: ...
    def expire(self, utc_ns: int) -> list[Batch | Gap]: ...
    def due(self) -> int | None: ...
    def flush(self) -> list[Batch | Gap]: ...
    def state(self) -> list[Any]: ...


class Aggregation:
    """The stages of every source that `settings` names."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self._settings = name, settings
        self._stages: dict[str, Stage] = {}
        self._owed: list[Batch | Gap] = []

    @property
    def folded(self) -> int:
        """How many scans were taken in, the late ones included."""
        return sum(stage.folded for stage in self._stages.values())

    @property
    def late(self) -> int:
        """How many scans came after their window was closed; each is in a gap."""
        return sum(stage.late for stage in self._stages.values())

    def fold(self, item: Batch | Gap, utc_ns: int) -> list[Batch | Gap]:
        """What comes out by this item, in order: statistics or changes of its source; a gap as it is."""
        if isinstance(item, Gap):
            return [*self._settled(), item]
        stage = self._stage(item.source)
        if stage is None or not item.times_ns:
            return self._settled()
        return [*self._settled(), *stage.fold(item, utc_ns)]

    def expire(self, utc_ns: int) -> list[Batch | Gap]:
        """What closes by the wall clock, because its source is silent.

        To be called only when everything that waits has been folded: what waits in the spool is not silence.
        """
        out = self._settled()
        for stage in self._stages.values():
            out += stage.expire(utc_ns)
        return out

    def next_due(self) -> int | None:
        """The UTC ns at which `expire` has something to do, `None` while nothing is open."""
        dues = [due for due in (stage.due() for stage in self._stages.values()) if due is not None]
        return 0 if self._owed else min(dues, default=None)

    def dump(self) -> bytes:
        """Everything that the next call depends on."""
        owed = [codec.pack(item) for item in self._owed]
        sources = {name: [each.seq, each.folded, each.late, each.state()] for name, each in self._stages.items()}
        dumped: bytes = msgpack.packb(["a1", self._settings.window_ns, owed, sources])
        return dumped

    def load(self, dumped: bytes) -> None:
        """Go on where `dump` was made; in place of whatever was open here.

        With other settings nothing is lost: open windows of another length are closed and owed to the next call.
        Raises NotUnderstood for what is no dump.
        """
        try:
            kind, window_ns, owed, sources = msgpack.unpackb(dumped, use_list=False, strict_map_key=False)
            if kind != "a1":
                raise NotUnderstood(f"the open windows of {self.name} were written by another version ({kind!r:.20})")
            loaded = Aggregation(self.name, self._settings)
            loaded._owed += [codec.unpack(payload) for payload in owed]
            for name, (seq, folded, late, state) in sources.items():
                loaded._restore(name, seq, window_ns, state)
                loaded._stages[name].folded, loaded._stages[name].late = folded, late
        except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as wrong:
            raise NotUnderstood(f"the open windows of {self.name} cannot be read: {wrong}") from wrong
        self._owed, self._stages = loaded._owed, loaded._stages

    def _restore(self, name: str, seq: int, window_ns: int, state: Any) -> None:
        former = _stage_of(name, self._settings, window_ns, state)
        former.seq = seq
        self._stages[name] = former
        if window_ns != self._settings.window_ns:
            self._owed += former.flush()
            self._stages[name] = self._fresh(name)
            self._stages[name].seq = former.seq

    def _settled(self) -> list[Batch | Gap]:
        owed, self._owed = self._owed, []
        return owed

    def _stage(self, name: str) -> Stage | None:
        stage = self._stages.get(name)
        if stage is None and takes_from(self._settings.from_, name):
            stage = self._stages[name] = self._fresh(name)
        return stage

    def _fresh(self, name: str) -> Stage:
        window_ns = self._settings.window_ns
        return Source(name, self._settings, window_ns) if window_ns else Deadband(name, self._settings)


def _stage_of(name: str, settings: Settings, window_ns: int, state: Any) -> Stage:
    if window_ns:
        return Source.restored(name, settings, window_ns, state)
    return Deadband.restored(name, settings, state)

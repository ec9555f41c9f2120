"""One aggregation: batches and gaps of many sources in, statistics or changes out, and the open state as bytes.

A dump is one msgpack array:

    ["a2", window_ns, owed, sources, pipelines]
        window_ns  the windows' length, 0 where samples are passed on
        owed       [payload, ...]: what is closed already and goes out with the next fold (transports/codec.py)
        sources    {name: [seq, folded, late, state]}; the state is that of Source or Deadband, vectors as bytes
        pipelines  {name: [[table, state], ...]}; what each stage of a source's pipeline remembers (pipeline.py)
    ["a1", ...]    the same of a version without pipelines; its windows have no first values, percentiles and weights
"""

from dataclasses import replace
from typing import Any, Protocol

import msgpack

from actors.stages.deadband import Deadband
from actors.stages.patterns import takes_from
from actors.stages.pipeline import Pipeline, steps_of
from actors.stages.settings import Settings
from actors.stages.source import Source
from actors.stages.taken import Taken
from transports import codec
from transports.errors import NotUnderstood
from transports.samples import Batch, Gap


class Stage(Protocol):
    """What is done with one source: its next sequence number, how many scans were taken and how many came too late."""

    seq: int
    folded: int
    late: int

    def fold(self, batch: Batch, utc_ns: int) -> list[Batch | Gap]: ...
    def interrupt(self) -> None: ...
    def expire(self, utc_ns: int) -> list[Batch | Gap]: ...
    def due(self) -> int | None: ...
    def flush(self) -> list[Batch | Gap]: ...
    def state(self) -> list[Any]: ...


class Aggregation:
    """The stages of every source that `settings` names."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name, self._settings = name, settings
        self._steps = steps_of(settings.stages, f"aggregate.{name}.stages")
        # behind a pipeline everything is taken: what it derives is named by no pattern
        self._behind = replace(settings, from_=("*",)) if self._steps else settings
        self._stages: dict[str, Stage] = {}
        self._pipelines: dict[str, tuple[Taken, Pipeline]] = {}
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
        out = self._settled()
        if isinstance(item, Gap):
            if item.source in self._stages:
                self._stages[item.source].interrupt()
            return [*out, item]
        stage = self._stage(item.source)
        if stage is None or not item.times_ns:
            return out
        for batch in self._piped(item):
            out += stage.fold(batch, utc_ns)
        return out

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
        pipelines = {name: pipeline.state() for name, (_, pipeline) in self._pipelines.items()}
        dumped: bytes = msgpack.packb(["a2", self._settings.window_ns, owed, sources, pipelines])
        return dumped

    def load(self, dumped: bytes) -> None:
        """Go on where `dump` was made; in place of whatever was open here.

        With other settings nothing is lost: open windows of another length are closed and owed to the next call.
        Raises NotUnderstood for what is no dump.
        """
        try:
            kind, window_ns, owed, sources, *more = msgpack.unpackb(dumped, use_list=False, strict_map_key=False)
            if (kind, len(more)) not in (("a1", 0), ("a2", 1)):
                raise NotUnderstood(f"the open windows of {self.name} were written by another version ({kind!r:.20})")
            loaded = Aggregation(self.name, self._settings)
            loaded._owed += [codec.unpack(payload) for payload in owed]
            for name, (seq, folded, late, state) in sources.items():
                loaded._restore(name, seq, window_ns, state)
                loaded._stages[name].folded, loaded._stages[name].late = folded, late
            for name, state in more[0].items() if more else ():
                loaded._restore_pipeline(name, state)
        except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as wrong:
            raise NotUnderstood(f"the open windows of {self.name} cannot be read: {wrong}") from wrong
        self._owed, self._stages, self._pipelines = loaded._owed, loaded._stages, loaded._pipelines

    def _restore(self, name: str, seq: int, window_ns: int, state: Any) -> None:
        former = _stage_of(name, self._behind, window_ns, state)
        former.seq = seq
        self._stages[name] = former
        if window_ns != self._settings.window_ns:
            self._owed += former.flush()
            self._stages[name] = self._fresh(name)
            self._stages[name].seq = former.seq

    def _restore_pipeline(self, name: str, state: Any) -> None:
        """With other stages now, what the former ones held back goes through the window or the deadband."""
        taken, pipeline = self._pipeline(name)
        for batch in pipeline.restore(state, name):
            self._owed += self._stages[name].fold(batch, batch.times_ns[-1])
        if self._steps:
            self._pipelines[name] = taken, pipeline

    def _piped(self, batch: Batch) -> list[Batch]:
        """What the pipeline of its source makes of a batch."""
        if not self._steps:
            return [batch]
        if batch.source not in self._pipelines:
            self._pipelines[batch.source] = self._pipeline(batch.source)
        taken, pipeline = self._pipelines[batch.source]
        return [out for part in taken.of(batch) for out in pipeline.take(part)]

    def _pipeline(self, name: str) -> tuple[Taken, Pipeline]:
        return Taken(name, self._settings.from_), Pipeline(self._steps)

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
        return Source(name, self._behind, window_ns) if window_ns else Deadband(name, self._behind)


def _stage_of(name: str, settings: Settings, window_ns: int, state: Any) -> Stage:
    if window_ns:
        return Source.restored(name, settings, window_ns, state)
    return Deadband.restored(name, settings, state)

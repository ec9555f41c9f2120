"""The stages that readings of one source go through, one after the other.

    batch ──> scale ──> range ──> hampel ──> batches

A pipeline's state is that of its stages, each beside the table it was made from. Made from other tables, only what is
lasting (a counter's total) goes on: the first counter with what the first one remembered, and so forth.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from actors.stages.catalog import Step, step
from actors.stages.stage import Stage
from transports.errors import Problem, SettingsError
from transports.samples import Batch

Table = Mapping[str, Any]


def steps_of(tables: Sequence[Table], path: str) -> tuple[Step, ...]:
    """The stages that the tables at `path` describe. Raises SettingsError with every mistake in all of them."""
    found: list[Step] = []
    problems: list[Problem] = []
    for number, table in enumerate(tables):
        try:
            found.append(step(table, f"{path}[{number}]"))
        except SettingsError as wrong:
            problems += wrong.problems
    if problems:
        raise SettingsError(*problems)
    return tuple(found)


def problems_of(tables: Sequence[Table], path: str) -> Iterable[Problem]:
    """Every mistake in the tables at `path`."""
    try:
        steps_of(tables, path)
    except SettingsError as wrong:
        return wrong.problems
    return ()


def pipeline_of(tables: Sequence[Table], path: str = "stages") -> "Pipeline":
    """A pipeline for one source, which has seen nothing yet. Raises SettingsError."""
    return Pipeline(steps_of(tables, path))


class Pipeline:
    """See the module's note."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._stages: list[Stage] = [each.make() for each in steps]

    def take(self, batch: Batch) -> list[Batch]:
        """What comes out by this batch, in order. Its `seq` means nothing: whoever sends it on numbers it."""
        return self._through([batch], self._stages)

    def flush(self, source: str) -> list[Batch]:
        """What the stages hold back, as batches of `source`; after it they hold nothing."""
        out: list[Batch] = []
        for number, stage in enumerate(self._stages):
            held = [replace(each, source=source) for each in stage.flush()]
            out += self._through(held, self._stages[number + 1 :])
        return out

    def state(self) -> list[Any]:
        """What `restore` takes, for msgpack."""
        return [[_plain(each.table), stage.state()] for each, stage in zip(self._steps, self._stages, strict=True)]

    def restore(self, state: Any, source: str) -> list[Batch]:
        """Go on where `state` was asked. Raises ValueError, TypeError or KeyError for what is no state.

        Where the stages are others now, what the former ones held back comes out, as batches of `source`.
        """
        former = [(_plain(table), held) for table, held in state]
        if [table for table, _ in former] == [_plain(each.table) for each in self._steps]:
            for stage, (_, held) in zip(self._stages, former, strict=True):
                stage.restore(held)
            return []
        out, states = _given_up(former, source)
        for number, each in enumerate(self._steps):
            alike = [held for (table, _), held in zip(former, states, strict=True) if table.get("stage") == each.name]
            ordinal = sum(other.name == each.name for other in self._steps[:number])
            if each.lasting and ordinal < len(alike):
                self._stages[number].restore(alike[ordinal])
        return out

    @staticmethod
    def _through(batches: list[Batch], stages: Sequence[Stage]) -> list[Batch]:
        for stage in stages:
            batches = [out for batch in batches for out in stage.take(batch)]
        return batches


def _given_up(former: Sequence[tuple[Table, Any]], source: str) -> tuple[list[Batch], list[Any]]:
    """What stages that are no more in their places held back, and what else they remember."""
    try:
        pipeline = pipeline_of([table for table, _ in former])
    except SettingsError:  # one of them is not even installed any more
        return [], [held for _, held in former]
    pipeline.restore(former, source)
    out = pipeline.flush(source)
    return out, [held for _, held in pipeline.state()]


def _plain(value: Any) -> Any:
    """A table as it comes out of msgpack, whatever it was read from."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return tuple(map(_plain, value)) if isinstance(value, (list, tuple)) else value

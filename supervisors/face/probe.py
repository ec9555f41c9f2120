"""Reading one device once, without a gateway: what `holdfast probe` does.

    this process ──fork──> child: connect, read once, close
         <──── batches, or why not ──── │ ends with this process; killed when the deadline has passed

The driver runs in a process of its own, because a driver's call may block for ever or take its process along.
"""

import multiprocessing
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import orjson

from supervisors.configuration.gateway import DeviceSpec, Gateway
from supervisors.configuration.tree import on_line
from supervisors.face.terminal import console, table, text
from supervisors.face.wording import local_time, plain, quality_text, reading, value_text
from supervisors.lifeline import die_with
from supervisors.process import Exit
from transports import catalog
from transports.building import build
from transports.clock import MachineClock
from transports.errors import HoldfastError, LinkTimeout
from transports.links import Link, Listening
from transports.payloads._records import as_text
from transports.samples import Batch, Tag, Value, batch_of
from transports.settings import nearest

DEADLINE_S = 30.0  # for connecting and reading; drivers end by themselves long before
FIRST_FRAME_S = 10.0  # how long a device that talks by itself may be silent

Reading = tuple[int, Tag, Value | None, int]  # time (ns UTC), tag, value, status code


def probe(gateway: Gateway, device_name: str, as_json: bool, deadline_s: float = DEADLINE_S) -> None:
    """Read the device once and print the newest value of each tag. Raises HoldfastError with the reason why not."""
    spec = _spec(gateway, device_name)
    readings = list(_newest(read_once(spec, deadline_s)))
    if as_json:
        _print_json(spec, readings)
    else:
        _print_table(spec, readings)


def read_once(spec: DeviceSpec, deadline_s: float) -> Sequence[Batch]:
    """What the device says to one read, oldest first. Raises HoldfastError with the reason why there is nothing."""
    forking = multiprocessing.get_context("fork")
    answer, question = forking.Pipe(duplex=False)
    child = forking.Process(target=_child, args=(question, spec, os.getpid()))
    child.start()
    question.close()
    try:
        return _answered(answer, spec, deadline_s)
    except EOFError:
        child.join()
        raise HoldfastError(f"{spec.path}: the driver {spec.driver!r} failed: {_end(child.exitcode)}") from None
    finally:
        child.kill()
        child.join()


def _spec(gateway: Gateway, name: str) -> DeviceSpec:
    for spec in gateway.devices:
        if spec.name == name:
            if spec.broken:
                raise HoldfastError(f"{spec.path}: cannot run: {spec.broken}")
            return replace(spec, table=on_line(gateway, spec))
    if name in gateway.disabled:
        raise HoldfastError(f"device.{name} is disabled in the configuration; take out enabled = false to probe it")
    raise HoldfastError(f"unknown device {name!r}; {nearest(name, [spec.name for spec in gateway.devices])}")


def _answered(answer: "Connection[Any, Any]", spec: DeviceSpec, deadline_s: float) -> Sequence[Batch]:
    if not answer.poll(deadline_s):
        raise HoldfastError(f"{spec.path}: the driver {spec.driver!r} did not return within {deadline_s:g} s")
    said: Sequence[Batch] | str = answer.recv()
    if isinstance(said, str):
        raise HoldfastError(f"{spec.path}: {said}")
    if not said:
        raise HoldfastError(f"{spec.path}: connected, but the device said nothing")
    return said


def _end(code: int | None) -> str:
    if code is not None and code < 0:
        return str(Exit(None, -code))
    return f"{Exit(code)}, its traceback is above"


# --- in the child ---------------------------------------------------------------------------------------------------


def _child(question: "Connection[Any, Any]", spec: DeviceSpec, parent: int) -> None:
    """An error of a kind that drivers may raise is an answer; any other is this process's death, with its traceback."""
    die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle, which ends this process
    os.dup2(2, 1)  # what a driver prints is not part of the result
    try:
        question.send(list(_batches(spec)))
    except HoldfastError as failed:
        question.send(str(failed))


def _batches(spec: DeviceSpec) -> Iterator[Batch]:
    module = catalog.load(catalog.LINKS, spec.driver, f"{spec.path}.driver")
    link: Link = module.connect(build(module.Settings, spec.table, spec.path))
    try:
        said = _first_frame(link) if isinstance(link, Listening) else link.read()
    finally:
        link.close()
    if isinstance(said, Batch):
        yield said
    else:
        yield from (batch_of(spec.name, 0, [scan]) for scan in said)


def _first_frame(link: Link) -> Any:
    clock = MachineClock()
    deadline = clock.now() + FIRST_FRAME_S
    while (left_s := deadline - clock.now()) > 0:
        assert isinstance(link, Listening)
        select.select([link.fileno()], [], [], left_s)
        if said := link.read():
            return said
    raise LinkTimeout(f"connected, but the device said nothing within {FIRST_FRAME_S:g} s")


# --- showing --------------------------------------------------------------------------------------------------------


def _newest(batches: Sequence[Batch]) -> Iterator[Reading]:
    """The last reading of each tag, in the order in which the tags were met."""
    known: dict[str, Reading] = {}
    for batch in batches:
        for time_ns, values, codes in batch.rows():
            for tag, value, code in zip(batch.tags, values, codes, strict=True):
                known[tag.name] = time_ns, tag, value, code
    yield from known.values()


def _print_table(spec: DeviceSpec, readings: Sequence[Reading]) -> None:
    screen, grid = console(), table("tag", "value", "unit", "type", "quality", "time")
    for time_ns, tag, value, code in readings:
        quality = text(quality_text(code) or "Good", "green" if not quality_text(code) else "yellow")
        cells = (tag.name, value_text(value), tag.unit, tag.type.name.lower())
        grid.add_row(*(text(plain(cell)) for cell in cells), quality, text(local_time(time_ns)))
    screen.print(text(f"device {spec.name} (driver {spec.driver}): {len(readings)} tags", "bold"), text(""), sep="\n")
    screen.print(grid)


def _print_json(spec: DeviceSpec, readings: Sequence[Reading]) -> None:
    told = [{**reading(tag, value, code), "time": time_ns} for time_ns, tag, value, code in readings]
    result = {"device": spec.name, "driver": spec.driver, "readings": told}
    sys.stdout.write(orjson.dumps(result, default=as_text, option=orjson.OPT_INDENT_2).decode() + "\n")

"""Faults on demand: what the text of a control file makes a simulated device do.

    connect         connecting fails                      read only when connecting
    down            connecting fails, the connection is lost
    timeout         a read gets no answer                 )
    silence         a read brings nothing                 ) reads only
    garbage         a read brings values of wrong types   )
    hang            the call never returns
    slow:2s         the call takes that long
    crash           the call raises what no driver may raise
    segfault        the process dies of a bad address

While the file is missing or empty all is well. It is looked at when connecting and at each read.
"""

import ctypes
from pathlib import Path
from threading import Event

from transports.errors import LinkDown, LinkTimeout
from transports.units import parse_duration

SILENCE, GARBAGE, NONE = "silence", "garbage", ""
_KNOWN = "connect, down, timeout, silence, garbage, hang, slow:2s, crash, segfault"


def fault_in(file: Path | None) -> str:
    """The fault that is asked for at the moment. Raises LinkDown when the file cannot be read."""
    if file is None:
        return NONE
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return NONE
    except (OSError, UnicodeDecodeError) as wrong:
        raise LinkDown(f"the control file {file} cannot be read: {wrong}") from wrong


def suffer_connecting(fault: str) -> None:
    """Do what the fault does to connecting: return, raise, wait, or end the process."""
    if fault == "connect":
        raise LinkDown("simulated: the device cannot be reached")
    if fault not in ("timeout", SILENCE, GARBAGE):
        _suffer(fault)


def suffer_reading(fault: str) -> str:
    """Do what the fault does to a read; what is returned (SILENCE, GARBAGE, NONE) is left to the reader."""
    if fault == "timeout":
        raise LinkTimeout("simulated: no answer")
    if fault in (SILENCE, GARBAGE):
        return fault
    if fault != "connect":
        _suffer(fault)
    return NONE


def _suffer(fault: str) -> None:
    kind, _, span = fault.partition(":")
    match kind:
        case "":
            return
        case "down":
            raise LinkDown("simulated: the connection is lost")
        case "hang":
            Event().wait()
        case "slow":
            Event().wait(_seconds(span))
        case "crash":
            raise RuntimeError("simulated: a bug in the driver")
        case "segfault":
            ctypes.string_at(0)
        case _:
            raise LinkDown(f"unknown fault {fault!r:.40} in the control file; known are {_KNOWN}")


def _seconds(span: str) -> float:
    try:
        return parse_duration(span)
    except ValueError as wrong:
        raise LinkDown(f"slow:{span:.40} in the control file needs a duration, such as slow:2s") from wrong

"""The rules that names keep among each other: pure checks over the names of a whole configuration.

Devices, aggregates, uplinks, programs and lines are actors, and a supervisor is operated on by its name as they are, so
all share one name space. The name of an actor becomes a socket's file name in the run directory, which a Unix socket's
address must hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from actors.stages.patterns import takes_from
from supervisors.configuration.gateway import DeviceSpec, LinkSpec, UplinkSpec
from supervisors.configuration.tables import NAME, NAME_RULE, RESERVED
from transports.errors import Problem
from transports.names import PATH_LIMIT, feed_path, mailbox_path
from transports.settings import nearest

Named = tuple[str, str]  # (section, name): ("device", "press-1")

UNBOUND = ("kafka",)  # librdkafka has no way for it


def name_problems(named: Sequence[Named], line_of: Callable[[str], int]) -> Iterator[Problem]:
    """Names of the wrong form, names of the gateway's own processes, and names that two have."""
    first: dict[str, str] = {}
    for section, name in named:
        path = f"{section}.{name}"
        if not NAME.fullmatch(name):
            yield Problem(path, repr(name), f"a name {NAME_RULE}")
        elif name in RESERVED:
            yield Problem(path, repr(name), f"a name must not be one of {', '.join(RESERVED)}, which the gateway uses")
        elif name in first:
            taken = f"{first[name]} (line {line_of(first[name])})"
            cure = f"has the same name as {taken}; write another name, each must be the only one"
            yield Problem(path, repr(name), cure)
        first.setdefault(name, path)


def run_dir_problems(run_dir: Path, names: Iterable[str]) -> Iterator[Problem]:
    """A run directory so long that the socket of the longest name does not fit a Unix socket's address."""
    longest = max((*RESERVED, *names), key=len)
    needed = max(len(bytes(place(run_dir, longest))) for place in (mailbox_path, feed_path))
    if needed > PATH_LIMIT:
        cure = (
            f"is {needed - PATH_LIMIT} bytes too long for the socket of {longest!r}; set gateway.run_dir (or --run-dir)"
            f" to a shorter path, such as /run/holdfast"
        )
        yield Problem("gateway.run_dir", repr(str(run_dir)), cure)


def source_problems(path: str, patterns: Sequence[str], devices: Sequence[str]) -> Iterator[Problem]:
    """Sources of an aggregate ("press-1", "press-*.speed") that no device is."""
    for pattern in patterns:
        if not any(takes_from([pattern], device) for device in devices):
            hint = nearest(pattern.partition(".")[0], list(devices)) if devices else "no device is configured"
            yield Problem(f"{path}.from", repr(pattern), f"is of no device; {hint}")


def line_problems(devices: Sequence[DeviceSpec], lines: Sequence[str]) -> Iterator[Problem]:
    """Devices on a line that is none, and two devices that would both be the same slave of one."""
    first: dict[tuple[str, object], str] = {}
    for spec in devices:
        line = line_of(spec.table)
        if not line:
            continue
        if line not in lines:
            hint = nearest(line, list(lines)) if lines else "none is configured"
            yield Problem(f"{spec.path}.line", repr(line), f"is no [line.NAME]; {hint}")
        slave = line, getattr(spec.settings, "unit", None)
        if slave in first and slave[1] is not None:
            cure = f"is the same unit of the line {line} as {first[slave]}; make one device of the two"
            yield Problem(f"{spec.path}.unit", repr(slave[1]), cure)
        first.setdefault(slave, spec.path)


def link_problems(links: Sequence[LinkSpec], uplinks: Sequence[UplinkSpec], names: Sequence[str]) -> Iterator[Problem]:
    """Names of network links of the wrong form, two of one interface, and uplinks on a link that is none."""
    first: dict[str, str] = {}
    for link in links:
        interface = link.settings.interface
        if not NAME.fullmatch(link.name):
            yield Problem(link.path, repr(link.name), f"a name {NAME_RULE}")
        if interface in first:
            yield Problem(f"{link.path}.interface", repr(interface), f"is that of {first[interface]} already")
        first.setdefault(interface, link.path)
    for uplink in uplinks:
        for at, name in enumerate(uplink.links or ()):
            if name not in names:
                hint = nearest(name, list(names)) if names else "none is configured"
                yield Problem(f"{uplink.path}.links[{at}]", repr(name), f"is no [link.NAME]; {hint}")
        if _has_no_way(uplink, links):
            cure = "are all disabled; enable one, or disable the uplink, or write [] to leave the way to the kernel"
            yield Problem(f"{uplink.path}.links", repr(list(uplink.links or ())), cure)
        if links and uplink.links != () and uplink.type in UNBOUND:
            cure = f"must be []: {uplink.type} cannot be bound to a link, the machine's routes decide"
            yield Problem(f"{uplink.path}.links", repr(list(uplink.links)) if uplink.links else "", cure)


def _has_no_way(uplink: UplinkSpec, links: Sequence[LinkSpec]) -> bool:
    """Whether all the links that an uplink names are disabled: it would go over any, the dear one that it must not use
    as well."""
    enabled = {link.name: link.settings.enabled for link in links}
    return uplink.enabled and bool(uplink.links) and not any(enabled.get(name, True) for name in uplink.links or ())


def line_of(table: Mapping[str, object]) -> str:
    """The line that a device's driver is told to use, "" for none."""
    line = table.get("line")
    return line if isinstance(line, str) else ""

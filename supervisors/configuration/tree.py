"""From a gateway's configuration to the tree of its children: pure.

    root
    ├── spooler                    first, so stopped last: everything else writes to it or reads from it
    ├── rules                      where there are any: what devices command each other
    ├── network                    where there are links: which one each uplink uses
    ├── diagnostics                where it is wanted: what the gateway tells of itself; not waited for
    ├── PROGRAM ...                others build on them: a broker, a database
    ├── UPLINK ...                 ready before anything flows
    ├── AGGREGATE ...
    ├── LINE ...                   before the devices that share it
    ├── DEVICE ...                 not waited for: a slow one never holds up the rest
    └── SUPERVISOR ...             in truth where its first process would stand; below it whom it claims

What the gateway cannot do without (all but devices) is probed at least every 5 s when it is quarantined: one attempt
costs milliseconds, and while it is away everything waits.

A spec is made of plain data alone, so two specs that are equal mean that nothing has changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from math import inf
from typing import Any

from actors.routes import OUT, RAW
from actors.stages.patterns import takes_from
from supervisors.configuration.claims import kept
from supervisors.configuration.gateway import AggregateSpec, DeviceSpec, Gateway, SupervisorSpec, UplinkSpec
from supervisors.configuration.keeping import Supervise, Supervision
from supervisors.configuration.levels import UNLIMITED, limits
from supervisors.configuration.names import line_of
from supervisors.configuration.tables import DeviceCommon, UplinkCommon
from supervisors.spec import ChildSpec, Rules, Strategy
from transports.backoff import Backoff
from transports.building import table_of
from transports.lines import line_path
from transports.names import DIAGNOSTICS, NETWORK, ROOT, RULES, SPOOLER
from transports.spool.beginning import BEGINNING
from transports.spool.settings import DEAD, ZSTD

VITAL_CEILING_S = 5.0
SUPERVISOR = "supervisor"  # the kind of those without a process
_NOT_FOR_THE_CHILD = frozenset({"enabled", "supervise", "start", "profile", "profile_tags"})


def root(gateway: Gateway) -> ChildSpec:
    """The whole tree: the root's own spec, with everything that runs below it in start order.

    A module of a stranger that could not be imported here is tried again by its own process: what it raises there is
    that process's death, seen in `holdfast status`, and it heals when its cause goes.
    """
    house = gateway.supervision
    rules = Rules(
        intensity=house.intensity,
        period_s=house.period_s,
        healthy_after_s=house.healthy_after_s,
        on_exhausted=house.on_exhausted,
    )
    own, others = list(_own(gateway)), list(_processes(gateway))
    tree = kept([spec.name for spec in others], {spec.name: spec.children for spec in gateway.supervisors})
    nodes = _Nodes(house, {spec.name: spec for spec in others}, gateway.supervisors, tree.children)
    return replace(_bare(house, ROOT), rules=rules, children=(*own, *nodes.below(ROOT, rules)))


def children(gateway: Gateway) -> list[ChildSpec]:
    """Every process in start order, whoever keeps it."""
    return list(leaves(root(gateway)))


def leaves(spec: ChildSpec) -> Iterator[ChildSpec]:
    """The processes of a tree in start order."""
    for child in spec.children:
        yield from leaves(child) if child.rules is not None else (child,)


def modules(gateway: Gateway) -> list[str]:
    """What the zygote loads beforehand: the house's own actors, drivers and uplinks that this gateway uses."""
    from transports import catalog

    wanted = {f"actors.{name}" for name in ("device", "spooler", "uplink")}
    if gateway.aggregates:
        wanted.add("actors.aggregator")
    if gateway.programs:
        wanted.add("actors.program")
    if gateway.lines:
        wanted.add("actors.line")
    if gateway.rules:
        wanted.add("actors.rulebook")
    if gateway.links:
        wanted.add("actors.network")
    if gateway.diagnostics:
        wanted.add("actors.diagnostics")
    for kind, names in (
        (catalog.LINKS, {each.driver for each in gateway.devices}),
        (catalog.UPLINKS, {each.type for each in gateway.uplinks}),
        (catalog.PAYLOADS, {each.payload for each in gateway.uplinks}),
    ):
        wanted |= {f"transports.{kind}.{name}" for name in names if catalog.is_own(kind, name)}
    return sorted(wanted)


class _Nodes:
    """The specs of a tree below the root, made from the names that each supervisor keeps."""

    def __init__(
        self,
        house: Supervision,
        processes: Mapping[str, ChildSpec],
        supervisors: Sequence[SupervisorSpec],
        kept_by: Mapping[str, Sequence[str]],
    ) -> None:
        self._house, self._processes, self._kept_by = house, processes, kept_by
        self._supervisors = {spec.name: spec for spec in supervisors}

    def below(self, name: str, rules: Rules) -> tuple[ChildSpec, ...]:
        """The children of a supervisor; in a group each waits for the one before it."""
        found = (self._processes.get(child) or self._supervisor(child) for child in self._kept_by[name])
        grouped = rules.strategy is not Strategy.ONE_FOR_ONE
        return tuple(replace(spec, waits=spec.waits or grouped) for spec in found if spec is not None)

    def _supervisor(self, name: str) -> ChildSpec | None:
        """A supervisor with its subtree; None when all that it keeps is disabled."""
        spec = self._supervisors[name]
        rules = _rules(self._house, spec)
        below = self.below(name, rules)
        if not below:
            return None
        vital = any(child.kind != "device" for child in leaves(ChildSpec("", SUPERVISOR, children=below)))
        bare = _bare(self._house, name, vital=vital)
        return replace(bare, restart=spec.restart, significant=spec.significant, rules=rules, children=below)


def _own(gateway: Gateway) -> Iterator[ChildSpec]:
    """The house's own processes, which no supervisor of the configuration can claim."""
    yield _process(gateway.supervision, Supervise(), SPOOLER, "spooler", _spooler(gateway))
    if gateway.rules:
        yield _process(gateway.supervision, Supervise(), RULES, "rules", _rules_table(gateway))
    if gateway.links:
        yield _process(gateway.supervision, Supervise(), NETWORK, "network", _network(gateway))
    if gateway.diagnostics:
        told = _diagnostics(gateway)
        yield replace(_process(gateway.supervision, Supervise(), DIAGNOSTICS, "diagnostics", told), waits=False)


def _processes(gateway: Gateway) -> Iterator[ChildSpec]:
    """Every other process, in the order of the house."""
    house = gateway.supervision
    for program in gateway.programs:
        yield _process(house, program.supervise, program.name, "program", {"settings": dict(program.table)})
    for uplink in gateway.uplinks:
        yield _process(house, uplink.supervise, uplink.name, "uplink", _uplink(gateway, uplink))
    for aggregate in gateway.aggregates:
        yield _process(house, aggregate.supervise, aggregate.name, "aggregator", _aggregate(gateway, aggregate))
    for line in gateway.lines:
        yield _process(house, line.supervise, line.name, "line", {"settings": dict(line.table)})
    for device in gateway.devices:
        yield _process(house, device.supervise, device.name, "device", _device(gateway, device))


def _process(house: Supervision, own: Supervise, name: str, kind: str, table: Mapping[str, Any]) -> ChildSpec:
    vital = kind != "device"
    return ChildSpec(
        name=name,
        kind=kind,
        table=table,
        restart=own.restart,
        significant=own.significant,
        waits=vital,
        start_within_s=house.start_within_s if own.start_within_s is None else own.start_within_s,
        hang_after_s=house.hang_after_s if own.hang_after_s is None else own.hang_after_s,
        grace_s=_grace_s(house, own),
        backoff=_backoff(house, vital),
        limits=limits(house, own),
    )


def _bare(house: Supervision, name: str, vital: bool = True) -> ChildSpec:
    """A supervisor without its rules. It takes as long to stop as its children do (OTP's infinity)."""
    return ChildSpec(name, SUPERVISOR, waits=vital, grace_s=inf, backoff=_backoff(house, vital))


def _grace_s(house: Supervision, own: Supervise) -> float:
    if own.grace_s is None:
        return house.grace_s
    return inf if own.grace_s == UNLIMITED else own.grace_s


def _backoff(house: Supervision, vital: bool) -> Backoff:
    ceiling_s = min(VITAL_CEILING_S, house.backoff_ceiling_s) if vital else house.backoff_ceiling_s
    return Backoff(min(house.backoff_first_s, ceiling_s), ceiling_s=ceiling_s, jitter=house.backoff_jitter)


def _rules(house: Supervision, spec: SupervisorSpec) -> Rules:
    return Rules(
        strategy=spec.strategy,
        intensity=house.intensity if spec.intensity is None else spec.intensity,
        period_s=house.period_s if spec.period_s is None else spec.period_s,
        healthy_after_s=house.healthy_after_s if spec.healthy_after_s is None else spec.healthy_after_s,
        on_exhausted=house.on_exhausted if spec.on_exhausted is None else spec.on_exhausted,
        auto_shutdown=spec.auto_shutdown,
    )


def _spooler(gateway: Gateway) -> dict[str, Any]:
    consumers = {
        RAW: [each.name for each in gateway.aggregates],
        OUT: [each.name for each in gateway.uplinks],
        DEAD: [],
    }
    return {
        "directory": str(gateway.data_dir / "spool"),
        "settings": table_of(gateway.spool),
        "consumers": consumers,
        "starts": {each.name: each.start for each in gateway.uplinks if each.start != BEGINNING},
    }


def _rules_table(gateway: Gateway) -> dict[str, Any]:
    """Every rule; the devices are known by name alone, so a change of one of them changes nothing here."""
    return {
        "rules": {rule.name: dict(rule.table) for rule in gateway.rules},
        "devices": sorted([*(device.name for device in gateway.devices), *gateway.disabled]),
        "memory": str(gateway.run_dir / "rules.json"),  # good for one boot; and no disk must hold up a rule
    }


def _network(gateway: Gateway) -> dict[str, Any]:
    """Every network link; the uplinks say themselves where they connect to."""
    links = {link.name: dict(link.table) for link in gateway.links}
    return {"links": links, "budgets": str(gateway.data_dir / "network" / "budgets.json")}


def links_of(gateway: Gateway, spec: UplinkSpec) -> list[list[str]]:
    """Name, interface and policy of each network link that an uplink may use, best first."""
    known = {link.name: link.settings for link in sorted(gateway.links, key=lambda each: each.settings.priority)}
    names = known if spec.links is None else [name for name in spec.links if name in known]
    return [[name, known[name].interface, known[name].passes] for name in names]


def _diagnostics(gateway: Gateway) -> dict[str, Any]:
    """It asks the others for everything else."""
    compress = gateway.spool.compress == ZSTD
    return {"settings": table_of(gateway.diagnostics), "data_dir": str(gateway.data_dir), "compress": compress}


def _aggregate(gateway: Gateway, spec: AggregateSpec) -> dict[str, Any]:
    return {"settings": dict(spec.table), "compress": gateway.spool.compress == ZSTD}


def _device(gateway: Gateway, spec: DeviceSpec) -> dict[str, Any]:
    """Only what concerns this device: an aggregate of others may change without it."""
    taken = [(each.settings.keep, each.settings.from_) for each in gateway.aggregates if each.settings is not None]
    meant = [(keep, pattern) for keep, patterns in taken for pattern in patterns if takes_from([pattern], spec.name)]
    raw, keep = ({pattern for _, pattern in meant}, {pattern for keeps, pattern in meant if keeps})
    return {
        **_common(spec, DeviceCommon),
        "stages": [dict(stage) for stage in spec.stages],
        "settings": on_line(gateway, spec),
        "raw": sorted(raw),
        "keep": sorted(keep),
        "compress": gateway.spool.compress == ZSTD,
        "journals": str(gateway.data_dir / "commands"),
    }


def on_line(gateway: Gateway, spec: DeviceSpec) -> dict[str, Any]:
    """The driver's settings; the name of a shared line is there the path where its owner listens."""
    line = line_of(spec.table)
    return {**spec.table, **({"line": str(line_path(gateway.run_dir, line))} if line else {})}


def _uplink(gateway: Gateway, spec: UplinkSpec) -> dict[str, Any]:
    state_dir = str(gateway.data_dir / "uplinks" / spec.name)
    links = links_of(gateway, spec)
    told = {"links": links, "settings": dict(spec.table), "state_dir": state_dir, **_asked(gateway, spec)}
    return {**_common(spec, UplinkCommon), **told}


def _asked(gateway: Gateway, spec: UplinkSpec) -> dict[str, Any]:
    """Who may ask over this uplink; nothing where nobody may."""
    principals = {each.name: dict(each.table) for each in gateway.principals if spec.name in each.settings.uplinks}
    return {"principals": principals, "crashes": str(gateway.data_dir / "crashes")} if principals else {}


def _common(spec: DeviceSpec | UplinkSpec, common: type) -> dict[str, Any]:
    names = (field.name for field in fields(common))
    return {name: getattr(spec, name) for name in names if name not in _NOT_FOR_THE_CHILD}

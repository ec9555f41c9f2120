"""From a gateway's configuration to its children: pure.

    root
    ├── spooler                    first, so stopped last: everything else writes to it or reads from it
    ├── UPLINK ...                 ready before anything flows
    ├── AGGREGATE ...
    └── DEVICE ...                 not waited for: a slow one never holds up the rest

What the gateway cannot do without (spooler, uplinks, aggregates) is probed at least every 5 s when it is quarantined:
one attempt costs milliseconds, and while it is away everything waits.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from actors.routes import OUT, RAW
from supervisors.gateway import AggregateSpec, DeviceSpec, Gateway, UplinkSpec
from supervisors.spec import Budget, ChildSpec
from supervisors.tables import DeviceCommon, Supervision, UplinkCommon
from transports.backoff import Backoff
from transports.building import table_of
from transports.names import SPOOLER

VITAL_CEILING_S = 5.0
_NOT_FOR_THE_CHILD = frozenset({"enabled"})


def budget(rules: Supervision) -> Budget:
    """How often a child of this gateway may fail."""
    return Budget(rules.intensity, rules.period_s, rules.healthy_after_s)


def children(gateway: Gateway) -> list[ChildSpec]:
    """Every child in start order.

    A module of a stranger that could not be imported here is tried again by its own process: what it raises there is
    that process's death, seen in `holdfast status`, and it heals when its cause goes.
    """
    rules = gateway.supervision
    vital = _spec(rules, waits=True, ceiling_s=min(VITAL_CEILING_S, rules.backoff_ceiling_s))
    device = _spec(rules, waits=False, ceiling_s=rules.backoff_ceiling_s)
    consumers = {RAW: [each.name for each in gateway.aggregates], OUT: [each.name for each in gateway.uplinks]}
    spooler = {
        "directory": str(gateway.data_dir / "spool"),
        "settings": table_of(gateway.spool),
        "consumers": consumers,
    }
    return [
        replace(vital, name=SPOOLER, kind="spooler", table=spooler),
        *(replace(vital, name=u.name, kind="uplink", table=_uplink(u)) for u in gateway.uplinks),
        *(_aggregate(vital, each) for each in gateway.aggregates),
        *(replace(device, name=d.name, kind="device", table=_device(d, gateway.aggregates)) for d in gateway.devices),
    ]


def modules(gateway: Gateway) -> list[str]:
    """What the zygote loads beforehand: the house's own actors, drivers and uplinks that this gateway uses."""
    from transports import catalog

    wanted = {f"actors.{name}" for name in ("device", "spooler", "uplink")}
    if gateway.aggregates:
        wanted.add("actors.aggregator")
    for kind, names in (
        (catalog.LINKS, {each.driver for each in gateway.devices}),
        (catalog.UPLINKS, {each.type for each in gateway.uplinks}),
        (catalog.PAYLOADS, {each.payload for each in gateway.uplinks}),
    ):
        wanted |= {f"transports.{kind}.{name}" for name in names if catalog.is_own(kind, name)}
    return sorted(wanted)


def _spec(rules: Supervision, waits: bool, ceiling_s: float) -> ChildSpec:
    backoff = Backoff(min(rules.backoff_first_s, ceiling_s), ceiling_s=ceiling_s, jitter=rules.backoff_jitter)
    return ChildSpec(
        name="",
        kind="",
        waits=waits,
        start_within_s=rules.start_within_s,
        hang_after_s=rules.hang_after_s,
        grace_s=rules.grace_s,
        backoff=backoff,
    )


def _device(spec: DeviceSpec, aggregates: Sequence[AggregateSpec]) -> dict[str, Any]:
    taken = [each.settings for each in aggregates if each.settings is not None]
    raw = sorted({pattern for settings in taken for pattern in settings.from_ if _may_take(pattern, spec.name)})
    keep = sorted({pattern for settings in taken if settings.keep for pattern in settings.from_})
    return {**_common(spec, DeviceCommon), "settings": dict(spec.table), "raw": raw, "keep": keep}


def _may_take(pattern: str, device: str) -> bool:
    from actors.stages.patterns import takes_from

    return takes_from([pattern], device)


def _aggregate(vital: ChildSpec, spec: AggregateSpec) -> ChildSpec:
    table = {"settings": dict(spec.table)}
    return replace(vital, name=spec.name, kind="aggregator", table=table)


def _uplink(spec: UplinkSpec) -> dict[str, Any]:
    return {**_common(spec, UplinkCommon), "settings": dict(spec.table)}


def _common(spec: DeviceSpec | UplinkSpec, common: type) -> dict[str, Any]:
    names = (field.name for field in fields(common))
    return {name: getattr(spec, name) for name in names if name not in _NOT_FOR_THE_CHILD}

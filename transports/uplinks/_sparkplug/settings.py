"""What can be said of the Sparkplug uplink in a configuration."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import inf

from transports.clock import MachineClock
from transports.errors import Problem
from transports.settings import duration, setting, size
from transports.sparkplug.proofs import Confirm
from transports.sparkplug.session import NodeSettings
from transports.sparkplug.topics import Address, id_problems
from transports.uplinks import Identity, _topics
from transports.uplinks._mqtt.client import identity_fields
from transports.uplinks._mqtt.connection import Connection
from transports.uplinks._sparkplug.commands import Desk
from transports.uplinks._sparkplug.life import Life
from transports.uplinks._sparkplug.number import Numbers

_LEAST_MESSAGE_BYTES = 1024
_FIELDS = ("gateway", "uplink")


@dataclass(frozen=True, kw_only=True)
class Settings(Connection):
    """Where the servers are, who we are in Sparkplug, for whom we wait, and when data counts as delivered."""

    group_id: str = setting(help="the group of edge nodes that we belong to", example="plant 7")
    edge_node_id: str = setting("{gateway}", help="who we are in the group; no two may be the same")
    host_id: str = setting("", help="the primary host: births and data wait until it is online; empty: for nobody")
    host_wait_s: float = duration("30s", help="with backup servers: so long nothing may be heard of the primary host")
    confirm: str = setting(
        "proven",
        choices=tuple(each.value for each in Confirm),
        help="data is forgotten when the server has shown that it read it, or as soon as it is sent",
    )
    hold_s: float = duration(
        "0s", ge=0, le=3600, help="then keep it so much longer: the primary host may have died unnoticed"
    )
    by_exception: bool = setting(True, help="what has not changed is not sent again")
    commands: bool = setting(False, help="hosts may write to devices (NCMD, DCMD); a rebirth they may always ask for")
    max_message_bytes: int = size("256KiB", ge=_LEAST_MESSAGE_BYTES, le=2**28, help="larger data is divided")

    @cached_property
    def _lives(self) -> dict[str, Life]:
        return {}

    def life(self, identity: Identity) -> Life:
        """What one connection leaves to the next; `connect` is handed nothing else that outlives it."""
        if identity.uplink not in self._lives:
            numbers, clock = Numbers(identity.state_dir), MachineClock()
            self._lives[identity.uplink] = Life(self.node(identity), numbers, Desk(self.commands), clock)
        return self._lives[identity.uplink]  # the interface may change

    @cached_property
    def roaming(self) -> "Settings":
        """As the connections see it: with a primary host there is no going back to the first server."""
        return replace(self, fail_back_after_s=inf) if self.host_id else self

    def node(self, identity: Identity) -> NodeSettings:
        """What the session is told."""
        return NodeSettings(
            Address(self.group_id, _topics.filled(self.edge_node_id, identity_fields(identity))),
            identity.gateway,
            host_id=self.host_id,
            servers=len(self.servers),
            host_wait_s=self.host_wait_s,
            confirm=Confirm(self.confirm),
            hold_s=self.hold_s,
            by_exception=self.by_exception,
            max_message_bytes=self.max_message_bytes,
        )

    def problems(self, path: str) -> Iterator[Problem]:
        """Ids that make no topics, and what has no meaning without something else."""
        yield from super().problems(path)
        yield from id_problems(f"{path}.group_id", self.group_id)
        yield from _topics.problems(f"{path}.edge_node_id", self.edge_node_id, _FIELDS)
        if "/" in self.edge_node_id:
            yield Problem(f"{path}.edge_node_id", repr(self.edge_node_id), "must not contain '/': it is one level")
        if self.host_id:
            yield from id_problems(f"{path}.host_id", self.host_id)
        if self.hold_s and self.confirm != Confirm.PROVEN.value:
            yield Problem(f"{path}.hold", f"{self.hold_s:g}s", 'needs confirm = "proven"')
        if self.host_id and self.fail_back_after_s != _default("fail_back_after_s"):
            cure = "must be left out: the primary host says which server is used"
            yield Problem(f"{path}.fail_back_after", f"{self.fail_back_after_s:g}s", cure)


def _default(name: str) -> object:
    return next(field.default for field in fields(Connection) if field.name == name)

"""Whatever happens in whatever order: a host is never told nonsense, and what is committed has arrived.

The host here is a model by the specification: it knows births, aliases and sequence numbers, and nothing of the node.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.transports.sparkplug.gateway_desk import HOST, NCMD, STATE, Desk, command, gone, read, scan, state, write
from transports.errors import UplinkDown
from transports.samples import DataType, Tag
from transports.sparkplug.datatypes import Form
from transports.sparkplug.orders import HangUp, Publish
from transports.sparkplug.phases import Phase
from transports.sparkplug.telling import QUIET_S

WIDE = (Tag("a"), Tag("b", DataType.INT64), Tag("c", DataType.STRING))
TAG_SETS = [WIDE[:1], WIDE[:2], WIDE, (Tag("a", DataType.STRING),)]
KINDS = ["live", "late", "aggregate"]
PYTHON = {DataType.FLOAT64: float, DataType.INT64: int, DataType.STRING: str}
DEVICES = st.sampled_from(["press", "lathe"])


@dataclass
class HostModel:
    """What a host knows of the node, and complains about."""

    will: object = None
    bd_seq: int | None = None
    seq: int = 0
    alive: dict[str, set[int]] = field(default_factory=dict)
    aliases: dict[int, tuple[str, str]] = field(default_factory=dict)
    values: dict[tuple[str, int], object] = field(default_factory=dict)

    def died(self):
        self.bd_seq = None
        self.alive.clear()

    def hear(self, said):
        if said.verb == "NBIRTH":
            self._node_is_born(said)
            return
        assert self.bd_seq is not None, f"{said.verb} before NBIRTH"
        if said.verb == "NDEATH":
            assert (said.payload.seq, said.by_name["bdSeq"].value.content) == (None, self.bd_seq)
            self.died()
            return
        self.seq = (self.seq + 1) % 256
        assert said.payload.seq == self.seq
        hears = {"DBIRTH": self._is_born, "DDEATH": self._is_dead, "DDATA": self._tells, "NDATA": self._node_tells}
        hears[said.verb](said)

    def _node_is_born(self, said):
        self.died()
        self.bd_seq = said.by_name["bdSeq"].value.content
        assert self.bd_seq == self.will.by_name["bdSeq"].value.content
        assert said.payload.seq == 0
        self.seq = 0

    def _is_born(self, said):
        for metric in said.metrics:
            assert metric.datatype
            assert metric.is_null == (metric.value is None)
            assert self.aliases.setdefault(metric.alias, (said.device, metric.name)) == (said.device, metric.name)
            self.values[said.device, metric.alias] = metric.value
        self.alive[said.device] = {metric.alias for metric in said.metrics}

    def _is_dead(self, said):
        assert said.device in self.alive, "DDEATH of a device that is not alive"
        del self.alive[said.device]

    def _tells(self, said):
        assert said.device in self.alive, "DDATA of a device that is not alive"
        for metric in said.metrics:
            assert metric.alias in self.alive[said.device]
            assert metric.name is None
            if not metric.is_historical:
                self.values[said.device, metric.alias] = metric.value

    def _node_tells(self, said):
        assert [metric.alias for metric in said.metrics] == [1]


class Session(RuleBasedStateMachine):
    """The wire is a list: what was written; the server reads it in order, and the model host hears what it read."""

    @initialize(hosted=st.booleans(), servers=st.integers(1, 3))
    def begin(self, hosted, servers):
        self.desk = Desk(host_id=HOST if hosted else "", servers=servers, max_message_bytes=400)
        self.host, self.wire, self.clock = HostModel(), [], 0
        self.read_by_server, self.committed, self.newest, self.told = set(), [], {}, []
        self.connect()
        if hosted:
            self.host_says(True, False)

    def carry_out(self, orders, ticket=None):
        for order in orders:
            if isinstance(order, Publish):
                self.wire.append(("message", read(order)))
            elif isinstance(order, HangUp):
                self.deliver()
                assert self.host.bd_seq is None  # our DISCONNECT takes the Will away: we have said it ourselves
                self.desk.node.lost(self.desk.later())
        if ticket is not None:
            self.wire.append(("end of record", ticket))

    def deliver(self, count=None):
        """The server reads on: everything, or so many entries."""
        now, self.wire = self.wire[:count], self.wire[len(self.wire[:count]) :]
        for kind, what in now:
            if kind == "message":
                self.host.hear(what)
            elif kind == "end of record":
                self.read_by_server.add(what)
            else:
                self.desk.node.answered(what, self.desk.later())
        self.committed += self.desk.node.taken()

    @precondition(lambda self: self.desk.node.phase is Phase.OFFLINE)
    @rule()
    def connect(self):
        self.wire.clear()
        self.host.died()  # by the last Will
        self.host.will, orders = self.desk.connect()
        self.carry_out(orders)

    @precondition(lambda self: self.desk.node.phase is not Phase.OFFLINE)
    @rule()
    def break_off(self):
        self.wire.clear()  # what was on its way is lost
        self.desk.node.lost(self.desk.later())
        self.host.died()

    @precondition(lambda self: self.desk.node.phase is not Phase.OFFLINE)
    @rule()
    def leave(self):
        self.carry_out(self.desk.node.leave("", self.desk.later()))

    @precondition(lambda self: self.desk.node.phase is not Phase.OFFLINE)
    @rule(online=st.booleans(), older=st.booleans())
    def host_says(self, online, older):
        self.clock += 1
        self.carry_out(self.desk.receive(STATE, state(online, 1 if older else self.clock)))

    @precondition(lambda self: self.desk.node.phase is not Phase.OFFLINE)
    @rule(value=st.booleans())
    def ask_for_rebirth(self, value):
        self.carry_out(self.desk.receive(NCMD, write(Form.BOOLEAN, value, name="Node Control/Rebirth")))

    @precondition(lambda self: self.desk.node.phase is not Phase.OFFLINE)
    @rule(payload=st.binary(max_size=30))
    def send_nonsense(self, payload):
        self.carry_out(self.desk.receive(NCMD, payload or command()))

    @rule(device=DEVICES, tags=st.sampled_from(TAG_SETS))
    def announce(self, device, tags):
        self.forget_other_types(device, tags)
        self.carry_out(self.desk.node.announced(device, tags, self.desk.later()))

    @precondition(lambda self: self.desk.node.ready)
    @rule(device=DEVICES, tags=st.sampled_from(TAG_SETS), kind=st.sampled_from(KINDS), n=st.integers(0, 30))
    def tell(self, device, tags, kind, n):
        some = {DataType.FLOAT64: float(n % 5), DataType.INT64: n % 3 - 1, DataType.STRING: str(n % 2)}
        values = [some[tag.type] for tag in tags]
        options = {"historical": kind == "late", "aggregate": "hourly" if kind == "aggregate" else ""}
        self.put(lambda: self.desk.record(scan(*values, tags=tags), device=device, **options))
        if kind != "aggregate":
            self.forget_other_types(device, tags)
            self.told = [*self.told[-5:], (self.desk.newest, device, tags)]
        if kind == "live":
            self.newest.setdefault(device, {}).update(zip([tag.name for tag in tags], values, strict=True))

    @precondition(lambda self: self.desk.node.ready)
    @rule(device=DEVICES, tags=st.sampled_from(TAG_SETS), late=st.booleans())
    def lose_device(self, device, tags, late):
        self.put(lambda: self.desk.record(gone(tags=tags), device=device, historical=late))
        self.forget_other_types(device, tags)
        for tag in () if late else tags:
            self.newest.get(device, {}).pop(tag.name, None)

    @precondition(lambda self: self.desk.node.ready and self.told)
    @rule(data=st.data())
    def tell_again(self, data):
        """What was not proven comes once more, and a witness too: it says nothing of the present."""
        record, device, tags = data.draw(st.sampled_from(self.told))
        self.put(lambda: self.desk.again(record))
        self.forget_other_types(device, tags)

    @precondition(lambda self: self.desk.node.ready)
    @rule(device=DEVICES, late=st.booleans(), down=st.booleans())
    def gap(self, device, late, down):
        reason = "process is down: x" if down else "buffer full"
        self.put(lambda: self.desk.gap(device, reason, late))

    @precondition(lambda self: not self.desk.node.ready)
    @rule()
    def tell_too_early(self):
        with pytest.raises(UplinkDown):
            self.desk.record(scan(1.5, tags=WIDE[:1]))

    def forget_other_types(self, device, tags):
        """A metric of a new type has no value until one comes."""
        known = self.newest.get(device, {})
        for tag in tags:
            if type(known.get(tag.name)) is not PYTHON[tag.type]:
                known.pop(tag.name, None)

    def put(self, send):
        orders = send()
        self.carry_out(orders, self.desk.ticket)

    @precondition(lambda self: self.wire)
    @rule()
    def ping(self):
        self.wire.append(("question", self.desk.node.asked()))

    @precondition(lambda self: self.wire)
    @rule(count=st.none() | st.integers(1, 4))
    def server_reads(self, count):
        self.deliver(count)

    @rule(seconds=st.sampled_from([1.0, QUIET_S, 60.0]))
    def wait(self, seconds):
        self.carry_out(self.desk.node.due(self.desk.later(seconds)))

    @invariant()
    def what_is_committed_was_read_by_the_server(self):
        if hasattr(self, "desk"):
            self.committed += self.desk.node.taken()
            assert set(self.committed) <= self.read_by_server
            assert len(set(self.committed)) == len(self.committed)

    @invariant()
    def a_host_that_has_heard_all_knows_the_present(self):
        if not hasattr(self, "desk") or not self.desk.node.ready or self.wire:
            return
        for device, values in self.newest.items():
            for name, value in values.items():
                alias = next((one for one, known in self.host.aliases.items() if known == (device, name)), None)
                if device in self.host.alive and alias in self.host.alive[device]:
                    told = self.host.values[device, alias]
                    assert told is not None
                    assert told.content == (value % 2**64 if isinstance(value, int) else value)

    @invariant()
    def births_are_out_only_where_the_node_says_so(self):
        if hasattr(self, "desk") and not self.wire:
            assert (self.host.bd_seq is not None) == self.desk.node.ready


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)

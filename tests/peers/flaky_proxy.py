"""A bad link between an MQTT client and a broker: a TCP proxy that cuts, stalls, swallows and refuses, by name.

    python tests/peers/flaky_proxy.py --broker PORT --log FILE        prints its port; serves until killed

`link_faults.py` lists the faults. An order is a line of options on its standard input, answered "ok"; it holds for the
connections that come later, and an empty one is good behaviour:

    --fault cut-rst --after 10 --part 0.5      the same for every connection
    --flaps 500 --seed 7 --most 200            so many bad ones, chosen by the seed, then good behaviour

FILE gets a line for each thing that happens: "accepted|struck|closed CONNECTION time_ns FAULT"; the time is monotonic.
`closed` is when the client's side has ended, by whatever hand.
"""

import argparse
import asyncio
import os
import shlex
import sys
import time
from contextlib import suppress

from flaky_streams import GONE, Gone, Late, packet, reset, until_gone, until_hung_up
from lifeline import die_with_parent
from link_faults import Fault, Plan, plan_of

_PUBACK = 0x40  # MQTT 3.1.1 and 5, section 2.1: the packet's type is in the upper four bits
_LEAVES_THE_CLIENT = (Fault.WELL, Fault.SWALLOW_ONE, Fault.SWALLOW_ALL)
_STALLS = (Fault.STALL_UP, Fault.STALL_DOWN, Fault.STALL_BOTH)


class Connection:
    """One client, and the broker's side of it."""

    def __init__(
        self, number: int, plan: Plan, proxy: "Proxy", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number, self.plan, self.proxy = number, plan, proxy
        self.reader, self.writer = reader, writer
        self.upstream: asyncio.StreamWriter | None = None
        self.struck = False

    async def run(self) -> None:
        """Serve it until one side ends it."""
        self.proxy.note("accepted", self)
        try:
            await self._live()
        except Gone:
            pass
        finally:
            self.proxy.note("closed", self)
            for writer in (self.writer, self.upstream):
                if writer is not None and not writer.is_closing():
                    writer.close()

    async def _live(self) -> None:
        match self.plan.fault:
            case Fault.REFUSE:
                self._strike()
                reset(self.writer)
                self.proxy.refuse(self.plan.refuse_s)
            case Fault.SILENT:
                self._strike()
                await until_hung_up(self.writer)
            case Fault.HANG_UP:
                await packet(self.reader)
                await self._end()
            case _:
                await self._forward()

    async def _forward(self) -> None:
        try:
            broker, self.upstream = await asyncio.open_connection("127.0.0.1", self.proxy.broker)
        except OSError:
            reset(self.writer)
            return
        ways = [asyncio.create_task(self._up(self.upstream)), asyncio.create_task(self._down(broker))]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _up(self, upstream: asyncio.StreamWriter) -> None:
        plan, late = self.plan, Late(upstream, self.plan.delay_s)
        passed = 0
        while True:
            data = await packet(self.reader)
            passed += 1
            if passed <= plan.after or plan.fault in _LEAVES_THE_CLIENT:
                await late.write(data)
                continue
            self._strike()
            if plan.fault is Fault.STALL_DOWN:
                await late.write(data)
            elif plan.fault in _STALLS:
                await until_hung_up(self.writer)
                return
            else:
                if plan.fault is not Fault.DELAY:
                    await late.write(data[: plan.cut(len(data))])
                await self._end()
                return

    async def _down(self, broker: asyncio.StreamReader) -> None:
        late, acks = Late(self.writer, self.plan.delay_s), 0
        try:
            while True:
                data = await packet(broker)
                acks += data[0] & 0xF0 == _PUBACK
                if not self._stalls_down() and not self._swallows(data, acks):
                    await late.write(data)
        except Gone:
            if not self.struck or self.plan.fault not in _STALLS:
                raise
            await until_hung_up(self.writer)  # nor does the broker's end come through

    def _stalls_down(self) -> bool:
        return self.struck and self.plan.fault in (Fault.STALL_DOWN, Fault.STALL_BOTH)

    def _swallows(self, data: bytes, acks: int) -> bool:
        fault, after = self.plan.fault, self.plan.after
        if data[0] & 0xF0 != _PUBACK or acks <= after or fault not in (Fault.SWALLOW_ONE, Fault.SWALLOW_ALL):
            return False
        first = not self.struck
        self._strike()
        return first or fault is Fault.SWALLOW_ALL

    async def _end(self) -> None:
        """End the connection in the way of the fault."""
        self._strike()
        if self.plan.fault in (Fault.CUT_FIN, Fault.HANG_UP):
            with suppress(*GONE):
                self.writer.write_eof()
            if self.upstream is not None:
                self.upstream.close()
            await until_gone(self.reader)  # closing on unread bytes would send a RST
            return
        for writer in (self.writer, self.upstream):
            if writer is not None:
                reset(writer)

    def _strike(self) -> None:
        if not self.struck:
            self.struck = True
            self.proxy.note("struck", self)


class Proxy:
    """The listener, and what the next connection gets."""

    def __init__(self, broker: int, log: int | None) -> None:
        self.broker, self._log = broker, log
        self.port = 0
        self._orders = _manners().parse_args([])
        self._connections = self._bad = 0
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self, seconds: float) -> None:
        """Listen no more for a while."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._again = asyncio.create_task(self._listen_after(seconds))

    async def _listen_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # nobody listens
        await self.listen()

    def note(self, kind: str, connection: Connection) -> None:
        """One line for the log."""
        if self._log is not None:
            line = f"{kind} {connection.number} {time.monotonic_ns()} {connection.plan.fault.value}\n"
            os.write(self._log, line.encode())

    def read_orders(self) -> None:
        """One line of orders has come on the standard input; its end is the test's end."""
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        self._orders, self._bad = _manners().parse_args(shlex.split(line)), 0
        print("ok", flush=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        connection = Connection(self._connections, self._plan(), self, reader, writer)
        await connection.run()

    def _plan(self) -> Plan:
        orders = self._orders
        if not orders.flaps:
            delay_s = orders.delay if orders.fault == Fault.DELAY.value else 0.0
            return Plan(Fault(orders.fault), orders.after, orders.part, delay_s, orders.refuse)
        if self._bad >= orders.flaps:
            return Plan()
        self._bad += 1
        return plan_of(orders.seed, self._bad, orders.most)


def _manners() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--fault", default="well", choices=[fault.value for fault in Fault])
    parser.add_argument("--after", type=int, default=1, help="packets of the client, or PUBACKs, that pass first")
    parser.add_argument("--part", type=float, default=0.5, help="how much of a packet that is cut gets through")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds by which `delay` is late")
    parser.add_argument("--refuse", type=float, default=0.5, help="seconds for which `refuse` refuses")
    parser.add_argument("--flaps", type=int, default=0, help="so many bad connections, chosen by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=100, help="a chosen fault strikes within so many packets")
    return parser


async def _serve(options: argparse.Namespace) -> None:
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if options.log else None
    proxy = Proxy(options.broker, log)
    await proxy.listen()
    print(proxy.port, flush=True)
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), proxy.read_orders)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", type=int, required=True)
    parser.add_argument("--log", default="")
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    options = parser.parse_args()
    if options.parent:
        die_with_parent(options.parent)
    asyncio.run(_serve(options))


if __name__ == "__main__":
    main()

"""One peripheral that is connected: its characteristics read each period, told by it, and written.

    APART ──in range, its turn──> JOINED ──it goes, or answers nothing thrice──> APART, again after a back-off
                                    │ each group: notified, or read when due

An exception to "retry lives above": peripherals share an adapter and so a link, and the loss of one must not cost the
others their connection. So each connects again by itself, with the back-off of transports/backoff.py; its tags are Bad
meanwhile. Connections are made one at a time, as adapters want it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from bleak import BleakClient
from bleak.backends.bluezdbus.version import BlueZFeatures
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakDBusError, BleakError, BleakGATTProtocolError
from dbus_fast.errors import DBusFastError

from transports.backoff import Backoff
from transports.ble.groups import PERIOD_S, Group
from transports.clock import Clock
from transports.errors import LinkRefused, LinkTimeout
from transports.samples import Quality, Scan

log = logging.getLogger("holdfast.ble")

# bleak starts `bluetoothctl` once to ask for the version, and waits for ever where that was interrupted. Any BlueZ that
# a gateway meets is newer than the 5.55 that it looks for.
BlueZFeatures.checked_bluez_version = True

# What a peripheral, BlueZ or D-Bus that goes away makes of a call in progress. bleak asserts that its bus is there, and
# looks up objects that may have been removed since (KeyError).
FAILURES = (BleakError, DBusFastError, OSError, EOFError, AssertionError, KeyError)
TIMEOUTS_IN_A_ROW = 3  # of one group, then the connection itself is suspected
BACKOFF = Backoff(first_s=1.0, ceiling_s=60.0)
_FIRST_SEEN_S = 2.0  # one that is connected already, by a process that was killed, is not seen
_GRACE_S = 2.0  # on top of bleak's own time-out, for its tidying up
_REFUSALS = frozenset(
    f"org.bluez.Error.{name}"
    for name in ("NotPermitted", "NotSupported", "NotAuthorized", "InvalidValueLength", "InvalidArguments")
)


class Session:
    """Keeps one peripheral connected, in the loop; `put` takes the scans, all of one adapter share `turn`."""

    def __init__(
        self,
        name: str,
        device: BLEDevice,
        groups: Sequence[Group],
        put: Callable[[Scan], object],
        clock: Clock,
        timeout_s: float,
        turn: asyncio.Lock,
    ) -> None:
        self.name, self._device, self._groups, self._put, self._clock = name, device, groups, put, clock
        self._timeout_s, self._turn = timeout_s, turn
        self.tags = tuple(tag for group in groups for tag in group.tags)
        self.seen, self._wake = asyncio.Event(), asyncio.Event()
        self._client: BleakClient | None = None
        self._characteristics: Mapping[Group, BleakGATTCharacteristic] = {}
        self._due: dict[Group, float] = {}
        self._late: dict[Group, int] = {}
        self._unwell: set[Group] = set()
        self._attempt, self._trouble = 0, ""

    async def keep(self) -> None:
        """Connect, converse, and connect again, until it is cancelled."""
        with suppress(TimeoutError):  # the search has only begun
            await asyncio.wait_for(self.seen.wait(), _FIRST_SEEN_S)
        while True:
            self.seen.clear()
            try:
                await self._converse()
            except FAILURES as lost:
                self._lost(str(lost) or type(lost).__name__)
            else:
                self._lost("it has gone")
            delay_s = BACKOFF.delay_s(self._attempt, random.random())
            self._attempt += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self.seen.wait(), delay_s)

    async def write(self, uuid: str, service: str | None, data: bytes, response: bool) -> None:
        """Write one characteristic. Raises LinkRefused, LinkTimeout (it is not connected, or did not answer)."""
        client = self._client
        if client is None or not client.is_connected:
            raise LinkTimeout(f"{self.name} is not connected: {self._trouble or 'not yet'}")
        try:
            await client.write_gatt_char(_found(client, uuid, service), data, response=response)
        except FAILURES as failed:
            if _is_refusal(failed):
                raise LinkRefused(f"{self.name}: the peripheral refuses it ({failed})") from failed
            raise LinkTimeout(f"{self.name}: not written ({failed})") from failed
        self._due.update({group: self._clock.now() for group in self._due if group.uuid == uuid})
        self._wake.set()  # what was written is read back now

    def bad(self, quality: int, time_ns: int) -> Scan:
        """Bad of all its tags."""
        return Scan(time_ns, self.tags, [None] * len(self.tags), quality)

    async def _converse(self) -> None:
        client = BleakClient(self._device, lambda _: self._wake.set(), timeout=self._timeout_s)
        try:
            async with self._turn, asyncio.timeout(self._timeout_s + _GRACE_S):
                await client.connect()
            await self._begin(client)
            while client.is_connected:
                await self._next()
        finally:
            self._client, self._due = None, {}
            with suppress(*FAILURES):  # also gives back bleak's connection to D-Bus
                async with asyncio.timeout(_GRACE_S):
                    await client.disconnect()

    async def _begin(self, client: BleakClient) -> None:
        self._client, self._late = client, {}
        self._characteristics = dict(self._present(client))
        now = self._clock.now()
        self._due = {group: now for group in self._characteristics if group.period_s is not None}
        for group, characteristic in self._characteristics.items():
            if group.period_s is None:
                await self._subscribe(client, group, characteristic)
        log.info("%s: connected", self.name) if not self._trouble else log.warning("%s: connected again", self.name)
        self._trouble = ""

    def _present(self, client: BleakClient) -> Iterable[tuple[Group, BleakGATTCharacteristic]]:
        for group in self._groups:
            try:
                yield group, _found(client, group.uuid, group.service)
            except LinkRefused as missing:
                self._refused(group, str(missing))

    async def _subscribe(self, client: BleakClient, group: Group, characteristic: BleakGATTCharacteristic) -> None:
        def told(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self._attempt = 0
            self._put(group.scan(bytes(data), self._clock.utc_ns()))

        async with asyncio.timeout(self._timeout_s):
            try:
                await client.start_notify(characteristic, told)
            except BleakError as failed:
                if not _is_refusal(failed):
                    raise
                self._refused(group, f"does not notify ({failed}); leave notify out")
                return
        if "read" in characteristic.properties:  # after subscribing: else a change in between would be lost
            await self._read(group)

    async def _next(self) -> None:
        """Wait until a group is due, or something happens; then read that group."""
        now = self._clock.now()
        group = min(self._due, key=self._due.__getitem__, default=None)
        wait_s = None if group is None else self._due[group] - now
        if group is None or (wait_s is not None and wait_s > 0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)
            self._wake.clear()
            return
        self._due[group] = max(self._due[group] + (group.period_s or PERIOD_S), now)
        await self._read(group)

    async def _read(self, group: Group) -> None:
        client = self._client
        if client is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                data = await client.read_gatt_char(self._characteristics[group])
        except TimeoutError:
            self._timed_out(group)
        except BleakError as failed:
            if not _is_refusal(failed):
                raise
            self._refused(group, f"cannot be read ({failed})")
        else:
            self._late[group] = self._attempt = 0
            self._unwell.discard(group)
            self._put(group.scan(bytes(data), self._clock.utc_ns()))

    def _timed_out(self, group: Group) -> None:
        self._complain(group, f"no answer within {self._timeout_s:g} s")
        self._late[group] = self._late.get(group, 0) + 1
        if self._late[group] >= TIMEOUTS_IN_A_ROW:
            raise TimeoutError(f"{group.uuid} did not answer {TIMEOUTS_IN_A_ROW} times in a row")
        self._put(group.bad(Quality.BAD_TIMEOUT, self._clock.utc_ns()))

    def _refused(self, group: Group, why: str) -> None:
        self._complain(group, why)
        self._put(group.bad(Quality.BAD_NOT_READABLE, self._clock.utc_ns()))

    def _complain(self, group: Group, why: str) -> None:
        if group not in self._unwell:
            self._unwell.add(group)
            log.warning("%s: %s", ", ".join(tag.name for tag in group.tags), why)

    def _lost(self, why: str) -> None:
        if not self._trouble:
            log.warning("%s: not connected (%s); its tags are Bad until it is", self.name, why)
            self._put(self.bad(Quality.BAD_NOT_CONNECTED, self._clock.utc_ns()))
        self._trouble = why


def _is_refusal(error: BaseException) -> bool:
    """Whether the peripheral answered, and its answer is no: asking again is no use."""
    if isinstance(error, BleakGATTProtocolError):
        return True
    return isinstance(error, BleakDBusError) and error.dbus_error in _REFUSALS


def _found(client: BleakClient, uuid: str, service: str | None) -> BleakGATTCharacteristic:
    """The characteristic of that UUID. Raises LinkRefused where there is none, or more than one."""
    found = [
        one
        for each in client.services
        if service is None or each.uuid == service
        for one in each.characteristics
        if one.uuid == uuid
    ]
    if len(found) != 1:
        cure = "it has none of this UUID" if not found else "it has several of this UUID; say which service"
        raise LinkRefused(f"{uuid}: {cure}")
    return found[0]

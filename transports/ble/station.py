"""An adapter at work, all of it within one asyncio loop: the search, who is heard, who is connected, and the watch.

The watch is what ends it: the adapter is lost, BlueZ hangs, or a task of it has a bug.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from transports.ble.adapter import Adapter, opened
from transports.ble.formats import Listener, listener
from transports.ble.groups import Group, groups_of
from transports.ble.peripherals import PeripheralSettings
from transports.ble.session import FAILURES, Session
from transports.clock import Clock
from transports.errors import LinkDown
from transports.samples import Quality, Scan, Tag

log = logging.getLogger("holdfast.ble")
_CHECK_S = 0.5  # how often silence is looked for
_ASK_S = 10.0  # how often BlueZ is asked whether it is still there
_DEAF_S = 300.0  # nothing at all was heard for so long: the search may be stuck
_BACK_AFTER_S = 5.0  # unheard for so long, a peripheral that is heard again is worth a new connection
_CONDITION = ("Connected", "ServicesResolved", "Paired", "Bonded", "Trusted", "Blocked")


class Station:
    """`put` is given each scan, `on_end` why there are no more; both are called in the loop."""

    def __init__(
        self,
        adapter: str,
        bus: str,
        timeout_s: float,
        peripherals: Mapping[str, PeripheralSettings],
        put: Callable[[Scan], object],
        on_end: Callable[[BaseException], object],
        clock: Clock,
    ) -> None:
        self._name, self._bus, self._timeout_s = adapter, bus, timeout_s
        self._put, self._on_end, self._clock = put, on_end, clock
        self._addresses = {name: one.address.upper() for name, one in peripherals.items()}
        self._listeners = {
            self._addresses[name]: listener(name, one) for name, one in peripherals.items() if one.format
        }
        self._groups = {name: groups_of(name, one) for name, one in peripherals.items() if one.connect}
        self.tags = _tags(self._listeners, self._groups)
        self.sessions: dict[str, Session] = {}
        self._session_at: dict[str, Session] = {}
        self._conditions: dict[str, tuple[Any, ...]] = {}
        self._heard_s: dict[str, float] = {}
        self._anything_s = clock.now()
        self._adapter: Adapter | None = None
        self._scanner: BleakScanner | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._is_over = False

    async def open(self) -> None:
        """Find the adapter and begin to listen. Raises LinkDown with the cure."""
        asyncio.get_running_loop().set_exception_handler(_left_behind)
        self._adapter = adapter = await opened(self._name, self._bus)
        # else BlueZ keeps a steady value to itself, and nobody could tell it from silence
        filters: Any = {"DuplicateData": True}
        self._scanner = BleakScanner(self._on_advertisement, bluez={"adapter": self._name, "filters": filters})
        for each in self._listeners.values():  # nothing is known of them yet
            self._put(each.ear.bad(Quality.BAD_NO_COMMUNICATION, self._clock.utc_ns()))
        try:
            await self._scanner.start()
        except FAILURES as failed:
            raise LinkDown(f"{self._name}: cannot search ({failed}); does `bluetoothctl scan le` work?") from failed
        turn = asyncio.Lock()
        for name, groups in self._groups.items():
            device = _device(adapter, self._addresses[name])
            session = Session(name, device, groups, self._put, self._clock, self._timeout_s, turn)
            self.sessions[name] = self._session_at[device.address] = session
        work = [self._watch(adapter, self._scanner), *(one.keep() for one in self.sessions.values())]
        self._tasks = tuple(asyncio.create_task(each) for each in work)
        for task in self._tasks:
            task.add_done_callback(self._on_task_end)

    async def close(self) -> None:
        """Let go of peripherals, search and adapter."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            if self._scanner is not None:
                await self._scanner.stop()
        finally:
            if self._adapter is not None:
                self._adapter.close()

    async def _watch(self, adapter: Adapter, scanner: BleakScanner) -> None:
        """See silence, and the end of the adapter. Raises LinkDown."""
        asked_s = self._clock.now()
        while not (why := await adapter.lost(_CHECK_S)):
            now = self._clock.now()
            self._miss(now)
            if now - asked_s >= _ASK_S:
                asked_s = now
                await self._ask(adapter)
            if now - self._anything_s >= _DEAF_S:
                self._anything_s = now
                await self._search_again(scanner)
        raise LinkDown(why)

    def _miss(self, now: float) -> None:
        for each in self._listeners.values():
            for scan in each.ear.missed(now, self._clock.utc_ns()):
                log.warning("%s: not heard any more; its tags are Bad until it is", each.ear.name)
                self._put(scan)

    async def _ask(self, adapter: Adapter) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await adapter.check()
        except TimeoutError as late:
            raise LinkDown(f"{self._name}: BlueZ hangs; `systemctl restart bluetooth`") from late

    async def _search_again(self, scanner: BleakScanner) -> None:
        log.info("%s: nothing heard for %g s; searching anew", self._name, _DEAF_S)
        try:
            async with asyncio.timeout(self._timeout_s):
                await scanner.stop()
                await scanner.start()
        except FAILURES as failed:
            raise LinkDown(f"{self._name}: cannot search any more ({failed})") from failed

    def _on_advertisement(self, device: BLEDevice, said: AdvertisementData) -> None:
        """BlueZ's view of a device has changed: mostly, but not always, because it was heard."""
        address, now = device.address, self._clock.now()
        self._anything_s = now
        if address not in self._listeners and address not in self._session_at:
            return
        properties = said.platform_data[1]
        condition = tuple(properties.get(name) for name in _CONDITION)
        changed = self._conditions.setdefault(address, condition) != condition
        self._conditions[address] = condition
        if changed or "RSSI" not in properties:  # it was connected, or BlueZ gave it up
            return
        if address in self._session_at and now - self._heard_s.get(address, now - _BACK_AFTER_S) >= _BACK_AFTER_S:
            self._session_at[address].seen.set()
        self._heard_s[address] = now
        if address in self._listeners:
            self._listen(self._listeners[address], said, now)

    def _listen(self, each: Listener, said: AdvertisementData, now: float) -> None:
        data, ear = each.pick(said.manufacturer_data, said.service_data), each.ear
        if data is None:
            return
        trouble = ear.trouble
        for scan in ear.heard(data, said.rssi, now, self._clock.utc_ns()):
            self._put(scan)
        if ear.trouble and not trouble:
            log.warning("%s: not understood: %s", ear.name, ear.trouble)

    def _on_task_end(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or self._is_over:
            return
        self._is_over = True
        for (
            each
        ) in self._listeners.values():  # whoever reads the link says it of what was announced, not of the learned
            for scan in each.ear.lost(self._clock.utc_ns()):
                self._put(scan)
        self._on_end(task.exception() or RuntimeError("a task without an end has ended"))


def _left_behind(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """bleak and dbus-fast leave failed futures behind when a bus dies; what it means, a call has raised, too."""
    log.debug("%s", context)


def _device(adapter: Adapter, address: str) -> BLEDevice:
    """A peripheral by its address alone: one that is connected already, by a process that was killed, is not heard."""
    return BLEDevice(address, None, {"path": f"{adapter.path}/dev_{address.replace(':', '_')}", "props": {}})


def _tags(listeners: Mapping[str, Listener], groups: Mapping[str, tuple[Group, ...]]) -> tuple[Tag, ...]:
    heard = [tag for each in listeners.values() for tag in each.ear.announced]
    return (*heard, *(tag for each in groups.values() for group in each for tag in group.tags))

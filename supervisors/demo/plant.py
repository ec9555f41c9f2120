"""A small plant behind a real Modbus TCP server: a tank, the pump that fills it, and a heater.

    python -m supervisors.demo.plant PORT        serves on 127.0.0.1 until it is ended

    register  what                       form
    0         level of the tank          uint16, 0.01 %
    1         speed of the pump          uint16, 1/min
    2         temperature of the tank    int16, 0.01 degC
    3         outflow                    uint16, 0.01 l/s
    4, 5      reads that were answered   uint32, high word first; the present one included

All four tables of Modbus show these registers; none can be written. Time passes in the plant as on the wall.
"""

import asyncio
import logging
import math
import sys
from dataclasses import dataclass

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTERS = 6
STEP_S = 0.1
LEVEL_WANTED_PERCENT = 60.0
PUMP_FULL_RPM = 1500.0
CONSUMPTION_PERIOD_S = 40.0


@dataclass(frozen=True, slots=True)
class Plant:
    """The plant at one moment; `after` is the next."""

    level_percent: float = 52.0
    pump_rpm: float = 900.0
    temperature_c: float = 41.0
    outflow_l_s: float = 1.0
    at_s: float = 0.0

    def after(self, step_s: float) -> "Plant":
        """A level controller holds the tank against a consumption that comes and goes; cold water cools it."""
        at_s = self.at_s + step_s
        valve = 0.55 + 0.35 * math.sin(2 * math.pi * at_s / CONSUMPTION_PERIOD_S)
        outflow = 3.0 * valve * math.sqrt(self.level_percent / 100)
        demand = min(max(0.6 + 0.06 * (LEVEL_WANTED_PERCENT - self.level_percent), 0.0), 1.0)
        pump = self.pump_rpm + (demand * PUMP_FULL_RPM - self.pump_rpm) * min(step_s / 2.0, 1.0)
        inflow = 2.4 * pump / PUMP_FULL_RPM
        level = min(max(self.level_percent + (inflow - outflow) * step_s, 0.0), 100.0)
        heating = 1.4 - 0.6 * inflow - 0.02 * (self.temperature_c - 20.0)
        return Plant(level, pump, self.temperature_c + heating * step_s, outflow, at_s)

    def until(self, at_s: float) -> "Plant":
        """The plant at that time, in steps of STEP_S."""
        plant = self
        while plant.at_s + STEP_S <= at_s:
            plant = plant.after(STEP_S)
        return plant

    def registers(self, reads: int) -> list[int]:
        """How it shows itself on the wire."""
        temperature = round(self.temperature_c * 100) & 0xFFFF
        measured = [round(self.level_percent * 100), round(self.pump_rpm), temperature, round(self.outflow_l_s * 100)]
        return [*measured, reads >> 16 & 0xFFFF, reads & 0xFFFF]


class Controller:
    """The plant's PLC: it measures when it is asked."""

    def __init__(self) -> None:
        self._plant, self._reads = Plant(), 0
        self._started = asyncio.get_running_loop().time()

    async def answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by the server before each answer; what is in `registers` then is what it sends."""
        if values is None:
            self._reads += 1
            self._plant = self._plant.until(asyncio.get_running_loop().time() - self._started)
            registers[:REGISTERS] = self._plant.registers(self._reads)
        return None


async def serve(port: int) -> None:
    """Be the plant, for every unit number, until the process ends."""
    shown = SimData(0, values=[0] * REGISTERS, datatype=DataType.REGISTERS, readonly=True)
    device = SimDevice(0, [shown], action=Controller().answer)
    await ModbusTcpServer(device, address=("127.0.0.1", port)).serve_forever()


if __name__ == "__main__":
    logging.getLogger("pymodbus").setLevel(logging.ERROR)
    asyncio.run(serve(int(sys.argv[1])))

"""A bus of the machine's own: /dev/i2c-1 and its like, through smbus2."""

import errno
import fcntl
from collections.abc import Sequence
from contextlib import suppress

from smbus2 import I2cFunc, SMBus, i2c_msg

from transports.errors import LinkDown
from transports.i2c.port import Message, Read, judged

_I2C_TIMEOUT = 0x0702  # ioctl: in units of 10 ms (uapi/linux/i2c-dev.h)
_SWITCH_ON = (
    "no such bus; is I2C switched on (Raspberry Pi: dtparam=i2c_arm=on in config.txt), "
    "and is the kernel's module i2c-dev loaded?"
)
_CURES = {
    errno.ENOENT: _SWITCH_ON,
    errno.ENODEV: _SWITCH_ON,
    errno.ENXIO: _SWITCH_ON,
    errno.EACCES: "not allowed; add the user that runs holdfast to the group i2c",
    errno.EPERM: "not allowed; add the user that runs holdfast to the group i2c",
    errno.ENOTTY: "is not an I2C bus; buses are called /dev/i2c-0, /dev/i2c-1, ...",
    errno.EISDIR: "is not an I2C bus; buses are called /dev/i2c-0, /dev/i2c-1, ...",
}


class KernelPort:
    """An open bus of the kernel."""

    def __init__(self, bus: SMBus, path: str) -> None:
        self._bus, self._path = bus, path

    def transfer(self, messages: Sequence[Message]) -> list[bytes]:
        _open(self._bus)
        sent = [_message(each) for each in messages]
        try:
            self._bus.i2c_rdwr(*sent)
        except OSError as failed:
            raise judged(failed, self._path) from failed
        return [bytes(each) for each, asked in zip(sent, messages, strict=True) if isinstance(asked, Read)]

    def close(self) -> None:
        with suppress(OSError):
            self._bus.close()


def open_kernel(path: str, timeout_s: float) -> KernelPort:
    """The bus at that path; `timeout_s` is how long one transfer may take. Raises LinkDown with the cure."""
    bus = SMBus()
    try:
        bus.open(path)
        if not bus.funcs & I2cFunc.I2C:
            raise LinkDown(f"{path}: this adapter speaks SMBus only; whole I2C transfers are needed")
        fcntl.ioctl(_open(bus), _I2C_TIMEOUT, max(round(timeout_s * 100), 1))
    except (OSError, LinkDown) as failed:
        _close(bus)
        if isinstance(failed, LinkDown):
            raise
        cure = _CURES.get(failed.errno or 0) or f"cannot be opened as an I2C bus ({failed.strerror})"
        raise LinkDown(f"{path}: {cure}") from failed
    return KernelPort(bus, path)


def _open(bus: SMBus) -> int:
    if bus.fd is None:
        raise LinkDown("the bus is closed; connect again")
    return bus.fd


def _close(bus: SMBus) -> None:
    with suppress(OSError):
        bus.close()


def _message(asked: Message) -> i2c_msg:
    if isinstance(asked, Read):
        return i2c_msg.read(asked.address, asked.size)
    return i2c_msg.write(asked.address, asked.data)

"""The two ports of the driver: the kernel's, as far as a machine without a bus allows, and the simulator's socket."""

import ctypes
import errno
import os
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import smbus2.smbus2

from tests.transports.chips.i2c_far_end import serving, simulated
from transports.building import build
from transports.clock import HandClock, MachineClock
from transports.errors import LinkDown, LinkTimeout, NotUnderstood
from transports.i2c import kernel as kernel_port
from transports.i2c.kernel import open_kernel
from transports.i2c.packets import answer, answered, asked, request
from transports.i2c.port import Read, Write
from transports.i2c.remote import RemotePort
from transports.links import i2c
from transports.samples import Quality

TANK = {"tank": {"address": 0x50, "registers": {"level": {"register": 1, "width": 2, "writable": True}}}}


def settings(bus: str | Path, **table: Any) -> i2c.Settings:
    return build(i2c.Settings, {"bus": str(bus), "chips": TANK, **table}, "device.x")


# --- the kernel's -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bus", ["/dev/i2c-250", "250", "/no/such/folder/bus"])
def test_a_bus_that_is_not_there_is_link_down_with_the_cure(bus: str) -> None:
    with pytest.raises(LinkDown, match=r"(i2c-250|bus): no such bus; .*dtparam=i2c_arm=on.*i2c-dev"):
        i2c.connect(settings(bus))


def test_a_file_or_a_folder_is_no_bus(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path):
        with pytest.raises(LinkDown, match="is not an I2C bus"):
            i2c.connect(settings(path))


def test_a_bus_that_is_not_ours_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # root may open anything
    with pytest.raises(LinkDown, match="the group i2c"):
        open_kernel("/dev/i2c-1", 1.0)


def test_a_failed_opening_leaves_no_descriptor_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(LinkDown):
            open_kernel(str(tmp_path / "file"), 1.0)
    assert len(os.listdir("/proc/self/fd")) == before


class Ioctl:
    """A fake of the kernel's ioctl, the lowest that can be had without a bus: it reads the structs of i2c-dev."""

    def __init__(self, path: str) -> None:
        self.path, self.functions, self.failure, self.timeout = path, 0x1, 0, 0
        self.seen: list[tuple[int, int, bytes | int]] = []

    def __call__(self, descriptor: int, request: int, argument: Any) -> int:
        if request == 0x0705:  # I2C_FUNCS
            argument.value = self.functions
        elif request == 0x0702:  # I2C_TIMEOUT
            self.timeout = argument
        elif request == 0x0707:  # I2C_RDWR
            if self.failure:
                raise OSError(self.failure, os.strerror(self.failure))
            for at in range(argument.nmsgs):
                self._transfer(argument.msgs[at])
        return 0

    def _transfer(self, message: Any) -> None:
        if message.flags & 1:  # I2C_M_RD
            self.seen.append((message.addr, 1, message.len))
            ctypes.memmove(message.buf, bytes(range(1, message.len + 1)), message.len)
        else:
            self.seen.append((message.addr, 0, ctypes.string_at(message.buf, message.len)))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Ioctl]:
    (tmp_path / "i2c").touch()
    ioctl = Ioctl(str(tmp_path / "i2c"))
    monkeypatch.setattr(smbus2.smbus2, "ioctl", ioctl)
    monkeypatch.setattr(kernel_port.fcntl, "ioctl", ioctl)
    return ioctl


def test_a_transfer_is_one_call_of_the_kernel_with_repeated_starts(kernel: Ioctl) -> None:
    port = open_kernel(kernel.path, 0.25)
    assert kernel.timeout == 25  # units of 10 ms
    assert port.transfer([Write(0x76, b"\xf2\0"), Read(0x76, 3), Read(0x76, 1)]) == [b"\x01\x02\x03", b"\x01"]
    assert kernel.seen == [(0x76, 0, b"\xf2\0"), (0x76, 1, 3), (0x76, 1, 1)]
    port.close()
    port.close()
    with pytest.raises(LinkDown):
        port.transfer([Read(0x76, 1)])


def test_the_driver_reads_and_writes_over_the_kernels_port(kernel: Ioctl) -> None:
    link = i2c.connect(settings(kernel.path))
    (scan,) = link.read()
    assert (list(scan.values), scan.quality) == ([0x0102], Quality.GOOD)
    link.write("tank.level", 0x1234)
    assert kernel.seen[-1] == (0x50, 0, b"\x01\x12\x34")
    link.close()


@pytest.mark.parametrize(
    ("failure", "error"), [(errno.EREMOTEIO, OSError), (errno.ENODEV, LinkDown), (errno.EBADF, LinkDown)]
)
def test_a_chip_that_fails_is_told_from_a_bus_that_is_gone(kernel: Ioctl, failure: int, error: type[Exception]) -> None:
    port = open_kernel(kernel.path, 1.0)
    kernel.failure = failure
    with pytest.raises(error):
        port.transfer([Read(0x76, 1)])
    port.close()


def test_an_adapter_that_speaks_smbus_only_is_refused_with_the_reason(kernel: Ioctl) -> None:
    kernel.functions = 0x0EFF_0008
    with pytest.raises(LinkDown, match="SMBus only"):
        open_kernel(kernel.path, 1.0)


# --- the simulator's --------------------------------------------------------------------------------------------------


def test_a_socket_is_a_bus_too_and_heals_when_the_simulator_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path, "tank = pcf8570 @ 0x50"):
        link = i2c.connect(settings(tmp_path / "bus"))
        link.write("tank.level", 4711)
        assert list(link.read()[0].values) == [4711]
    with pytest.raises(LinkDown):
        link.read()
    link.close()
    with pytest.raises(LinkDown, match="holdfast simulate i2c"):
        i2c.connect(settings(tmp_path / "bus"))  # its socket is still there
    with serving(tmp_path, "tank = pcf8570 @ 0x50"):
        assert list(i2c.connect(settings(tmp_path / "bus")).read()[0].values) == [0]


def test_a_bus_that_hangs_is_a_timeout_and_its_late_answers_are_passed_over() -> None:
    with simulated("tank = pcf8570 @ 0x50") as here:
        link = i2c.connect(settings(here / "bus", timeout="50ms"))
        (here / "faults").write_text("tank hang")
        with pytest.raises(LinkTimeout, match="no chip answers"):
            link.read()
        (here / "faults").write_text("")
        assert list(link.read()[0].values) == [0]
        link.close()


def remote(clock: Any = None, timeout_s: float = 0.05) -> tuple[socket.socket, RemotePort]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    far.setblocking(False)
    return far, RemotePort(near, "bus", timeout_s, clock or MachineClock())


def test_an_answer_to_an_earlier_request_is_not_taken_for_this_one() -> None:
    far, port = remote()
    with pytest.raises(OSError, match=os.strerror(errno.ETIMEDOUT)):
        port.transfer([Read(0x20, 1)])
    far.send(answer(1, 0, [b"\x01"]))  # too late
    far.send(answer(2, 0, [b"\x02"]))
    assert port.transfer([Read(0x20, 1)]) == [b"\x02"]
    far.close()
    port.close()


def test_garbage_from_a_far_end_is_an_error_of_the_tree_and_never_a_value() -> None:
    rng = random.Random(11)
    far, port = remote(HandClock(), 5.0)
    good = answer(1, 0, [b"\x01\x02"])
    for case in range(10_000):
        number = case + 1 & 0xFFFF
        packet = bytearray(struct.pack("<H", number) + good[2:])
        for _ in range(rng.randrange(1, 4)):
            match rng.randrange(3):
                case 0:
                    packet[rng.randrange(2, len(packet))] ^= 1 << rng.randrange(8)
                case 1:
                    del packet[rng.randrange(2, len(packet)) :]
                case 2:
                    packet += rng.randbytes(rng.randrange(9))
            if len(packet) < 3:
                break
        far.send(bytes(packet))
        with suppress(LinkDown, OSError):
            (read,) = port.transfer([Write(0x20, b"\x01"), Read(0x20, 2)])
            assert len(read) == 2
        with suppress(BlockingIOError):
            far.recv(1000)
    far.close()
    port.close()


@pytest.mark.parametrize("take", [asked, answered])
def test_torn_packets_are_not_understood_and_nothing_else(take: Any) -> None:
    rng = random.Random(12)
    whole = request(7, [Write(0x20, b"abc"), Read(0x20, 9)]), answer(7, 0, [b"abc", b""])
    for _ in range(10_000):
        packet = bytearray(rng.choice((*whole, rng.randbytes(rng.randrange(40)))))
        for _ in range(rng.randrange(3)):
            if packet:
                packet[rng.randrange(len(packet))] = rng.randrange(256)
        with suppress(NotUnderstood):
            take(bytes(packet[: rng.randrange(len(packet) + 1)] if rng.random() < 0.5 else packet))


def test_a_packet_says_what_was_put_into_it() -> None:
    messages = [Write(0x20, b""), Write(0x21, bytes(300)), Read(0x77, 8192)]
    assert asked(request(0xFFFF, messages)) == (0xFFFF, messages)
    assert answered(answer(9, errno.EREMOTEIO, [])) == (9, errno.EREMOTEIO, [])
    assert answered(answer(9, 0, [b"", b"abc"])) == (9, 0, [b"", b"abc"])

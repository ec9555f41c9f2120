"""libmodbus as a far end: a Modbus server that others wrote, in C (Debian package libmodbus5).

    python tests/peers/libmodbus_server.py --port 0             TCP; prints its port
    python tests/peers/libmodbus_server.py --serial /dev/pts/7  RTU as unit 1; prints 0

SIZE of each: holding registers hold their own address, input registers 65535 - address, coils and discrete inputs
whether their address is odd. Holding registers and coils can be written; beyond SIZE is exception 2.
"""

import argparse
import ctypes
import socket
import sys

from lifeline import die_with_parent

LIBRARY = "libmodbus.so.5"
SIZE, UNIT = 500, 1
_ADU_BYTES = 260  # MODBUS_MAX_ADU_LENGTH


class Mapping(ctypes.Structure):
    """modbus_mapping_t of modbus.h."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_inputs", "start_inputs", "nb_registers", "start_registers")),
        ("bits", ctypes.POINTER(ctypes.c_uint8)),
        ("input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("inputs", ctypes.POINTER(ctypes.c_uint16)),
        ("registers", ctypes.POINTER(ctypes.c_uint16)),
    )


def library() -> ctypes.CDLL:
    """libmodbus. Raises OSError where it is not installed."""
    found = ctypes.CDLL(LIBRARY, use_errno=True)
    for name in ("modbus_new_tcp", "modbus_new_rtu"):
        getattr(found, name).restype = ctypes.c_void_p
    found.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    return found


def filled(modbus: ctypes.CDLL) -> "ctypes._Pointer[Mapping]":
    mapping = modbus.modbus_mapping_new(SIZE, SIZE, SIZE, SIZE)
    for at in range(SIZE):
        mapping.contents.registers[at], mapping.contents.inputs[at] = at, 65535 - at
        mapping.contents.bits[at] = mapping.contents.input_bits[at] = at & 1
    return mapping


def answer(modbus: ctypes.CDLL, context: ctypes.c_void_p, mapping: "ctypes._Pointer[Mapping]") -> None:
    """Serve until the connection ends, or the line hangs up."""
    request = (ctypes.c_uint8 * _ADU_BYTES)()
    while (size := modbus.modbus_receive(context, request)) >= 0:
        if size > 0:  # 0: for another unit
            modbus.modbus_reply(context, request, size, mapping)
    modbus.modbus_close(context)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--serial", default="")
    parser.add_argument("--parent", type=int, default=0, help="end with this process")
    options = parser.parse_args()
    if options.parent:
        die_with_parent(options.parent)
    modbus = library()
    mapping = filled(modbus)
    if options.serial:
        context = ctypes.c_void_p(modbus.modbus_new_rtu(options.serial.encode(), 115200, ctypes.c_char(b"N"), 8, 1))
        modbus.modbus_set_slave(context, UNIT)
        if modbus.modbus_connect(context) != 0:
            sys.exit(f"libmodbus cannot open {options.serial}")
        print(0, flush=True)
        answer(modbus, context, mapping)
        return
    context = ctypes.c_void_p(modbus.modbus_new_tcp(b"127.0.0.1", options.port))
    listening = ctypes.c_int(modbus.modbus_tcp_listen(context, 1))
    with socket.socket(fileno=listening.value) as named:
        print(named.getsockname()[1], flush=True)
        while modbus.modbus_tcp_accept(context, ctypes.byref(listening)) >= 0:
            answer(modbus, context, mapping)


if __name__ == "__main__":
    main()

"""The demo: a whole gateway with its devices and its broker on this machine, and someone who checks the delivery.

    plant (Modbus TCP) ──┐
    thermometer (pty) ───┼──> gateway ──MQTT──> broker ──> witness: an MQTT client of its own, which counts
    this machine ────────┘

Everything is real but the plant and the thermometer: each box is a process of its own (the witness is this one), tied
to this process by the parent-death signal, on the loopback, in a directory that is removed at the end. A process that
is killed is started again: by the gateway's root those of the gateway, by this process the root and what is around it.

    scene       where it happens: directory, ports, the gateway's configuration
    processes   broker, plant, thermometer and the gateway's root, started and kept
                (what runs in them: plant, thermometer, amqtt_broker, each by way of tied)
    attendant   looks after the gateway as an operator would
    witness     the MQTT client
    ledger      what it heard, and what is missing in it: pure
    view        what there is to show; board shows it
    show        from the first process to the last line
"""

import os

from transports.errors import Problem, SettingsError
from transports.units import parse_duration

BROKER = "HOLDFAST_DEMO_BROKER"  # environment: "auto", "mosquitto" or "amqtt"


def demo(duration: str = "", broker: str = "", keep: bool = False) -> int:
    """Run the demo for `duration` (such as "20s"; empty: until Ctrl-C) and return the exit code: 0 if nothing was lost.

    `broker` is "mosquitto", "amqtt", or "auto" for Mosquitto where it is installed; by default what the environment
    says. With `keep` the directory with the spool and the logs stays. Raises SettingsError for a duration or broker
    that is none, HoldfastError when something that is needed is missing or does not start.
    """
    from supervisors.demo.show import play

    return play(_seconds(duration), broker or os.environ.get(BROKER, "auto"), keep)


def _seconds(duration: str) -> float | None:
    if not duration:
        return None
    try:
        seconds = parse_duration(duration)
    except (ValueError, TypeError, ArithmeticError):
        seconds = 0.0
    if seconds <= 0:
        raise SettingsError(Problem("--for", repr(duration), 'must be a duration such as "20s" or "5m"'))
    return seconds

"""Commands and rules under fire: whatever is killed, nothing is executed twice, nor after its time, and it is told."""

import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from supervisors.control import ask
from supervisors.sending import send
from tests.peers.gateway import Gateway
from transports.clock import MachineClock
from transports.errors import HoldfastError
from transports.messages import Command, Outcome, Rules
from transports.names import RULES

STRANGERS = Path(__file__).parents[1] / "peers" / "strangers"
ROUND_S = float(os.environ.get("HOLDFAST_CHAOS_S", "60")) / 6  # of the shortened one in CI: 10 s each
LATE_S = 0.5  # between the look at the clock and the device's own, a loaded machine may do something else
CONFIG = """
[gateway]
name = "commanded"
[supervision]
intensity = 1000
backoff_first = "10ms"
backoff_ceiling = "50ms"
[device.press]
driver = "sim"
period = "20ms"
tags = {{ level = {{ wave = "constant", type = "int64", writable = true }} }}
[device.fan]
driver = "witness"
period = "20ms"
file = "{witness}"
[rule.follow]
when = "press.level % 2 == 1"
then = ["fan.follow = press.level"]
ttl = "1s"
[uplink.file]
type = "file"
path = "{output}"
"""


@contextmanager
def gateway_at(tmp_path: Path) -> Iterator[tuple[Gateway, Path]]:
    witness = tmp_path / "witness"
    witness.touch()
    environment = {"PYTHONPATH": f"{STRANGERS}:{Path.cwd()}"}
    text = CONFIG.format(witness=witness, output=tmp_path / "out.ndjson")
    with Gateway(tmp_path, text, environment) as gateway:
        gateway.wait(lambda status: all(child["phase"] == "running" for child in status["children"]))
        yield gateway, witness


@contextmanager
def killing(gateway: Gateway, names: list[str], seed: int) -> Iterator[list[str]]:
    """Meanwhile one of these is killed, again and again, as soon as it runs."""
    dice, over, killed = random.Random(seed), threading.Event(), list[str]()

    def kill() -> None:
        while not over.wait(dice.uniform(0.02, 0.2)):
            name = dice.choice(names)
            with suppress(HoldfastError, ProcessLookupError, StopIteration):
                pid = gateway.child(name)["pid"]
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(name)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def written(witness: Path, tag: str) -> list[tuple[int, int]]:
    """(value, monotonic ns) of each write of a tag that came to the device."""
    lines = (line.split() for line in witness.read_text().splitlines())
    return [(int(value), int(at)) for name, value, at in lines if name == tag]


def commanded(gateway: Gateway, device: str, command: Command) -> Outcome | None:
    """Its outcome; None when none could be had, which is no promise broken as long as it is not executed twice."""
    with suppress(HoldfastError):
        return send(gateway.run_dir, device, command, MachineClock())
    return None


def campaign(gateway: Gateway, seconds: float, one: Callable[[int], None]) -> int:
    """Do `one` after the other for so long; how many there were."""
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        count += 1
        one(count)
    return count


def test_a_command_is_executed_at_most_once_and_in_time_whatever_dies(tmp_path: Path) -> None:
    outcomes: dict[int, str] = {}
    latest: dict[int, float] = {}
    clock, dice = MachineClock(), random.Random(1)
    with gateway_at(tmp_path) as (gateway, witness):

        def one(number: int) -> None:
            latest[number] = clock.now() + dice.choice([0.05, 0.3, 3.0])
            command = Command(secrets.token_hex(8), "command", number, latest[number], why="chaos")
            outcome = commanded(gateway, "fan", command)
            outcomes[number] = outcome.outcome if outcome is not None else "not told"
            if outcome is not None and dice.random() < 0.2:  # whoever asks again hears the same
                again = commanded(gateway, "fan", command)
                assert again is None or again.outcome == outcome.outcome

        with killing(gateway, ["fan", "fan", "spooler"], seed=2) as killed:
            count = campaign(gateway, ROUND_S, one)
        executed = written(witness, "command")
    times = Counter(value for value, _ in executed)
    assert all(number == 1 for number in times.values()), "executed twice"
    for value, at_ns in executed:
        assert at_ns / 1e9 <= latest[value] + LATE_S, "executed after its time"
    for number, outcome in outcomes.items():
        assert outcome != "done" or times[number] == 1
        assert outcome != "expired" or times[number] == 0
    told = Counter(outcomes.values())
    print(f"{count} commands, {len(killed)} kills: {dict(told)}")
    assert told["done"] > 0
    assert len(killed) > 5


def test_a_rule_commands_once_for_each_change_whatever_dies(tmp_path: Path) -> None:
    clock = MachineClock()
    reached: list[int] = []
    with gateway_at(tmp_path) as (gateway, witness):

        def set_level(level: int) -> bool:
            command = Command(secrets.token_hex(8), "level", level, clock.now() + 3.0, why="chaos")
            outcome = commanded(gateway, "press", command)
            return outcome is not None and outcome.outcome == "done"

        def one(number: int) -> None:
            if set_level(2 * number) and set_level(2 * number + 1):
                reached.append(2 * number + 1)

        with killing(gateway, ["fan", RULES, RULES], seed=3) as killed:
            campaign(gateway, ROUND_S, one)
        gateway.wait(lambda status: all(child["phase"] == "running" for child in status["children"]))
        settle(gateway, set_level)
        gateway.wait(lambda _: any(value == 1_000_001 for value, _ in written(witness, "follow")))
        executed = written(witness, "follow")
        row = next(row for row in ask(gateway.run_dir, Rules(), to=RULES) if row["name"] == "follow")
    times = Counter(value for value, _ in executed)
    assert all(number == 1 for number in times.values()), "commanded twice for one change"
    assert all(value % 2 == 1 for value in times)
    print(f"{len(reached)} changes, {len(killed)} kills: {len(times)} commanded; {row['phase']}")
    assert times[1_000_001] == 1, "and after all that it works"
    assert executed[-1][0] == 1_000_001, "the last one commanded is the last one executed"


def settle(gateway: Gateway, set_level: Callable[[int], bool]) -> None:
    """Until the rule has followed a last change, made when nothing is killed any more."""

    def followed(level: int) -> bool:
        row = next(row for row in ask(gateway.run_dir, Rules(), to=RULES) if row["name"] == "follow")
        return bool(row["readings"][0]["value"] == level and row["phase"] == ("true" if level % 2 else "false"))

    for level in (1_000_000, 1_000_001):
        assert set_level(level)
        gateway.wait(lambda _, level=level: followed(level))  # type: ignore[misc]


@pytest.mark.parametrize("whom", ["fan", "root"])
def test_a_key_is_not_executed_again_after_its_process_or_the_gateway_died(tmp_path: Path, whom: str) -> None:
    with gateway_at(tmp_path) as (gateway, witness):
        command = Command("the key", "command", 7, MachineClock().now() + 60.0)
        assert commanded(gateway, "fan", command) == Outcome("the key", "done", "reads 7")
        if whom == "root":
            gateway.kill()
            gateway.start()
        else:
            os.kill(gateway.child("fan")["pid"], signal.SIGKILL)
        gateway.wait(lambda _: gateway.child("fan")["state"].get("connected"))
        assert commanded(gateway, "fan", command) == Outcome("the key", "done", "reads 7")
        assert len(written(witness, "command")) == 1

"""Requests from above while uplink, device and spooler are killed: none is executed twice, what is done was done."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.actors.steering.asker import Asker
from tests.peers.gateway import Gateway
from tests.peers.mosquitto import Mosquitto
from transports.errors import HoldfastError
from transports.requests.signing import new_pair, signed

STRANGERS = Path(__file__).parents[1] / "peers" / "strangers"
ROUND_S = float(os.environ.get("HOLDFAST_CHAOS_S", "60")) / 6
TRIES = 3
KEY, PUBLIC = new_pair()
CONFIG = f"""
[gateway]
name = "plant"
[supervision]
intensity = 1000
backoff_first = "10ms"
backoff_ceiling = "50ms"
[device.press]
driver = "witness"
period = "50ms"
file = "{{witness}}"
[uplink.cloud]
type = "mqtt"
host = "127.0.0.1"
port = {{port}}
request_topic = "plant/requests"
response_topic = "plant/answers"
retry_first = "20ms"
retry_ceiling = "100ms"
[principal.scada]
key = "{PUBLIC}"
uplinks = ["cloud"]
verbs = ["write"]
devices = ["press"]
tags = ["*"]
max_per_minute = 600
"""


@contextmanager
def killing(gateway: Gateway, seed: int) -> Iterator[list[str]]:
    """Meanwhile one of them is killed, again and again."""
    dice, over, killed = random.Random(seed), threading.Event(), list[str]()

    def kill() -> None:
        while not over.wait(dice.uniform(0.1, 0.5)):
            name = dice.choice(["cloud", "cloud", "press", "spooler"])
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


def request(number: int) -> bytes:
    said = {"id": f"{number}", "principal": "scada", "gateway": "plant", "uplink": "cloud", "nonce": f"n{number}"}
    wish = {"verb": "write", "device": "press", "tag": "follow", "value": number, "ttl": 2}
    return signed(json.dumps({**said, **wish, "expires": time.time() + 120}), KEY)


def ended(asker: Asker, body: bytes) -> dict[str, Any]:
    """What is told of a request that is asked again where no answer comes."""
    for _ in range(TRIES):
        answer = asker.ask(body, within_s=0.7)
        if answer is not None:
            return answer
    return {"result": "none"}


def test_whatever_is_killed_no_request_is_executed_twice_and_what_is_done_was_done(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    witness.touch()
    environment = {"PYTHONPATH": os.pathsep.join([str(STRANGERS), os.environ.get("PYTHONPATH", "")])}
    told: dict[int, dict[str, Any]] = {}
    with (
        Mosquitto(tmp_path) as broker,
        Gateway(tmp_path, CONFIG.format(witness=witness, port=broker.port), environment) as gateway,
        Asker(broker.port, "plant/requests", "plant/answers") as asker,
    ):
        gateway.wait(lambda _: gateway.child("cloud")["state"].get("connected"))
        over = time.monotonic() + ROUND_S
        with killing(gateway, seed=6) as killed:
            while time.monotonic() < over:
                number = len(told)
                told[number] = ended(asker, request(number))
        gateway.wait(lambda _: gateway.child("cloud")["state"].get("connected"))
        written = Counter(int(line.split()[1]) for line in witness.read_text().splitlines())
        assert len(killed) > ROUND_S
        assert max(written.values()) == 1, "executed twice"
        done = {number for number, answer in told.items() if _is_done(answer)}
        assert done <= set(written), "told as done, and was not"
        assert len(done) > ROUND_S / 2, Counter(answer["result"] for answer in told.values())
        replayed = [asker.ask(request_again, within_s=5) for request_again in [request(number) for number in (0, 1)]]
        assert [answer and answer["reason"] for answer in replayed] == ["replayed", "replayed"], (
            "another text, old nonce"
        )


def _is_done(answer: dict[str, Any]) -> bool:
    return "done" in (answer["result"], answer.get("earlier", {}).get("result"))

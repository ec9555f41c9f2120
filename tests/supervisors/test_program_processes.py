"""Programs under a real root: supervised as every other child, and nothing of them outlives anybody."""

import json
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.peers.gateway import Gateway
from tests.peers.mosquitto import free_port
from tests.supervisors.family import alive, gone

WITHIN_S = 20.0
DEAF = "trap '' TERM; (trap '' TERM; sleep 3600) & echo up; while :; do sleep 3600; done"


def config(name: str, *command: str, **settings: str) -> str:
    """A gateway of one program; the values are TOML."""
    more = "\n".join(f"{key} = {value}" for key, value in settings.items())
    return f'[gateway]\nname = "programs"\n[program.{name}]\ncommand = {json.dumps(command)}\n{more}\n'


def broker(directory: Path, port: int) -> str:
    """Mosquitto as Debian configures it: started by root it becomes a user of its own, and is still taken along."""
    file = directory / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    return config("broker", "mosquitto", "-c", str(file), ready=f"{{ port = {port} }}")


def program(gateway: Gateway, name: str) -> dict[str, Any]:
    """It, running, with what its first sign of life says."""
    gateway.wait(lambda _: (child := gateway.child(name))["phase"] == "running" and child["state"])
    return gateway.child(name)


def tree(gateway: Gateway, name: str) -> list[int]:
    """Every process below its actor."""
    return [each.pid for each in psutil.Process(gateway.child(name)["pid"]).children(recursive=True)]


def answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), WITHIN_S):
        return True


def log(gateway: Gateway, name: str) -> str:
    return (gateway.data_dir / "logs" / f"{name}.log").read_text()


def crashes(gateway: Gateway, name: str) -> list[dict[str, Any]]:
    reports = [json.loads(path.read_text()) for path in sorted((gateway.data_dir / "crashes").glob("*.json"))]
    return [report for report in reports if report["name"] == name]


def test_a_broker_that_is_killed_is_restarted_and_its_report_says_how_it_ended(tmp_path: Path) -> None:
    port = free_port()
    with Gateway(tmp_path, broker(tmp_path, port)) as gateway:
        before = program(gateway, "broker")
        assert answers(port), "running means that it takes connections"
        os.kill(before["state"]["program_pid"], signal.SIGKILL)
        gateway.wait(lambda _: gateway.child("broker")["restarts"] == 1)
        after = program(gateway, "broker")
        assert answers(port)
        assert after["state"]["program_pid"] != before["state"]["program_pid"]
        gateway.wait(lambda _: crashes(gateway, "broker"))
        report = crashes(gateway, "broker")[0]
        assert "broker: killed by SIGKILL; it printed last: " in report["how"]
        assert report["state"]["program_pid"] == before["state"]["program_pid"]
        assert any("mosquitto version" in line for line in report["log"])
        assert gateway.stop() == 0
        assert gone([after["state"]["program_pid"]])


def test_an_actor_that_is_killed_takes_the_broker_along_and_both_come_back_on_the_same_port(tmp_path: Path) -> None:
    port = free_port()
    with Gateway(tmp_path, broker(tmp_path, port)) as gateway:
        for restarts in (1, 2, 3):
            before, below = program(gateway, "broker"), tree(gateway, "broker")
            assert before["state"]["program_pid"] in below
            os.kill(before["pid"], signal.SIGKILL)
            gateway.wait(lambda _, restarts=restarts: gateway.child("broker")["restarts"] == restarts)
            program(gateway, "broker")
            assert gone(below), f"still there: {alive(below)}"
            assert answers(port)
        assert "in use" not in log(gateway, "broker"), "nobody was there twice"


def test_a_killed_root_leaves_nothing_of_a_program(tmp_path: Path) -> None:
    port = free_port()
    with Gateway(tmp_path, broker(tmp_path, port)) as gateway:
        program(gateway, "broker")
        below = tree(gateway, "broker")
        gateway.kill()
        assert gone(below, WITHIN_S), f"still there: {alive(below)}"


def test_one_that_is_deaf_is_killed_with_all_its_children_when_its_grace_is_over(tmp_path: Path) -> None:
    text = config("deaf", "/bin/sh", "-c", DEAF, ready='{ line = "up" }', supervise='{ grace = "200ms" }')
    with Gateway(tmp_path, text) as gateway:
        program(gateway, "deaf")
        below = tree(gateway, "deaf")
        assert len(below) >= 4, "keeper, shell, and what it started"
        gateway.operate("stop", "deaf")
        gateway.wait(lambda _: gateway.child("deaf")["phase"] not in ("running", "stopping"))
        assert gone(below), f"still there: {alive(below)}"
        gateway.operate("start", "deaf")
        program(gateway, "deaf")


def test_one_that_never_gets_ready_is_ended_and_tried_again(tmp_path: Path) -> None:
    script = "echo I am $$; exec sleep 3600"
    text = config("late", "/bin/sh", "-c", script, ready='{ line = "up" }', supervise='{ start_within = "1s" }')
    text += '[supervision]\nbackoff_first = "50ms"\nbackoff_ceiling = "50ms"\n'
    with Gateway(tmp_path, text) as gateway:
        gateway.wait(lambda _: log(gateway, "late").count("started /bin/sh") >= 2)
        gateway.operate("stop", "late")
        gateway.wait(lambda _: gateway.child("late")["phase"] == "stopped")
        pids = list(map(int, re.findall(r"I am (\d+)", log(gateway, "late"))))
        assert len(pids) >= 2
        assert gone(pids)


def test_one_that_has_done_its_work_stays_down_and_one_that_failed_is_restarted(tmp_path: Path) -> None:
    done = config("done", "/bin/true", supervise='{ restart = "transient" }')
    fails = '[program.fails]\ncommand = ["/bin/sh", "-c", "echo oh dear; exit 3"]\n'
    fails += 'supervise = { restart = "transient" }\n'
    with Gateway(tmp_path, done + fails) as gateway:
        gateway.wait(lambda _: gateway.child("fails")["restarts"] >= 2)
        assert gateway.child("done")["phase"] == "ended"
        assert gateway.child("done")["restarts"] == 0
        assert "fails: exit code 3; it printed last: oh dear" in gateway.child("fails")["last_end"]
        assert crashes(gateway, "done") == []


def test_a_program_that_is_not_there_breaks_nobody_else_and_says_what_to_do(tmp_path: Path) -> None:
    port = free_port()
    text = broker(tmp_path, port) + '[program.lost]\ncommand = ["no-such-program"]\n'
    with Gateway(tmp_path, text) as gateway:
        program(gateway, "broker")
        assert answers(port)
        gateway.wait(lambda _: gateway.child("lost")["last_end"])
        assert "program.lost.command = 'no-such-program': there is no such program" in gateway.child("lost")["last_end"]


def test_a_program_that_takes_more_memory_than_it_may_is_restarted_although_its_actor_takes_little(
    tmp_path: Path,
) -> None:
    eater = f"{sys.executable} -c 'eaten = bytearray(b\"x\" * (300 << 20)); import time; time.sleep(3600)'"
    limited = config("eater", "/bin/sh", "-c", f"exec {eater}", supervise='{ memory_hard = "200MiB" }')
    with Gateway(tmp_path, limited) as gateway:
        gateway.wait(lambda _: crashes(gateway, "eater"))
        assert "over its limit: it uses" in crashes(gateway, "eater")[0]["how"]

"""What systemd hears: a real datagram socket, bound here as systemd binds its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisors.notify import STATUS_CHARACTERS, Notify


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        bound.bind(str(tmp_path / "notify"))
        yield bound


def heard(systemd: socket.socket) -> list[str]:
    """Everything that was said to it, oldest first."""
    said = []
    while True:
        try:
            said.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return said


def line_to(systemd: socket.socket, **more: str) -> Notify:
    return Notify.taken_from({"NOTIFY_SOCKET": systemd.getsockname(), **more})


def test_each_message_is_what_the_protocol_asks_for(systemd: socket.socket) -> None:
    notify = line_to(systemd)
    notify.ready()
    notify.status("3 of 4 are well")
    notify.feed()
    notify.reloading(12.5)
    notify.extend(30)
    notify.main_pid(4711)
    notify.stopping()
    assert heard(systemd) == [
        "READY=1",
        "STATUS=3 of 4 are well",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "EXTEND_TIMEOUT_USEC=30000000",
        "MAINPID=4711",
        "STOPPING=1",
    ]


def test_an_abstract_socket_hears_it_too() -> None:
    name = f"holdfast-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        bound.bind(f"\0{name}")
        Notify.taken_from({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard(bound) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_without_a_socket_of_this_machine_everything_is_said_to_nobody(address: str) -> None:
    notify = Notify.taken_from({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"} if address else {})
    for say in (notify.ready, notify.stopping, notify.feed, notify.close):
        say()
    notify.status("well")
    assert notify.watchdog_s is None


def test_children_do_not_inherit_the_line(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getpid())}
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    Notify.taken_from(os.environ)
    seen = subprocess.run([sys.executable, "-c", "import os; print(*os.environ)"], capture_output=True, text=True)
    assert set(seen.stdout.split()) & set(ours) == set()


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("60000000", str(os.getpid()), 60.0),
        ("500000", "", 0.5),
        ("60000000", str(os.getpid() + 1), None),
        ("0", "", None),
        ("-5", "", None),
        ("soon", "", None),
        ("", "", None),
    ],
)
def test_the_watchdog_is_this_process_s_own_or_none(
    systemd: socket.socket, usec: str, pid: str, expected: float | None
) -> None:
    assert line_to(systemd, WATCHDOG_USEC=usec, WATCHDOG_PID=pid).watchdog_s == expected


def test_a_status_is_one_line_and_said_only_when_it_is_news(systemd: socket.socket) -> None:
    notify = line_to(systemd)
    for text in ("well", "well", "press-1 is\nquarantined\nREADY=1", "x" * 1000):
        notify.status(text)
    assert heard(systemd) == [
        "STATUS=well",
        "STATUS=press-1 is quarantined READY=1",
        f"STATUS={'x' * STATUS_CHARACTERS}",
    ]


def fill(systemd: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        for _ in range(100_000):
            try:
                other.sendto(b"noise", systemd.getsockname())
            except BlockingIOError:
                return
    raise AssertionError("its queue has no end")


def test_what_a_full_socket_did_not_take_is_said_later_in_order(systemd: socket.socket) -> None:
    notify = line_to(systemd)
    fill(systemd)
    notify.ready()
    notify.feed()
    notify.status("well")
    assert set(heard(systemd)) == {"noise"}
    notify.feed()
    assert heard(systemd) == ["READY=1", "STATUS=well", "WATCHDOG=1"], "the late sign of life is not among them"


def test_a_socket_that_vanishes_and_comes_back_stops_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    notify = Notify.taken_from({"NOTIFY_SOCKET": path})
    notify.ready()
    for number in range(100):
        notify.reloading(number)
        notify.status(f"{number}")
        notify.ready()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        bound.bind(path)
        notify.feed()
        said = heard(bound)
    assert said == ["RELOADING=1\nMONOTONIC_USEC=99000000", "STATUS=99", "READY=1", "WATCHDOG=1"]


@given(st.text())
def test_no_status_breaks_the_protocol(text: str) -> None:
    name = f"holdfast-property-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as bound:
        bound.bind(f"\0{name}")
        notify = Notify.taken_from({"NOTIFY_SOCKET": f"@{name}"})
        notify.status(text)
        notify.close()
        assert all(said.startswith("STATUS=") and "\n" not in said for said in heard(bound))

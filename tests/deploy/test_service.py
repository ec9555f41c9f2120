"""deploy/holdfast.service: what systemd makes of it, and that it agrees with the command line and the installer."""

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.docs.test_pages import parsed

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "holdfast.service"
INSTALLER = (ROOT / "deploy" / "install.sh").read_text()
MOST_EXPOSURE = 3.0
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze"
)

# What Python, ZeroMQ, numpy and the root's own work call: pidfds, prctl(2), timers, event descriptors, forks, sockets
CALLS = re.findall(
    r"\w+",
    """clone3 clone execve wait4 waitid pidfd_open pidfd_send_signal prctl setpgid getpgid kill sched_yield
    sched_getaffinity prlimit64 mmap mprotect madvise mremap futex epoll_wait poll ppoll select pselect6 eventfd2
    timerfd_create timerfd_settime signalfd4 pipe2 socketpair sendmsg recvmsg bind connect accept4 flock fdatasync
    fsync fallocate rename unlink openat statx newfstatat getdents64 ioctl getrandom clock_gettime clock_nanosleep""",
)
REFUSED = ["mount", "reboot", "init_module", "settimeofday", "chroot", "setuid", "ptrace", "bpf"]


def directives() -> dict[str, list[str]]:
    """Every directive with its values, in order; comments are left out."""
    found = defaultdict[str, list[str]](list)
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return found


SAYS = directives()


def seconds(name: str) -> float:
    (value,) = SAYS[name]
    return float(value.removesuffix("s"))


def analyzed(*words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_systemd
def test_the_service_is_exposed_little() -> None:
    told = analyzed("security", "--offline=true", "--no-pager", str(UNIT))
    level = re.search(r"Overall exposure level for holdfast\.service: ([\d.]+)", told)
    assert level is not None
    assert float(level[1]) <= MOST_EXPOSURE


@needs_systemd
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    (tmp_path / "holdfast.service").write_text(UNIT.read_text().replace("/opt/holdfast/bin/holdfast", "/bin/true"))
    assert "holdfast.service" not in analyzed("verify", "--man=no", str(tmp_path / "holdfast.service"))


@needs_systemd
def test_a_line_that_systemd_does_not_understand_is_seen(tmp_path: Path) -> None:
    wrong = tmp_path / "holdfast.service"
    wrong.write_text(UNIT.read_text().replace("WatchdogSec=60s", "WatchdogSec=often"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(wrong)], capture_output=True, text=True)
    assert "holdfast.service" in done.stderr
    assert "often" in done.stderr


def calls_of(group: str) -> set[str]:
    """The system calls of one of systemd's sets, nested ones included."""
    members = [line.strip() for line in analyzed("syscall-filter", "--no-pager", group).splitlines()[1:]]
    names = {each for each in members if each and not each.startswith(("#", "@"))}
    return names.union(*(calls_of(each) for each in members if each.startswith("@")))


@needs_systemd
def test_the_filter_lets_through_what_the_gateway_calls_and_nothing_that_changes_the_machine() -> None:
    allowed = set[str]()
    for group in SAYS["SystemCallFilter"]:
        allowed = allowed - calls_of(group[1:]) if group.startswith("~") else allowed | calls_of(group)
    assert sorted(set(CALLS) - allowed) == []
    assert sorted(set(REFUSED) & allowed) == []
    assert SAYS["SystemCallErrorNumber"] == ["EPERM"], "a library that only tries a call is not killed for it"


def test_it_is_started_again_for_ever() -> None:
    assert (SAYS["Type"], SAYS["NotifyAccess"], SAYS["Restart"]) == (["notify"], ["main"], ["always"])
    assert SAYS["StartLimitIntervalSec"] == ["0"]
    assert seconds("RestartSec") >= 5.0


def test_the_root_may_heal_itself_before_systemd_restarts_everything() -> None:
    from supervisors.supervisor import ZYGOTE_WITHIN_S

    assert seconds("WatchdogSec") >= 2 * ZYGOTE_WITHIN_S


def test_its_command_can_be_typed_and_names_the_directories_that_systemd_makes() -> None:
    (start,) = SAYS["ExecStart"]
    command, *arguments = start.split()
    parsed(arguments)
    assert command == "/opt/holdfast/bin/holdfast"
    assert arguments == [
        "run",
        f"/etc/{SAYS['ConfigurationDirectory'][0]}/gateway.toml",
        "--data-dir",
        f"/var/lib/{SAYS['StateDirectory'][0]}",
        "--run-dir",
        f"/run/{SAYS['RuntimeDirectory'][0]}",
    ]
    assert SAYS["RuntimeDirectoryMode"] == ["0700"], "as the root wants its run directory"
    assert SAYS["StateDirectoryMode"] == ["0750"]


def test_the_installer_makes_the_user_and_every_group_that_the_service_needs() -> None:
    made = re.search(r'^GROUPS_OF_DEVICES="([^"]*)"', INSTALLER, re.MULTILINE)
    assert made is not None
    assert SAYS["SupplementaryGroups"] == [made[1]]
    assert (SAYS["User"], SAYS["Group"]) == (["holdfast"], ["holdfast"])
    assert f"useradd --system --gid {SAYS['Group'][0]}" in INSTALLER


def test_serial_ports_i2c_bluetooth_and_the_network_are_left_to_it() -> None:
    assert {f"char-{name} rw" for name in ("ttyS", "ttyUSB", "ttyACM", "ttyAMA", "i2c")} <= set(SAYS["DeviceAllow"])
    assert "PrivateDevices" not in SAYS
    families = {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_BLUETOOTH"}
    assert set(SAYS["RestrictAddressFamilies"][0].split()) == families


def test_a_child_that_eats_memory_does_not_end_the_gateway() -> None:
    assert SAYS["OOMPolicy"] == ["continue"]
    assert SAYS["KillMode"] == ["mixed"], "its own order of stopping, not everybody at once"

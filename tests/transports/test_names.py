"""A name has one owner at a time, and who that is can be asked by anybody."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from transports.errors import AlreadyRunning
from transports.names import PATH_LIMIT, endpoint, feed_path, listens, mailbox_path, own, owner_pid

HOLD = """
import sys, pathlib
from transports.names import own
lock = own(pathlib.Path(sys.argv[1]), "the name")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Short: the path of a socket has 107 bytes at most."""
    path = Path(tempfile.mkdtemp(prefix="hf-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def holder(path: Path) -> "Iterator[subprocess.Popen[str]]":
    """Another process that owns the name; it ends with its standard input, so also with this process."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_name_that_is_taken_is_refused_with_what_it_is_and_whose(directory: Path) -> None:
    with holder(directory / "a.lock") as process:
        with pytest.raises(AlreadyRunning, match=rf"the name 'a' is .* {process.pid}") as refused:
            own(directory / "a.lock", "the name 'a'")
        assert refused.value.pid == process.pid
        own(directory / "b.lock", "the name 'b'").release()


def test_a_name_is_refused_within_one_process_too(directory: Path) -> None:
    first = own(directory / "a.lock", "it")
    with pytest.raises(AlreadyRunning) as refused:
        own(directory / "a.lock", "it")
    assert refused.value.pid == os.getpid()
    first.release()


def test_a_killed_owner_leaves_the_name_free(directory: Path) -> None:
    with holder(directory / "a.lock") as process:
        process.kill()
        process.wait()
        lock = own(directory / "a.lock", "it")
    assert owner_pid(directory / "a.lock") == os.getpid()
    lock.release()


def test_a_released_name_is_free_and_may_be_released_twice(directory: Path) -> None:
    lock = own(directory / "a.lock", "it")
    lock.release()
    lock.release()
    own(directory / "a.lock", "it").release()


def test_a_shorter_pid_does_not_leave_the_end_of_a_longer_one(directory: Path) -> None:
    (directory / "a.lock").write_text("12345678901234567890\n")
    lock = own(directory / "a.lock", "it")
    assert (directory / "a.lock").read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_with_an_unreadable_pid_is_still_a_lock(directory: Path) -> None:
    lock = own(directory / "a.lock", "it")
    (directory / "a.lock").write_bytes(b"\xff\x00rubbish")
    with pytest.raises(AlreadyRunning) as refused:
        own(directory / "a.lock", "it")
    assert refused.value.pid == 0
    assert owner_pid(directory / "a.lock") == 0
    lock.release()


def test_the_owner_is_known_while_it_lives_and_not_after(directory: Path) -> None:
    assert owner_pid(directory / "a.lock") == 0, "no such file"
    with holder(directory / "a.lock") as process:
        assert owner_pid(directory / "a.lock") == process.pid
        process.kill()
        process.wait()
        assert owner_pid(directory / "a.lock") == 0, "its pid still stands there, but nobody holds it"
    assert not list(directory.glob("*.ipc"))


def test_a_child_of_the_owner_does_not_hold_the_name(directory: Path) -> None:
    lock = own(directory / "a.lock", "it")
    command = [sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False) as child:
        assert child.stdout is not None
        child.stdout.readline()  # it lives, with every descriptor that is not close-on-exec
        lock.release()
        own(directory / "a.lock", "it").release()
        child.communicate(b"\n")


def test_only_the_user_may_look_into_a_lock(directory: Path) -> None:
    own(directory / "a.lock", "it").release()
    assert (directory / "a.lock").stat().st_mode & 0o777 == 0o600


def test_a_socket_listens_while_its_process_does(directory: Path) -> None:
    path = mailbox_path(directory, "a")
    assert not listens(path), "no such file"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        assert not listens(path), "bound, but nobody accepts"
        server.listen(1)
        assert listens(path)
        assert [listens(path) for _ in range(5)] == [True] * 5, "a full queue is a listener all the same"
    assert path.exists()
    assert not listens(path), "the file has outlived it"


def test_names_are_places_in_the_run_directory() -> None:
    assert mailbox_path(Path("/run/x"), "press-1") == Path("/run/x/press-1.ipc")
    assert feed_path(Path("/run/x"), "press-1") == Path("/run/x/press-1.live")
    assert endpoint(Path("/run/x/press-1.ipc")) == "ipc:///run/x/press-1.ipc"


def test_the_limit_of_a_path_is_that_of_the_kernel(directory: Path) -> None:
    def bind(length: int) -> None:
        path = directory / ("x" * (length - len(str(directory)) - 1))
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))

    bind(PATH_LIMIT)
    with pytest.raises(OSError, match="too long"):
        bind(PATH_LIMIT + 1)

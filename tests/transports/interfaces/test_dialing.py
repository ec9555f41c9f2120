"""Connections that leave through the interface they were told, or say why they cannot."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from tests.peers.cables import Cables
from tests.peers.namespace import Namespace, why_not
from transports.interfaces.dialing import bind_to, bound_connection, dialled
from transports.interfaces.probe import reach

needs_namespace = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_any_interface_is_a_plain_connection(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    bound_connection(host, port, 5, "").close()
    asyncio.run(dialled(host, port, 5, "")).close()
    assert reach([(host, port)], 5, "")


def test_the_loopback_is_reached_through_the_loopback(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    with bound_connection(host, port, 5, "lo") as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
    with asyncio.run(dialled(host, port, 5, "lo")) as made:
        assert not made.getblocking()
    assert reach([(host, port)], 5, "lo")


def test_an_interface_that_is_not_there_is_named_with_the_cure(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    for call in (
        lambda: bound_connection(host, port, 5, "wwan7"),
        lambda: asyncio.run(dialled(host, port, 5, "wwan7")),
        lambda: reach([(host, port)], 5, "wwan7"),
    ):
        with pytest.raises(OSError, match=r"no network interface 'wwan7'.*ip link") as error:
            call()
        assert error.value.errno == errno.ENODEV


def test_a_kernel_that_lets_nobody_bind_is_told_with_the_cure() -> None:
    class Refused:
        def setsockopt(self, *_: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

    with pytest.raises(OSError, match=r"CAP_NET_RAW.*'eth0'.*Linux 5\.7") as error:
        bind_to(cast(socket.socket, Refused()), "eth0")
    assert error.value.errno == errno.EPERM


def test_a_port_that_nobody_listens_on_is_refused_and_a_name_of_nobody_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
        with pytest.raises(ConnectionRefusedError):
            bound_connection(host, port, 5, "lo")
        with pytest.raises(ConnectionRefusedError):
            reach([(host, port)], 5, "lo")
    with pytest.raises(OSError, match=r"nobody\.invalid"):
        reach([("nobody.invalid", 1)], 5, "lo")


def test_one_server_of_several_that_answers_is_enough(listener: socket.socket) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert reach([probe.getsockname(), ("nobody.invalid", 1), listener.getsockname()], 5, "lo")


@needs_namespace
def test_each_interface_leads_there_by_itself_and_a_dead_one_does_not() -> None:
    with Namespace() as far, Cables(far, 2) as cables:
        with far.inside():
            server = socket.create_server((cables.behind, 0))
        with server:
            address = server.getsockname()
            for card in cables.near:
                bound_connection(*address, 5, card).close()
                accepted, _ = server.accept()
                accepted.close()
            cables.black_hole(0)
            with pytest.raises(TimeoutError):
                reach([address], 0.3, cables.near[0])
            with pytest.raises(TimeoutError):
                bound_connection(*address, 0.3, cables.near[0])
            with pytest.raises(TimeoutError):
                asyncio.run(dialled(*address, 0.3, cables.near[0]))
            assert reach([address], 5, cables.near[1])

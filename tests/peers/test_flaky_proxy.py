"""Each fault of the flaky link does what its name says, and no more; a seed does the same again."""

import select
import socket
import time

import pytest

from tests.peers.flaky_link import start_flaky_link
from tests.peers.link_faults import FAULTS, Fault, plan_of
from tests.transports.uplinks.hand_broker import CONNACK, PINGRESP, PUBACK

CONNECT = b"\x10\x02\x00\x00"
WITHIN_S = 10


def publish(number):
    return b"\x32\x0a" + b"%010d" % number


@pytest.fixture
def broker():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WITHIN_S)
        yield listener


@pytest.fixture
def link(tmp_path, broker):
    with start_flaky_link(tmp_path, broker.getsockname()[1]) as running:
        yield running


@pytest.fixture
def dial(link):
    """Connects to the link; all connections are closed in the end."""
    made = []

    def connect():
        made.append(socket.create_connection(("127.0.0.1", link.port), WITHIN_S))
        return made[-1]

    yield connect
    for each in made:
        each.close()


@pytest.fixture
def meet(broker, dial):
    """A client and the broker's side of it, CONNECT and CONNACK behind them."""
    far = []

    def both():
        client = dial()
        far.append(broker.accept()[0])
        far[-1].settimeout(WITHIN_S)
        client.sendall(CONNECT)
        assert exactly(far[-1], len(CONNECT)) == CONNECT
        far[-1].sendall(packet(CONNACK, 0))
        assert exactly(client, 4) == packet(CONNACK, 0)
        return client, far[-1]

    yield both
    for each in far:
        each.close()


def packet(kind, number):
    return bytes((kind, 2)) + number.to_bytes(2, "big")


def exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, f"ended after {data!r}"
        data += piece
    return data


def everything(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def is_quiet(sock):
    return not select.select([sock], [], [], 0.2)[0]


def wait(condition):
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # polls a condition


def test_a_good_link_forwards_every_byte_both_ways(meet):
    client, far = meet()
    many = b"".join(map(publish, range(2000)))
    client.sendall(many)
    assert exactly(far, len(many)) == many
    far.sendall(packet(PUBACK, 7))
    assert exactly(client, 4) == packet(PUBACK, 7)


@pytest.mark.parametrize("part", [0.0, 0.4, 1.0])
def test_a_cut_lets_through_a_part_of_a_packet_and_never_all_of_it(link, meet, part):
    link.be(Fault.CUT_FIN, after=3, part=part)
    client, far = meet()
    client.sendall(publish(1) + publish(2) + publish(3) + publish(4))
    got = everything(far)
    assert got.startswith(publish(1) + publish(2))
    assert publish(3).startswith(torn := got.removeprefix(publish(1) + publish(2)))
    assert 0 < len(torn) < len(publish(3))


def test_a_cut_with_fin_is_an_orderly_end_for_the_client(link, meet):
    link.be(Fault.CUT_FIN)
    client, _ = meet()
    client.sendall(publish(1))
    assert client.recv(1) == b""


def test_a_cut_with_rst_is_a_reset_for_the_client(link, meet):
    link.be(Fault.CUT_RST)
    client, _ = meet()
    client.sendall(publish(1))
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_link_stalled_upwards_stays_open_and_still_brings_what_the_broker_says(link, meet):
    link.be(Fault.STALL_UP, after=2)
    client, far = meet()
    client.sendall(publish(1) + publish(2))
    assert exactly(far, len(publish(1))) == publish(1)
    wait(lambda: link.connections()[0].struck)
    far.sendall(packet(PINGRESP, 0))
    assert exactly(client, 4) == packet(PINGRESP, 0)
    assert is_quiet(far)
    assert is_quiet(client)


def test_a_link_stalled_downwards_stays_open_and_still_takes_what_the_client_says(link, meet):
    link.be(Fault.STALL_DOWN, after=1)
    client, far = meet()
    client.sendall(publish(1) + publish(2))
    assert exactly(far, 24) == publish(1) + publish(2)
    far.sendall(packet(PUBACK, 1))
    assert is_quiet(client)


@pytest.mark.parametrize("fault", [Fault.STALL_UP, Fault.STALL_DOWN, Fault.STALL_BOTH])
def test_not_even_the_brokers_end_comes_through_a_stalled_link(link, meet, fault):
    link.be(fault)
    client, far = meet()
    client.sendall(publish(1))
    wait(lambda: link.connections()[0].struck)
    far.close()
    assert is_quiet(client)
    assert link.connections()[0].closed_at is None
    client.close()
    wait(lambda: link.connections()[0].closed_at)


def test_a_silent_link_accepts_and_never_answers(link, dial, broker):
    link.be(Fault.SILENT)
    client = dial()
    client.sendall(CONNECT)
    assert is_quiet(client)
    assert is_quiet(broker)


def test_a_link_that_hangs_up_does_so_when_connect_has_come(link, dial, broker):
    link.be(Fault.HANG_UP)
    client = dial()
    assert is_quiet(client)
    client.sendall(CONNECT)
    assert client.recv(1) == b""
    assert is_quiet(broker)


def test_one_swallowed_acknowledgement_is_missing_among_the_others(link, meet):
    link.be(Fault.SWALLOW_ONE, after=2)
    client, far = meet()
    far.sendall(b"".join(packet(PUBACK, number) for number in range(1, 6)))
    assert exactly(client, 16) == b"".join(packet(PUBACK, number) for number in (1, 2, 4, 5))


def test_swallowed_acknowledgements_are_all_missing_and_the_rest_comes(link, meet):
    link.be(Fault.SWALLOW_ALL, after=1)
    client, far = meet()
    far.sendall(b"".join(packet(PUBACK, number) for number in range(1, 6)) + packet(PINGRESP, 0))
    assert exactly(client, 8) == packet(PUBACK, 1) + packet(PINGRESP, 0)


def test_a_delayed_link_is_late_and_keeps_the_order(link, meet):
    link.be(Fault.DELAY, after=100, delay_s=0.2)
    began = time.monotonic()
    client, far = meet()
    client.sendall(publish(1) + publish(2))
    assert exactly(far, 24) == publish(1) + publish(2)
    assert time.monotonic() - began >= 0.6, "CONNECT, CONNACK and PUBLISH were late by 0.2 s each"


def test_a_link_that_refuses_resets_and_is_there_again_later(link, dial, broker):
    link.be(Fault.REFUSE, refuse_s=0.3)
    first = dial()
    with pytest.raises(ConnectionResetError):
        first.recv(1)
    link.be(Fault.WELL)
    with pytest.raises(ConnectionRefusedError):
        dial()

    def is_back():
        try:
            return dial()
        except ConnectionRefusedError:
            return None

    wait(is_back)
    assert broker.accept()


def test_what_happened_is_told_with_times_in_order(link, dial):
    link.be(Fault.HANG_UP)
    for _ in range(3):
        client = dial()
        client.sendall(CONNECT)
        assert client.recv(1) == b""
        client.close()
    wait(lambda: all(each.closed_at for each in link.connections()) and len(link.connections()) == 3)
    connections = link.connections()
    assert [(each.number, each.fault, each.struck) for each in connections] == [
        (number, Fault.HANG_UP, True) for number in (1, 2, 3)
    ]
    assert all(each.accepted_at <= each.closed_at for each in connections)


def test_a_flapping_link_does_what_its_seed_says_and_then_behaves(link, dial, meet):
    wanted = [plan_of(4, number, 1).fault for number in (1, 2)]
    link.flap(2, seed=4, most=1)
    for number in (1, 2):
        dial()
        wait(lambda number=number: len(link.connections()) == number)
    wait(lambda: [each.fault for each in link.connections()] == wanted)


def test_a_seed_gives_every_fault_its_turn_and_always_the_same():
    once = [plan_of(11, number, 50) for number in range(1, 200)]
    assert once == [plan_of(11, number, 50) for number in range(1, 200)]
    assert {plan.fault for plan in once} == set(FAULTS)
    assert once != [plan_of(12, number, 50) for number in range(1, 200)]
    assert all(1 <= plan.after <= 50 and 0 < plan.cut(100) < 100 for plan in once)

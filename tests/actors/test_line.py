"""A line with many slaves on a real terminal: each member hears its own slave, whatever the others and the line do."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from actors.lines import turns
from actors.lines.standing import MISSES
from tests.actors.lines.stage import NAME, Stage, reading, slaves, together, writing
from tests.peers.processes import Peer
from transports.errors import LinkDown, LinkRefused, LinkTimeout
from transports.line_messages import Hello, Outcome, Request, pack, unpack_reply
from transports.mailbox import Leave
from transports.rtu_frames import with_crc

SHORT_S = 0.05  # for answers that do not come


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


@pytest.fixture
def peer(stage: Stage) -> Iterator[Peer]:
    with slaves() as peer:
        stage.plug(peer)
        yield peer


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "holdfast.line")
    return caplog


def refused(work: Any) -> bool:
    with suppress(LinkDown):
        work()
        return False
    return True


# --- each its own answer --------------------------------------------------------------------------------------------


def test_members_at_once_each_hear_their_own_slave(stage: Stage, peer: Peer) -> None:
    stage.start()
    clients = {unit: stage.client(f"meter-{unit}") for unit in range(1, 9)}

    def work(unit: int) -> list[list[int]]:
        return [stage.read(clients[unit], unit, address=at) for at in range(10)]

    heard = together(*(lambda unit=unit: work(unit) for unit in clients))
    assert heard == [[[unit * 256 + at, unit * 256 + at + 1] for at in range(10)] for unit in clients]
    state = stage.until_state(lambda state: state["requests"] == 80)
    assert (state["timeouts"], state["garbage_bytes"], state["connected"]) == (0, 0, True)
    member = state["members"]["meter-3"]
    assert (member["state"], member["asked"], member["answered"]) == ("live", 10, 10)


def test_a_write_is_confirmed_and_read_back(stage: Stage, peer: Peer) -> None:
    stage.start()
    client = stage.client("drive")
    assert client.exchange(writing(5, 7, 0xBEEF), "rtu", 5.0, urgent=True) == writing(5, 7, 0xBEEF)
    assert stage.read(client, 5, address=7, count=1) == [0xBEEF]


def test_an_exception_is_an_answer(stage: Stage, peer: Peer) -> None:
    stage.start()
    assert stage.client("drive").exchange(reading(5, 0x9000), "rtu", 5.0) == with_crc(bytes((5, 0x83, 2)))


def test_other_protocols_share_the_line(stage: Stage, peer: Peer) -> None:
    stage.start()
    client = stage.client("scale")
    assert client.exchange(b"?\r", "until:0d0a", 5.0) == b"T=23.5\r\n"
    assert client.exchange(b"?\r", "bytes:4", 5.0) == b"T=23"
    assert stage.read(stage.client("meter"), 1) == [256, 257]


def test_a_broadcast_awaits_nothing(stage: Stage, peer: Peer) -> None:
    stage.start(turnaround="10ms")
    assert stage.client("all").exchange(writing(0, 1, 2), "none", 60.0) == b""
    state = stage.until_state(lambda state: state["requests"] == 1 and not state["waiting"])
    assert (state["timeouts"], state["members"]["all"]["state"]) == (0, "new")


@pytest.mark.parametrize("manner", ["--split", "--noise ff00ff", "--noise 0103", "--trailing 00ff"])
def test_noise_around_an_answer_and_bytes_one_by_one_do_not_hide_it(stage: Stage, peer: Peer, manner: str) -> None:
    peer.tell(manner)
    stage.start()
    client = stage.client("meter")
    assert [stage.read(client, 1) for _ in range(3)] == [[256, 257]] * 3
    state = stage.until_state(lambda state: state["requests"] == 3)
    assert (state["garbage_bytes"] > 0) == (manner != "--split")


def test_a_late_answer_is_nobody_elses(stage: Stage, peer: Peer) -> None:
    peer.tell("--late 1:0.07")
    stage.start()
    slow, quick = stage.client("slow"), stage.client("quick")
    for _ in range(2):
        with pytest.raises(LinkTimeout, match=r"slow on the line rs485-1: no answer within 0\.05 s"):
            stage.read(slow, 1, SHORT_S)
        assert stage.read(quick, 2, address=5) == [517, 518]
    assert stage.until_state(lambda state: state["timeouts"] == 2)["garbage_bytes"] >= 9


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("--damage", "9 bytes came that are no answer to it (01 03 04"),
        ("--cut 5", "5 bytes came that are no answer to it (01 03 04 01 00)"),
        ("--echo --units 9", "only its own echo came: if the adapter hears what it sends, set echo = true"),
    ],
)
def test_a_damaged_answer_is_a_timeout_that_shows_it(stage: Stage, peer: Peer, manner: str, why: str) -> None:
    peer.tell(manner)
    stage.start()
    with pytest.raises(LinkTimeout) as error:
        stage.read(stage.client("meter"), 1, SHORT_S)
    assert why in str(error.value)


def test_the_echo_of_a_two_wire_adapter_is_taken_off_and_confirms_nothing(stage: Stage, peer: Peer) -> None:
    peer.tell("--echo")
    stage.start(echo=True)
    client = stage.client("drive")
    assert stage.read(client, 5) == [1280, 1281]
    assert client.exchange(writing(5, 7, 1), "rtu", 5.0) == writing(5, 7, 1)
    peer.tell("--echo --units 9")
    with pytest.raises(LinkTimeout):
        client.exchange(writing(5, 7, 2), "rtu", SHORT_S)
    assert stage.until_state(lambda state: state["timeouts"] == 1)["garbage_bytes"] == 0


def test_the_lines_own_timeout_bounds_that_of_a_device(stage: Stage, peer: Peer) -> None:
    peer.tell("--units 9")
    stage.start(timeout="50ms")
    with pytest.raises(LinkTimeout, match=r"no answer within 0\.05 s"):
        stage.read(stage.client("meter"), 1, 3600.0)


# --- those that do not answer ---------------------------------------------------------------------------------------


def test_a_dead_slave_is_demoted_told_at_once_and_restored_by_its_first_answer(
    stage: Stage, peer: Peer, said: pytest.LogCaptureFixture
) -> None:
    peer.tell("--units 9")
    stage.start()
    client = stage.client("meter")
    for _ in range(MISSES):
        with pytest.raises(LinkTimeout, match="no answer"):
            stage.read(client, 1, SHORT_S)
    with pytest.raises(LinkTimeout, match="meter is on probation on the line rs485-1: it did not answer 3 times"):
        stage.read(client, 1, 3600.0)
    with pytest.raises(LinkDown, match="on probation"):
        stage.client("meter")
    member = stage.until_state(lambda state: state["on_probation"] == 1)["members"]["meter"]
    assert (member["state"], member["timeouts"]) == ("probation", 3)
    assert 0 < member["next_probe_in_s"] <= 1.2
    peer.tell()
    stage.until_state(lambda state: state["members"]["meter"]["next_probe_in_s"] == 0)
    assert stage.read(client, 1) == [256, 257]
    stage.until_state(lambda state: state["members"]["meter"]["state"] == "live")
    assert [record.getMessage()[:30] for record in said.records] == [
        "meter is on probation on the l",
        "meter answers again",
    ]


def test_who_waits_too_long_hears_that_the_line_is_overloaded(
    stage: Stage, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.line.QUEUE_S", 0.05)
    peer.tell("--late 1:0.5")
    stage.start()
    slow, other = stage.client("slow"), stage.client("other")

    def ask_behind() -> None:
        stage.until_state(lambda state: state["requests"] == 1)
        stage.read(other, 2)

    first, second = together(lambda: stage.read(slow, 1), ask_behind)
    assert first == [256, 257]
    assert isinstance(second, LinkTimeout)
    assert "the turn of other on the line rs485-1 did not come within 0.05 s: overloaded" in str(second)
    assert stage.until_state(lambda state: state["overloaded"])["members"]["other"]["state"] == "new"
    assert stage.read(other, 2) == [512, 513]


def test_24_of_32_answer_and_the_dead_cost_no_more_than_their_share(
    stage: Stage, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live ones ask again as soon as they have heard, so there is never a time when nobody waits."""
    monkeypatch.setattr("actors.line.QUEUE_S", 1.0)
    peer.tell("--units 1-24")
    stage.start(baud=115200)
    clients = {unit: stage.client(f"unit-{unit}") for unit in range(1, 33)}
    now, begun_at = stage.root.clock.now, stage.root.clock.now()
    for unit in range(1, 25):
        stage.read(clients[unit], unit)
    barrier, until = threading.Barrier(32), now() + 3.0

    def poll(unit: int) -> int:
        heard = 0
        barrier.wait()
        while now() < until:
            try:
                assert stage.read(clients[unit], unit, 5.0 if unit <= 24 else SHORT_S) == [unit * 256, unit * 256 + 1]
                heard += 1
            except LinkTimeout:
                stage.fate.over.wait(SHORT_S)  # as a device does, which has a period
        return heard

    heard = together(*(lambda unit=unit: poll(unit) for unit in clients))
    live, dead = heard[:24], heard[24:]
    assert dead == [0] * 8
    assert min(live) >= 0.8 * max(live), f"turns are not shared: {live}"
    state = stage.until_state(lambda state: state["requests"] >= sum(live))
    turn_s = state["lost_s"] / state["timeouts"]
    assert state["lost_s"] <= 8 * turn_s + turns.CREDIT_S + turns.SHARE * (now() - begun_at) + turn_s
    assert [state["members"][f"unit-{unit}"]["timeouts"] for unit in range(1, 25)] == [0] * 24


# --- the port -------------------------------------------------------------------------------------------------------


def test_a_port_that_is_not_there_is_told_with_its_cure_and_found_when_it_comes(
    stage: Stage, said: pytest.LogCaptureFixture
) -> None:
    stage.start()
    with pytest.raises(LinkDown, match="no such port; is the adapter plugged in"):
        stage.client("meter")
    stage.until_state(lambda state: not state["connected"])
    with slaves() as peer:
        stage.plug(peer)
        stage.until_state(lambda state: state["connected"])
        assert stage.read(stage.client("meter"), 1) == [256, 257]
    assert len([record for record in said.records if "no such port" in record.getMessage()]) == 1


def test_unplugged_everybody_hears_it_at_once_and_after_replugging_all_is_well(stage: Stage) -> None:
    with slaves("--units", "9") as peer:
        stage.plug(peer)
        stage.start(timeout="60s")
        clients = [stage.client(f"meter-{unit}") for unit in range(3)]

        def unplug() -> None:
            stage.until_state(lambda state: state["requests"] == 1 and state["waiting"] == 2)
            peer.kill()

        asks = [lambda client=client: stage.read(client, 1, 50.0) for client in clients]
        *heard, _ = together(*asks, unplug)
    assert [type(each) for each in heard] == [LinkDown] * 3
    assert all("unplugged or hung up" in str(each) for each in heard)
    with pytest.raises(LinkDown):
        stage.read(clients[0], 1)
    with slaves() as another:
        stage.plug(another)
        state = stage.until_state(lambda state: state["connected"])
        assert (state["opened"], state["timeouts"]) == (2, 0)
        assert stage.read(clients[0], 1) == [256, 257], "the connection to the owner has not suffered"
        assert stage.read(stage.client("new"), 2) == [512, 513]


def test_unplugged_while_nobody_asks_it_is_seen(stage: Stage) -> None:
    with slaves() as peer:
        stage.plug(peer)
        stage.start()
        stage.until_state(lambda state: state["connected"])
        peer.kill()
        assert "hung up" in stage.until_state(lambda state: not state["connected"])["last_error"]


def test_a_port_that_another_program_holds_is_refused(stage: Stage, peer: Peer) -> None:
    import serial

    with serial.Serial(str(stage.port), exclusive=True):
        stage.start()
        stage.until_state(lambda state: "another program holds it" in state["last_error"])
    stage.until_state(lambda state: state["connected"])


# --- members that come, go and misbehave ----------------------------------------------------------------------------


def test_a_member_that_goes_in_the_middle_disturbs_nobody(stage: Stage, peer: Peer) -> None:
    peer.tell("--delay 0.1")
    stage.start()
    going, other = stage.client("going"), stage.client("other")
    going._send(pack(Request(1, reading(1), "rtu", 5.0)))
    stage.until_state(lambda state: state["requests"] == 1)
    going.close()
    assert stage.read(other, 2) == [512, 513]


def test_a_member_that_comes_again_hears_nothing_that_its_former_self_asked(stage: Stage, peer: Peer) -> None:
    peer.tell("--delay 0.1")
    stage.start()
    former = stage.client("meter")
    former._send(pack(Request(1, reading(1), "rtu", 5.0)))
    stage.until_state(lambda state: state["requests"] == 1)
    again = stage.client("meter")
    assert stage.read(again, 1, address=9) == [265, 266]
    with pytest.raises(LinkDown, match="is gone"):
        stage.read(former, 1)
    stage.until_state(lambda state: state["members"]["meter"]["answered"] == 2)


def test_a_stranger_on_the_socket_is_hung_up_on(stage: Stage, peer: Peer) -> None:
    stage.start()
    good = stage.client("meter")
    for packet in (b"GET / HTTP/1.1", pack(Request(1, reading(1), "rtu", 5.0)), b"H", b"R" + b"\xff" * 40):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.settimeout(10.0)
            stranger.connect(str(stage.path))
            stranger.send(packet)
            with suppress(ConnectionError):
                assert stranger.recv(100) == b""
    assert stage.read(good, 1) == [256, 257]
    assert not stage.fate.over.is_set()


def test_what_can_never_be_asked_is_refused_by_the_owner_too(stage: Stage, peer: Peer) -> None:
    stage.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as member:
        member.settimeout(10.0)
        member.connect(str(stage.path))
        member.send(pack(Hello("meter")))
        assert unpack_reply(member.recv(100)).outcome is Outcome.ANSWER
        member.send(pack(Request(3, b"no modbus", "rtu", 1.0)))
        reply = unpack_reply(member.recv(1000))
        assert (reply.number, reply.outcome) == (3, Outcome.REFUSED)
        assert isinstance(reply.error, LinkRefused)


def test_more_members_than_a_line_can_have_are_turned_away(stage: Stage, peer: Peer) -> None:
    stage.start()
    for at in range(256):
        stage.client(f"m{at}")
    with pytest.raises(LinkDown, match="the line has 256 members already"):
        stage.client("one more")
    assert stage.read(stage._clients[0], 1) == [256, 257]


# --- its end --------------------------------------------------------------------------------------------------------


def test_asked_to_leave_it_ends_the_turn_that_runs_and_turns_the_others_away(stage: Stage, peer: Peer) -> None:
    peer.tell("--delay 0.2")
    stage.start()
    first, second = stage.client("first"), stage.client("second")

    def leave() -> None:
        stage.until_state(lambda state: state["requests"] == 1 and state["waiting"] == 1)
        assert stage.actor is not None
        stage.actor.tell(Leave())

    one, two, _ = together(lambda: stage.read(first, 1), lambda: stage.read(second, 1), leave)
    answers = [each for each in (one, two) if isinstance(each, list)]
    errors = [each for each in (one, two) if isinstance(each, LinkDown)]
    assert answers == [[256, 257]]
    assert "being stopped" in str(errors[0])
    stage.root.until(stage.fate.over.is_set)
    assert stage.fate.error is None
    assert not Path(stage.path).exists()
    assert NAME in str(stage.path)

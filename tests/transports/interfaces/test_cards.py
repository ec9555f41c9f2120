"""What the kernel says of an interface, read as it writes it; and that it tells of a pulled plug at once."""

import errno
import select
import struct
from pathlib import Path

import pytest

from tests.peers.cables import Cables
from tests.peers.namespace import Namespace, why_not
from transports.interfaces.cards import card
from transports.interfaces.watch import Watch, indexes


def sys_of(root: Path, flags: int = 0x1003, carrier: str = "1", state: str = "up", index: int = 7) -> Path:
    """Files as the kernel shows them of one interface, in the place of /sys/class/net."""
    place = root / "eth7"
    (place / "statistics").mkdir(parents=True, exist_ok=True)
    for name, text in {
        "flags": f"{flags:#x}",
        "carrier": carrier,
        "operstate": state,
        "ifindex": str(index),
        "statistics/rx_bytes": "700",
        "statistics/tx_bytes": "30",
    }.items():
        (place / name).write_text(f"{text}\n")
    return root


def test_an_interface_with_a_carrier_carries_and_counts_both_ways(tmp_path: Path) -> None:
    found = card("eth7", sys_of(tmp_path))
    assert (found.carries, found.trouble, found.index, found.bytes) == (True, "", 7, 730)


def test_an_interface_that_knows_no_state_of_its_own_carries(tmp_path: Path) -> None:
    assert card("eth7", sys_of(tmp_path, state="unknown")).carries


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"flags": 0x1002}, "switched off"),
        ({"carrier": "0", "state": "down"}, "no carrier"),
        ({"state": "dormant"}, "eth7 is dormant"),
        ({"state": "lowerlayerdown"}, "lowerlayerdown"),
    ],
)
def test_an_interface_that_carries_nothing_says_why(wrong: dict[str, object], said: str, tmp_path: Path) -> None:
    found = card("eth7", sys_of(tmp_path, **wrong))  # type: ignore[arg-type]
    assert not found.carries
    assert said in found.trouble
    assert found.bytes == 730, "what it carried before is still to be paid"


def test_an_interface_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    found = card("wwan0", tmp_path)
    assert (found.carries, found.index) == (False, 0)
    assert "'wwan0'" in found.trouble


def test_the_loopback_of_this_machine_is_read() -> None:
    assert card("lo").index == 1


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_pulled_plug_is_told_by_the_kernel() -> None:
    with Namespace() as far, Cables(far, 1) as cables:
        watch = Watch()
        assert card(cables.near[0]).carries
        watch.heard()
        cables.cut(0)
        assert select.select([watch], [], [], 10)[0], "nobody told"
        watch.heard()
        heard: set[int] = set()
        while (now := card(cables.near[0])).carries or now.index not in heard:
            assert select.select([watch], [], [], 10)[0]
            heard |= watch.heard() or set()
        assert "no carrier" in card(cables.near[0]).trouble
        watch.close()
        watch.close()


def test_the_interfaces_that_messages_are_about_are_read_and_a_torn_one_is_no_harm() -> None:
    def message(index: int, more: int = 0) -> bytes:
        body = struct.pack("=BxHi", 0, 1, index) + bytes(more)
        octets = struct.pack("=IHHII", 16 + len(body), 16, 0, 0, 0) + body
        return octets + bytes(-len(octets) % 4)

    assert list(indexes(message(3) + message(70000, 5) + message(8))) == [3, 70000, 8]
    assert list(indexes(message(3) + message(4)[:20])) == [3]
    assert list(indexes(bytes(40))) == [0, 0], "lengths that say nothing do not stop it"


def test_when_the_kernel_had_more_to_say_than_there_was_room_for_it_may_be_any_interface() -> None:
    watch = Watch()
    answers: list[bytes | OSError] = [OSError(errno.ENOBUFS, "no room"), BlockingIOError()]

    class Overrun:
        def recv(self, _: int) -> bytes:
            answer = answers.pop(0)
            if isinstance(answer, OSError):
                raise answer
            return answer

    real, watch._socket = watch._socket, Overrun()  # type: ignore[assignment]
    assert watch.heard() is None
    real.close()

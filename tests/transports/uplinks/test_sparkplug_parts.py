"""What the Sparkplug uplink is made of beside its session: the number on disk, notices, commands as requests."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.requests.envelope import Opened, opened
from transports.sparkplug.orders import Write
from transports.uplinks._sparkplug.commands import WAITING_MOST, Desk
from transports.uplinks._sparkplug.notices import MOST, PER_S, REMEMBERED, Notices
from transports.uplinks._sparkplug.number import Numbers


class TestNumbers:
    def test_the_first_is_0_and_none_is_used_twice(self, tmp_path):
        numbers = Numbers(tmp_path / "state" / "cloud")
        assert numbers.first() == (0, "")
        for number in range(1, 300):
            numbers.keep(number)
            assert Numbers(tmp_path / "state" / "cloud").first() == (number % 256, "")
        assert [path.name for path in (tmp_path / "state" / "cloud").iterdir()] == ["bdseq"]

    @pytest.mark.parametrize("damage", [b"", b"\0\0\0", b"-1\n", b"256\n", b"7.5", "٣".encode(), b"9" * 10_000])
    def test_a_file_that_cannot_be_read_is_said_and_it_begins_at_0(self, tmp_path, damage):
        (tmp_path / "bdseq").write_bytes(damage)
        number, notice = Numbers(tmp_path).first()
        assert number == 0
        assert str(tmp_path / "bdseq") in notice
        assert len(notice) < 400
        Numbers(tmp_path).keep(1)
        assert Numbers(tmp_path).first() == (1, "")

    def test_a_write_that_was_cut_off_leaves_the_number_as_it_was(self, tmp_path):
        Numbers(tmp_path).keep(41)
        (tmp_path / ".bdseq.new").write_bytes(b"")
        assert Numbers(tmp_path).first() == (41, "")

    def test_without_a_place_nothing_is_kept(self):
        Numbers(None).keep(7)
        assert Numbers(None).first() == (0, "")


class TestNotices:
    def test_what_was_said_is_not_said_again_until_it_was_otherwise(self):
        notices = Notices()
        for now in (0.0, 1.0, 1000.0):
            notices.say("offline", now)
        assert notices.taken() == ["offline"]
        assert notices.taken() == []
        notices.forget("offline")
        notices.say("offline", 1001.0)
        assert notices.taken() == ["offline"]

    def test_a_flood_is_a_few_notices_and_a_number(self):
        notices = Notices()
        for n in range(100_000):
            notices.say(f"refused {n}", n / 10_000)
        assert notices.taken() == [f"refused {n}" for n in range(MOST)]
        notices.say("refused, later", PER_S + 20)
        left_out, later = notices.taken()
        assert str(100_000 - MOST) in left_out
        assert later == "refused, later"

    @given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 30)), max_size=80))
    def test_what_waits_and_what_is_remembered_is_bounded_whatever_comes(self, said):
        notices, now = Notices(), 0.0
        for text, later in said:
            now += later
            notices.say(text * 1000, now)
        assert len(notices._said) <= REMEMBERED
        told = notices.taken()
        assert len(told) <= MOST + 1
        assert all(len(text) <= 500 for text in told)


class TestCommands:
    @pytest.mark.parametrize(
        "value", [42.5, 2.0, -(2**63), 2**64 - 1, True, "Äpfel", "", b"\0\xff", b"", (1, 2**63), (0.5, 1e300), ()]
    )
    def test_a_write_becomes_a_request_with_its_value_exact(self, value):
        desk = Desk(True)
        assert desk.put(Write("press-1", "setpoint", value, 77)) == ""
        (asked,) = desk.taken()
        said = opened(asked.body)
        assert isinstance(said, Opened), said
        request = said.request
        assert (request.verb, request.device, request.tag) == ("write", "press-1", "setpoint")
        assert (type(request.value), request.value) == (type(value), value)
        assert request.why.endswith("77 ms")
        assert (said.signature, asked.reply, asked.sender) == (None, None, "")
        assert desk.taken() == []

    def test_two_equal_commands_are_two(self):
        desk = Desk(True)
        for _ in range(2):
            desk.put(Write("press-1", "setpoint", 1.5))
        assert len({opened(asked.body).request.id for asked in desk.taken()}) == 2

    @pytest.mark.parametrize("value", [math.nan, math.inf, (1.0, -math.inf)])
    def test_what_json_cannot_say_is_refused(self, value):
        desk = Desk(True)
        assert "cannot be written" in desk.put(Write("press-1", "setpoint", value))
        assert (desk.taken(), desk.refused) == ([], 1)

    def test_when_commands_are_off_nothing_is_handed_on(self):
        desk = Desk(False)
        assert "commands = true" in desk.put(Write("press-1", "setpoint", 1.5))
        assert (desk.taken(), desk.refused) == ([], 1)

    def test_nobody_who_takes_them_means_refusal_and_not_memory(self):
        desk = Desk(True)
        why = [desk.put(Write("press-1", "setpoint", float(n))) for n in range(WAITING_MOST + 2)]
        assert [bool(each) for each in why] == [False] * WAITING_MOST + [True] * 2
        assert len(desk.taken()) == WAITING_MOST
        assert desk.put(Write("press-1", "setpoint", 1.5)) == ""

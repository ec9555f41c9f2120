"""When what was sent at QoS 0 may be committed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.sparkplug.gateway_desk import HOST, STATE, born, scan, state, verbs
from transports.errors import UplinkRefused
from transports.payloads import OutRecord
from transports.samples import DataType, Tag, batch_of
from transports.sparkplug.proofs import Confirm, Proofs


def sending(count, **settings):
    desk = born(**settings)
    for n in range(count):
        desk.record(scan(float(n), n))
    return desk


def test_what_was_sent_is_not_committed_before_the_connection_has_proven_alive():
    desk = sending(3)
    assert desk.node.taken() == []
    assert desk.node.unproven == 3
    assert desk.prove() == [1, 2, 3]
    assert desk.node.unproven == 0
    assert desk.node.taken() == []


def test_an_answer_to_what_was_asked_before_the_send_proves_nothing():
    desk = sending(1)
    asked = desk.node.asked()
    desk.record(scan(9.5, 9))
    desk.node.answered(asked, desk.later())
    assert desk.node.taken() == [1]
    desk.node.answered(asked, desk.later())
    assert desk.node.taken() == []


def test_answers_of_other_kinds_may_come_in_any_order():
    desk = sending(1)
    first = desk.node.asked()
    desk.record(scan(9.5, 9))
    second = desk.node.asked()
    desk.node.answered(second, desk.later())
    assert desk.node.taken() == [1, 2]
    desk.node.answered(first, desk.later())
    assert desk.node.taken() == []


def test_what_was_on_its_way_when_the_connection_broke_is_not_committed():
    desk = sending(2)
    asked = desk.node.asked()
    desk.node.lost(desk.later())
    desk.node.answered(asked, desk.later())
    desk.connect()
    desk.record(scan(5.5, 5))
    desk.node.answered(asked, desk.later())  # an answer from the connection before
    assert desk.node.taken() == []
    assert desk.prove() == [3]


def test_what_was_on_its_way_when_the_primary_host_went_is_not_committed():
    desk = sending(2, host_id=HOST)
    asked = desk.node.asked()
    desk.receive(STATE, state(False, 1))
    desk.node.answered(asked, desk.later())
    assert desk.node.taken() == []


def test_with_the_primary_host_online_an_answer_commits():
    assert sending(2, host_id=HOST).prove() == [1, 2]


def test_a_hold_outlasts_a_host_that_dies_without_a_word():
    desk = sending(2, host_id=HOST, hold_s=60.0)
    assert desk.prove() == []
    assert desk.node.next_due() == desk.at.now + 60.0
    desk.node.due(desk.later(59))
    assert desk.node.taken() == []
    desk.receive(STATE, state(False, 1))  # the server has noticed only now
    desk.node.due(desk.later(1))
    assert desk.node.taken() == []


def test_a_hold_that_is_over_commits():
    desk = sending(2, host_id=HOST, hold_s=60.0)
    desk.prove()
    desk.node.due(desk.later(60))
    assert desk.node.taken() == [1, 2]


def test_by_policy_what_was_sent_is_committed_at_once():
    desk = sending(2, confirm=Confirm.SENT)
    assert desk.node.taken() == [1, 2]
    assert desk.node.unproven == 0


def test_leaving_in_order_the_answer_to_our_death_proves_what_left_before():
    desk = sending(2)
    desk.node.leave("stopped", desk.later())
    assert desk.prove() == [1, 2]


def test_a_record_that_changes_nothing_is_committed_in_its_turn():
    desk = born()
    desk.record(scan(1.5, 7))
    desk.record(scan(1.5, 7))  # nothing is sent
    assert desk.node.taken() == []
    assert desk.prove() == [1, 2]


def test_a_refused_record_is_never_named():
    desk = born(max_metrics=2)
    desk.record(scan(1.5, 7))
    with pytest.raises(Exception, match="more than 2"):
        desk.record(scan(1.5, 7), device="other")
    assert desk.prove() == [1]


@given(st.lists(st.sampled_from(["send", "ask", "answer", "lose"]), max_size=60), st.data())
def test_only_what_left_before_a_question_that_was_answered_is_taken(steps, data):
    proofs, sent, questions, ticket = Proofs(Confirm.PROVEN), [], [], 0
    proven = set()
    for step in steps:
        if step == "send":
            ticket += 1
            proofs.sent(ticket)
            sent.append(ticket)
        elif step == "ask":
            questions.append((proofs.asked(), tuple(sent)))
        elif step == "lose":
            proofs.lost()
            sent, questions = [], []
        elif questions:
            asked, before = questions.pop(data.draw(st.integers(0, len(questions) - 1)))
            proofs.answered(asked, 0.0)
            proofs.due(0.0)
            fresh = [one for one in before if one not in proven]
            assert proofs.taken() == fresh
            proven.update(fresh)
        assert proofs.taken() == []


def test_a_message_of_several_records_is_committed_when_its_last_is_proven():
    desk = born()
    desk.record(scan(1.5, 7))
    first = desk.newest
    desk.prove()
    desk.node.record(None, replace(first, seq=2), desk.later())
    asked = desk.node.asked()
    desk.node.record(9, replace(first, seq=3), desk.later())
    desk.node.answered(asked, desk.later())
    assert desk.node.taken() == []
    assert desk.prove() == [9]


def test_what_can_never_be_sent_is_found_before_anything_is_said():
    desk = born(max_metrics=2, max_message_bytes=400)
    record = OutRecord("out", 1, 1, batch_of("press", 1, [scan("x" * 200, tags=(Tag("t", DataType.STRING),))]))
    with pytest.raises(UplinkRefused, match="200 bytes"):
        desk.node.examine(record)
    three = (Tag("a"), Tag("b"), Tag("c"))
    with pytest.raises(UplinkRefused, match="more than 2 metrics"):
        desk.node.examine(replace(record, item=batch_of("press", 1, [scan(1.0, 2.0, 3.0, tags=three)])))
    desk.node.examine(replace(record, item=batch_of("press", 1, [scan(1.0, 2.0, tags=three[:2])])))
    assert verbs(desk.record(scan(1.0, 2.0, tags=three[:2]))) == ["DBIRTH press"]

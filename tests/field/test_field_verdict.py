"""The verdict over a made-up campaign: what is wrong with it is counted, said, and never good."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.field.campaign import Notes
from tests.field.periods import Span
from tests.field.readings import Output, Seen
from tests.field.site import EXPECTED, Expected
from tests.field.verdict import judge, told

S = 1_000_000_000
JUDGED = Span(1000 * S, 1060 * S)
OUTAGE = Span(1020 * S, 1023 * S)
POSTED_MS, SAID_MS, PRINTED = 1_030_000, 1_031_000, 7


def good_ns(each: Expected) -> list[int]:
    """One that keeps its period, but says nothing while its far end is dead."""
    times = range(JUDGED.begin_ns - 2 * S, JUDGED.end_ns, round(each.period_s * S))
    return [at for at in times if not (each.far_ends and OUTAGE.begin_ns <= at < OUTAGE.end_ns + S // 2)]


def output() -> Output:
    made = Output(each.stream for each in EXPECTED)
    for each in EXPECTED:
        made.streams[each.stream] = Seen(good_ns(each), {POSTED_MS, SAID_MS, PRINTED})
        made.samples[each.stream.device] = 5
    return made


def notes() -> Notes:
    ends, devices = {end for each in EXPECTED for end in each.far_ends}, {each.stream.device for each in EXPECTED}
    state = {"driver": "sim", "connected": True, "last_error": ""}
    children = {name: {"name": name, "kind": "device", "restarts": 0, "state": state} for name in devices}
    row = {"topic": "out", "consumer": "file", "read": 5, "delivered": 5, "waiting": 0, "gaps": 0}
    return Notes(
        judged=JUDGED,
        outages={end: [OUTAGE] for end in ends},
        told={(end, 0): dict.fromkeys(devices, "gone") for end in ends},
        children=children,
        final=children,
        ledger={"rows": [{"producer": name, **row} for name in devices]},
        acknowledged=[
            f"/ingest/cellar {json.dumps({'ts': POSTED_MS})}",
            f"shellyplus1-b2/events/rpc {json.dumps({'params': {'ts': SAID_MS / 1000}})}",
            f"talker {PRINTED} {JUDGED.begin_ns}",
            "zigbee2mqtt/lamp {}",
            "tele/plug/SENSOR {}",
            "shellies/shelly1-a1/temperature 21.5",
        ],
    )


def stream(output: Output, name: str) -> Seen:
    return next(output.streams[each.stream] for each in EXPECTED if each.name == name)


def words(notes: Notes, output: Output) -> tuple[str, str]:
    verdict = judge(EXPECTED, notes, output)
    assert not verdict.is_good
    return verdict.line, "\n".join(told(verdict, notes))


def test_a_campaign_in_which_all_heal_and_nothing_is_lost_is_good() -> None:
    verdict = judge(EXPECTED, notes(), output())
    assert verdict.is_good, list(told(verdict, notes()))
    assert verdict.line == "1 drivers, 0 missed periods, 0 lost"


def test_a_missed_period_is_said_with_whose_far_end_was_dead() -> None:
    made = output()
    stream(made, "control").good_ns.remove(1021 * S)
    line, text = words(notes(), made)
    assert line == "1 drivers, 1 missed periods, 0 lost"
    assert "control, 1 of 0.25 s, 20.75 s to 21.25 s" in text
    assert "dead at the time: adapter, broker, cabinet" in text


def test_a_missed_period_while_nobody_was_dead_says_so() -> None:
    made = output()
    stream(made, "plc").good_ns.remove(1040 * S)
    assert "no far end was dead at the time" in words(notes(), made)[1]


@pytest.mark.parametrize(("name", "key"), [("loggers cellar", POSTED_MS), ("hall-devices shellyplus1-b2", SAID_MS)])
def test_what_was_acknowledged_and_is_not_in_the_output_is_lost(name: str, key: int) -> None:
    made = output()
    stream(made, name).keys.remove(key)
    line, text = words(notes(), made)
    assert line == "1 drivers, 0 missed periods, 1 lost"
    assert str(key) in text


def test_a_program_may_say_what_nobody_hears_once_its_device_is_stopped() -> None:
    made = notes()
    made.acknowledged.append(f"talker 8 {JUDGED.end_ns + 1}")
    assert judge(EXPECTED, made, output()).is_good
    made.acknowledged.append(f"talker 9 {JUDGED.end_ns - 1}")
    assert judge(EXPECTED, made, output()).line.endswith("1 lost")


Change = Callable[[Notes], Notes]


def with_child(made: Notes, name: str, **changes: Any) -> Mapping[str, Any]:
    return {**made.children, name: {**made.children[name], **changes}}


CHANGES: Mapping[str, Change] = {
    "plc was restarted 1 times": lambda made: replace(made, final=with_child(made, "plc", restarts=1)),
    "plc has not healed: gone": lambda made: replace(
        made, children=with_child(made, "plc", state={"driver": "sim", "connected": False, "last_error": "gone"})
    ),
    "status never told that plc was without plc, 20.00 s to 23.00 s": lambda made: replace(
        made, told={end: devices for end, devices in made.told.items() if end != ("plc", 0)}
    ),
    "plc was never killed and revived": lambda made: replace(made, outages={**made.outages, "plc": []}),
    "nothing was acknowledged at all": lambda made: replace(made, acknowledged=made.acknowledged[1:]),
    "the ledger knows nothing of plc": lambda made: replace(
        made, ledger={"rows": [row for row in made.ledger["rows"] if row["producer"] != "plc"]}
    ),
}


@pytest.mark.parametrize("complaint", CHANGES)
def test_what_else_is_wrong_is_said(complaint: str) -> None:
    assert complaint in words(CHANGES[complaint](notes()), output())[1]


def test_a_gap_of_a_device_is_said() -> None:
    made = output()
    made.gaps.append(("plc", {"reason": "quota"}))
    assert "a gap of plc" in words(notes(), made)[1]

"""The verdict over a campaign: pure, from its notes and the gateway's output; and how it is told."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.field.campaign import Notes
from tests.field.losses import Lost, Promise, Tally, losses
from tests.field.periods import Missed, Span, healing_ns, missed
from tests.field.readings import Output, milliseconds, noted
from tests.field.site import Expected


@dataclass(frozen=True)
class Verdict:
    """What is wrong, each with its words; nothing is, when all are empty."""

    drivers: int
    missed: Sequence[tuple[Expected, Missed]]
    lost: Sequence[Lost]
    complaints: Sequence[str]

    @property
    def is_good(self) -> bool:
        return not (self.missed or self.lost or self.complaints)

    @property
    def line(self) -> str:
        """The last line of a campaign."""
        periods, count = sum(hole.periods for _, hole in self.missed), sum(lost.count for lost in self.lost)
        return f"{self.drivers} drivers, {periods} missed periods, {count} lost"


def judge(expected: Sequence[Expected], notes: Notes, output: Output) -> Verdict:
    """See the module's note."""
    states = {name: notes.final[name].get("state") or child["state"] for name, child in notes.children.items()}
    drivers = {state["driver"] for state in states.values() if "driver" in state}
    holes = [
        (each, hole)
        for each in expected
        for hole in missed(
            output.streams[each.stream].good_ns,
            each.period_s,
            notes.judged,
            outages_of(each, notes),
            each.grace,
            notes.overslept,
        )
    ]
    lost = losses(notes.ledger, states, output, promises(expected, notes, output))
    return Verdict(len(drivers), holes, lost, [*_complaints(expected, notes, output)])


def outages_of(each: Expected, notes: Notes) -> list[Span]:
    """Of all far ends that the stream depends on."""
    return [outage for end in each.far_ends for outage in notes.outages[end]]


def promises(expected: Iterable[Expected], notes: Notes, output: Output) -> Iterator[Promise | Tally]:
    """What far ends were told to be durable, against what is there.

    A pipe promises less than an acknowledgement: what the program says while its device is stopped may be lost.
    """
    said, streams = noted(notes.acknowledged), {each.name: each.stream for each in expected}
    seen = {name: output.streams[stream] for name, stream in streams.items()}
    posted = [milliseconds(body, "ts") for body in said.get("/ingest/cellar", ())]
    told = [milliseconds(body, "params", "ts", per=1000) for body in said.get("shellyplus1-b2/events/rpc", ())]
    pairs = (line.split() for line in said.get("talker", ()))
    printed = [int(number) for number, time_ns in pairs if int(time_ns) < notes.judged.end_ns]
    yield Promise("http_receiver, answered 2xx", posted, seen["loggers cellar"].keys)
    yield Promise("mqtt, PUBACK", told, seen["hall-devices shellyplus1-b2"].keys)
    yield Promise("program, taken by the pipe", printed, seen["talker"].keys)
    for topic, name in _COUNTED.items():
        yield Tally(f"mqtt, PUBACK of {topic}", len(said.get(topic, ())), len(seen[name].good_ns))


_COUNTED = {
    "zigbee2mqtt/lamp": "hall-devices lamp",
    "tele/plug/SENSOR": "hall-devices plug",
    "shellies/shelly1-a1/temperature": "hall-devices shelly1-a1",
}


def _complaints(expected: Sequence[Expected], notes: Notes, output: Output) -> Iterator[str]:
    for name, child in notes.final.items():
        if child["restarts"]:
            yield f"{name} was restarted {child['restarts']} times; a dead far end is no crash"
    for name, child in notes.children.items():
        state = child.get("state") or {}
        if "connected" in state and (state["last_error"] or not state["connected"]):
            yield f"{name} has not healed: {state['last_error'] or 'not connected'}"
    for each in expected:
        for end in each.far_ends:
            for number, outage in enumerate(notes.outages[end]):
                if each.stream.device not in notes.told.get((end, number), {}):
                    yield f"status never told that {each.stream.device} was without {end}, {_at(outage, notes)}"
    for end, outages in notes.outages.items():
        if not outages:
            yield f"{end} was never killed and revived"
    told_of = {row["producer"] for row in notes.ledger["rows"]}
    for device in {each.stream.device for each in expected} - told_of:
        yield f"the ledger knows nothing of {device}"
    for promise in promises(expected, notes, output):
        if not promise.acknowledged:
            yield f"{promise.what}: nothing was acknowledged at all"
    for device, gap in output.gaps:
        yield f"a gap of {device}: {gap}"


def told(verdict: Verdict, notes: Notes) -> Iterator[str]:
    """What went wrong, with when, and whose far end was dead at the time; then what it cost."""
    for each, hole in verdict.missed:
        dead = sorted(end for end, outages in notes.outages.items() if any(_meet(hole.hole, it) for it in outages))
        who = f"dead at the time: {', '.join(dead)}" if dead else "no far end was dead at the time"
        yield f"missed: {each.name}, {hole.periods} of {each.period_s:g} s, {_at(hole.hole, notes)}; {who}"
    for lost in verdict.lost:
        yield f"lost: {lost.count}; {lost.where}"
    for text in dict.fromkeys(verdict.complaints):
        yield f"wrong: {text}"


def summary(expected: Sequence[Expected], notes: Notes, output: Output) -> Iterator[str]:
    """How it went: outages, healing, the processor, the control clock."""
    count, long_s = sum(map(len, notes.outages.values())), (notes.judged.end_ns - notes.judged.begin_ns) / 1e9
    yield f"{count} outages of {len(notes.outages)} far ends in {long_s:.0f} s; {sum(output.samples.values())} readings"
    healed = {
        each.name: max(
            (healing_ns(output.streams[each.stream].good_ns, it) for it in outages_of(each, notes)), default=0
        )
        for each in expected
    }
    slowest = sorted(healed, key=lambda name: -healed[name])[:3]
    yield "slowest to heal: " + ", ".join(f"{name} {healed[name] / 1e9:.1f} s" for name in slowest)
    top = sorted(notes.cpu, key=lambda name: -notes.cpu[name])[:4]
    shares = ", ".join(f"{name} {notes.cpu[name]:.1%}" for name in top)
    yield f"the gateway used {sum(notes.cpu.values()):.1%} of one core ({shares})"
    late = max((span.end_ns - span.begin_ns for span in notes.overslept), default=0)
    yield f"the control clock was late by 50 ms or more {len(notes.overslept)} times, at most by {late / 1e6:.0f} ms"


def _meet(one: Span, other: Span) -> bool:
    return one.begin_ns < other.end_ns and other.begin_ns < one.end_ns


def _at(span: Span, notes: Notes) -> str:
    """When, from the begin of the campaign and by the clock."""
    since_s = (span.begin_ns - notes.judged.begin_ns) / 1e9
    clock = datetime.fromtimestamp(span.begin_ns / 1e9, UTC)
    return f"{since_s:.2f} s to {since_s + (span.end_ns - span.begin_ns) / 1e9:.2f} s ({clock:%H:%M:%S.%f} UTC)"

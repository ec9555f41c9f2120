"""A simulated device that speaks on a line, a connection or by datagrams: the one loop of all three."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from transports.clock import MachineClock
from transports.errors import LinkDown, LinkTimeout
from transports.faults import GARBAGE, NONE, SILENCE, fault_in, suffer_reading
from transports.simulated_voice import Voice, VoiceSettings, garbage
from transports.streams import Chunk

_LOOK_S = 0.1  # how often the file of faults is looked at


class Ends(Protocol):
    """Where it is heard. An empty chunk: that source has gone."""

    def heard(self, timeout_s: float) -> Sequence[Chunk]:
        """What has come within that time."""
        ...

    def say(self, data: bytes, source: str | None = None) -> None:
        """To that source, or to all; what cannot be taken at once is lost."""
        ...

    def be_there(self, there: bool) -> None:
        """Be plugged in, or not. Told again and again."""
        ...


def speak(ends: Ends, settings: VoiceSettings) -> None:
    """For ever: say what is due, answer what is asked, misbehave as the file says."""
    voice, clock = Voice(settings.says), MachineClock()
    file = Path(settings.faults) if settings.faults else None
    due = clock.now()
    while True:
        for chunk in ends.heard(max(0.0, min(due - clock.now(), _LOOK_S))):
            _answer(ends, voice, chunk, _trouble(ends, file), clock.utc_ns())
        trouble = _trouble(ends, file)
        if clock.now() >= due:
            due = max(due + settings.period_s, clock.now() - settings.period_s)
            if said := _spoilt(voice.unasked(clock.utc_ns()), trouble, clock.utc_ns()):
                ends.say(said)


def _answer(ends: Ends, voice: Voice, chunk: Chunk, trouble: str, time_ns: int) -> None:
    if not chunk.data:
        voice.forget(chunk.source)
    elif said := _spoilt(voice.answers(chunk.source, chunk.data, time_ns), trouble, time_ns):
        ends.say(said, chunk.source)


def _trouble(ends: Ends, file: Path | None) -> str:
    """What the file asks for at the moment, done as far as it concerns being there and taking time."""
    try:
        trouble = suffer_reading(fault_in(file))
    except LinkTimeout:
        trouble = SILENCE
    except LinkDown:
        ends.be_there(False)
        return SILENCE
    ends.be_there(True)
    return trouble


def _spoilt(said: bytes, trouble: str, time_ns: int) -> bytes:
    match trouble:
        case str(none) if none == NONE:
            return said
        case str(noise) if noise == GARBAGE and said:
            return garbage(time_ns)
        case _:
            return b""

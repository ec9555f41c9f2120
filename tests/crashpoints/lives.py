"""Some lives of one gateway, by chance but always the same for a seed; each begins with what a power cut left.

filling      everything at once, segments roll, consumers keep up more or less
crowded      consumers hardly keep up: quotas
no room      the disk is full again and again
killed       the process dies and comes back, the page cache survives
refusing     an fdatasync fails: the process must die, reopen and trust nothing that was not synced
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from tests.crashpoints.check import check
from tests.crashpoints.disk import Image, Operation, RecordingDisk
from tests.crashpoints.facts import Fact, Knowledge, known
from tests.crashpoints.gateway import DEVICES, DIRECTORY, Broken, Gateway
from tests.crashpoints.pending import Pending, at_point
from tests.crashpoints.promises import Strictness
from transports.errors import NotUnderstood, SpoolError, SpoolFull
from transports.spool import ALARM, DATA, GAP

DRAWS = 20
Act = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Life:
    """A record: the disk at its beginning, what was done to it, and what the world learned, before and in it."""

    name: str
    base: Image
    operations: Sequence[Operation]
    facts: Sequence[tuple[int, Fact]]
    before: Sequence[Fact]
    broken: str = ""  # what went wrong without any crash, at its end; no life comes after it

    def pending(self, point: int) -> Pending:
        """What may have become of the disk when the power went after so many operations."""
        return at_point(self.base, self.operations[:point])

    def knowledge(self, point: int) -> Knowledge:
        """What the world knew then."""
        return known(chain(self.before, (fact for at, fact in self.facts if at <= point)))


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each act comes, out of their sum."""

    take: int = 30
    gap: int = 3
    alarm: int = 3
    agg: int = 12
    rules: int = 8
    deliver: int = 12
    confirm: int = 8
    sync: int = 10
    sync_meanwhile: int = 8
    enforce: int = 6
    restart_consumer: int = 3
    kill: int = 0
    close: int = 0
    no_room: int = 0
    refuse_sync: int = 0


LIVES = {
    "filling": Chances(),
    "crowded": Chances(take=60, agg=6, rules=3, deliver=4, confirm=2, enforce=10),
    "no room": Chances(no_room=12, agg=8),
    "killed": Chances(kill=8, close=3),
    "refusing": Chances(refuse_sync=8),
    "all of it": Chances(take=50, enforce=10, kill=4, close=2, no_room=5, refuse_sync=3),
}


def lived(seed: int, acts: int = 60) -> list[Life]:
    """All lives, each of so many acts."""
    luck = random.Random(seed)
    disk = RecordingDisk(Image(frozenset({DIRECTORY})))
    gateway = Gateway(disk, luck)
    lives: list[Life] = []
    before: list[Fact] = []
    for name, chances in LIVES.items():
        broken = _lived(gateway, chances, acts)
        life = Life(name, disk.base, tuple(disk.operations), tuple(gateway.facts), tuple(before), broken)
        lives.append(life)
        if broken:
            break
        before += [fact for _, fact in gateway.facts]
        gateway.facts, gateway.disk = [], (disk := RecordingDisk(_left(life, luck)))
    return lives


def _left(life: Life, luck: random.Random) -> Image:
    """What a power cut leaves at the end of a life; no broken state, or the lives after it would only repeat that."""
    point = len(life.operations)
    pending, knowledge = life.pending(point), life.knowledge(point)
    for _ in range(DRAWS):
        image = pending.image(pending.drawn(luck))
        if not check(image, knowledge, luck, Strictness()).wrong:
            return image
    return pending.image(pending.everything())


def _lived(gateway: Gateway, chances: Chances, acts: int) -> str:
    """Empty, or what the spool did wrong."""
    try:
        _live(gateway, chances, acts)
    except (Broken, SpoolError, NotUnderstood) as wrong:
        return f"{type(wrong).__name__}: {wrong}"
    return ""


def _live(gateway: Gateway, chances: Chances, acts: int) -> None:
    gateway.open()
    names = chances.__slots__
    for name in gateway.luck.choices(names, [getattr(chances, name) for name in names], k=acts):
        try:
            _act(gateway, name)()
        except SpoolFull:
            raise  # where it may come, it is answered
        except SpoolError:  # the death of the spooler
            gateway.open()
    gateway.disk.room, gateway.disk.refused_syncs = None, 0


def _act(gateway: Gateway, name: str) -> Act:
    luck = gateway.luck
    device = luck.choice(DEVICES)
    acts: dict[str, Act] = {
        "take": lambda: gateway.take("raw", device, luck.randrange(1, 5), DATA, luck.choice((20, 60, 300))),
        "gap": lambda: gateway.take("raw", device, 1, GAP),
        "alarm": lambda: gateway.take(luck.choice(("raw", "out")), device, 1, ALARM),
        "agg": lambda: gateway.relay("agg", luck.randrange(200, 3000)),
        "rules": lambda: gateway.relay("rules", luck.randrange(200, 3000)),
        "deliver": lambda: gateway.deliver(luck.choice(("cloud", "archive")), luck.randrange(200, 3000)),
        "confirm": lambda: gateway.confirm(luck.choice(("cloud", "archive"))),
        "sync": gateway.sync,
        "sync_meanwhile": lambda: gateway.sync([_act(gateway, each) for each in _meanwhile(luck)]),
        "enforce": gateway.enforce,
        "restart_consumer": lambda: gateway.resume(luck.choice(list(gateway.had))),
        "kill": gateway.open,
        "close": lambda: _close(gateway),
        "no_room": lambda: setattr(gateway.disk, "room", luck.randrange(3000)),
        "refuse_sync": lambda: setattr(gateway.disk, "refused_syncs", 1),
    }
    return acts[name]


def _meanwhile(luck: random.Random) -> list[str]:
    return luck.choices(["take", "take", "agg", "rules", "deliver", "confirm", "enforce"], k=luck.randrange(1, 5))


def _close(gateway: Gateway) -> None:
    gateway.sync()
    gateway.spool.close()
    gateway.open()

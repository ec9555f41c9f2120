"""How a device stands with the hosts, as a table.

    UNBORN ──live──> ALIVE ──unreachable──> DEAD ──live──> ALIVE
       └──history──> RECALLED <──history──────┘     RECALLED ──quiet──> DEAD

A device that is not there may still have something to tell: what it said before, out of the backlog of an outage. Data
of a device that is not born means nothing to a host, so it is born for that, all its metrics stale, and dies again when
nothing more comes.
"""

from collections.abc import Mapping
from enum import Enum


class Standing(Enum):
    """What hosts know of a device in the present session."""

    UNBORN = "unborn"
    ALIVE = "alive"
    DEAD = "dead"
    RECALLED = "recalled"


class News(Enum):
    """What is heard of a device."""

    ANNOUNCED = "its tags are known"
    LIVE = "it said something"
    UNREACHABLE = "it cannot be reached"
    HISTORY = "something that it said earlier comes late"
    QUIET = "no more of its history came for a while"
    OVER = "the session with the hosts is over"


class Act(Enum):
    """What follows, in this order."""

    BIRTH = "publish DBIRTH"
    DATA = "publish DDATA"
    DEATH = "publish DDEATH"


Step = tuple[Standing, tuple[Act, ...]]

RULES: Mapping[tuple[Standing, News], Step] = {
    # Hosts learn all metrics before any data: tck-id-operational-behavior-data-publish-dbirth
    (Standing.UNBORN, News.ANNOUNCED): (Standing.ALIVE, (Act.BIRTH,)),
    # The birth carries what was just said: tck-id-topics-dbirth-metrics
    (Standing.UNBORN, News.LIVE): (Standing.ALIVE, (Act.BIRTH,)),
    # A host that has never heard of it learns what it is, and that it is not there
    (Standing.UNBORN, News.UNREACHABLE): (Standing.DEAD, (Act.BIRTH, Act.DEATH)),
    (Standing.UNBORN, News.HISTORY): (Standing.RECALLED, (Act.BIRTH, Act.DATA)),
    # tck-id-topics-ddata-payload
    (Standing.ALIVE, News.LIVE): (Standing.ALIVE, (Act.DATA,)),
    (Standing.ALIVE, News.HISTORY): (Standing.ALIVE, (Act.DATA,)),
    # tck-id-operational-behavior-device-ddeath
    (Standing.ALIVE, News.UNREACHABLE): (Standing.DEAD, (Act.DEATH,)),
    # A device that is back is born again: DDATA after DDEATH would be of nobody
    (Standing.DEAD, News.LIVE): (Standing.ALIVE, (Act.BIRTH,)),
    (Standing.DEAD, News.HISTORY): (Standing.RECALLED, (Act.BIRTH, Act.DATA)),
    (Standing.RECALLED, News.HISTORY): (Standing.RECALLED, (Act.DATA,)),
    (Standing.RECALLED, News.LIVE): (Standing.ALIVE, (Act.DATA,)),
    (Standing.RECALLED, News.QUIET): (Standing.DEAD, (Act.DEATH,)),
    # NDEATH told of all devices; the next NBIRTH is followed by the births of those that live
    (Standing.RECALLED, News.OVER): (Standing.DEAD, ()),
}


def step(standing: Standing, news: News) -> Step:
    """Where news leads and what follows; nothing, when it is no news."""
    return RULES.get((standing, news), (standing, ()))

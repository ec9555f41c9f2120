"""The phases of an edge node's connection, as a table; the rules' ids stand above the lines that keep them.

OFFLINE ──dialled──> CONNECTING ──let in──> WAITING (for the primary host) ──host online──> BORN
   ^                     │                     │                                             │ ^ rebirth
   └──────── lost ───────┴──── host offline, or not heard of in time: next server ───────────┘─┘
"""

from collections.abc import Mapping
from enum import Enum


class Phase(Enum):
    """Where the connection stands."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    WAITING = "waiting"
    BORN = "born"


class Event(Enum):
    """What happens to it."""

    DIALLED = "a connection is being made"
    LET_IN = "the server let us in; nobody is waited for"
    LET_IN_EARLY = "the server let us in; the primary host is waited for"
    HOST_ONLINE = "the primary host is online"
    HOST_OFFLINE = "the primary host is offline"
    HOST_MISSING = "nothing was heard of the primary host in time"
    REBIRTH = "a host asks for the births again"
    LEAVING = "we end the connection"
    LOST = "the connection is gone"


class Do(Enum):
    """What follows, in this order."""

    SUBSCRIBE = "subscribe"
    BIRTH = "publish NBIRTH and the DBIRTHs"
    DEATH = "publish NDEATH"
    HANG_UP = "disconnect"
    WALK = "take the next server"


Step = tuple[Phase, tuple[Do, ...]]

RULES: Mapping[tuple[Phase, Event], Step] = {
    # A Will, and so a bdSeq, for each CONNECT: tck-id-payloads-ndeath-will-message
    (Phase.OFFLINE, Event.DIALLED): (Phase.CONNECTING, ()),
    (Phase.CONNECTING, Event.DIALLED): (Phase.CONNECTING, ()),
    (Phase.WAITING, Event.DIALLED): (Phase.CONNECTING, ()),
    (Phase.BORN, Event.DIALLED): (Phase.CONNECTING, ()),
    # Commands can be heard before anybody can know that we are there: tck-id-message-flow-edge-node-ncmd-subscribe;
    # births are the first that is published: tck-id-principles-birth-certificates-order
    (Phase.CONNECTING, Event.LET_IN): (Phase.BORN, (Do.SUBSCRIBE, Do.BIRTH)),
    # tck-id-message-flow-edge-node-birth-publish-phid-wait
    (Phase.CONNECTING, Event.LET_IN_EARLY): (Phase.WAITING, (Do.SUBSCRIBE,)),
    # tck-id-operational-behavior-edge-node-birth-sequence-wait
    (Phase.WAITING, Event.HOST_ONLINE): (Phase.BORN, (Do.BIRTH,)),
    # tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk. No NDEATH: nobody was born, and
    # a birth is the first that is published. With a single server these two do not happen: we wait where we are.
    (Phase.WAITING, Event.HOST_OFFLINE): (Phase.OFFLINE, (Do.HANG_UP, Do.WALK)),
    (Phase.WAITING, Event.HOST_MISSING): (Phase.OFFLINE, (Do.HANG_UP, Do.WALK)),
    # tck-id-message-flow-edge-node-birth-publish-phid-offline,
    # tck-id-operational-behavior-edge-node-termination-host-offline-reconnect
    (Phase.BORN, Event.HOST_OFFLINE): (Phase.OFFLINE, (Do.DEATH, Do.HANG_UP, Do.WALK)),
    # A host that says so once more needs nothing from us; one that missed the births asks for them
    (Phase.BORN, Event.HOST_ONLINE): (Phase.BORN, ()),
    # tck-id-operational-behavior-data-commands-rebirth-action-2
    (Phase.BORN, Event.REBIRTH): (Phase.BORN, (Do.BIRTH,)),
    # tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath
    (Phase.BORN, Event.LEAVING): (Phase.OFFLINE, (Do.DEATH, Do.HANG_UP)),
    (Phase.WAITING, Event.LEAVING): (Phase.OFFLINE, (Do.HANG_UP,)),
    (Phase.CONNECTING, Event.LEAVING): (Phase.OFFLINE, ()),
    # The server publishes our Will. A server that does not answer is not asked again before the others:
    (Phase.CONNECTING, Event.LOST): (Phase.OFFLINE, (Do.WALK,)),
    (Phase.WAITING, Event.LOST): (Phase.OFFLINE, (Do.WALK,)),
    (Phase.BORN, Event.LOST): (Phase.OFFLINE, (Do.WALK,)),
}


def step(phase: Phase, event: Event) -> Step:
    """Where an event leads and what follows; nothing, when the event means nothing in this phase."""
    return RULES.get((phase, event), (phase, ()))

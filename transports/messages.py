"""Everything that actors say to each other: frozen dataclasses, packed by position.

On the wire a message is one msgpack frame `[name, ask id, field, ...]`, followed by its `frames` as ZeroMQ frames of
their own, so that payloads are never copied into another packing. Add fields at the end and give them defaults: a
shorter message of an older process is then still understood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

import msgpack

from transports.errors import NotUnderstood

Place = tuple[int, int]  # (epoch, seq) in a topic


class Message:
    """The base of all messages; a class with a `frames` field carries payloads in it."""

    registry: ClassVar[dict[str, "type[Message]"]] = {}
    slots_in_order: ClassVar[tuple[str, ...]] = ()


M = TypeVar("M", bound=type[Message])


@dataclass_transform(frozen_default=True)
def message(cls: M) -> M:
    """Make a frozen dataclass one that can travel."""
    made: Any = dataclass(frozen=True, slots=True)(cls)
    made.slots_in_order = tuple(each.name for each in fields(made) if each.name != "frames")
    Message.registry[made.__name__] = made
    return made  # type: ignore[no-any-return]


# --- child to root, and root to child -------------------------------------------------------------------------------


@message
class Ready(Message):
    """The child `pid`, started under `token`, has a mailbox and does its work."""

    token: int
    pid: int


@message
class Beat(Message):
    """A sign of life from the actor's own loop: `progress` counts what it has handled, `state` is what it tells
    of itself (plain values, shown by `holdfast status`)."""

    token: int
    progress: int
    state: Mapping[str, Any]


# --- the spool's three verbs and their answers ----------------------------------------------------------------------


@message
class Append(Message):
    """Keep these records: numbered `pseq`, `pseq + 1`, ... by `producer`, in one transaction with the `commit`.

    Without frames and with `pseq` 0 it is the handshake that opens a session: the answer tells the last number that
    is kept. An append of another session than the last opened one is not taken (it comes from a dead process).
    `commit` is (topic, consumer, epoch, seq, state) or None. `counts` says how many samples each frame accounts for
    in the ledger: those in it, or those that it (with `gaps`) says are missing. `alarms` outlive samples.
    """

    topic: str
    producer: str
    session: int
    pseq: int
    gaps: bool = False
    commit: tuple[str, str, int, int, bytes] | None = None
    counts: Sequence[int] = ()
    alarms: bool = False
    frames: Sequence[bytes] = ()


@message
class Appended(Message):
    """Everything of `producer` up to `pseq` is durable. `time_ns` is when its last record was written (UTC)."""

    topic: str
    producer: str
    session: int
    pseq: int
    time_ns: int = 0


@message
class NoSession(Message):
    """The spooler was restarted, or a newer process owns the name: open a session first."""

    topic: str
    producer: str
    session: int


@message
class Fetch(Message):
    """Hand out what comes next for `consumer`, waiting for it if need be.

    `first` starts over at the committed cursor and brings the state that was committed with it. `durable` leaves out
    what a power cut could still take back. A consumer may read in several places at once: each `lane` is one of them.
    `after` sets the lane behind a place; without it the lane goes on where it was. `until` is the last place wanted:
    when nothing is left up to there, the answer comes at once and is empty.
    """

    topic: str
    consumer: str
    session: int
    max_bytes: int
    first: bool = False
    durable: bool = False
    lane: str = ""
    after: Place | None = None
    until: Place | None = None


@message
class Fetched(Message):
    """Records after the cursor, oldest first: `records` has (epoch, seq) of each, the frames their payloads.

    The answer to a `first` fetch comes at once, without records, and brings `cursor` and `state`. `times_ns` says when
    each record was appended (UTC), `end` where the topic ended when this was answered.
    """

    topic: str
    consumer: str
    session: int
    records: Sequence[Place]
    cursor: Place | None = None
    state: bytes = b""
    lane: str = ""
    end: Place | None = None
    times_ns: Sequence[int] = ()
    frames: Sequence[bytes] = ()


@message
class Commit(Message):
    """`consumer` needs nothing up to `place` any more.

    `refused` counts, by producer, the samples up to there that it could not deliver: they go on in the ledger as gaps.
    """

    topic: str
    consumer: str
    session: int
    place: Place
    state: bytes = b""
    refused: Sequence[tuple[str, int]] = ()


# --- the operator's questions to the spooler ------------------------------------------------------------------------


@message
class Ledger(Message):
    """How do the accounts stand? Answered with plain data, a row for each producer, topic and consumer."""


@message
class Purge(Message):
    """Give up what waits: all of `topic`, or, with a `consumer`, only what that one has not had. A gap says so.

    With `forget` the consumer itself is forgotten: nothing waits for it any more.
    """

    topic: str
    consumer: str = ""
    forget: bool = False
    who: str = ""
    why: str = ""


# --- commands to devices, and what came of them ----------------------------------------------------------------------


@message
class Command(Message):
    """Set `tag` of the device that this is told to, once, and not after `until_s` (monotonic clock of this machine).

    `key` (1 to 200 characters) names this command alone: sent again under it the command is not executed again, the
    first outcome is told; another tag or value under it is rejected. `origin` is who wants it: "operator", "rule:NAME",
    "uplink:NAME". With `read_back` it is done only when the tag then reads what was written; None: as the tag's
    settings say. `lasting`: before it is executed, that it will be is made durable, so that not even a power cut makes
    the key forgotten. Without, it is known for this boot, and no disk can hold it up.
    """

    key: str
    tag: str
    value: Any
    until_s: float
    origin: str = "operator"
    who: str = ""
    why: str = ""
    read_back: bool | None = None
    lasting: bool = True


@message
class Outcome(Message):
    """What became of the command `key`: done; rejected (it was not executed, or the tag then reads something else);
    expired (it was not executed in time); unknown (it may have been executed: the answer was lost, it was not read
    back, or the process died over it). `detail` says why."""

    key: str
    outcome: str
    detail: str = ""


@message
class Deed(Message):
    """A device tells the root what became of a command, for the audit; of one whose process died over it, when the next
    one finds it. What is no command at all (a field of a wrong kind or size) is only rejected."""

    device: str
    command: Sequence[Any]  # the fields of the Command, in order
    outcome: str
    detail: str = ""


@message
class Notice(Message):
    """A child tells the root what an operator must hear of, once: a far end that cannot be reached and why, or that it
    is back; a certificate that will expire. `is_bad` makes it a warning."""

    text: str
    is_bad: bool = True


@message
class Requested(Message):
    """An uplink tells the root, for the audit, of a request from above that nobody else tells of: one that was refused,
    or that only asked. `who` is the principal and the uplink, `names` what it was about, `why` its sender's reason."""

    who: str
    verb: str
    names: Sequence[str] = ()
    why: str = ""
    result: str = ""


@message
class Rules(Message):
    """How does each rule stand, and why? Answered with plain data by the process of the rules."""


# --- which network link an uplink uses -------------------------------------------------------------------------------


@message
class WhichWay(Message):
    """An uplink asks the process of the links for its way, and hears of every other one from then on.

    `links` are those it may use, by name, none for all; `servers` (host, port) where it connects to; `link` the one
    that it uses now, "" before it knew any.
    """

    links: Sequence[str]
    servers: Sequence[tuple[str, int]]
    link: str = ""


@message
class Way(Message):
    """Use this link: bind to `interface`, and let only `may_pass` ("all", "aggregated", "alarms", "nothing") go.

    `at_once`: the link in use is dead, and no farewell would get through; `why` says what it died of. `index` is the
    interface's in the kernel (0: not known): another one means that what was bound to it is dead.
    """

    link: str
    interface: str
    may_pass: str = "all"
    at_once: bool = False
    why: str = ""
    index: int = 0


@message
class Fared(Message):
    """How an uplink fares over a link: its messages arrive, or the connection was lost."""

    link: str
    well: bool


# --- the operator's questions to the root ---------------------------------------------------------------------------


@message
class Status(Message):
    """How is the tree? Answered with plain data."""


@message
class Operate(Message):
    """Do `verb` (restart, stop, start, shutdown) to the children that `name` means: a name, or a pattern like
    `press-*`. With `subtree` all children of a supervisor are meant one by one. Answered when it is under way or
    refused."""

    verb: str
    name: str = ""
    who: str = ""
    why: str = ""
    subtree: bool = False


@message
class Level(Message):
    """Log from `level` on (DEBUG, INFO, ...): told to a child, or asked of the root for the children `name` means."""

    level: str
    name: str = ""
    who: str = ""


@message
class Reload(Message):
    """Read the configuration again and change what has changed; go back when that is not well in `confirm_within_s`.

    `dry_run` only tells what would change; `to` (a number from the history) brings back an earlier configuration,
    `text` is a new one. What either brings takes CONFIG's place when the gateway is well with it. `over` is the uplink
    that this was asked over: the gateway is not well before that one has reached its far end again.
    """

    confirm_within_s: float = 60.0
    dry_run: bool = False
    to: int = 0
    who: str = ""
    why: str = ""
    text: bytes = b""
    over: str = ""


@message
class Reply(Message):
    """The answer to an ask; `error` is empty when all went well."""

    value: Any
    error: str = ""


def pack(item: Message, ask: int = 0) -> list[bytes]:
    """The frames of a message; `ask` is the number under which an answer is awaited, 0 for none."""
    body = msgpack.packb([type(item).__name__, ask, *(getattr(item, name) for name in item.slots_in_order)])
    return [body, *getattr(item, "frames", ())]


def unpack(frames: Sequence[bytes]) -> tuple[Message, int]:
    """A message and its ask number from its frames. Raises NotUnderstood for anything else."""
    try:
        name, ask, *values = msgpack.unpackb(frames[0], use_list=False, strict_map_key=False)
        if type(ask) is not int:
            raise TypeError("the ask number is no number")
        kind = Message.registry[name]
        extra: dict[str, Any] = {"frames": frames[1:]} if len(frames) > 1 else {}
        return kind(*values[: len(kind.slots_in_order)], **extra), ask
    except (ValueError, TypeError, KeyError, IndexError, msgpack.exceptions.UnpackException) as wrong:
        raise NotUnderstood(f"a message that is none of the house's: {wrong!r:.80}") from wrong

"""Which record kills the connection, and when that is certain enough to set it aside: a decider.

A far end that drops the connection at a certain message (too large for it, a topic that it does not grant) would stop
the stream for ever, for that message comes again after each reconnect. So the culprit is looked for, and after
`max_attempts` tries it goes to the dead letters. But to condemn a good record is a loss, and outages are common:

1.  Suspicion. When a connection is lost, the first message in flight that is not acknowledged is the head of its lane.
    A head that is the same at two losses in a row is suspect. A connection that was not made, or was lost with nothing
    in flight, tells nothing.
2.  Probation. From then on messages go one at a time, each record by itself, so that what is in flight at a loss is
    known. It ends when as many as were in flight when it began have passed.
3.  Witnesses. The suspect is tried only after some others were acknowledged on the same connection: fresh records, or
    the last one acknowledged, once more (its reader knows it by its id). So both directions worked a moment ago. A loss
    with the suspect alone in flight and fully written is then a hit. A loss at a witness says that it is the link: all
    hits are forgotten. A far end that swallows every PUBACK never acknowledges a witness, so nothing is condemned.
    Where no message was ever acknowledged, later records are tried as the first witness, in turn, when the suspect has
    failed `max_attempts` times: those of other sources if there are any, for if the suspect is innocent after all, and
    the witness of its own source, they have changed places.
4.  N of N. Any acknowledgement acquits; `max_attempts` hits without one, and without the loss of a witness in between,
    condemn. The number of witnesses changes from try to try, so that a link that always dies after the same number of
    bytes or messages meets a witness at times, or lets the suspect pass.

How sure is that? Let a flapping link lose each single message with the probability q, by chance. Five tries with 26
witnesses in all go wrong with q^5 (1-q)^26, which is 0.000001 at most (at q = 0.16), for each time that an innocent
record was suspected at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

Place = tuple[int, int]
WITNESSES = (3, 6, 4, 8, 5)  # acknowledged before the suspect's turn, by its hits
MANY = 64  # fresh messages that go before the suspect at most: live data is not kept waiting, nor is the verdict
SUSPECT_AT = 2  # losses in a row with the same head


@dataclass(frozen=True, slots=True)
class Flown:
    """What was in flight when the connection was lost: the head of each lane, how many messages, whether all bytes
    had been written, and whether it was only a witness, sent once more."""

    heads: Sequence[Place]
    messages: int
    written: bool = True
    witness: bool = False


@dataclass(frozen=True, slots=True)
class Suspicion:
    """`heads` with the number of losses in a row; `to_pass` is above 0 on probation; `acked` and `failures` count on
    this connection and connections in a row without any acknowledgement; `wary`: only sure witnesses are used."""

    max_attempts: int = 5
    heads: tuple[tuple[Place, int], ...] = ()
    suspect: Place | None = None
    hits: int = 0
    to_pass: int = 0
    crowd: int = 0
    acked: int = 0
    failures: int = 0
    wary: bool = False


def connected(suspicion: Suspicion) -> Suspicion:
    """A connection stands."""
    return replace(suspicion, acked=0)


def acknowledged(suspicion: Suspicion, place: Place | None) -> Suspicion:
    """On probation: the one in flight was taken; None for a witness that was sent once more."""
    known = replace(suspicion, acked=suspicion.acked + 1, failures=0)
    if place is None:
        return known
    known = replace(known, to_pass=known.to_pass - 1)
    if place == known.suspect or known.to_pass <= 0:  # innocent; or it is not met again, it was given up elsewhere
        known = replace(known, suspect=None, hits=0, wary=False)
    return replace(known, heads=(), crowd=0) if known.to_pass <= 0 else known


def lost(suspicion: Suspicion, flown: Flown) -> tuple[Suspicion, Place | None]:
    """A connection that stood is gone. The place of the record that is condemned by that, if there is one."""
    if not flown.messages:
        return suspicion, None
    if not suspicion.to_pass:
        return _noticed(suspicion, flown), None
    known = replace(suspicion, failures=suspicion.failures if suspicion.acked else suspicion.failures + 1)
    known = replace(known, to_pass=max(known.to_pass, known.crowd))
    if flown.witness or not flown.heads:
        return replace(known, hits=0), None
    (place, *_) = flown.heads
    if known.suspect is None:
        return replace(known, suspect=place), None
    if place != known.suspect:  # a second one while we were wary: the suspect is not met any more
        return replace(known, suspect=place if known.wary else known.suspect, hits=0, wary=True), None
    if not flown.written or suspicion.acked < witnesses(suspicion):
        return known, None
    if known.hits + 1 < known.max_attempts:
        return replace(known, hits=known.hits + 1), None
    return replace(known, suspect=None, hits=0, wary=False), place


def witnesses(suspicion: Suspicion) -> int:
    """How many must have been acknowledged on this connection before the suspect is tried."""
    return WITNESSES[suspicion.hits % len(WITNESSES)]


def may_try(suspicion: Suspicion, others_wait: bool) -> bool:
    """Whether it is the suspect's turn; `others_wait`: fresh messages of the other lane are ready."""
    if suspicion.acked < witnesses(suspicion):
        return False
    return not others_wait or suspicion.wary or suspicion.acked >= MANY


def _noticed(suspicion: Suspicion, flown: Flown) -> Suspicion:
    before = dict(suspicion.heads)
    heads = tuple((place, before.get(place, 0) + 1) for place in flown.heads)
    known = replace(suspicion, heads=heads)
    stuck = [place for place, losses in heads if losses >= SUSPECT_AT]
    if not stuck:
        return known
    return replace(known, suspect=stuck[0], to_pass=flown.messages, crowd=flown.messages, failures=0)

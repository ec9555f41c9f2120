"""Where requests come in and answers go out: each is read, proven, judged, remembered, and then begun; or refused.

opened ──> identified ──> unproven? ──> addressed, timely? ──> seen before? ──> rate, room, policy? ──> remembered
               └ strangers: answered so often and no oftener       └ replayed, with the earlier answer    │
answer <── ended <── writes.py, verbs.py <───────────────────────────────────────────────────────────────┘
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from typing import Any

from actors.steering.accounts import Accounts
from actors.steering.ended import Ended
from actors.steering.memory import Memory
from actors.steering.policy import LONGEST_NS, Here, Reason, Refusal, addressed, identified, judged, timely
from actors.steering.proof import unproven
from actors.steering.rates import Rate
from actors.steering.replies import Key, Replies
from actors.steering.settings import Settings
from actors.steering.verbs import Verbs
from actors.steering.writes import Writes
from transports.clock import Clock
from transports.errors import HoldfastError, UplinkDown
from transports.mailbox import Mailbox
from transports.messages import Command, Outcome
from transports.requests.answers import Answer, Result
from transports.requests.envelope import Opened, Unreadable, opened
from transports.requests.nonces import Now, Seen
from transports.requests.request import Request, Verb
from transports.uplinks import Asked, Asking

UNDER_WAY_MOST = 32
AGAIN_MOST = 4  # repetitions that wait for the answer to the first


@dataclass(slots=True)
class _Begun:
    """A request that is being executed, and who waits for what comes of it."""

    asked: Asked
    request: Request
    again: list[Asked] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hands:
    """What executes requests, and what remembers them."""

    memory: Memory
    writes: Writes
    verbs: Verbs


class Desk:
    """See the module's note. `wake` has `serve` called soon: there is something to answer."""

    def __init__(
        self,
        mailbox: Mailbox,
        clock: Clock,
        here: Here,
        principals: Mapping[str, Settings],
        hands: Hands,
        wake: Callable[[], object],
    ) -> None:
        self._clock, self._here, self._principals = clock, here, principals
        self._hands, self._wake = hands, wake
        self._accounts, self._replies = Accounts(mailbox, clock, here.uplink), Replies(here.gateway)
        self._begun: dict[Key, _Begun] = {}
        self._rates = {name: Rate(may.max_per_minute, 60.0) for name, may in principals.items()}
        self._is_serving = False
        self._heard_s = clock.now()
        self._began = clock.utc_ns() - round(clock.now() * 1e9)

    def state(self) -> Mapping[str, Any]:
        """What the uplink tells of its requests."""
        return {**self._accounts.state(), "under_way": len(self._begun)}

    # --- what the actor says -----------------------------------------------------------------------------------------

    def serve(self, uplink: Asking) -> None:
        """Take what has come, and send the answers that there are. May raise UplinkDown."""
        self._is_serving, self._heard_s = True, self._clock.now()
        try:
            for asked in uplink.asked():
                self._take(asked)
            self._replies.send(uplink)
        finally:
            self._is_serving = False

    def heard(self, sender: str, outcome: Outcome) -> None:
        """A device tells what came of a command."""
        self._hands.writes.heard(sender, outcome)

    def end(self, uplink: Asking | None = None) -> None:
        """This process ends: what is to be answered still is, over the uplink of the moment."""
        with suppress(UplinkDown):
            if uplink is not None:
                self._replies.send(uplink)
        self._accounts.close()
        self._hands.memory.close()

    # --- who asks ----------------------------------------------------------------------------------------------------

    def _take(self, asked: Asked) -> None:
        self._accounts.asked += 1
        said = opened(asked.body)
        if isinstance(said, Unreadable):
            refusal = Refusal(Reason.MALFORMED, said.why)
            if said.is_answer:
                self._accounts.turned_away(refusal, "request")
            else:
                self._turn_away(asked, said.id, refusal, "request")
            return
        name = identified(said.request, asked.sender, self._principals)
        doubt = name if isinstance(name, Refusal) else unproven(said, self._principals[name])
        if doubt is not None:
            self._turn_away(asked, said.request.id, doubt, said.request.verb)
        elif isinstance(name, str):
            self._hear(asked, said, replace(said.request, principal=name))

    def _turn_away(self, asked: Asked, id_: str, refusal: Refusal, verb: str) -> None:
        """Nobody knows who that was."""
        self._accounts.turned_away(refusal, verb)
        answer = Answer(id_, Result.REFUSED, refusal.reason, refusal.why)
        self._replies.say_seldom(asked, answer, "", self._clock.now())

    # --- what they ask for -------------------------------------------------------------------------------------------

    def _hear(self, asked: Asked, said: Opened, request: Request) -> None:
        name, now, is_signed = request.principal, self._now(), said.signature is not None
        try:
            nonces = self._hands.memory.nonces(now)
        except HoldfastError as unsafe:
            self._refuse_what_may_be_old(asked, request, _unsafe(unsafe))
            return
        refusal = addressed(request, self._here, is_signed) or timely(
            request, is_signed, now.utc_ns, nonces.floor_ns(name), nonces.newest_ns(name)
        )
        if refusal is not None:
            self._refuse_what_may_be_old(asked, request, refusal)
        elif (seen := nonces.find(*_key(request))) is not None:
            self._repeat(asked, request, is_same=seen.digest == said.digest)
        else:
            self._decide(asked, request, said.digest, now)

    def _now(self) -> Now:
        return Now(self._clock.utc_ns(), self._began + round(self._clock.now() * 1e9))

    def _decide(self, asked: Asked, request: Request, digest: str, now: Now) -> None:
        """It is new, and it is theirs: remember it before anything else, also when it is refused."""
        refusal, until_s = self._objection(request), self._until_s(request, now)
        seen = Seen(
            *_key(request), request.expires_ns or now.steady_ns + LONGEST_NS, digest, is_timed=request.expires_ns > 0
        )
        if refusal is not None:
            answer = _refused(request, refusal)
            self._replies.keep(_key(request), answer)
            self._accounts.was_refused(request, refusal)
            is_flood = refusal.reason is Reason.RATE
            self._hands.memory.remember(seen, now, lambda _: self._say(asked, answer), durably=not is_flood)
            return
        self._begun[_key(request)] = _Begun(asked, request)
        self._hands.memory.remember(seen, now, partial(self._begin, request, seen, until_s))

    def _until_s(self, request: Request, now: Now) -> float:
        """When it is too late to begin (monotonic): those before it, and the disk, may take their time."""
        its_end_s = self._clock.now() + (request.expires_ns - now.utc_ns) / 1e9 if request.expires_ns else inf
        return min(its_end_s, self._heard_s + request.ttl_s) if request.verb is Verb.WRITE else its_end_s

    def _objection(self, request: Request) -> Refusal | None:
        may = self._principals[request.principal]
        if not self._rates[request.principal].allows(self._clock.now()):
            return Refusal(Reason.RATE, f"more than {may.max_per_minute} requests within a minute")
        if len(self._begun) >= UNDER_WAY_MOST:
            return Refusal(Reason.BUSY, f"{UNDER_WAY_MOST} requests are under way; ask anew when they are answered")
        return judged(request, may, self._here)

    def _begin(self, request: Request, seen: Seen, until_s: float, unsafe: str) -> None:
        """It has been written down that it came, or it is `unsafe` to do anything about it."""
        may, ended = self._principals[request.principal], partial(self._ended, _key(request))
        if unsafe:
            ended(Ended(Result.REFUSED, Reason.DISK, _unsafe(unsafe).why, is_audited=False))
            return
        self._accounts.granted += 1
        if self._clock.now() >= until_s:
            why = "its time was over when it had been written down that it came: see to the disk"
            ended(Ended(Result.EXPIRED, Reason.DISK, why, is_audited=False))
        elif request.verb is Verb.WRITE:
            self._hands.writes.begin(request.device, self._command(request, seen, until_s), may.devices, ended)
        else:
            self._hands.verbs.begin(request, self._accounts.who(request), may, ended)

    def _command(self, request: Request, seen: Seen, until_s: float) -> Command:
        """Its key is that of this request for ever, whoever tells it again; of one that has the same nonce or id when
        this one is forgotten here, it is another, since the device forgets later."""
        return Command(
            key="/".join((self._here.uplink, *_key(request), f"{seen.expires_ns}")),
            tag=request.tag,
            value=request.value,
            until_s=until_s,
            origin=f"uplink:{self._here.uplink}",
            who=self._accounts.who(request),
            why=request.why,
            read_back=request.read_back,
        )

    # --- what came of it ---------------------------------------------------------------------------------------------

    def _ended(self, key: Key, ended: Ended) -> None:
        begun = self._begun.pop(key)
        request = begun.request
        answer = Answer(request.id, ended.result, ended.reason, ended.why, ended.value)
        if ended.result is Result.REFUSED and not ended.is_audited:
            self._accounts.was_refused(request, Refusal(Reason(ended.reason), ended.why))
        elif not ended.is_audited:
            result = f"{ended.result}: {ended.why}" if ended.why else str(ended.result)
            self._accounts.ended(request, result, ended.reason or ended.result)
        self._say(begun.asked, answer)
        self._replies.keep(key, answer)
        for asked in begun.again:
            self._repeat(asked, request, is_same=True)

    def _repeat(self, asked: Asked, request: Request, is_same: bool) -> None:
        """The same nonce again: nothing is executed, whatever is asked for."""
        begun = self._begun.get(_key(request))
        if begun is not None and is_same and len(begun.again) < AGAIN_MOST:
            begun.again.append(asked)
            return
        earlier = self._replies.earlier(_key(request)) if is_same else None
        if not is_same:
            why = "another request had the same nonce, or id; choose a new one for each"
        elif begun is not None:
            why = "it came before, and is under way"
        elif earlier is not None:
            why = "it came before, and was answered so"
        else:
            why = "it came before; what came of it is not known here any more, but the audit has it"
        self._refuse_what_may_be_old(asked, request, Refusal(Reason.REPLAYED, why), earlier)

    def _refuse_what_may_be_old(
        self, asked: Asked, request: Request, refusal: Refusal, earlier: Answer | None = None
    ) -> None:
        """It was its principal's once; whoever sent it now may have kept it."""
        self._accounts.was_refused(request, refusal)
        answer = replace(_refused(request, refusal), earlier=earlier)
        self._replies.say_seldom(asked, answer, request.principal, self._clock.now())
        self._send_soon()

    def _say(self, asked: Asked, answer: Answer) -> None:
        self._replies.say(asked, answer)
        self._send_soon()

    def _send_soon(self) -> None:
        if not self._is_serving:
            self._wake()


def _key(request: Request) -> Key:
    return request.principal, request.nonce or request.id


def _refused(request: Request, refusal: Refusal) -> Answer:
    return Answer(request.id, Result.REFUSED, refusal.reason, refusal.why)


def _unsafe(why: HoldfastError | str) -> Refusal:
    return Refusal(Reason.DISK, f"not done, or it might be done twice: {why}")

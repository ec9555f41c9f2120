"""Where requests come in and answers go out: each is read, proven, judged, remembered, and then begun; or refused.

opened ──> identified ──> unproven? ──> addressed, timely? ──> seen before? ──> rate, room, policy? ──> remembered
               └ strangers: answered so often and no oftener       └ replayed, with the earlier answer    │
answer <── ended <── writes.py, verbs.py <───────────────────────────────────────────────────────────────┘
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
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
from transports.errors import HoldfastError
from transports.mailbox import Mailbox
from transports.messages import Command, Outcome
from transports.requests.answers import Answer, Result
from transports.requests.envelope import Opened, Unreadable, opened
from transports.requests.nonces import Seen
from transports.requests.request import Request, Verb
from transports.uplinks import Asked, Asking

UNDER_WAY_MOST = 32
AGAIN_MOST = 4  # repetitions that wait for the answer to the first


@dataclass(slots=True)
class _Begun:
    """A request that is being executed, and who waits for what comes of it."""

    asked: Asked
    request: Request
    digest: str
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

    def state(self) -> Mapping[str, Any]:
        """What the uplink tells of its requests."""
        return {**self._accounts.state(), "under_way": len(self._begun)}

    # --- what the actor says -----------------------------------------------------------------------------------------

    def serve(self, uplink: Asking) -> None:
        """Take what has come, and send the answers that there are. May raise UplinkDown."""
        self._is_serving = True
        try:
            for asked in uplink.asked():
                self._take(asked)
            self._replies.send(uplink)
        finally:
            self._is_serving = False

    def heard(self, sender: str, outcome: Outcome) -> None:
        """A device tells what came of a command."""
        self._hands.writes.heard(sender, outcome)

    def end(self) -> None:
        """This process ends."""
        self._accounts.close()
        self._hands.memory.close()

    # --- who asks ----------------------------------------------------------------------------------------------------

    def _take(self, asked: Asked) -> None:
        self._accounts.asked += 1
        said = opened(asked.body)
        if isinstance(said, Unreadable):
            self._turn_away(asked, said.id, Refusal(Reason.MALFORMED, said.why), "request")
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
        self._replies.say_to_stranger(asked, answer, self._clock.now())

    # --- what they ask for -------------------------------------------------------------------------------------------

    def _hear(self, asked: Asked, said: Opened, request: Request) -> None:
        name, now_ns, is_signed = request.principal, self._clock.utc_ns(), said.signature is not None
        try:
            nonces = self._hands.memory.nonces(now_ns)
        except HoldfastError as unsafe:
            self._refuse(asked, request, _unsafe(unsafe))
            return
        refusal = addressed(request, self._here, is_signed) or timely(
            request, is_signed, now_ns, nonces.floor_ns(name), nonces.newest_ns(name)
        )
        if refusal is not None:
            self._refuse(asked, request, refusal)
        elif (seen := nonces.find(*_key(request))) is not None:
            self._repeat(asked, request, is_same=seen.digest == said.digest)
        else:
            self._decide(asked, request, said.digest, now_ns)

    def _decide(self, asked: Asked, request: Request, digest: str, now_ns: int) -> None:
        """It is new, and it is theirs: remember it before anything else, also when it is refused."""
        refusal = self._objection(request)
        until_ns = request.expires_ns or now_ns + LONGEST_NS
        seen = Seen(*_key(request), until_ns, digest, is_timed=bool(request.expires_ns))
        try:
            self._hands.memory.remember(seen, now_ns, durably=refusal is None or refusal.reason is not Reason.RATE)
        except HoldfastError as unsafe:
            refusal = refusal or _unsafe(unsafe)
        if refusal is not None:
            self._replies.keep(_key(request), self._refuse(asked, request, refusal))
            return
        self._accounts.granted += 1
        self._begun[_key(request)] = _Begun(asked, request, digest)
        self._begin(request, now_ns)

    def _objection(self, request: Request) -> Refusal | None:
        may = self._principals[request.principal]
        if not self._rates[request.principal].allows(self._clock.now()):
            return Refusal(Reason.RATE, f"more than {may.max_per_minute} requests within a minute")
        if len(self._begun) >= UNDER_WAY_MOST:
            return Refusal(Reason.BUSY, f"{UNDER_WAY_MOST} requests are under way; ask anew when they are answered")
        return judged(request, may, self._here)

    def _begin(self, request: Request, now_ns: int) -> None:
        may, ended = self._principals[request.principal], partial(self._ended, _key(request))
        if request.verb is Verb.WRITE:
            self._hands.writes.begin(request.device, self._command(request, now_ns), may.devices, ended)
        else:
            self._hands.verbs.begin(request, self._accounts.who(request), may, ended)

    def _command(self, request: Request, now_ns: int) -> Command:
        """Its key is that of this request for ever, whoever tells it again."""
        left_s = (request.expires_ns - now_ns) / 1e9 if request.expires_ns else request.ttl_s
        return Command(
            key="/".join((self._here.uplink, *_key(request))),
            tag=request.tag,
            value=request.value,
            until_s=self._clock.now() + min(request.ttl_s, left_s),
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
        elif earlier is not None:
            why = "it came before, and was answered so"
        else:
            why = "it came before; what came of it is not known here any more, but the audit has it"
        self._refuse(asked, request, Refusal(Reason.REPLAYED, why), earlier)

    def _refuse(self, asked: Asked, request: Request, refusal: Refusal, earlier: Answer | None = None) -> Answer:
        self._accounts.was_refused(request, refusal)
        answer = Answer(request.id, Result.REFUSED, refusal.reason, refusal.why, earlier=earlier)
        self._say(asked, answer)
        return answer

    def _say(self, asked: Asked, answer: Answer) -> None:
        self._replies.say(asked, answer)
        if not self._is_serving:
            self._wake()


def _key(request: Request) -> Key:
    return request.principal, request.nonce or request.id


def _unsafe(why: HoldfastError) -> Refusal:
    return Refusal(Reason.DISK, f"not done, or it might be done twice: {why}")

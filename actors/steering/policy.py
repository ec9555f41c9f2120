"""Who asks, and whether they may: pure. Each refusal has one word for programs and a sentence for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from actors.steering.settings import Settings
from transports.requests.request import Request, Verb

LONGEST_NS = 3600 * 10**9  # how far ahead a signed request may expire
SKEW_NS = 60 * 10**9  # two clocks that are both right
SET_NS = 1_735_689_600 * 10**9  # 2025-01-01: a clock that is earlier was never set


class Reason(StrEnum):
    """Why nothing was done."""

    MALFORMED = "malformed"
    STRANGER = "stranger"  # no such principal here
    UNSIGNED = "unsigned"
    SIGNATURE = "signature"
    ELSEWHERE = "elsewhere"  # meant for another gateway or uplink
    EXPIRED = "expired"
    CLOCK = "clock"
    REPLAYED = "replayed"
    VERB = "verb"
    DEVICE = "device"
    TAG = "tag"
    LIMITS = "limits"
    RATE = "rate"
    BUSY = "busy"
    DISK = "disk"
    ABSENT = "absent"
    HELD = "held"
    BROKEN = "broken"
    DOWN = "down"  # whoever should do it does not answer
    DEVICE_SAYS = "device-says"
    ROOT = "root"  # the gateway itself refuses: an unknown name, a configuration with mistakes
    ITSELF = "itself"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is done, and why."""

    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class Here:
    """Where a request has come to."""

    gateway: str
    uplink: str


def identified(request: Request, sender: str, principals: Mapping[str, Settings]) -> str | Refusal:
    """Who asks, as far as they say and the transport vouches (`sender`, "" when it does not); nothing is proven yet.

    A request that names nobody is of the one principal that the uplink is trusted to speak for.
    """
    name = request.principal or sender or _only_trusted(principals)
    if not name:
        return Refusal(Reason.STRANGER, "it names no principal")
    if name not in principals or not principals[name].enabled:
        return Refusal(Reason.STRANGER, f"no principal {name!a:.50} may ask over this uplink")
    if sender and sender != name:
        return Refusal(Reason.STRANGER, f"it names {name}, and the transport says that it comes from {sender!a:.50}")
    return name


def addressed(request: Request, here: Here, is_signed: bool) -> Refusal | None:
    """Whether it is meant for this gateway and this uplink; a signed one must say so, or it could be sent anywhere."""
    for member, given, ours in (
        ("gateway", request.gateway, here.gateway),
        ("uplink", request.uplink, here.uplink),
    ):
        if not given and is_signed:
            return Refusal(Reason.ELSEWHERE, f"a signed request must say for which {member} it is meant")
        if given and given != ours:
            return Refusal(Reason.ELSEWHERE, f"is meant for the {member} {given}, and this is {ours}")
    return None


def timely(request: Request, is_signed: bool, now_ns: int, floor_ns: int, newest_ns: int) -> Refusal | None:
    """Whether its time is now. `floor_ns`: what expires earlier may have been forgotten; `newest_ns`: the latest time
    at which any request seen expires, so our clock was once no more than an hour before that."""
    if is_signed and not (request.nonce and request.expires_ns):
        return Refusal(Reason.UNSIGNED, "a signed request must have a nonce, and a time at which it expires")
    if not request.expires_ns:
        return None
    if now_ns < max(SET_NS, newest_ns - LONGEST_NS - SKEW_NS):
        why = "the gateway's clock is not set, or stands before what was taken already: whether this has expired "
        return Refusal(Reason.CLOCK, f"{why}cannot be told; set it")
    if request.expires_ns <= now_ns:
        late_s = (now_ns - request.expires_ns) / 1e9
        return Refusal(Reason.EXPIRED, f"it expired {late_s:.0f} s ago by the gateway's clock")
    if request.expires_ns > now_ns + LONGEST_NS + SKEW_NS:
        return Refusal(Reason.EXPIRED, "it expires more than an hour ahead by the gateway's clock; give it less")
    if request.expires_ns <= floor_ns:
        return Refusal(Reason.EXPIRED, "it may have come before: so many did that it is not remembered; ask anew")
    return None


def judged(request: Request, may: Settings, here: Here) -> Refusal | None:
    """Whether this principal may have this done."""
    if request.verb not in may.verbs:
        return Refusal(Reason.VERB, f"may not {request.verb}; it may {', '.join(may.verbs)}")
    whom = request.device or request.name
    if whom and not is_among(whom, may.devices):
        return Refusal(Reason.DEVICE, f"may not {request.verb} {whom}; its devices are {', '.join(may.devices)}")
    if request.verb in (Verb.RESTART, Verb.STOP) and request.name == here.uplink:
        return Refusal(Reason.ITSELF, f"{here.uplink} would end before it could answer; ask over another uplink")
    return _written(request, may) if request.verb is Verb.WRITE else None


def is_among(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns means it."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _written(request: Request, may: Settings) -> Refusal | None:
    if not is_among(request.tag, may.tags):
        return Refusal(Reason.TAG, f"may not write {request.tag!a:.80}; its tags are {', '.join(may.tags)}")
    for pattern, range_ in may.limits.items():
        if request.value is not None and fnmatchcase(request.tag, pattern):
            broken = range_.limits.refusal(request.value)
            if broken:
                return Refusal(Reason.LIMITS, f"{request.target}: {broken}")
    return None


def _only_trusted(principals: Mapping[str, Settings]) -> str:
    trusted = [name for name, may in principals.items() if may.trust and may.enabled]
    return trusted[0] if len(trusted) == 1 else ""

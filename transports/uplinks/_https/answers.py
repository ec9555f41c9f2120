"""What an HTTP answer means for a message, and for those after it: a decider.

2xx                       taken
400 413 415 422           this message can never be taken: UplinkRefused
401 403 407               we are not let in; nothing is lost, and it is tried at most once a second: Held
3xx, other 4xx            the configuration is wrong; likewise
408 409 425 429, 5xx      not now; likewise, and no sooner than Retry-After says (RFC 9110, section 10.2.3)
"""

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from transports.errors import UplinkDown, UplinkRefused
from transports.json_paths import shown

_NEVER = {
    400: "it cannot read the message; look at payload, content_type and compress",
    413: "the message is too large for it: batch_bytes is too large; make it smaller",
    415: "it does not take this form; look at payload, content_type and compress",
    422: "it understands the message but cannot take what it says; look at payload",
}
_CURES = {
    401: "it does not know us; look at auth, at the token or password, and at this machine's clock",
    403: "we may not do this; give this client the right on the server, or look at auth and the client certificate",
    404: "there is nothing under that path; look at url",
    405: "it does not take this method there; look at method and url",
    406: "it has no answer in a form we take; look at url and headers",
    407: "a proxy in between wants to know who we are; let this machine pass it",
    410: "what was there is gone; look at url",
    411: "it does not see the length that we send; look at what is in between",
    414: "the url is too long for it",
    421: "it is not the server for that name; look at url and tls.server_name",
    431: "the headers are too large for it; look at headers and auth",
}
_LATER = {408: "it waited too long for the message", 409: "the same message is still being worked on"}
_LATER |= {425: "it does not want it so early", 429: "it gets too many messages", 503: "it is not available"}
# These and 3xx concern all messages alike. Not 405: so a server that takes only POST greets us on its best day.
EVERY = frozenset({401, 403, 404, 407, 410, 429, 503})
_SECONDS = re.compile(r"[0-9]{1,18}")


class Held(UplinkDown):
    """The far end does not take messages for now: not before `again_in_s` have passed, as it asked (0: it did not)."""

    def __init__(self, why: str, again_in_s: float = 0.0, status: int = 0) -> None:
        super().__init__(why)
        self.again_in_s, self.status = again_in_s, status


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: its status, what it asks for or sends us to, and the beginning of its text."""

    status: int
    retry_after: str = ""
    location: str = ""
    text: bytes = b""


def judge(answer: Answer, where: str, utc_ns: int, most_s: float) -> None:
    """Returns when the message is taken. Raises UplinkRefused, or Held, each with its cure."""
    status = answer.status
    if 200 <= status < 300:
        return
    said = f"; it says {shown(answer.text)!r}" if answer.text.strip() else ""
    if status in _NEVER:
        raise UplinkRefused(f"{where}: it answers {status}: {_NEVER[status]}{said}")
    pause_s = pause(answer.retry_after, utc_ns, most_s)
    if 300 <= status < 400:
        to = shown(answer.location.encode())
        raise Held(
            f"{where}: it answers {status} and sends us to {to!r}; if you trust that, write it as url", 0, status
        )
    if status in _LATER or status >= 500 or status < 200:
        asked = f", and asks for a pause of {pause_s:.0f} s" if pause_s else ""
        raise Held(f"{where}: it answers {status}: {_LATER.get(status, 'it has failed')}{asked}{said}", pause_s, status)
    raise Held(f"{where}: it answers {status}: {_CURES.get(status, 'it refuses us')}{said}", pause_s, status)


def concerns_all(status: int) -> bool:
    """Whether a status is about the server or about us, and not about one message."""
    return status in EVERY or 300 <= status < 400


def pause(retry_after: str, utc_ns: int, most_s: float) -> float:
    """The seconds that Retry-After asks for, as seconds or as a date; 0 for none and for what is neither."""
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), most_s)
    try:
        until_s = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, until_s - utc_ns / 1e9), most_s)

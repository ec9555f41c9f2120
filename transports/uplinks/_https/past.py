"""What one connection of the HTTPS uplink leaves to the next: HTTP has no session that would remember it.

when to try again   after each failure a second at least, doubling; what the server asked for if that is longer
whether it goes     `proven`: the last message was taken. Until then messages go one at a time
what is refused     messages that the server will never take: the next time they are refused before they leave
the token           of OAuth2, until it expires
"""

from dataclasses import dataclass, field

from transports.uplinks._past import BACKOFF, LEAST_S, Refused

INSIST = 6  # so often a greeting may confirm a complaint before a message is tried all the same


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and when it should be renewed (monotonic seconds)."""

    text: str
    renew_at: float


@dataclass(slots=True)
class Past:
    """`complaint` is the status that ended the last connection and why, where it concerns all messages alike;
    `confirmed` counts the greetings since that had the same answer."""

    not_before: float = float("-inf")
    failures: int = 0
    proven: bool = False
    token: Token | None = None
    complaint: tuple[int, str] | None = None
    confirmed: int = 0
    refused: Refused[bytes] = field(default_factory=Refused)
    spoiled: Refused[str] = field(default_factory=Refused)

    def failed(self, now: float, asked_s: float, luck: float) -> None:
        """A connection has ended badly; the server asked for a pause of `asked_s` (0: it did not)."""
        self.not_before = now + max(LEAST_S, asked_s, BACKOFF.delay_s(self.failures, luck))
        self.failures += 1
        self.proven = False

    def succeeded(self) -> None:
        """A message was taken."""
        self.proven, self.failures = True, 0
        self.complaint, self.confirmed = None, 0

    def complained(self, status: int, why: str) -> None:
        """It does not take any message for now."""
        if self.complaint is None or self.complaint[0] != status:
            self.complaint, self.confirmed = (status, why), 0

    def still(self, greeted: int) -> str:
        """Why there is no need to try a message, by the status that a greeting was answered with; "" to try one.

        A server may answer greetings so whatever it does with messages: now and then one is tried all the same.
        """
        if self.complaint is None or self.complaint[0] != greeted or self.confirmed >= INSIST:
            self.confirmed = 0
            return ""
        self.confirmed += 1
        return self.complaint[1]

    def refuse(self, digest: bytes, key: str, why: str) -> None:
        """A message is never to be sent again, nor its key."""
        self.refused.refuse(digest, why)
        self.spoiled.refuse(key)

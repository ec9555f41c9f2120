"""The one tree of errors, each named by what the caller should do about it.

HoldfastError
├── SettingsError      mend the configuration: path, value, what is allowed
├── MissingExtra       install an optional library, then start again
├── LinkDown           the device is gone: close, open again later
├── LinkTimeout        the device did not answer this time: count it, ask again
├── LinkRefused        the device answered "no" to this request: say so, do not repeat it
├── UplinkDown         the far end is gone: keep everything, connect again later
├── UplinkRefused      this one message can never be delivered: set it aside, go on
├── SpoolError         the disk refused: die, reopen, verify
│   └── SpoolFull      there is no room: drop by policy and say so
│       └── QuotaFull  a topic has used what it may: wait, or give up what is new
├── Down               nobody of that name is listening now: wait for its return
├── AskTimeout         it listens but did not answer before the deadline
├── NotUnderstood      what arrived is not of this format: set it aside, name the byte
├── NotNeeded          this process has nothing to do here: show it, do not start it again
├── AlreadyRunning     another owner holds the run directory or the name
└── NotRunning         no gateway answers in this run directory
"""

from dataclasses import dataclass


class HoldfastError(Exception):
    """The root of every error this house raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration: where, what was written, and what to write instead.

    `path` is dotted (`device.press-1.port`), `value` the offending text as `repr`, empty when something is
    missing, `cure` a sentence that an operator can act on.
    """

    path: str
    value: str
    cure: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value}: {self.cure}" if self.value else f"{self.path}: {self.cure}"


class SettingsError(HoldfastError):
    """The configuration cannot be used; `problems` has every mistake that was found, in file order."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class MissingExtra(HoldfastError):
    """A driver's optional library is not installed; the message says how to install it."""

    def __init__(self, name: str, extra: str) -> None:
        super().__init__(f"the driver {name!r} needs a library that is not installed: pip install 'holdfast[{extra}]'")
        self.name, self.extra = name, extra


class LinkDown(HoldfastError):
    """The connection to a device is gone or could not be made: close the link and connect again later."""


class LinkTimeout(HoldfastError):
    """The device did not answer in time; the connection may be fine. Ask again at the next period."""


class LinkRefused(HoldfastError):
    """The device understood and refused (a Modbus exception, a read-only tag). Repeating will not help."""


class UplinkDown(HoldfastError):
    """The far end cannot be reached or the connection died: keep what is undelivered and connect again."""


class UplinkRefused(HoldfastError):
    """The far end or the protocol can never take this message (too large, a topic that is not allowed)."""


class SpoolError(HoldfastError):
    """The disk failed under the spool. Nothing unacknowledged may be promised: die, reopen, verify."""


class SpoolFull(SpoolError):
    """There is no room, nothing was taken, and nothing is broken: drop by policy, or wait, and say so.

    `quota` tells a topic that has used what it may (its policy says what to do) from a disk that is full.
    """

    quota = False


class QuotaFull(SpoolFull):
    """A topic has used what it may, and its policy takes no more: wait until there is room, or give the new ones up."""

    quota = True


class Down(HoldfastError):
    """A name that nobody answers to at the moment. `name` is whom the message was for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is down")
        self.name = name


class AskTimeout(HoldfastError):
    """A question was delivered but not answered before its deadline."""


class NotUnderstood(HoldfastError):
    """Bytes that are not what their place promises: a damaged record, a frame of another version."""


class NotNeeded(HoldfastError):
    """A child finds, before it is ready, that there is nothing for it to do: it is left out, as OTP's `ignore`."""


class AlreadyRunning(HoldfastError):
    """The run directory, or a name in it, belongs to a live process; `pid` is that process (0 if unknown)."""

    def __init__(self, what: str, pid: int) -> None:
        super().__init__(f"{what} is already in use by the running process {pid}; stop that one first")
        self.pid = pid


class NotRunning(HoldfastError):
    """No gateway answers where the caller looked."""

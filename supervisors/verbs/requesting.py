"""`holdfast request`: a request from above as the text to publish, and the keys to sign it with.

    holdfast request --new-key scada.pem
    holdfast request --key scada.pem --principal scada --gateway plant --uplink cloud write press-1 setpoint 12.5

Nothing is sent, and no gateway need be near: what is printed is what the gateway's uplink takes (docs/commands.md). A
text is signed only if a gateway would take its form. Without a key it is not signed, for uplinks that are trusted.
"""

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from supervisors.verbs.sending import value_of
from transports.errors import HoldfastError, NotUnderstood
from transports.units import parse_duration

LONGEST_S = 3600.0  # a gateway takes nothing that is good for longer
_SHAPES: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {  # words that must follow a verb, words that may
    "write": (("device", "tag", "value"), ()),
    "restart": (("name",), ()),
    "stop": (("name",), ()),
    "start": (("name",), ()),
    "status": ((), ("name",)),
    "ledger": ((), ()),
    "crashes": ((), ("name",)),
    "reload": (("config",), ()),
}


def _verbs() -> list[str]:
    """What can be asked for; names are those of another gateway."""
    return [*_SHAPES]


Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="VERB ...",
        help="write DEVICE TAG VALUE, restart|stop|start NAME, status [NAME], ledger, crashes [NAME], reload CONFIG",
        autocompletion=_verbs,
    ),
]
NewKey = Annotated[Path | None, typer.Option("--new-key", help="write a new private key there, print its public key")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="private key (PEM) that it is signed with")]
Principal = Annotated[str, typer.Option("--principal", help="who asks: a [principal.NAME] of the gateway")]
ForGateway = Annotated[str, typer.Option("--gateway", help="for which gateway it is meant")]
ForUplink = Annotated[str, typer.Option("--uplink", help="over which of its uplinks it will come")]
Within = Annotated[str, typer.Option("--expires", help="so long it may be taken; at most 1h")]
Why = Annotated[str, typer.Option("--why", help="a reason, for the audit")]
ConfirmWithin = Annotated[str, typer.Option("--confirm-within", help="for reload: taken back if not well by then")]


def request(
    words: Words = None,
    new_key: NewKey = None,
    key: KeyFile = None,
    principal: Principal = "",
    gateway: ForGateway = "",
    uplink: ForUplink = "",
    expires: Within = "60s",
    why: Why = "",
    confirm_within: ConfirmWithin = "60s",
) -> None:
    """Print a request from above, signed, to publish over an uplink; or make a key pair with --new-key."""
    if new_key is not None:
        typer.echo(_new_key(new_key))
        return
    said = {**_members(words or [], confirm_within), **_frame(principal, gateway, uplink, expires, why)}
    if key is not None and not (principal and gateway and uplink):
        raise typer.BadParameter("a signed request needs --principal, --gateway and --uplink: for whom it is good")
    typer.echo(_text(said, key))


def _members(words: Sequence[str], confirm_within: str) -> dict[str, Any]:
    """What is asked for."""
    verb, *given = words or [""]
    if verb not in _SHAPES:
        raise typer.BadParameter(f"{verb!r:.40} is no verb; there are {', '.join(_SHAPES)}")
    must, may = _SHAPES[verb]
    if not len(must) <= len(given) <= len(must) + len(may):
        form = " ".join([verb, *map(str.upper, must), *(f"[{name.upper()}]" for name in may)])
        raise typer.BadParameter(f"write {form}")
    said: dict[str, Any] = {"verb": verb, **dict(zip([*must, *may], given, strict=False))}
    if verb == "write":
        said["value"] = value_of(said["value"])
    if verb == "reload":
        said |= {"config": _read(Path(said["config"])), "confirm_within": _seconds("--confirm-within", confirm_within)}
    return said


def _frame(principal: str, gateway: str, uplink: str, expires: str, why: str) -> dict[str, Any]:
    """Who asks whom, and until when: a new nonce each time."""
    given = {"principal": principal, "gateway": gateway, "uplink": uplink, "why": why}
    good_for_s = _seconds("--expires", expires)
    if not 0 < good_for_s <= LONGEST_S:
        raise typer.BadParameter(f"--expires {expires}: must be more than 0s, and at most 1h")
    until = round(time.time() + good_for_s, 3)
    marks = {"id": secrets.token_hex(8), "nonce": secrets.token_hex(16), "expires": until}
    return {**{member: text for member, text in given.items() if text}, **marks}


def _text(said: Mapping[str, Any], key: Path | None) -> str:
    from transports.requests import signing

    text = json.dumps(said, ensure_ascii=False)
    _must_be_taken(text)
    if key is None:
        return text
    try:
        message = signing.signed(text, _read(key).encode()).decode()
    except NotUnderstood as wrong:
        raise HoldfastError(f"{key}: {wrong}") from wrong
    _must_be_taken(message)  # its quotation marks make it longer
    return message


def _must_be_taken(message: str) -> None:
    """Raises HoldfastError with the reason why no gateway takes that."""
    from transports.requests.envelope import Unreadable, opened

    try:
        found = opened(message.encode())
    except UnicodeEncodeError as wrong:
        raise HoldfastError("what is asked for is no text that UTF-8 has") from wrong
    if isinstance(found, Unreadable):
        raise HoldfastError(found.why)


def _new_key(path: Path) -> str:
    """The line for the configuration. A key that is there is never replaced."""
    from transports.requests import signing

    private, public = signing.new_pair()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as refused:
        raise HoldfastError(f"{path} cannot be written ({refused.strerror}); name another file") from refused
    with open(descriptor, "wb") as file:
        file.write(private)
    return f'key = "{public}"'


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as failed:
        raise HoldfastError(f"{path} cannot be read ({failed})") from failed


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"{option} {text!r}: {wrong}") from wrong

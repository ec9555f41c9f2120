"""Certificates that are wrong, each in one way, and then put right in the same files: the same for all kinds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.certificates import Authority, Pair

SERVER = "far.plant"
ELSEWHERE = ("127.0.0.9",)
_LONG = (-1.0, 90.0)  # days: nothing is said of their end


@dataclass(frozen=True)
class Papers:
    """`ca` is whom the gateway believes, `server` the far end's own; with `client` the far end asks for one that
    `client_ca` has signed. `mend` puts the files right; `restarts`: the far end must read them again for that."""

    name: str
    words: tuple[str, ...]
    ca: Path
    server: Pair
    mend: Callable[[], object]
    client_ca: Path
    client: Pair | None = None
    restarts: bool = True
    good_client: Pair | None = field(default=None)

    @property
    def tls(self) -> str:
        """The key `tls` of an uplink."""
        own = f', certificate = "{self.client.certificate}", key = "{self.client.key}"' if self.client else ""
        return f'tls = {{ ca = "{self.ca}"{own} }}'


def wrong_papers(directory: Path) -> list[Papers]:
    """One for each trouble with certificates."""
    return [make(_room(directory, name)) for name, make in _WRONG.items()]


def _room(directory: Path, name: str) -> Path:
    room = directory / name
    room.mkdir(parents=True)
    return room


def _wrong_ca(room: Path) -> Papers:
    authority, stranger, ca = (
        Authority(room, valid_days=_LONG),
        Authority(room, "stranger", _LONG),
        room / "believed.pem",
    )
    ca.write_bytes(stranger.ca.read_bytes())
    server = authority.signs(SERVER, valid_days=_LONG)
    words = ("its certificate is not accepted", "tls.ca")
    mend = lambda: ca.write_bytes(authority.ca.read_bytes())  # noqa: E731
    return Papers("wrong-ca", words, ca, server, mend, authority.ca, restarts=False)


def _expired(room: Path) -> Papers:
    authority = Authority(room, valid_days=_LONG)
    server = authority.signs(SERVER, valid_days=(-3, -1))
    words = ("its certificate is not accepted", "expired")
    return Papers(
        "expired", words, authority.ca, server, lambda: authority.signs(SERVER, valid_days=_LONG), authority.ca
    )


def _not_yet_valid(room: Path) -> Papers:
    authority = Authority(room, valid_days=_LONG)
    server = authority.signs(SERVER, valid_days=(1, 3))
    words = ("its certificate is not accepted", "not yet valid")
    return Papers(
        "not-yet-valid", words, authority.ca, server, lambda: authority.signs(SERVER, valid_days=_LONG), authority.ca
    )


def _wrong_host(room: Path) -> Papers:
    authority = Authority(room, valid_days=_LONG)
    server = authority.signs(SERVER, ELSEWHERE, valid_days=_LONG)
    words = ("its certificate is not accepted", "name")
    return Papers(
        "wrong-host", words, authority.ca, server, lambda: authority.signs(SERVER, valid_days=_LONG), authority.ca
    )


def _refused_client(room: Path) -> Papers:
    authority, stranger, mine = (
        Authority(room, valid_days=_LONG),
        Authority(room, "stranger", _LONG),
        Pair(room / "mine.pem", room / "mine.key"),
    )
    server, good, bad = (
        authority.signs(SERVER, valid_days=_LONG),
        authority.signs("gateway", valid_days=_LONG),
        stranger.signs("intruder", valid_days=_LONG),
    )
    _copied(bad, mine)
    return Papers(
        "refused-client",
        ("client certificate", "tls.certificate"),
        authority.ca,
        server,
        lambda: _copied(good, mine),
        authority.ca,
        mine,
        restarts=False,
        good_client=good,
    )


def _copied(source: Pair, target: Pair) -> None:
    target.certificate.write_bytes(source.certificate.read_bytes())
    target.key.write_bytes(source.key.read_bytes())


_WRONG = {
    "wrong-ca": _wrong_ca,
    "expired": _expired,
    "not-yet-valid": _not_yet_valid,
    "wrong-host": _wrong_host,
    "refused-client": _refused_client,
}

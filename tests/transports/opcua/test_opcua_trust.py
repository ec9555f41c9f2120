from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.peers.opcua_certificates import Authority, own, pem
from transports.opcua.certificates import application_uri, chain_of, der, load_certificate, load_key
from transports.opcua.trust import Trusted, objection, trusted_in

NOW = datetime.now(UTC)
URI = "urn:server"
STRANGER = "nobody who is trusted has signed it"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("root")


@pytest.fixture(scope="module")
def works(root: Authority) -> Authority:
    return Authority("works", above=root)


def test_who_is_in_the_folder_is_believed(root: Authority) -> None:
    server = root.signs("server", URI)
    assert objection([server], Trusted((server,)), NOW, URI) == ""


def test_who_was_signed_by_somebody_in_the_folder_is_believed_over_several_steps(
    root: Authority, works: Authority
) -> None:
    server = works.signs("server", URI)
    assert objection([server, works.certificate], Trusted((root.certificate,)), NOW, URI) == ""
    assert objection([server], Trusted((root.certificate, works.certificate)), NOW, URI) == ""
    assert objection([server], Trusted((root.certificate,)), NOW, URI) == STRANGER, "a link is missing"


def test_a_stranger_is_not_believed_also_when_it_vouches_for_itself(root: Authority) -> None:
    server = root.signs("server", URI)
    assert objection([server], Trusted(), NOW, URI) == STRANGER
    assert objection([server, root.certificate], Trusted(), NOW, URI) == STRANGER


def test_one_with_the_name_of_an_authority_is_not_that_authority(root: Authority) -> None:
    server = Authority("works-of-another").signs("server", URI)
    assert objection([server], Trusted((root.certificate,)), NOW, URI) == STRANGER


def test_who_is_no_authority_signs_nobody(root: Authority) -> None:
    clerk = Authority("clerk", above=root, ca=False)
    server = clerk.signs("server", URI)
    assert objection([server, clerk.certificate], Trusted((root.certificate,)), NOW, URI) == STRANGER


@pytest.mark.parametrize(("at", "problem"), [(NOW + 2 * DAY, "it expired"), (NOW - 20 * DAY, "it is not valid yet")])
def test_what_is_out_of_date_is_not_believed_and_the_clock_is_named(
    root: Authority, at: datetime, problem: str
) -> None:
    server = root.signs("server", URI)
    said = objection([server], Trusted((server,)), at, URI)
    assert said.startswith(problem)
    assert f"clock says {at:%Y-%m-%d}" in said


def test_an_authority_that_has_expired_vouches_for_nobody() -> None:
    old = Authority("old", end=NOW - DAY)
    assert "it expired" in objection([old.signs("server", URI)], Trusted((old.certificate,)), NOW, URI)


def test_who_calls_itself_otherwise_than_its_certificate_is_not_believed(root: Authority) -> None:
    server = root.signs("server", URI)
    assert "made out to 'urn:server'" in objection([server], Trusted((server,)), NOW, "urn:other")


def test_what_was_revoked_is_not_believed_and_only_its_authority_can_revoke(root: Authority) -> None:
    server = root.signs("server", URI)
    revoked = Trusted((root.certificate,), (root.revokes(server),))
    assert "it was revoked" in objection([server], revoked, NOW, URI)
    by_another = Trusted((root.certificate,), (Authority("another").revokes(server),))
    assert objection([server], by_another, NOW, URI) == ""


def test_a_folder_may_hold_either_form_lists_and_anything_else(root: Authority, tmp_path: Path) -> None:
    server = root.signs("server", URI)
    (tmp_path / "root.pem").write_bytes(pem(root.certificate))
    (tmp_path / "server.der").write_bytes(der(server))
    (tmp_path / "both.crt").write_bytes(pem(root.certificate) + pem(server))
    (tmp_path / "root.crl").write_bytes(pem(root.revokes(server)))
    (tmp_path / "der.crl").write_bytes(root.revokes(server).public_bytes(Encoding.DER))
    (tmp_path / "README").write_text("what lies here is trusted")
    (tmp_path / "folder").mkdir()
    found = trusted_in(tmp_path)
    assert set(found.certificates) == {root.certificate, server}
    assert len(found.revoked) == 2


def test_a_made_certificate_names_the_gateway_and_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    pair = own(tmp_path, "gateway", "urn:press-line:holdfast")
    certificate = load_certificate(pair.certificate.read_bytes())
    assert application_uri(certificate) == "urn:press-line:holdfast"
    assert certificate.public_key() == load_key(pair.key.read_bytes()).public_key()
    assert pair.key.stat().st_mode & 0o777 == 0o600
    own(tmp_path, "gateway")
    assert pair.key.stat().st_mode & 0o777 == 0o600, "also when it was there before"


def test_a_chain_is_taken_apart(root: Authority, works: Authority) -> None:
    server = works.signs("server", URI)
    chain = [server, works.certificate, root.certificate]
    assert chain_of(b"".join(map(der, chain))) == chain
    assert load_certificate(b"".join(map(der, chain))) == server
    for garbage in (b"\x30\x82", b"\x30\x82\0\0" * 100, b"x" * 100):
        with pytest.raises(ValueError, match=r"."):
            chain_of(garbage)


def test_a_certificate_without_names_has_no_uri(root: Authority) -> None:
    assert application_uri(root.certificate) == ""

"""The HTTPS uplink's certificates: whom it believes, who it says it is, and how each mistake is told."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.peers.certificates import Authority, Pair
from tests.transports.uplinks.https_driving import Sender, far_end, out


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def pair(authority):
    return authority.signs("cloud.plant")


@pytest.fixture
def far(tmp_path, pair):
    with far_end(tmp_path, pair) as running:
        yield running


@pytest.fixture
def asking(tmp_path, authority, pair):
    with far_end(tmp_path, pair, client_ca=authority.ca) as running:
        yield running


def test_a_server_that_a_stranger_vouches_for_is_not_believed_and_gets_nothing(far, stranger):
    sender = Sender(far, stranger)
    why = sender.refusal()
    assert "its certificate is not accepted" in why
    assert "tls.ca" in why
    assert sender.refusal() == why  # one event, however often it is tried
    assert far.heard("HEAD", "POST") == []


def test_without_a_ca_the_systems_own_are_asked(far):
    assert "its certificate is not accepted" in Sender(far).refusal()


def test_a_certificate_for_another_host_is_not_believed_unless_that_name_is_expected(far, authority):
    far.url = far.url.replace("127.0.0.1", "localhost")
    assert "localhost" in Sender(far, authority).refusal()
    named = {"ca": str(authority.ca), "server_name": "cloud.plant"}
    assert Sender(far, tls=named).deliver(out(1)) == [1]
    assert "elsewhere" in Sender(far, tls=named | {"server_name": "elsewhere"}).refusal()


@pytest.mark.parametrize(("begins", "ends", "said"), [(-30, -1, "has expired"), (1, 30, "not yet valid")])
def test_a_certificate_out_of_its_time_is_not_believed(tmp_path, authority, pair, begins, ends, said):
    with far_end(tmp_path, _timed(authority, pair, tmp_path, begins, ends)) as far:
        assert said in Sender(far, authority).refusal()


def _timed(authority, pair, directory, begins, ends):
    """A certificate like `pair`'s, valid from and until so many days from now."""
    model, now = x509.load_pem_x509_certificate(pair.certificate.read_bytes()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(model.subject)
        .issuer_name(model.issuer)
        .public_key(model.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=ends))
    )
    for extension in model.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    made = directory / "timed.pem"
    made.write_bytes(builder.sign(authority._key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return Pair(made, pair.key)


def test_a_client_certificate_lets_us_in(asking, authority):
    ours = authority.signs("gateway")
    tls = {"ca": str(authority.ca), "certificate": str(ours.certificate), "key": str(ours.key)}
    assert Sender(asking, tls=tls).deliver(out(1)) == [1]


def test_a_missing_client_certificate_is_said_before_anything_is_sent(asking, authority):
    why = Sender(asking, authority).refusal()
    assert "client certificate" in why
    assert asking.posts() == []


def test_a_client_certificate_that_the_server_does_not_know_is_named(asking, authority, stranger):
    ours = stranger.signs("intruder")
    tls = {"ca": str(authority.ca), "certificate": str(ours.certificate), "key": str(ours.key)}
    assert "tls.certificate" in Sender(asking, tls=tls).refusal()


def test_a_certificate_that_was_replaced_is_used_from_the_next_connection_on(asking, authority, stranger, tmp_path):
    good, bad = authority.signs("renewed"), stranger.signs("old")
    mine = Pair(tmp_path / "mine.pem", tmp_path / "mine.key")
    _copied(bad, mine)
    sender = Sender(asking, tls={"ca": str(authority.ca), "certificate": str(mine.certificate), "key": str(mine.key)})
    assert "tls.certificate" in sender.refusal()
    _copied(good, mine)
    assert sender.deliver(out(1)) == [1]


def _copied(source, target):
    target.certificate.write_bytes(source.certificate.read_bytes())
    target.key.write_bytes(source.key.read_bytes())


def test_a_certificate_that_is_gone_is_named_and_heals(far, authority, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.ca.read_bytes())
    sender = Sender(far, tls={"ca": str(ca)})
    ca.unlink()
    assert "cannot be read" in sender.refusal()
    ca.write_bytes(authority.ca.read_bytes())
    assert sender.deliver(out(1)) == [1]


def test_a_port_without_tls_is_said_to_be_one(tmp_path, authority):
    with far_end(tmp_path) as plain:
        plain.url = plain.url.replace("http:", "https:")
        assert "does not speak TLS" in Sender(plain, authority).refusal()


def test_tls_where_plain_http_was_expected_is_said(far):
    far.url = far.url.replace("https:", "http:")
    assert far.url in Sender(far).refusal()

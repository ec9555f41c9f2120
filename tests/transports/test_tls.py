"""What a connection is secured with: versions, protocols to announce, and how unusable files are told."""

import ssl

import pytest

from tests.peers.certificates import Authority
from transports.tls import Tls, client_context
from transports.uplinks._reasons import connecting


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def server(authority):
    pair = authority.signs("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def handshake(client, server, name="server"):
    """Both ends in memory, until each has what it waits for; the client's end."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(down, up, server_hostname=name)
    far = server.wrap_bio(up, down, server_side=True)
    waiting = [near, far]
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                if end is near:
                    raise
                waiting.remove(end)  # it has sent its alert
    return near


def test_tls_1_2_is_spoken_unless_1_3_is_demanded(authority, server):
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(client_context(Tls(ca=authority.ca)), server).version() == "TLSv1.2"
    with pytest.raises(ssl.SSLError) as error:
        handshake(client_context(Tls(ca=authority.ca, min_version="1.3")), server)
    assert "tls.min_version" in connecting(error.value, "server:8883")


def test_nothing_older_than_tls_1_2_is_spoken(authority):
    assert client_context(Tls(ca=authority.ca)).minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_protocols_that_are_written_are_announced(authority, server):
    server.set_alpn_protocols(["mqtt"])
    context = client_context(Tls(ca=authority.ca, alpn=("x-amzn-mqtt-ca", "mqtt")))
    assert handshake(context, server).selected_alpn_protocol() == "mqtt"
    assert handshake(client_context(Tls(ca=authority.ca)), server).selected_alpn_protocol() is None


def test_a_file_that_has_become_unusable_is_named(authority, tmp_path):
    broken = tmp_path / "broken.pem"
    with pytest.raises(OSError, match=r"broken\.pem"):
        client_context(Tls(ca=broken))
    broken.write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(OSError, match=r"broken\.pem must contain certificates"):
        client_context(Tls(ca=broken))
    pair = authority.signs("own")
    with pytest.raises(OSError, match=r"broken\.pem must be a PEM certificate and its private key"):
        client_context(Tls(certificate=pair.certificate, key=broken))

"""Who the JetStream uplink lets in, and who lets it in: TLS, users, tokens, keys, rights that are taken away."""

import base64
import binascii
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.peers.certificates import Authority
from tests.peers.nats_server import NatsServer
from tests.transports.uplinks.jetstream_driving import Relay, Sender, out
from transports.errors import UplinkDown

PUBLISHER = "holdfast.>", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.MSG.GET.*"


def users(password="right", publish=PUBLISHER, subscribe="_INBOX.>"):
    allowed = ", ".join(f'"{subject}"' for subject in publish)
    rights = f'permissions {{ publish: [{allowed}], subscribe: "{subscribe}" }}'
    return f"authorization {{ users: [{{ user: gw, password: {password}, {rights} }}] }}"


@pytest.fixture
def secret(tmp_path):
    def made(text, name="secret"):
        (tmp_path / name).write_text(text)
        return {"file": str(tmp_path / name)}

    return made


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def tls_lines(authority, *more):
    pair = authority.signs("nats.plant")
    files = f'cert_file: "{pair.certificate}", key_file: "{pair.key}", ca_file: "{authority.ca}"'
    return f"tls {{ {files}\n{' '.join(more)} }}"


@pytest.fixture(scope="module")
def secured(authority, tmp_path_factory):
    with NatsServer(tmp_path_factory.mktemp("tls"), tls_lines(authority)) as running:
        yield running


@pytest.fixture(scope="module")
def asking(authority, tmp_path_factory):
    with NatsServer(tmp_path_factory.mktemp("mtls"), tls_lines(authority, "verify: true")) as running:
        yield running


def over_tls(server, **tls):
    given = {key: value if isinstance(value, (bool, dict)) else str(value) for key, value in tls.items()}
    return Sender(f"tls://127.0.0.1:{server.port}", tls=given)


# --- TLS -------------------------------------------------------------------------------------------------------------


def test_messages_travel_encrypted(secured, authority):
    assert over_tls(secured, ca=authority.ca).deliver(*[out(n) for n in range(1, 50)]) == list(range(1, 50))


def test_a_server_that_a_stranger_vouches_for_is_not_believed(secured, stranger):
    why = over_tls(secured, ca=stranger.ca).refusal()
    assert "its certificate is not accepted" in why
    assert "tls.ca" in why


def test_a_server_that_wants_tls_is_verified_though_nobody_said_so(secured):
    assert "its certificate is not accepted" in Sender(secured.url).refusal()


def test_a_certificate_for_another_name_is_not_believed_unless_that_name_is_expected(secured, authority):
    assert "its certificate is not accepted" in over_tls(secured, ca=authority.ca, server_name="elsewhere").refusal()
    assert over_tls(secured, ca=authority.ca, server_name="nats.plant").deliver(out(1)) == [1]


def test_trust_in_everybody_stays_in_the_standing(secured):
    d = over_tls(secured, verify=False).connected()
    assert any("verify is false" in warning for warning in d.uplink.standing()["warnings"])
    d.uplink.close()


def test_where_tls_is_demanded_nothing_is_told_to_a_server_without_it(tmp_path, authority, secret):
    with NatsServer(tmp_path, users(), "debug: true") as plain:
        why = Sender(f"tls://127.0.0.1:{plain.port}", user="gw", password=secret("right")).refusal()
        assert "does not speak TLS" in why
        plain.call(lambda client, _: client.flush(), user="gw", password="right")  # it has looked at all before
        assert sum("AUTH" in line.upper() and "ERR" in line.upper() for line in plain.log) == 0


def test_a_client_certificate_lets_us_in_and_a_missing_or_strange_one_is_named(asking, authority, stranger):
    pair, wrong = authority.signs("gateway"), stranger.signs("intruder")
    assert over_tls(asking, ca=authority.ca, certificate=pair.certificate, key=pair.key).deliver(out(1)) == [1]
    assert "set tls.certificate and tls.key" in over_tls(asking, ca=authority.ca).refusal()
    strange = over_tls(asking, ca=authority.ca, certificate=wrong.certificate, key=wrong.key).refusal()
    assert "does not accept the client certificate in tls.certificate" in strange


# --- who we are ------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_said_with_its_cure_and_heals_when_the_file_is_mended(tmp_path, secret):
    with NatsServer(tmp_path, users()) as server:
        s = Sender(server, user="gw", password=secret("wrong"))
        assert "look at user and password" in s.refusal()
        secret("right")
        s.pauses_are_over()
        assert s.deliver(out(1)) == [1]


def test_a_password_that_is_changed_ends_the_connection_and_nothing_is_lost(tmp_path, secret):
    with NatsServer(tmp_path, users()) as server:
        s = Sender(server, user="gw", password=secret("right"))
        d = s.connected()
        server.configure(users(password="new"))
        assert "it does not let us in any more" in d.until_down() or "it refuses us" in d.uplink._reason
        secret("new")
        s.pauses_are_over()
        assert s.deliver(out(1)) == [1]


def test_rights_that_are_taken_away_hold_everything_and_heal_when_they_are_given_back(tmp_path, secret):
    with NatsServer(tmp_path, users()) as server:
        s = Sender(server, user="gw", password=secret("right"))
        assert s.deliver(out(1)) == [1]
        server.configure(users(publish=("elsewhere.>", *PUBLISHER[1:])))
        s.pauses_are_over()
        why, took = s.failure(out(2), out(3))
        assert "give this user the right: publish to holdfast.plant.press-1" in why
        assert not took
        s.pauses_are_over()
        assert "publish to holdfast.plant.press-1" in s.refusal()
        server.configure(users())
        s.pauses_are_over()
        assert s.deliver(out(2), out(3)) == [2, 3]


def test_rights_that_are_missing_for_the_questions_are_named(tmp_path, secret):
    with NatsServer(tmp_path, users(publish=("holdfast.>",))) as server:
        why = Sender(server, user="gw", password=secret("right")).refusal()
        assert "publish to $js.api.stream.info" in why
        server.configure(users(subscribe="elsewhere.>"))
        why = Sender(server, user="gw", password=secret("right")).refusal()
        assert "subscribe to _inbox." in why


def test_answers_can_come_under_a_prefix_of_their_own(tmp_path, secret):
    with NatsServer(tmp_path, users(subscribe="mine.gw.>")) as server:
        s = Sender(server, user="gw", password=secret("right"), inbox_prefix="mine.gw")
        assert s.deliver(out(1)) == [1]


def test_a_request_subject_that_is_not_allowed_is_a_warning_and_messages_go(tmp_path, secret):
    with NatsServer(tmp_path, users()) as server:
        d = Sender(server, user="gw", password=secret("right"), request_subject="ask.{gateway}").connected()
        d.until(lambda: any("subscribe to ask.plant" in warning for warning in d.uplink.standing()["warnings"]))
        assert any("subscribe to ask.plant" in notice for notice in d.uplink.notices())
        d.uplink.send(out(1))
        d.until(lambda: d.took == [1])
        d.uplink.close()


def test_without_the_right_to_look_into_the_stream_messages_go_and_a_warning_stays(tmp_path, secret):
    with NatsServer(tmp_path, users(publish=PUBLISHER[:3])) as server, Relay(server.port) as line:
        s = Sender(line.url, user="gw", password=secret("right"), ack_timeout="500ms")
        d = s.connected()
        line.mute = True
        d.uplink.send(out(1))
        assert "no answer" in d.until_down()
        line.mute = False
        s.settings.past.stuck = None  # it would pass first, and leave no doubt
        s.pauses_are_over()
        d = s.connected()
        assert any("STREAM.MSG.GET" in warning for warning in d.uplink.standing()["warnings"])
        d.uplink.send(out(1))
        d.until(lambda: d.took == [1])
        d.uplink.close()
        stored = server.call(lambda _, js: js.stream_info("HOLDFAST"), user="gw", password="right")
        assert stored.state.messages == 1


def test_a_token_lets_us_in(tmp_path, secret):
    with NatsServer(tmp_path, 'authorization { token: "open" }') as server:
        assert Sender(server, token=secret("open")).deliver(out(1)) == [1]
        assert "it refuses us" in Sender(server, token=secret("closed", "other")).refusal()


def test_an_nkey_lets_us_in_and_what_is_none_is_said(tmp_path, secret):
    key = _Key(_USER)
    with NatsServer(tmp_path, f"authorization {{ users: [{{ nkey: {key.public} }}] }}") as server:
        assert Sender(server, nkey=secret(key.seed + "\n")).deliver(out(1)) == [1]
        assert "begin with SU" in Sender(server, nkey=secret("nonsense", "other")).refusal()


def test_credentials_let_us_in_and_a_file_that_is_none_is_said_at_once(tmp_path, secret):
    operator, system, account, user = map(_Key, (_OPERATOR, _ACCOUNT, _ACCOUNT, _USER))
    limits = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "imports": -1, "exports": -1}
    limits |= {"wildcards": True, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    system_jwt = operator.signed(system, {"type": "account", "limits": limits | {"disk_storage": 0, "mem_storage": 0}})
    account_jwt = operator.signed(account, {"type": "account", "limits": limits})
    user_jwt = account.signed(user, {"type": "user", "subs": -1, "data": -1, "payload": -1})
    lines = (
        f"operator: {operator.signed(operator, {'type': 'operator'})}",
        "resolver: MEMORY",
        f"system_account: {system.public}",
        f"resolver_preload: {{ {account.public}: {account_jwt}, {system.public}: {system_jwt} }}",
    )
    creds = (
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )
    with NatsServer(tmp_path, *lines) as server:
        assert Sender(server, creds=secret(creds)).deliver(out(1)) == [1]
        with pytest.raises(UplinkDown, match="must be a credentials file"):
            Sender(server, creds=secret("a password", "other")).connected()


def test_a_secret_that_cannot_be_read_is_said_and_tried_again_later(tmp_path, secret):
    with NatsServer(tmp_path) as server:
        s = Sender(server, token={"file": str(tmp_path / "token")})
        assert "cannot be read" in s.refusal()
        secret("any", "token")
        s.pauses_are_over()
        assert s.deliver(out(1)) == [1]


_SEED = ord("S") - ord("A") << 3
_OPERATOR, _ACCOUNT, _USER = (ord(letter) - ord("A") << 3 for letter in "OAU")  # the first letter of each kind


class _Key:
    """A key of NATS's own kind, and what it signs: JWTs as nats-server 2 reads them."""

    def __init__(self, kind):
        self._private = Ed25519PrivateKey.generate()
        raw = self._private.private_bytes_raw()
        self.seed = _checked(bytes([_SEED | kind >> 5, (kind & 31) << 3]) + raw)
        self.public = _checked(bytes([kind]) + self._private.public_key().public_bytes_raw())

    def signed(self, subject, claims):
        header = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {"jti": "1", "iat": 1, "iss": self.public, "sub": subject.public, "nats": {"version": 2, **claims}}
        text = ".".join(_plain(json.dumps(part).encode()) for part in (header, body))
        return f"{text}.{_plain(self._private.sign(text.encode()))}"


def _checked(octets):
    checksum = binascii.crc_hqx(octets, 0).to_bytes(2, "little")
    return base64.b32encode(octets + checksum).rstrip(b"=").decode()


def _plain(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

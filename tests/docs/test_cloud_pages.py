"""docs/clouds: each page's configuration loads, keeps to what the page says of the service, and delivers.

It delivers to Mosquitto, with TLS, certificate and password as the page has them: none of the services has been met.
"""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from supervisors.configuration.config import load
from supervisors.configuration.tables import UplinkCommon
from tests.docs.pages import ROOT
from tests.peers.certificates import Authority
from tests.peers.mosquitto import Mosquitto
from tests.transports.uplinks.driving import Driver
from transports import catalog
from transports.settings import key_of
from transports.uplinks import Identity

PAGES = {path.stem: path.read_text() for path in (ROOT / "docs" / "clouds").glob("*.md")}
CONFIGURATIONS = {
    f"{page}-{number}": text
    for page, whole in PAGES.items()
    for number, text in enumerate(re.findall(r"^```toml\n(.*?)^```$", whole, re.MULTILINE | re.DOTALL))
}
_FILE = re.compile(r'"(/etc/holdfast/[^"]+)"')
_PASSWORD = "correct horse"


@dataclass(frozen=True)
class Site:
    """A page's configuration, with the files that it names below a directory of the test's own."""

    directory: Path
    text: str

    @cached_property
    def authority(self) -> Authority:
        return Authority(self.directory)

    @cached_property
    def gateway(self) -> Any:
        """The configuration, loaded."""
        pair = self.authority.signs("press-line")
        text = self.text
        for file in _FILE.findall(text):
            here = self.directory / file.removeprefix("/etc/holdfast/").replace("/", "-")
            made = pair.key if here.suffix == ".key" else pair.certificate
            made = self.authority.ca if "ca." in here.name else made
            here.write_bytes(_PASSWORD.encode() if "password" in here.name else made.read_bytes())
            text = text.replace(file, str(here))
        (self.directory / "press-line.toml").write_text(text)
        return load(self.directory / "press-line.toml")

    @property
    def uplink(self) -> Any:
        """Its one uplink."""
        (uplink,) = self.gateway.uplinks
        return uplink

    def connected(self, port: int) -> Driver:
        """The uplink, to a stand-in for the service, whose name is looked for in the certificate all the same."""
        settings = self.uplink.settings
        tls = replace(settings.tls, ca=self.authority.ca, server_name=settings.host)
        settings = replace(settings, host="127.0.0.1", port=port, tls=tls)
        identity = Identity(self.gateway.name, self.uplink.name, self.directory / "state")
        return Driver(catalog.load(catalog.UPLINKS, self.uplink.type, "type").connect(settings, identity))


@pytest.fixture(params=CONFIGURATIONS, ids=str)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(tmp_path, CONFIGURATIONS[request.param])


def at(page: str, tmp_path: Path) -> Site:
    """The first configuration of a page."""
    return Site(tmp_path, CONFIGURATIONS[f"{page}-0"])


@contextmanager
def stand_in(there: Site) -> Iterator[Mosquitto]:
    """A broker that lets in whom the service would: by user and password, or by certificate."""
    settings, pair = there.uplink.settings, there.authority.signs(there.uplink.settings.host)
    lines = [f"cafile {there.authority.ca}", f"certfile {pair.certificate}", f"keyfile {pair.key}"]
    if settings.password:
        file = there.directory / "passwords"
        file.touch(0o600)
        subprocess.run(["mosquitto_passwd", "-b", str(file), settings.user, _PASSWORD], check=True)
        lines += ["allow_anonymous false", f"password_file {file}"]
    else:
        lines += ["require_certificate true"]
    with Mosquitto(there.directory, lines) as broker:
        yield broker


class Listener:
    """Everything that comes to the broker, as the page's own user hears it."""

    def __init__(self, there: Site, port: int) -> None:
        self.messages: list[MQTTMessage] = []
        self._news, self._subscribed = threading.Condition(), threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2)
        tls = there.uplink.settings.tls
        pair = there.authority.signs("listener")
        self.client.tls_set(str(there.authority.ca), str(pair.certificate), str(pair.key))
        assert tls.verify
        if there.uplink.settings.password:
            self.client.username_pw_set(there.uplink.settings.user, _PASSWORD)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._note
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._subscribed.wait(20)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def wait(self, topic: str) -> MQTTMessage:
        """The first message of that topic."""
        with self._news:
            assert self._news.wait_for(lambda: any(each.topic == topic for each in self.messages), 20), [
                each.topic for each in self.messages
            ]
            return next(each for each in self.messages if each.topic == topic)

    def _note(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with self._news:
            self.messages.append(message)
            self._news.notify_all()


def test_there_is_a_page_for_each_cloud_with_a_configuration() -> None:
    assert set(PAGES) == {"aws-iot", "azure-iot-hub", "brokers", "thingsboard", "ignition"}
    assert {name.rpartition("-")[0] for name in CONFIGURATIONS} == set(PAGES)


def test_a_cloud_s_configuration_loads(site: Site) -> None:
    assert (site.gateway.broken, site.gateway.warnings, site.gateway.disabled) == ((), (), ())
    assert site.gateway.devices


def test_a_cloud_s_configuration_delivers_with_its_certificate_or_password(site: Site) -> None:
    with stand_in(site) as broker, Listener(site, broker.port) as cloud:
        if site.uplink.type == "sparkplug":
            host = f"spBv1.0/STATE/{site.uplink.settings.host_id}"
            cloud.client.publish(host, json.dumps({"online": True, "timestamp": 1}), qos=1, retain=True)
            driver = site.connected(broker.port).until_ready()
            cloud.wait("spBv1.0/plant 7/NBIRTH/press-line")
        else:
            driver = site.connected(broker.port).until_ready()
            driver.deliver([b"[]"])
            names = {"gateway": "press-line", "client_id": "press-line", "device": "press-1"}
            assert cloud.wait(site.uplink.settings.topic.format(**names)).payload == b"[]"
            cloud.wait(site.uplink.settings.status_topic.format(**names))
        driver.uplink.close()


def test_the_broker_s_own_configuration_is_one_that_mosquitto_takes(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "plant-ca")
    pair = authority.signs("broker")
    (text,) = re.findall(r"```text\n(listener.*?)```", PAGES["brokers"], re.DOTALL)
    lines = text.replace("/etc/mosquitto", str(tmp_path)).replace(f"{tmp_path}/plant-ca.pem", str(authority.ca))
    ours = [line for line in lines.splitlines() if not line.startswith(("listener", "persistence"))]
    with Mosquitto(tmp_path, ours, persistence=True) as broker:
        client = Client(CallbackAPIVersion.VERSION2)
        client.tls_set(str(authority.ca), str(pair.certificate), str(pair.key))
        client.connect("127.0.0.1", broker.port)
        client.disconnect()


def test_the_page_of_aws_keeps_to_its_limits(tmp_path: Path) -> None:
    aws = at("aws-iot", tmp_path).uplink
    assert aws.max_messages_per_s <= 100
    assert aws.max_bytes_per_s <= 512 * 1024
    assert aws.settings.max_message_bytes <= 128_000
    assert aws.window_messages <= 100
    assert aws.retry_first_s * 0.8 >= 1, "one CONNECT a second, jitter included"
    assert aws.settings.topic.count("/") <= 7
    assert "x-amzn-mqtt-ca" in PAGES["aws-iot"]
    policy = json.loads(re.findall(r"```json\n(.*?)```", PAGES["aws-iot"], re.DOTALL)[0])
    allowed = {each["Action"]: each["Resource"] for each in policy["Statement"]}
    assert allowed["iot:Connect"].endswith(f":client/{aws.settings.client_id}")
    assert allowed["iot:RetainPublish"].endswith(":topic/" + aws.settings.status_topic.format(gateway="press-line"))
    assert allowed["iot:Publish"].endswith(":topic/holdfast/press-line/*")


def test_the_page_of_azure_says_who_we_are_in_all_four_places(tmp_path: Path) -> None:
    settings = at("azure-iot-hub", tmp_path).uplink.settings
    us = settings.entrance(Identity("press-line", "azure"))
    assert us.user == f"{settings.host}/{us.client_id}/?api-version=2021-04-12"
    for topic in (settings.topic, settings.status_topic):
        assert topic.startswith("devices/{client_id}/messages/events/")
        assert topic.count("/") == 4, "the properties are one level"
    assert settings.max_message_bytes <= 256_000
    assert settings.keepalive <= 1177
    assert settings.protocol == "3.1.1"


def test_the_page_of_thingsboard_uses_the_gateway_s_api(tmp_path: Path) -> None:
    uplink = at("thingsboard", tmp_path).uplink
    assert (uplink.payload, uplink.compress) == ("thingsboard", "none")
    assert uplink.settings.topic == "v1/gateway/telemetry"
    assert uplink.settings.max_message_bytes <= 65_536


@pytest.mark.parametrize("page", PAGES)
def test_every_key_in_a_cloud_s_table_is_one(page: str) -> None:
    tables = re.findall(r"\| key \|\n\|[-|]+\n((?:\|.*\n)+)", PAGES[page])
    keys = {key for table in tables for row in table.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[-2])}
    modules = [catalog.load(catalog.UPLINKS, name, "type") for name in ("mqtt", "sparkplug")]
    known = {key_of(field) for cls in (UplinkCommon, *(each.Settings for each in modules)) for field in fields(cls)}
    assert keys - known == set()


@pytest.mark.parametrize("page", PAGES)
def test_a_cloud_s_page_says_what_was_not_tried_and_where_its_facts_are_from(page: str) -> None:
    sources = PAGES[page].partition("## Sources, and what was tried\n")[2]
    assert "nobody has yet" in " ".join(sources.split())
    assert re.search(r'"[A-Z][^"]+"|`[a-z.]+\(5\)`', sources)


@pytest.mark.parametrize("page", PAGES)
def test_a_link_on_a_cloud_s_page_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page])
    assert [link for link in links if not (ROOT / "docs" / "clouds" / link).exists()] == []

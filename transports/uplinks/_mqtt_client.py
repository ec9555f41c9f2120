"""A paho client for one connection: how it is set up, what it notes, how it is hung up.

What paho 2.2 would do on its own and may not do here: run a loop thread, connect again, keep a session, queue messages.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, LogLevel
from paho.mqtt.reasoncodes import ReasonCode

from transports.tls import client_context
from transports.uplinks import Identity, _topics
from transports.uplinks._mqtt_settings import Settings

_LOG = logging.getLogger("holdfast.uplink")


@dataclass(slots=True)
class Heard:
    """What paho's callbacks noted. They only note: an exception in one would leave paho half way."""

    greetings: list[ReasonCode] = field(default_factory=list)
    acked: list[int] = field(default_factory=list)
    last_error: list[str] = field(default_factory=list)

    def attach(self, client: Client) -> None:
        """Let the client note its events here. (No reference to the uplink: a closed one must not keep payloads.)"""
        client.on_connect = lambda _client, _data, _flags, reason, _properties: self.greetings.append(reason)
        client.on_publish = lambda _client, _data, mid, _reason, _properties: self.acked.append(mid)
        client.on_log = self._note
        # With an outer loop announced, paho writes in loop_write alone, so that `step` reads first: the TLS alert that
        # says why the broker hangs up is lost once a write has failed.
        client.on_socket_register_write = lambda _client, _data, _socket: None

    def _note(self, _client: Client, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self.last_error[:] = [text.partition(": ")[2]]


def new_client(settings: Settings, identity: Identity, heard: Heard) -> Client:
    """A client that has never connected. Raises OSError or SettingsError when a file or a secret cannot be read."""
    fields = identity_fields(identity)
    client = Client(
        CallbackAPIVersion.VERSION2,
        _topics.filled(settings.client_id, fields),
        clean_session=True,
        reconnect_on_failure=False,  # else it answers some refusals with a blocking connect of its own
    )
    heard.attach(client)
    client.connect_timeout = settings.connect_timeout_s
    client.max_inflight_messages_set(0)  # no limit: the actor's window is smaller, and paho must not queue
    client.will_set(
        _topics.filled(settings.status_topic, fields), status("offline", identity, None), qos=1, retain=True
    )
    if settings.user:
        client.username_pw_set(settings.user, settings.password.reveal() if settings.password else None)
    if settings.tls:
        if not settings.tls.verify:
            _LOG.warning("%s: tls.verify is false: whoever answers at %s is believed", identity.uplink, settings.host)
        client.tls_set_context(client_context(settings.tls))
    return client


def identity_fields(identity: Identity) -> dict[str, str]:
    """What fills a template that has no device in it."""
    return {"gateway": identity.gateway, "uplink": identity.uplink}


def status(state: str, identity: Identity, since_ns: int | None) -> bytes:
    """The payload of the status topic; `since` is ns UTC."""
    return orjson.dumps({"state": state, **identity_fields(identity), "since": since_ns})


def hang_up(client: Client) -> None:
    """Close the socket without a DISCONNECT: paho has no word for it."""
    sock = client.socket()
    if sock is not None:
        sock.close()

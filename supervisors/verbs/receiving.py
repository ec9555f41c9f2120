"""`holdfast receive`: the other end of an MQTT uplink, which stores every record once in an SQLite database.

    holdfast receive --broker 127.0.0.1 --topic 'holdfast/#' --database readings.sqlite

It acknowledges and confirms what is on the disk, and nothing before. It runs until Ctrl-C or SIGTERM, through any
absence of the broker. What is in the database: transports/receiving/schema.py, docs/receiver.md.
"""

import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

LARGEST_BYTES = 268_435_455 - 2**17  # what MQTT can carry (3.1.1, section 2.2.3): the broker must hold nothing back

Broker = Annotated[str, typer.Option("--broker", metavar="HOST[:PORT]", help="the broker that the gateway delivers to")]
Database = Annotated[Path, typer.Option("--database", help="the SQLite file; made if there is none")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="what to receive; may be given more than once")]
Protocol = Annotated[str, typer.Option("--protocol", help="version of MQTT: 5 or 3.1.1")]
ClientId = Annotated[str, typer.Option("--client-id", help="the broker keeps our messages under this name")]
User = Annotated[str, typer.Option("--user", help="user name, if the broker asks for one")]
PasswordFile = Annotated[Path | None, typer.Option("--password-file", help="file with that user's password")]
UseTls = Annotated[bool, typer.Option("--tls", help="encrypt; the broker's certificate is publicly signed")]
TlsCa = Annotated[Path | None, typer.Option("--tls-ca", help="encrypt; certificates (PEM) that signed the broker's")]
TlsCertificate = Annotated[Path | None, typer.Option("--tls-certificate", help="our own certificate (PEM), if asked")]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="its private key (PEM)")]
Confirm = Annotated[
    bool | None,
    typer.Option(
        "--confirm/--no-confirm",
        help='answer the uplink (confirm = "application"); default: where a message has an MQTT 5 Response Topic',
    ),
]
ConfirmTopic = Annotated[
    str, typer.Option("--confirm-topic", help="where to answer a message without a Response Topic, with --confirm")
]


def receive(
    broker: Broker,
    database: Database,
    topics: Topics = None,
    protocol: Protocol = "5",
    client_id: ClientId = "holdfast-receiver",
    user: User = "",
    password_file: PasswordFile = None,
    tls: UseTls = False,
    tls_ca: TlsCa = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    confirm: Confirm = None,
    confirm_topic: ConfirmTopic = "holdfast/{gateway}/cloud/confirm",
) -> None:
    """Receive what gateways deliver over MQTT, and keep each record once in an SQLite database, until Ctrl-C."""
    from transports.building import build
    from transports.clock import MachineClock
    from transports.mqtt.broker import BrokerSettings
    from transports.receiving.receiver import MOST, Receiver, Wanted

    host, port = _place(broker)
    table: dict[str, Any] = {
        "host": host,
        **({} if port is None else {"port": port}),
        "client_id": client_id,
        "protocol": protocol,
        "in_flight": MOST,
        "user": user,
        **({"password": {"file": str(password_file)}} if password_file else {}),
    }
    files = {"ca": tls_ca, "certificate": tls_certificate, "key": tls_key}
    if tls or any(files.values()):
        table["tls"] = {key: str(file) for key, file in files.items() if file}
    settings = replace(build(BrokerSettings, table, "receive"), max_message_bytes=LARGEST_BYTES)
    wanted = Wanted(settings, topics or ["holdfast/#"], database, confirm, confirm_topic)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        typer.echo(f"receives {', '.join(wanted.topics)} from {host}:{settings.tcp_port} into {database}")
        Receiver(wanted, MachineClock(), typer.echo, threading.Event().wait).run()
    except KeyboardInterrupt:
        return


def _place(broker: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port`, `[::1]:port`."""
    host, colon, port = broker.rpartition(":")
    if not colon or broker.endswith("]"):
        return broker.strip("[]"), None
    if not port.isascii() or not port.isdigit():
        raise typer.BadParameter(f"--broker {broker!r}: write HOST or HOST:PORT, such as broker.example.com:8883")
    return host.strip("[]"), int(port)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt

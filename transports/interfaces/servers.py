"""Where an uplink connects to, read from its settings: what a check of a link has to reach.

servers = (Server(host, port), ...)      of MQTT, Sparkplug; also "host:port" or a URL each (NATS, Kafka)
host, tcp_port or port                   of others
url                                      of HTTPS
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from transports.interfaces.probe import Server

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "nats": 4222, "tls": 4222, "mqtt": 1883, "mqtts": 8883}


def servers_of(settings: Any) -> tuple[Server, ...]:
    """Host and port of each server, in its order; none for an uplink that connects to nobody (a file)."""
    several = getattr(settings, "servers", None)
    if several:
        each = [several] if isinstance(several, str) else several
        return tuple(server for one in each for server in _read(one))
    if isinstance(host := getattr(settings, "host", None), str):
        return tuple(_checked(host, getattr(settings, "tcp_port", None) or getattr(settings, "port", None)))
    return tuple(_read(getattr(settings, "url", None)))


def _read(one: Any) -> Iterable[Server]:
    if isinstance(one, str):
        return _of_text(one)
    return _checked(getattr(one, "host", None), getattr(one, "port", None))


def _of_text(text: str) -> Iterable[Server]:
    scheme, _, rest = text.rpartition("://")
    try:
        parts = urlsplit(f"//{rest}")
        return _checked(parts.hostname, parts.port or _PORTS.get(scheme))
    except ValueError:  # no port
        return ()


def _checked(host: Any, port: Any) -> Iterable[Server]:
    return ((host, port),) if isinstance(host, str) and host and isinstance(port, int) and port else ()

"""A heat pump that answers JSON over HTTP and takes a setpoint; or a logger that posts its readings.

    holdfast simulate http port=8080

    [device.heatpump]
    driver = "http"
    url = "http://127.0.0.1:8080"
    [device.heatpump.requests.status]
    path = "/status"
    time = { path = "$.ts", unit = "ms" }
    [device.heatpump.requests.status.tags]
    temperature = { path = "$.temperature", unit = "Cel" }
    energy = { path = "$.energy", type = "uint64" }
    on = { path = "$.on", type = "bool" }
    setpoint = { path = "$.setpoint", unit = "Cel" }
    [device.heatpump.writes]
    setpoint = { method = "PUT", path = "/set/setpoint", body = "{json}", min = 5, max = 60 }
    on = { method = "PUT", path = "/set/on", body = "{json}" }

With `post_to` it posts the same document every `every` instead, again and again until it is answered 2xx, with one
Idempotency-Key for each reading: `holdfast simulate http post_to=http://127.0.0.1:8480/ingest/cellar`.
"""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from transports.clock import MachineClock
from transports.errors import LinkDown, NotUnderstood
from transports.http.server import Bounds, Handler, HttpServer, Reply, Request
from transports.json_paths import document
from transports.settings import Secret, duration, setting
from transports.simulators import Announce

_WAVE_S = 60
_BOUNDS = Bounds(connections=64, max_body_bytes=65_536, read_within_s=10.0, idle_s=300.0)
_TYPES: Mapping[str, tuple[type, ...]] = {"on": (bool,), "setpoint": (int, float)}


@dataclass(frozen=True)
class Settings:
    """Where it listens, or where it posts to."""

    host: str = setting("127.0.0.1", help="address to listen on")
    port: int = setting(8080, ge=0, le=65535, help="TCP port to listen on; 0 picks a free one")
    post_to: str = setting("", help="post readings there instead", example="http://127.0.0.1:8480/ingest/cellar")
    token: Secret | None = setting(None, help="what to send as Authorization: Bearer ...")
    every_s: float = duration("1s", help="how often a reading is posted")


class HeatPump:
    """What it shows, and what was written."""

    def __init__(self) -> None:
        self._clock = MachineClock()
        self._written: dict[str, object] = {"on": True, "setpoint": 21.5}

    def status(self) -> dict[str, object]:
        """Its document, by the wall clock."""
        now_ns = self._clock.utc_ns()
        wave = math.sin(2 * math.pi * (now_ns / 1e9) / _WAVE_S)
        return {
            "temperature": round(21.5 + 2 * wave, 3),
            "energy": now_ns // 1_000_000,
            "ts": now_ns // 1_000_000,
            **self._written,
        }

    async def answer(self, head: Request, body: bytes) -> Reply:
        """GET /status, PUT or POST /set/NAME."""
        name = head.path.removeprefix("/set/")
        if head.path == "/status":
            return Reply(200, self.status())
        if name == head.path or name not in self._written:
            return Reply(404, {"error": "try /status, /set/setpoint or /set/on"})
        try:
            value = document(body)
        except NotUnderstood as wrong:
            return Reply(400, {"error": str(wrong)})
        if not isinstance(value, _TYPES[name]) or (name != "on" and isinstance(value, bool)):
            return Reply(422, {"error": f"{name} takes another type"})
        self._written[name] = value
        return Reply(200, {name: value})


def serve(settings: Settings, announce: Announce) -> None:
    """Until SIGTERM or Ctrl-C. Raises LinkDown when it cannot listen."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_post(settings, announce) if settings.post_to else _listen(settings, announce))


async def _listen(settings: Settings, announce: Announce) -> None:
    server = HttpServer(Handler(lambda _head: None, HeatPump().answer), _BOUNDS)
    try:
        port = await server.start(settings.host, settings.port, None)
    except OSError as wrong:
        cure = "is the port free? port=0 picks one"
        raise LinkDown(f"{settings.host}:{settings.port}: cannot listen: {wrong.strerror}; {cure}") from wrong
    announce(f"listening on {settings.host}:{port}")
    await asyncio.Event().wait()


async def _post(settings: Settings, announce: Announce) -> None:
    pump = HeatPump()
    headers = {"Authorization": f"Bearer {settings.token.reveal()}"} if settings.token else {}
    announce(f"posting to {settings.post_to}")
    async with httpx.AsyncClient(headers=headers, timeout=30.0, trust_env=False) as client:
        while not await asyncio.sleep(settings.every_s, False):
            await _post_until_taken(client, settings, pump.status())


async def _post_until_taken(client: httpx.AsyncClient, settings: Settings, status: Mapping[str, object]) -> None:
    """One reading, sent again until somebody has it, or says that it will never take it."""
    key = {"Idempotency-Key": f"{settings.post_to} {status['ts']}"}
    taken = False
    while not taken:
        try:
            answer = await client.post(settings.post_to, json=status, headers=key)
            taken = answer.status_code not in (408, 429, 503) and answer.status_code < 500
        except httpx.TransportError:
            taken = False
        if not taken:
            await asyncio.sleep(settings.every_s)

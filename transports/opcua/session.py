"""A session with one server: opened once, kept alive, ended once.

open ── discover and check the certificate (secured only) ── channel ── session ── user
watch ── looks at the server's state every so often; renews the channel; the first failure ends the session
end ── `ended` says why, and whoever waits on `on_end` is woken
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError
from cryptography.hazmat.primitives import serialization

from transports.errors import HoldfastError, LinkDown, LinkTimeout
from transports.opcua.answers import read_results
from transports.opcua.certificates import application_uri, der
from transports.opcua.discovery import now, offered, server_certificate
from transports.opcua.reasons import STRANGE, code_of, named, told
from transports.opcua.requests import ATTRIBUTES, node_id, read_request
from transports.opcua.security import MODES, POLICIES, Identity
from transports.opcua.settings import Settings
from transports.opcua.trust import out_of_date
from transports.opcua.values import DataValue
from transports.opcua.wire import Wire, Wired

log = logging.getLogger("holdfast.opcua")
logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)  # each of its complaints is an error raised here, too

SERVER_STATE = node_id(2259)
_LIMITS = {"read": 11705, "monitor": 11714, "browse": 11710}  # nodes that hold how many one request may name
_MOST_AT_ONCE = 500
_SESSION_S = 60.0  # how long the server keeps a session that nobody uses
_CLOSE_S = 0.5
_LEAST_WATCH_S = 0.1
_RENEW = 0.75  # of a channel's life (OPC 10000-4, 5.6.2.1)
_WATCH_POLLED_S = 15.0  # a polled server is noticed by its reads; this keeps the session between rare ones


class Session:
    """See the module's note. Everything but `__init__` runs in the loop; `on_end` is called there."""

    def __init__(self, settings: Settings, identity: Identity | None, on_end: Callable[[], object]) -> None:
        self._settings, self._identity, self._on_end = settings, identity, on_end
        self.where, self.ended = settings.where, ""
        self.at_once = dict.fromkeys(_LIMITS, _MOST_AT_ONCE)
        self._client = client_of(settings)
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Raises LinkDown with the cure, LinkTimeout."""
        if self._identity is not None:
            await self._secure(self._identity)
        elif self._settings.user and self._settings.password:
            log.warning("%s: a user logs in over a connection that is not secured", self.where)
        try:
            await self._log_in()
        except HoldfastError as failed:
            self._client.disconnect_socket()
            raise await self._explained(failed) from failed
        limits = await self.read([node_id(number) for number in _LIMITS.values()])
        for name, said in zip(_LIMITS, limits, strict=True):
            if isinstance(said.value, int) and said.value > 0:  # 0 is no limit; many servers have no such node
                self.at_once[name] = min(said.value, _MOST_AT_ONCE)

    def watch(self) -> None:
        """Look after the connection from now on."""
        every_s = self._settings.timeout_s if self._settings.listens else _WATCH_POLLED_S
        self.spawn(self._watch(max(_LEAST_WATCH_S, min(every_s, self._client.session_timeout / 1000 / 3))))

    def spawn(self, work: Any) -> None:
        """Have it run with the session: its failure ends the session, the session's end cancels it."""
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self, why: str) -> None:
        """It is over, unless it is already."""
        if not self.ended:
            self.ended = why
            self._on_end()

    async def ask(self, request: Any, doing: str, timeout_s: float | None = None) -> bytes:
        """The whole answer to a request. Raises LinkTimeout, LinkRefused, LinkDown."""
        with told(self.where, doing):
            try:
                return await self.ask_raw(request, timeout_s)
            except ConnectionError as closed:
                broken = self._broken()
                if broken:
                    raise LinkDown(f"{self.where}: what came {doing} is no OPC UA ({broken})") from closed
                raise

    async def ask_raw(self, request: Any, timeout_s: float | None = None) -> bytes:
        """The same, with asyncua's own errors; a `timeout_s` of 0 waits for ever."""
        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("closed")
        return bytes(await protocol.send_request(request, timeout_s))

    async def read(self, nodes: Sequence[ua.NodeId], attribute: ATTRIBUTES = ATTRIBUTES.Value) -> list[DataValue]:
        """What the server says of one attribute of each node now."""
        said: list[DataValue] = []
        for begin in range(0, len(nodes), self.at_once["read"]):
            some = nodes[begin : begin + self.at_once["read"]]
            answer = await self.ask(read_request(some, attribute), "to a read")
            with told(self.where, "in answer to a read"):
                said += read_results(answer, len(some))
        return said

    async def write(self, node: ua.NodeId, value: ua.Variant) -> int:
        """Set one variable: the status code that the server gives. Neither time nor status is sent: few take them."""
        parameters = ua.WriteParameters()
        sent = ua.DataValue(value, StatusCode=None)
        parameters.NodesToWrite = [ua.WriteValue(node, ATTRIBUTES.Value, None, sent)]
        with told(self.where, "to a write"):
            (status,) = await self._client.uaclient.session.write(parameters)
            return int(status.value)

    async def close(self) -> None:
        """Log out if the server still listens: most have few sessions."""
        self.end("closed")
        for task in self._tasks:
            task.cancel()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._client.uaclient.close_session(True)
                await self._client.close_secure_channel()
        except (*STRANGE, TimeoutError):
            log.debug("%s: left without a farewell", self.where)
        finally:
            self._client.disconnect_socket()

    async def _secure(self, mine: Identity) -> None:
        settings = self._settings
        problem = out_of_date(mine.certificate, now())
        if problem:
            raise LinkDown(f"{self.where}: the gateway's own certificate cannot be used: {problem}; make another")
        believed = await server_certificate(settings, client_of(settings))
        self._client.application_uri = application_uri(mine.certificate)
        plain = serialization.NoEncryption()
        key = mine.key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain)
        with told(self.where, "while the channel was prepared"):
            await self._client.set_security(
                POLICIES[settings.policy],
                CertProperties(der(mine.certificate), "der"),
                CertProperties(key, "der"),
                None,
                CertProperties(der(believed), "der"),
                MODES[settings.security],
            )

    async def _log_in(self) -> None:
        client, settings = self._client, self._settings
        with told(self.where, "when connecting; is it switched on, on this network, and an OPC UA server?"):
            await client.connect_socket()
            await client.send_hello()
        with told(self.where, "when the channel was opened"):
            await client.open_secure_channel()
        with told(self.where, "when logging in"):
            await client.create_session()
            password = settings.password.reveal() if settings.password else None
            await client.activate_session(username=settings.user or None, password=password)

    async def _explained(self, failed: HoldfastError) -> HoldfastError:
        """With what the server offers, where it does not do the security that was asked for."""
        cause, broken = failed.__cause__, self._broken()
        unmatched = isinstance(cause, UaError) and "matching endpoints" in str(cause)
        policy = named(code_of(cause) or 0) if cause is not None else ""
        if not unmatched and policy not in ("BadSecurityPolicyRejected", "BadSecurityModeRejected"):
            return LinkDown(f"{failed} ({broken})") if broken and broken not in str(failed) else failed
        try:
            offers = await offered(self._settings, client_of(self._settings))
        except HoldfastError:
            return failed
        return LinkDown(f"{self.where} does not do security = {self._settings.security!r}; it offers {offers}")

    def _broken(self) -> str:
        protocol = self._client.uaclient.protocol
        return protocol.broken if isinstance(protocol, Wire) else ""

    async def _guarded(self, work: Any) -> None:
        try:
            with told(self.where, "while it was watched"):
                await work
        except HoldfastError as failed:
            self.end(str(failed))

    async def _watch(self, every_s: float) -> None:
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + self._client.secure_channel_timeout / 1000 * _RENEW
        while not self.ended:
            await asyncio.sleep(every_s)
            if loop.time() >= renew_at:
                with told(self.where, "when the channel was renewed"):
                    await self._client.open_secure_channel(renew=True)
                self._client.uaclient.revolve_security_token()
                renew_at = loop.time() + self._client.secure_channel_timeout / 1000 * _RENEW
            try:
                await self.read([SERVER_STATE])
            except LinkTimeout:
                self.end(f"{self.where}: no answer within {self._settings.timeout_s:g} s")


def client_of(settings: Settings) -> Client:
    """asyncua's client for that server, over our wire, not connected."""
    client = Client(settings.address, timeout=settings.timeout_s)
    client.uaclient = Wired(settings.timeout_s)
    client.name = client.description = "Holdfast"
    client.application_uri = client.product_uri = "urn:holdfast"
    client.session_timeout = round(max(_SESSION_S, 10 * settings.timeout_s) * 1000)
    return client

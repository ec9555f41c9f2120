"""An HTTP/1.1 server for what devices post: h11's protocol on asyncio streams, with a limit to everything.

    connection ──idle, then a deadline──> request ──> handle(Posted) ──> Reply ──> the next, or the end

Too many connections: 503. A request that takes longer than `read_within_s` to arrive, drop by drop: 408. A body above
`max_body_bytes`: 413, before it is read where its length is said. What is no HTTP: 400 and the end. Whoever does not
read our answer in time is hung up on.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import h11
import orjson

_HEADERS_MOST_BYTES = 16_384
_CHUNK_BYTES = 65_536
_LAST = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request: `headers` by lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `said` becomes its JSON body."""

    status: int
    said: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one server puts up with."""

    connections: int
    max_body_bytes: int
    read_within_s: float
    idle_s: float


@dataclass(frozen=True, slots=True)
class Handler:
    """`refuse` judges a head before its body is read; `handle` answers the whole."""

    refuse: Callable[[Request], Reply | None]
    handle: Callable[[Request, bytes], Awaitable[Reply]]


class Refused(Exception):
    """A request that is answered and after which the connection ends."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.reply = Reply(status, {"error": why}, _LAST)


class HttpServer:
    """Serves from `start` until `close`; both run in its loop."""

    def __init__(self, handler: Handler, bounds: Bounds) -> None:
        self._handler, self._bounds = handler, bounds
        self._server: asyncio.Server | None = None
        self._open = 0
        self.malformed = 0

    async def start(self, host: str, port: int, secured: ssl.SSLContext | None) -> int:
        """Listen; the port. Raises OSError."""
        patience = {"ssl_handshake_timeout": self._bounds.read_within_s} if secured else {}
        self._server = await asyncio.start_server(self._serve, host, port, ssl=secured, **patience)  # type: ignore[arg-type]
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Listen no more; connections end with the loop."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            await _Conversation(reader, writer, self._handler, self._bounds).hold(self._open)
        except h11.ProtocolError:
            self.malformed += 1
        except (OSError, TimeoutError):  # hung up, or too slow even for its refusal
            pass
        finally:
            self._open -= 1
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()


class _Conversation:
    """One connection: requests and their answers, one after the other."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler, bounds: Bounds
    ) -> None:
        self._reader, self._writer, self._handler, self._bounds = reader, writer, handler, bounds
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADERS_MOST_BYTES)
        self._bodiless = False  # HEAD: an answer without its body

    async def hold(self, connections: int) -> None:
        """Until one side ends it. Raises h11.ProtocolError after 400, OSError, TimeoutError."""
        if connections > self._bounds.connections:
            await self._refuse(Refused(503, f"more than {self._bounds.connections} connections at once"))
            return
        try:
            while await self._exchange():
                self._protocol.start_next_cycle()
        except Refused as refused:
            await self._refuse(refused)
        except h11.RemoteProtocolError as wrong:
            await self._refuse(Refused(wrong.error_status_hint, f"this is not HTTP/1.1: {wrong}"))
            raise

    async def _exchange(self) -> bool:
        """One request and its answer; whether another may follow."""
        try:
            async with asyncio.timeout(self._bounds.idle_s) as limit:
                head = await self._head(limit)
                if head is None:
                    return False
                refusal = self._handler.refuse(head)
                if refusal is not None:
                    return await self._refused(refusal)
                body = await self._body(head)
        except TimeoutError:
            if self._protocol.their_state is h11.IDLE and not self._protocol.trailing_data[0]:
                return False  # it said nothing: a kept connection that is not needed any more
            why = f"the request did not arrive within {self._bounds.read_within_s:g} s"
            raise Refused(408, why) from None
        await self._reply(await self._handler.handle(head, body))
        return self._protocol.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}

    async def _head(self, limit: asyncio.Timeout) -> Request | None:
        event = await self._event(lambda: limit.reschedule(self._deadline()))
        if not isinstance(event, h11.Request):
            return None
        self._bodiless = event.method == b"HEAD"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        path = event.target.decode("latin-1").partition("?")[0]
        return Request(event.method.decode("latin-1"), path, headers)

    async def _body(self, head: Request) -> bytes:
        most = self._bounds.max_body_bytes
        length = head.headers.get("content-length", "0")
        if len(length) > 18 or int(length) > most:
            raise Refused(413, f"a body of {length[:20]} bytes; at most {most} are taken")
        if self._protocol.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > most:
                raise Refused(413, f"a body of more than {most} bytes")
        return bytes(body)

    async def _refused(self, refusal: Reply) -> bool:
        """Answer, and read over the body if it is short; whether the connection can go on."""
        if self._protocol.they_are_waiting_for_100_continue:  # it keeps its body, or sends it: nobody can know
            await self._reply(replace(refusal, headers={**refusal.headers, **_LAST}))
            return False
        await self._reply(refusal)
        came = 0
        while isinstance(event := await self._event(), h11.Data):
            came += len(event.data)
            if came > self._bounds.max_body_bytes:
                return False
        return self._protocol.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}

    async def _event(self, on_data: Callable[[], None] = lambda: None) -> object:
        """The next event; ConnectionClosed when the client hung up. Raises h11.RemoteProtocolError."""
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            data = await self._reader.read(_CHUNK_BYTES)
            on_data() if data else None
            on_data = _nothing
            self._protocol.receive_data(data)
        return event

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._bounds.read_within_s

    async def _reply(self, reply: Reply) -> None:
        body = orjson.dumps(reply.said) + b"\n"
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        await self._send(
            h11.Response(status_code=reply.status, headers=list(headers.items())),
            *([] if self._bodiless else [h11.Data(data=body)]),
            h11.EndOfMessage(),
        )

    async def _send(self, *events: h11.Event) -> None:
        async with asyncio.timeout(self._bounds.read_within_s):
            for event in events:
                self._writer.write(self._protocol.send(event) or b"")
            await self._writer.drain()

    async def _refuse(self, refused: Refused) -> None:
        """Say why, then read a little of what is on its way: closing on unread bytes would lose the answer."""
        if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            with suppress(h11.LocalProtocolError):
                await self._reply(refused.reply)
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(min(1.0, self._bounds.read_within_s)):
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                for _ in range(16):
                    if not await self._reader.read(_CHUNK_BYTES):
                        return


def _nothing() -> None:
    """Only the first bytes of a request begin its deadline."""

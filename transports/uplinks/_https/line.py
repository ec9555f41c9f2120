"""One kept connection that speaks HTTP/1.1, in the loop: h11 has the protocol, asyncio the socket.

    ask ──request──> server ──answer, as it comes──> h11 ──whole, or long enough──> the asker's future

Bytes are understood as they arrive and not when somebody reads: so an answer that comes before the whole body was sent
(413), or just before the connection is reset, is not lost.
"""

import asyncio
from typing import cast

import h11

from transports.uplinks._https.answers import Answer

_HEAD_MOST_BYTES = 64 * 1024
_INTERIM_MOST = 100  # answers such as 100 Continue before the answer


class Line(asyncio.Protocol):
    """Of an answer's body `most_bytes` are kept; of a longer one the rest is not waited for."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_MOST_BYTES)
        self._transport: asyncio.Transport | None = None
        self._asked: asyncio.Future[Answer] | None = None
        self._response: h11.Response | None = None
        self._text = bytearray()
        self._interim = 0
        self._lost: Exception = ConnectionResetError()
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, method: str, target: bytes, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """The whole answer. Raises OSError when the connection is lost, h11.ProtocolError for what is not HTTP."""
        transport = self._transport
        if transport is None:
            raise self._lost
        self._asked = asyncio.get_running_loop().create_future()
        self._response, self._interim = None, 0
        self._text.clear()
        try:
            request = h11.Request(method=method, target=target, headers=headers)
            parts = [self._http.send(request), self._http.send(h11.Data(data=body)) if body else b""]
            parts.append(self._http.send(h11.EndOfMessage()))
            transport.write(b"".join(part for part in parts if part))
            return await self._asked
        finally:
            self._asked = None
            self._rest()

    async def listen(self) -> None:
        """Ask nothing, and wait for the server to hang up. Raises OSError, with what it said at that."""
        if self._transport is None:
            raise self._lost
        self._asked = asyncio.get_running_loop().create_future()
        await self._asked

    def abort(self) -> None:
        """Close it at once. May be called twice."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._asked is None or self._asked.done():
            self.abort()  # an answer that nobody has asked for
            return
        self._http.receive_data(data)
        self._understand()

    def eof_received(self) -> None:
        if self._asked is not None and not self._asked.done():
            self._http.receive_data(b"")
            self._understand()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost = exc or self._lost
        self._fail(self._lost)

    def _understand(self) -> None:
        try:
            while self._asked is not None and not self._asked.done():
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    return
                self._heard(event)
        except h11.ProtocolError as wrong:
            self._fail(wrong)

    def _heard(self, event: object) -> None:
        if isinstance(event, h11.InformationalResponse):
            self._interim += 1
            if self._interim > _INTERIM_MOST:
                self._fail(h11.RemoteProtocolError("interim answers without end"))
        elif isinstance(event, h11.Response):
            self._response = event
        elif isinstance(event, h11.Data):
            self._text += event.data
            if len(self._text) >= self._most_bytes:
                self._answered()
        elif isinstance(event, h11.EndOfMessage):
            self._answered()
        else:
            self._fail(ConnectionResetError())

    def _answered(self) -> None:
        assert self._response is not None, "h11 gives the head first"
        assert self._asked is not None
        heads = {name: value.decode("latin-1") for name, value in self._response.headers}
        text = bytes(self._text[: self._most_bytes])
        after, location = heads.get(b"retry-after", ""), heads.get(b"location", "")
        self._asked.set_result(Answer(self._response.status_code, after, location, text))

    def _fail(self, error: Exception) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(error)

    def _rest(self) -> None:
        """Be ready for the next question, or close: half an answer, or one and a half, would be taken for the next."""
        is_done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if self.is_open and is_done and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
        else:
            self.abort()

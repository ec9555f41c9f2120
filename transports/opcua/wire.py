"""asyncua's connection with bounds: what a server may make it hold, and what may reach its decoder.

asyncua waits for as many bytes as a header claims, and takes over whatever limits an acknowledgement names. Here a
chunk and a message have a most that they may be, which the server is told, and an answer's header is looked at before
any of it is decoded (answers.py).
"""

import asyncio
from typing import Any

from asyncua import ua
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.utils import Buffer, wait_for
from asyncua.ua.ua_binary import uatcp_to_binary
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from transports.errors import NotUnderstood
from transports.opcua.answers import vet_answer

CHUNK_BYTES = 1024 * 1024
MESSAGE_BYTES = 8 * 1024 * 1024
_LEAST_CHUNK_BYTES = 8192  # what every side must take (OPC 10000-6, 7.1.2.3)
_UNANSWERED = 1000  # requests that were given up, and of which the answers may still come
_HEADER_BYTES = 8
_BAD = 0x8000_0000


class Wire(UASocketProtocol):
    """One connection. Whatever breaks a bound ends it; `broken` says how."""

    broken = ""
    _since_message = 0

    def data_received(self, data: bytes) -> None:
        self._since_message += len(data)
        if self._since_message > MESSAGE_BYTES:
            self._break(f"more than {MESSAGE_BYTES} bytes for one message")
            return
        super().data_received(data)
        waiting = self.receive_buffer
        if waiting and len(waiting) >= _HEADER_BYTES:
            claimed = int.from_bytes(waiting[4:_HEADER_BYTES], "little")
            if not _HEADER_BYTES <= claimed <= CHUNK_BYTES:
                self._break(f"a chunk of {claimed} bytes, where at most {CHUNK_BYTES} were agreed on")

    def _process_received_message(self, msg: Any) -> None:
        if isinstance(msg, ua.Acknowledge):
            self._vet_acknowledgement(msg)
        if isinstance(msg, ua.Message):
            self._since_message = 0
            status = self._vet(bytes(msg.body()))  # type: ignore[no-untyped-call]
            opening = isinstance(msg.SecurityHeader(), ua.AsymmetricAlgorithmHeader)  # type: ignore[no-untyped-call]
            if opening and status >= _BAD:  # asyncua would hand a refusal over as if it were the channel
                raise UaStatusCodeError(status)  # type: ignore[no-untyped-call]
        super()._process_received_message(msg)

    async def send_hello(self, url: str, max_messagesize: int = 0, max_chunkcount: int = 0) -> ua.Acknowledge:
        limits: Any = (0, CHUNK_BYTES, CHUNK_BYTES, MESSAGE_BYTES, MESSAGE_BYTES // _LEAST_CHUNK_BYTES, url)
        hello: Any = ua.MessageType.Hello
        if self.transport is None:
            raise ConnectionError("closed")
        self._callbackmap[0] = acknowledged = asyncio.get_running_loop().create_future()
        self.transport.write(uatcp_to_binary(hello, ua.Hello(*limits)))
        return await wait_for(acknowledged, self.timeout)

    def check_answer(self, data: Buffer, context: str) -> bool:
        """asyncua decodes a fault's header by itself, whatever it holds: only the code is needed."""
        status = vet_answer(bytes(data.copy()))
        if status >= 0x4000_0000:
            raise UaStatusCodeError(status)  # type: ignore[no-untyped-call]
        return True

    def _vet_acknowledgement(self, said: ua.Acknowledge) -> None:
        self._since_message = 0
        if min(said.ReceiveBufferSize, said.SendBufferSize) < _LEAST_CHUNK_BYTES:
            self.broken = f"it takes chunks of {said.ReceiveBufferSize} bytes, less than OPC UA allows"
            raise UaError(self.broken)
        # asyncua has taken the server's limits for both ways: what it takes is for us to send, what we take is as told.
        limits = self._connection._limits
        limits.max_recv_buffer, limits.max_send_buffer = CHUNK_BYTES, said.ReceiveBufferSize
        limits.max_message_size, limits.max_chunk_count = MESSAGE_BYTES, MESSAGE_BYTES // _LEAST_CHUNK_BYTES

    def _vet(self, body: bytes) -> int:
        """The answer's status code."""
        try:
            status = vet_answer(body)
        except NotUnderstood as wrong:
            self.broken = str(wrong)
            raise UaError(self.broken) from wrong
        if len(self._callbackmap) > _UNANSWERED:
            self.broken = f"{_UNANSWERED} requests without an answer"
            raise UaError(self.broken)
        return status

    def _break(self, why: str) -> None:
        self.broken = self.broken or why
        self.receive_buffer = None
        if self.transport is not None:
            self.transport.abort()


class Wired(UaClient):
    """asyncua's low-level client over a `Wire`."""

    def _make_protocol(self) -> UASocketProtocol:
        self.protocol = Wire(self._timeout, security_policy=self.security_policy)
        self.protocol.on_connection_lost = self._on_transport_lost
        self.protocol.is_session_closing = self._is_session_closing
        return self.protocol

"""librdkafka's mock cluster of one broker in this process, that can be told to refuse a topic; and TLS before it.

The mock speaks no TLS and names its own port in its metadata: the front terminates TLS, and puts its own port there, so
that whoever came through it stays with it. There is no real Kafka in this house: it needs a Java runtime.
"""

import ctypes
import socket
import ssl
import struct
import threading
from contextlib import suppress
from pathlib import Path

import confluent_kafka

from tests.troubles.papers import Papers
from tests.troubles.turnstile import pass_on

UNKNOWN_TOPIC, NOT_AUTHORIZED = 3, 29  # RD_KAFKA_RESP_ERR_..., the numbers of Kafka's protocol
_PRODUCE, _PRODUCER = 0, 0  # Kafka's ApiKey; rd_kafka_type_t
_MANY = 1000


def _library() -> ctypes.CDLL:
    (file,) = (Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs").glob("librdkafka-*")
    library = ctypes.CDLL(str(file))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class MockCluster:
    """One broker at 127.0.0.1:`port`."""

    def __init__(self) -> None:
        self._library = library = _library()
        conf, said = ctypes.c_void_p(library.rd_kafka_conf_new()), ctypes.create_string_buffer(512)
        library.rd_kafka_conf_set(conf, b"log_level", b"0", said, ctypes.c_size_t(len(said)))
        self._client = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, conf, said, ctypes.c_size_t(len(said))))
        assert self._client, said.value
        self._cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(self._client, 1))
        self.port = int(library.rd_kafka_mock_cluster_bootstraps(self._cluster).rpartition(b":")[2])

    def is_asked_for(self, topic: str, error: int) -> None:
        """What whoever asks for a topic is answered; 0: it is there."""
        self._library.rd_kafka_mock_topic_set_error(self._cluster, topic.encode(), error)

    def refuses_messages(self, error: int) -> None:
        """What the next messages are answered; 0: they are taken again."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(_PRODUCE))
        if error:
            self._library.rd_kafka_mock_push_request_errors(
                self._cluster, ctypes.c_int16(_PRODUCE), ctypes.c_size_t(_MANY), *[ctypes.c_int(error)] * _MANY
            )

    def close(self) -> None:
        self._library.rd_kafka_mock_cluster_destroy(self._cluster)
        self._library.rd_kafka_destroy(self._client)


class Front:
    """Before the mock, at `port`; with `papers` it speaks TLS, and reads them at each connection. `shown` is the port
    that is named in the metadata."""

    def __init__(self, cluster: MockCluster, papers: Papers | None = None) -> None:
        self._far, self._papers, self.shown = cluster.port, papers, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        there = "127.0.0.1", self._far
        with plain, suppress(OSError), self._secured(plain) as near, socket.create_connection(there) as far:
            back = threading.Thread(target=self._answers, args=(far, near), daemon=True)
            back.start()
            pass_on(near, far)
            back.join()

    def _secured(self, plain: socket.socket) -> socket.socket:
        papers = self._papers
        if papers is None:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(papers.server.certificate, papers.server.key)
        if papers.client:
            context.load_verify_locations(papers.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context.wrap_socket(plain, server_side=True)

    def _answers(self, far: socket.socket, near: socket.socket) -> None:
        """Frame by frame: four bytes of length, then the answer. In metadata a port follows its host (INT32)."""
        old, new = (b"127.0.0.1" + struct.pack("!i", port) for port in (self._far, self.shown))
        with suppress(OSError), far.makefile("rb") as answers:
            while head := answers.read(4):
                near.sendall(head + answers.read(struct.unpack("!i", head)[0]).replace(old, new))
        with suppress(OSError):
            near.shutdown(socket.SHUT_WR)

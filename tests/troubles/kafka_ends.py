"""Kafka clusters that are wrong, each in its way: librdkafka's mock, which knows no users, behind TLS of ours."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.peers.kafka_reading import contents
from tests.troubles.kafka_far import NOT_AUTHORIZED, UNKNOWN_TOPIC, Front, MockCluster
from tests.troubles.papers import Papers, wrong_papers
from tests.troubles.trouble import Trouble, Where
from tests.troubles.turnstile import Turnstile

TOPIC = "holdfast"
_LIMIT = 4000
_CURES = {
    "wrong-ca": ("nobody in tls.ca has signed it",),
    "expired": ("renew it there", "clock"),
    "not-yet-valid": ("clock",),
    "wrong-host": ("write in servers", "a name that is in it"),
}
_A_TRY = 2  # librdkafka asks whom it was told of, and then the broker that this one names


class KafkaEnd:
    """A cluster behind its front."""

    def __init__(self, stack: ExitStack, papers: Papers | None = None) -> None:
        self.cluster = MockCluster()
        stack.callback(self.cluster.close)
        front = Front(self.cluster, papers)
        self.turnstile = Turnstile(front.port)
        front.shown = self.turnstile.port
        stack.callback(front.close)
        stack.callback(self.turnstile.close)
        self.place = f"127.0.0.1:{self.turnstile.port}, topic {TOPIC}"
        self.table = f'servers = ["127.0.0.1:{self.turnstile.port}"]\ntopic = "{TOPIC}"\n'

    def payloads(self) -> list[bytes]:
        return [message.value() or b"" for message in contents(self.cluster.port, TOPIC)]


@contextmanager
def troubles(directory: Path) -> Iterator[list[Trouble]]:
    """All that can be had here: the mock has no users."""
    with ExitStack() as stack:
        yield [*_of_papers(directory, stack), _unknown(stack), _revoked(stack), _oversize(stack)]


def _of_papers(directory: Path, stack: ExitStack) -> Iterator[Trouble]:
    for papers in wrong_papers(directory):
        end = KafkaEnd(stack, papers)
        words, table = (end.place, *papers.words, *_CURES.get(papers.name, ())), end.table + papers.tls
        tries = 1 if papers.client else _A_TRY  # librdkafka's, and the one that finds out what it has met
        yield Trouble(papers.name, table, words, papers.mend, end.payloads, end.turnstile, connections_a_try=tries)


def _unknown(stack: ExitStack) -> Trouble:
    end = KafkaEnd(stack)
    end.cluster.is_asked_for(TOPIC, UNKNOWN_TOPIC)
    words = end.place, "there is no such topic; create it"
    mend = lambda: end.cluster.is_asked_for(TOPIC, 0)  # noqa: E731
    return Trouble("unknown", end.table, words, mend, end.payloads, end.turnstile, connections_a_try=_A_TRY)


def _revoked(stack: ExitStack) -> Trouble:
    end = KafkaEnd(stack)
    words = end.place, "we may not write to the topic; give this user the right"

    def spoil(error: int = NOT_AUTHORIZED) -> None:
        end.cluster.refuses_messages(error)
        end.cluster.is_asked_for(TOPIC, error)

    return Trouble(
        "revoked", end.table, words, lambda: spoil(0), end.payloads, end.turnstile, spoil, connections_a_try=_A_TRY
    )


def _oversize(stack: ExitStack) -> Trouble:
    end = KafkaEnd(stack)
    table, words = f'{end.table}max_message = "{_LIMIT} B"\n', (end.place, "larger than", "batch_bytes")
    return Trouble("oversize", table, words, lambda: None, end.payloads, end.turnstile, where=Where.GAP)

"""What Kafka's errors mean, with the cure: a decider. Names with "_" in front are librdkafka's own."""

from collections.abc import Mapping

# Of one message: it can never be taken.
NEVER: Mapping[str, str] = {
    "MSG_SIZE_TOO_LARGE": "larger than the brokers take (message.max.bytes, max.message.bytes of the topic);"
    " make batch_bytes smaller",
    "INVALID_MSG_SIZE": "larger than the brokers take; make batch_bytes smaller",
    "INVALID_RECORD": "the brokers do not take such a record; look at the topic's configuration",
}
# Of a connection to one broker: others may do, so these are only remembered as the reason.
PASSING = frozenset(
    {"_TRANSPORT", "_SSL", "_RESOLVE", "_TIMED_OUT", "_NODE_UPDATE", "_IN_PROGRESS", "_PREV_IN_PROGRESS"}
)
ALL_AWAY = "_ALL_BROKERS_DOWN"
_CURES = {
    "_AUTHENTICATION": "they refuse us; look at user, password and mechanism",
    "SASL_AUTHENTICATION_FAILED": "they refuse us; look at user, password and mechanism",
    "TOPIC_AUTHORIZATION_FAILED": "we may not write to the topic; give this user the right (ACL Write, Describe)",
    "CLUSTER_AUTHORIZATION_FAILED": "we may not write idempotently; give this user the right (ACL IdempotentWrite)",
    "UNKNOWN_TOPIC_OR_PART": "there is no such topic; create it (kafka-topics --create), or look at topic",
    "_UNKNOWN_TOPIC": "there is no such topic; create it (kafka-topics --create), or look at topic",
    "_UNKNOWN_PARTITION": "the topic has lost partitions",
    "TOPIC_EXCEPTION": "that is no name of a topic; look at topic",
    "_MSG_TIMED_OUT": "a message was not acknowledged within ack_timeout; are the brokers reachable under the names"
    " that they advertise, and enough replicas in sync?",
    "NOT_ENOUGH_REPLICAS": "too few replicas are in sync (min.insync.replicas); look at the brokers",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": "too few replicas are in sync (min.insync.replicas); look at the brokers",
    "UNSUPPORTED_SASL_MECHANISM": "they do not know this mechanism; look at mechanism",
    "POLICY_VIOLATION": "a policy of the brokers forbids it",
    "KAFKA_STORAGE_ERROR": "a broker's disk has failed",
}
# Parts of what librdkafka says of a connection that was not made, with small letters
_BY_TEXT = {
    "certificate verify failed": "its certificate is not accepted; see tls.ca, and the name in servers",
    "unknown ca": "it does not know who signed the client certificate in tls.certificate",
    "certificate required": "it asks for a client certificate: set tls.certificate and tls.key",
    "bad certificate": "it does not accept the client certificate in tls.certificate, or asks for one",
    "certificate expired": "the client certificate in tls.certificate has expired",
    "wrong version number": "that port does not speak TLS; look at the port, or leave tls out",
    "sasl": "it refuses us; look at user, password and mechanism",
    "connection refused": "nobody listens there (connection refused)",
    "failed to resolve": "the name cannot be resolved; look at servers, and at the gateway's DNS",
    "no route to host": "there is no route to that host; look at cables, addresses, gateway",
    "network is unreachable": "there is no route to that network; look at the machine's own connection",
    "timed out": "no answer in time; is it up, and no firewall in between?",
    "disconnected": "it hung up; was it stopped, or does that port want TLS (tls) or a user?",
}


def refusal(name: str, text: str) -> str:
    """Why a message can never be taken; "" when it is not the message."""
    return f"{NEVER[name]} ({text})" if name in NEVER else ""


def in_words(name: str, text: str, where: str) -> str:
    """An error for an operator; `where` is which servers and topic."""
    small = text.lower()
    cure = _CURES.get(name) or next((words for part, words in _BY_TEXT.items() if part in small), "")
    return f"{where}: {cure} ({text})" if cure else f"{where}: {text or name}"

"""What an MQTT server's reason codes mean to an operator, each with what to do about it.

MQTT 5, section 2.4; the return codes of 3.1.1 (table 3.1) come as those of 5 that mean the same.
"""

from paho.mqtt.enums import MQTTErrorCode

from transports.uplinks._mqtt.entrance import Ack
from transports.uplinks._reasons import alert

_SAID_MOST = 200
_WORDS = {
    0x80: "unspecified error; the server's log may say more",
    0x81: "it could not read a packet of ours (malformed packet)",
    0x82: "it says that we broke the protocol (protocol error)",
    0x83: "implementation specific error; the server's log may say more",
    0x84: "it does not speak this version of MQTT; set protocol to the other one",
    0x85: "it refuses the client id; see client_id",
    0x86: "it refuses the user name or the password; see user and password",
    0x87: "it refuses the user name or the password, or this client id may not connect (not authorized)",
    0x88: "it says that it is unavailable",
    0x89: "it is busy; it is asked again later",
    0x8A: "it has banned this client; see the server's administration",
    0x8B: "it is shutting down",
    0x8C: "it wants another way to authenticate than user and password (bad authentication method)",
    0x8D: "it did not hear from us within keepalive; is the line too slow for our messages?",
    0x8E: "another client has connected with the same client_id (session taken over); no two may have the same",
    0x8F: "it does not accept a topic to subscribe to; see request_topic and confirm_topic",
    0x90: "it does not accept the topic; see topic",
    0x93: "it got more messages at once than it allows (receive maximum exceeded)",
    0x94: "it does not accept a topic alias; set topic_aliases = 0",
    0x95: "a packet was too large for it; set max_message, or batch_bytes, lower",
    0x96: "messages come too fast for it; set max_messages_per_s",
    0x97: "a quota of the server is used up; free it there, or set max_messages_per_s",
    0x98: "an administrator ended the connection",
    0x99: "it does not accept the form of the payload; see payload",
    0x9A: "it keeps no retained messages; set retain = false and status_retain = false",
    0x9B: "it does not carry this QoS; set qos lower",
    0x9C: "it asks us to use another server for now",
    0x9D: "the server has moved; set host to the new one",
    0x9E: "it has no shared subscriptions",
    0x9F: "we connect too often for it; set retry_first longer",
    0xA0: "the time that it grants a connection is over",
    0xA2: "it has no subscriptions with wildcards",
}


def words(code: int, said: str = "", reference: str = "") -> str:
    """What a reason code of a CONNACK or DISCONNECT means; `said` is the server's Reason String."""
    plain = _WORDS.get(code, "it refuses us" if code >= 0x80 else "it closed the connection")
    named = f"{plain}; it names {_clean(reference)}" if reference else plain
    return f"{named} (0x{code:02X}{_quoted(said)})"


def ended(result: MQTTErrorCode, error: str, in_greeting: bool, version: str) -> str:
    """Why a connection ended of which the server said nothing; `error` is the socket's."""
    if known := alert(error):
        return known
    if result == MQTTErrorCode.MQTT_ERR_PROTOCOL:
        return f"what came is not MQTT {version}; does it speak this version?"
    if in_greeting:
        return (
            "it hung up instead of a greeting; does it expect TLS or a client certificate, "
            f"not speak MQTT {version}, or is it no MQTT broker?"
        )
    return error or (
        "it closed the connection; was it stopped, is there another client of the same client_id, "
        "or may this client not use a topic?"
    )


def unsubscribed(topic: str, code: int, said: str = "") -> str:
    """Why a subscription was refused."""
    if code in (0x80, 0x87):
        cure = "let this user read it, in the server's access list"
        return f"it refuses the subscription to {topic}: {cure} (0x{code:02X}{_quoted(said)})"
    return f"it refuses the subscription to {topic}: {words(code, said)}"


def unpublished(topic: str, code: int, said: str = "") -> str:
    """Why a message was refused."""
    if code == 0x87:
        cure = "let this user write it, in the server's access list or policy"
        return f"this client may not publish to {topic} (not authorized): {cure} (0x87{_quoted(said)})"
    return f"it refuses a message to {topic}: {words(code, said)}"


def is_of_the_message(ack: Ack) -> bool:
    """Whether it is this one message that the server will never take: what it says, or how large it is. A topic that it
    does not accept is a matter of the configuration: it may be mended, and nothing need be lost till then."""
    return ack.code in (0x95, 0x99)


def _quoted(said: str) -> str:
    return f', "{_clean(said)}"' if said else ""


def _clean(said: str) -> str:
    """What a server writes goes into logs: one line, and not without end."""
    return "".join(character if character.isprintable() else " " for character in said[:_SAID_MOST])

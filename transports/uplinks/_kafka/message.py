"""A message as a topic gets it: the key that keeps a device in one partition, and what is told beside the payload."""

from transports.uplinks import Outgoing


def key(message: Outgoing) -> bytes:
    """The device's name."""
    return message.fields["device"].encode("utf-8", "replace")


def headers(message: Outgoing, gateway: str) -> list[tuple[str, bytes]]:
    """What a consumer finds beside key and value."""
    made = [("holdfast-gateway", gateway)]
    if message.records:
        first, last = message.records[0], message.records[-1]
        one, other = (f"{each.topic}/{each.epoch}/{each.seq}" for each in (first, last))
        made.append(("holdfast-id", one if one == other else f"{one} {other}"))
        made += [("holdfast-historical", "true")] if first.historical else []
    made += [("content-type", message.content_type)] if message.content_type else []
    made += [("content-encoding", message.content_encoding)] if message.content_encoding else []
    return [(name, value.encode("utf-8", "replace")) for name, value in made]

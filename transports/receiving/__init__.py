"""The far end of an MQTT uplink: a reference receiver that stores records in SQLite, each exactly once.

    broker ──PUBLISH──> session ──> reading (pure) ──> store: one transaction ──> PUBACK, then the confirmation
               QoS 1, session kept      unreadable ──┘       WAL, synchronous=FULL

- Nothing is acknowledged before it is durable here. A receiver that dies is sent it again by the broker.
- A record is its id (gateway, topic, epoch, seq). What comes again makes no second row, and is confirmed again: whoever
  sends it has not heard us.
- A message that cannot be understood is kept as it came, with the reason, and acknowledged: it stops nobody.
- Another record under an id that is taken is set aside, never passed over as a repetition: such come from a gateway
  whose data directory was replaced.
- No error of the broker or of the disk ends the receiver: it begins again, with growing waits.
"""

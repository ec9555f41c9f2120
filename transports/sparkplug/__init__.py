"""Sparkplug B 3.0 (Eclipse; ISO/IEC 20237), an edge node's side without its MQTT client.

    uplink ──connecting, connected, received, record, asked, answered, lost──> session.EdgeNode
      ^                                                                             │ phases, standings, proofs: rules
      └──────── Publish, Subscribe, HangUp, Write, Refusal, taken tickets <─────────┘ payload, topics: bytes

Everything here is pure: no socket, no clock, no log. `tck-id-...` in a comment names the rule of the specification
(its chapters 4 to 6) that the line keeps; the tests are named after the same ids.

The protobuf messages are encoded and decoded by hand (wire.py, payload.py), not by the library `protobuf`. Of the
format an edge node needs five message kinds with scalar fields, which is shorter than a table of descriptors; there is
no major version of a library to agree on with whatever else is installed; and what strangers send never reaches code
that allocates by their wish. The tests hold it against implementations that do use the library.
"""

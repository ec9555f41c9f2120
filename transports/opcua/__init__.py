"""OPC UA as a client: what the driver `opcua` is made of.

    links/opcua.py ── what an operator may write; the two links (polled, subscribed)
        │
    session.py ── an activated session: ask, read, write, keep alive ── subscription.py, learning.py, browsing.py
        │                 asyncua does the secure channel and the session; its messages are checked by wire.py
    answers.py, values.py, octets.py ── what a server answers, decoded here: exact to 100 ns and to the bit, and bounded
        │                               by the bytes that came, whatever they claim
    types.py, scans.py, nodes.py, sequence.py, listing.py ── pure: types, times, names, gaps, the text of a tag table

Invariants
- Whatever a server sends becomes LinkDown, LinkTimeout, LinkRefused or the Bad quality of one tag; it never costs more
  memory than a few times `wire.MESSAGE_BYTES`.
- A value that cannot be told exactly in one of the house's types is Bad with its own status code, never rounded.
- A server is believed only when its certificate is known (trust.py), or when the operator has written that it need not.
"""

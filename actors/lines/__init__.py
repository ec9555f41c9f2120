"""One serial line with many slaves (RS-485): everything around `actors/line.py`, which owns the port.

    device ──┐ NAME.line                      ┌─ turns.py: whose turn it is; standing.py: who answers (pure)
    device ──┼── members.py ── line.py ───────┼─ tally.py: what it tells of itself
    device ──┘  (SEQPACKET)   (the actor)     └─ wire.py: one exchange, its answer or its time-out ── port.py: bytes

Invariants:
- One request at a time is on the line, with silence before it; what is heard out of a turn belongs to nobody.
- Who answers never waits for more than one turn of each other member and one turn of a member that does not answer.
  (Urgent requests, commands, may overtake, but not more than two in a row while an ordinary one waits.)
- The time lost over members that do not answer is bounded to a tenth of the line's, as long as there are others.
- Every request is answered: by what came, or by why nothing came, within QUEUE_S and its own time-out.
- The owner never blocks: the port, the members and the silences are descriptors and timers of its one loop.
"""

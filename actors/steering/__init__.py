"""Requests from above, inside the actor of the uplink that they come over: judged, executed, answered.

    uplink.asked ──> desk.py ──> envelope, policy.py, memory.py ──refused──────────────┐
                        │                     │ granted, and remembered (beside.py)     │
                        │                     ├─> writes.py ──Command──> device         ├──> uplink.answer
                        │                     └─> verbs.py ──ask──> root, spooler       │
                        └── reports.py ──Requested──> the root's audit <────────────────┘

Invariants, whoever writes, and whatever dies and when:
- without a principal that the configuration names for this uplink nothing is ever executed;
- a request is remembered on the disk before anything is done about it, so it is executed at most once; told again, it
  is refused as a replay, and what was answered the first time is told with that, as long as this process knows it;
- what was once answered with "refused" is not executed later either: a refused request of a known sender is remembered;
- the actor never waits, not for a disk that hangs either: each request has an answer within its time, and only so many
  are under way;
- all that is executed is audited one by one, what is refused or only read is counted where it repeats itself: a flood
  pushes nothing out of the record.
"""

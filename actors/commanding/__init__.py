"""Commands to a device: each executed at most once, never after its time, and what became of it always told.

    Command ──> wait for the link ──> allowed? ──> journal: begun ──> link.write ──> read back ──> journal: ended
                  │ until it expires    │ checks.py   journal.py                                     │
                  └── expired           └── rejected                        Outcome to the sender <──┴──> audit

    done       the device took it; where it is read back, it reads so
    rejected   not executed, and why; or executed, and it does not read so
    expired    not executed in time
    unknown    it may have been executed: no answer came, the connection broke, or this process died over it

Invariants, whatever dies and when:
- a key that has begun is never begun again: `begun` is in the journal before the device hears of it, and a process that
  finds it there without an end says unknown;
- nothing is handed to the driver after `until_s`; what then still waits in a driver is bounded by its
  time-out;
- one command at a time, between two readings, never inside one;
- the outcome of a key is told again to whoever asks again, for a day.
"""

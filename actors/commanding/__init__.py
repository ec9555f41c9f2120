"""Commands to a device: each executed at most once, never after its time, and what became of it always told.

    Command ──> wait for the link ──> allowed? ──> journal: begun ──> link.write ──> read back ──> journal: ended
      │           │ until it expires    │ checks.py   journals.py                      reading_back.py    │
      │ form.py   └── expired           └── rejected                    Outcome to the sender <──┬──> audit
      └── rejected                                                      answers.py

    done       the device took it; where it is read back, it reads so
    rejected   not executed, and why; or executed, and it reads something else
    expired    not executed in time
    unknown    it may have been executed: no answer came, the connection broke, it was not read back, or this process
               died over it

Invariants, whatever dies and when, and whatever the disk does:
- a key that has begun is never begun again: `begun` is in a journal before the device hears of it, and whoever finds it
  there without an end, and is not executing it, says unknown;
- nothing is handed to the driver after `until_s`; what then still waits in a driver is bounded by its
  time-out;
- one command at a time, between two readings, never inside one, and other work of the device comes between two;
- the outcome of a key is told again to whoever asks again, as long as the key is one of the newest (journal.py); to
  another command under the same key it is not;
- a disk that fails stops no reading, and only those commands that must outlive a power cut.
"""

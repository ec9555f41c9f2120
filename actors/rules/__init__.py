"""Rules: devices that command each other, without the cloud.

    live feed ──> readings.py ──> rule.py: is it true? ──> standing.py: what follows (pure) ──> orders.py ──> devices
                                                               └──> memory.py, before anything is sent

Invariants, whatever dies and when:
- what follows is in the memory before the first command leaves, and each command's key is made of it: a process that is
  started again sends under the same keys what had no outcome yet, and no device executes a key twice;
- a rule that was true stays true over a restart of the process or of the gateway, and is not acted on again for that; a
  restart of the machine begins anew, because nobody knows what its devices have kept;
- a rule that cannot be evaluated, or whose commands are refused again and again, waits alone, longer each time, and is
  tried again for ever; the others go on;
- a reading that is Bad, was never heard, or is older than `silent_after` is no reading: `on_bad` says what that means.
"""

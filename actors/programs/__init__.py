"""Programs of other makers as children: everything around `actors/program.py`, which is their actor.

    root ── actor (heartbeat, log, readiness) ── keeper ── the program ── whatever it starts
              │  <── started, failed, ended ──────┘              │
              │  ─── stop ──────> (the end of this line: kill)   │
              └ <─────────────── its output, a pipe ─────────────┘

Invariants:
- Nothing of a program outlives its actor, however that ends. The keeper is the subreaper of all that the program
  starts, daemons included, and kills every one of them when the line to its actor breaks. A parent-death signal alone
  would not do: the kernel clears it when a process changes its user, as Mosquitto started by root does, and it is
  not inherited (prctl(2), PR_SET_PDEATHSIG). It is set nevertheless, for the case that the keeper itself is killed.
- A program never waits for Holdfast: its output is read always, also what is too much to be logged.
- What a program prints is a stranger's bytes: bounded by line and by second, and without control characters.
"""

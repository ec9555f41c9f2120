"""What the gateway says north of itself: who runs, who died of what, whether the ledger adds up, how the machine is.

    root ──Status──────> facts ──┐
    spooler ──Ledger───> facts ──┼─ telling: what is new? ──> a scan of the source `diagnostics` ──> outbox ──> spooler
    crashes/*.json ──> reports ──┤                            (actors/diagnostics.py)
    /proc, the disk ──> machine ─┘

They are ordinary kept records: every format, rule, quota and promise of readings holds for them. A fact is told when it
differs from what was told last, and all of them each `period`, so that whoever listens since a while has the picture.
"""

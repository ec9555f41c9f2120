"""The spool held against every crash: each point of a long record, each thing that a disk may have made of it.

    workload.py ──steps──> Spool ──operations──> disk.py, which writes them down
         │ facts.py: what the world outside knows               │
         └──────────────┐                 ┌─────────────────────┘
                     lives.py: some lives of one gateway, each begun with what a power cut left of the one before
                        │
    pending.py          │ at one point: what is durable, and what each unsynced operation may have come to
    campaign.py ────────┤ which of these states are looked at, and which again after a second cut
    check.py            │ a state reopened: found.py reads it, promises.py compares it with the facts
    report.py           └ a violation, and the words that bring it back

The model of the kernel is the weakest that still keeps what POSIX promises (disk.py says which), so a state here may be
rarer in life than on this page; what holds in all of them holds on every file system that has a journal.
"""

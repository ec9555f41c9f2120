"""The spool: what must arrive, on disk until every consumer has it.

    append ──> Log of a topic ──> active segment ──> page cache ──(SyncJob)──> disk
                  │ segments, oldest first                                      │
                  │                                                          durable()
    fetch  <── ReadHandle of a consumer        commit ──> a record in a log, like everything else

    the verbs        spool.py (all topics of a directory), settings.py, terms.py (the words)
    one topic        log.py (its segments), active.py (the one being written), topics.py (all logs, their order)
    reading          reader.py (where one consumer reads), segment_reader.py (one file, and on behind damage)
    bytes            record.py, segment.py (name and header), state.py (snapshots and commits)
    opening          opening.py, recovery.py (what the files say after a crash), beginning.py (a new consumer),
                     quarantine.py (unreadable segments)
    what may go      retention.py (quotas), rewriting.py (diluted segments, and what is left of given up ones)
    who had what     cursors.py, accounts.py (the ledger)
    the disk         files.py (its operations), sync.py (in another thread), fault.py (then nothing is trusted)
    from outside     inspection.py, examination.py, sights.py, viewing.py: to be read by who does not own it

What it keeps, whatever dies and whenever (tests are named after these):

1.  An id (topic, epoch, seq) is given once. Each opening begins a segment with a new epoch, durable before its first
    record: even when a power cut takes unsynced records that were handed out already, their ids do not come again.
2.  A transaction (one append: its records and its commit) is found whole or not at all. After damage of the disk
    itself, what is readable of it is kept, and what is not is a hole with its exact range of seq.
3.  Only the newest segment of a topic has an unsynced end: a segment is synced before the next one is begun. Marks in
    it tell, after a crash, the disk's damage (skipped, a hole) from a write that never was acknowledged (cut off).
4.  A sync makes durable what a commit refers to before the commit; but the kernel also writes back by itself, in any
    order, so exactly once through a power cut is for those who fetch with `durable`. Nothing is deleted for a commit
    that is not durable.
5.  A producer's record is taken once: pseq is compared with the last one held, which survives with the records.
6.  Opening reads the newest segment and the names of the others. Nothing in memory grows with the number of records.
7.  Nothing unreadable is deleted, and nothing unreadable keeps the spool from opening. Damage costs the records that
    it hit: what a header says is found elsewhere, and reading goes on at the next whole record.
8.  Every acknowledged record that is lost is in a Hole (found while reading) or a Dropped (given up), not in both, as
    long as a newer segment is there to tell of it. A Dropped that dies with the process before it was announced is in
    the ledger alone.
9.  After an error of a write or a sync nothing more is promised, until the spool is opened again.
10. For each producer and consumer, in samples: read = delivered + waiting + gaps. What is given up, damaged or diluted
    is the difference between what the heads of the segments say and what was handed out; nobody has to note it.
11. A segment is rewritten as a whole or not at all, only with less in it, and each record keeps its seq. Gaps and
    alarms outlive the samples around them as long as the reserve has room.
12. A segment goes only when the accounts of all who had a part of it are settled and durable.

Why a log of files and not a database: a batch is one write and one sync, a deletion is one unlink, and what a power
cut or a dying SD card leaves behind can be read by a person with this page and a hex dump.
"""

from transports.spool.accounts import Account
from transports.spool.files import File, Files, OsFiles
from transports.spool.rewriting import Dilute
from transports.spool.settings import Policy, Settings
from transports.spool.spool import Spool
from transports.spool.sync import SyncJob
from transports.spool.terms import (
    ALARM,
    DATA,
    GAP,
    START,
    Commit,
    Dropped,
    Fetched,
    Hole,
    Kind,
    Position,
    Record,
    TopicStat,
)

__all__ = [
    "ALARM",
    "DATA",
    "GAP",
    "START",
    "Account",
    "Commit",
    "Dilute",
    "Dropped",
    "Fetched",
    "File",
    "Files",
    "Hole",
    "Kind",
    "OsFiles",
    "Policy",
    "Position",
    "Record",
    "Settings",
    "Spool",
    "SyncJob",
    "TopicStat",
]

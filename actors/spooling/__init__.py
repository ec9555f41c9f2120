"""What the spooler is made of: who writes and reads, what is made durable together, what is given up, what is wrong.

spooler.py ──> desk.py, as long as a spool is open: writers.py, readers.py, room.py, group_commit.py
               deciders: giving_up.py, sessions.py, trouble.py; for people: standing.py, ledger_batch.py
"""

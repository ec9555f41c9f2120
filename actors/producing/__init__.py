"""A producer's side of the spool: what was made is numbered, counted, sent, and sent again until it is durable.

keeping.py (a device's) ──> records.py (cut to size) ──> outbox.py (a bounded ring, account.py) ──> producer.py
"""

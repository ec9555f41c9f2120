"""A consumer's side of the spool: a session, of one place (consumer.py) or of several lanes (lane_consumer.py)."""

"""The parts of the JetStream uplink.

jetstream.py ──> opening (which server) ──> session (one connection) ──> courier (messages, answers) ──> line
"""

"""The parts of the HTTPS uplink.

https.py ──> courier (in what order) ──> client (what is asked) ──> wire (connections) ──> line (one of them)
"""

"""The parts of the Sparkplug uplink; the rules of an edge node are in transports/sparkplug.

sparkplug.py ──> way (servers, Will) ──> talk (orders become packets) ──> questions (what proves data) ──> broker
"""

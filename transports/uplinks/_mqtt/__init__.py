"""The parts of the MQTT uplink; its line and its settings of a connection serve Sparkplug, too.

mqtt.py ──> road (which server, how often) ──> line (one connection) ──> client (paho, octets) ──> broker
            gate, flights, confirm: what may go, what is on its way, what the application has
"""

"""Modbus below its driver: the way to the device, what is asked, and what the answers mean."""

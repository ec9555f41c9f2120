"""MQTT below the driver of devices: a session whose messages are acknowledged when they are durable."""

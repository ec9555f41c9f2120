"""I2C below its driver: the bus by three ports, the registers of a chip, and what their bits mean."""

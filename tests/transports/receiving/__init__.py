"""The reference receiver: what is read, what is stored, what is acknowledged."""

"""HTTP below its drivers: a client that polls, a server that is posted to."""

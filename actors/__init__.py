"""Who does the work: device, spooler, aggregator, uplink, each an actor in a process of its own. Imports transports."""

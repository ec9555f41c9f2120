"""Who stays alive, and the operator's face: the plan, the root's loop, the zygote, configuration, the command line."""

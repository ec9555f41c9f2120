"""Parts of a device: when its link is read, what of that is durable, and whether it has fallen silent."""

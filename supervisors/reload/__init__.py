"""A new configuration for a gateway that runs: tried, confirmed when all is well, else taken back.

    CONFIG ──reading.py (a process of its own)──> the new tree, or every mistake in the text
                                                        │
    the tree in force ──────────────changes.py──────────┤ what differs
                                                        v
                history.py <──outcome── reloader.py <──confirm.py: remove, replace, add, wait for health
                                                        │
                                                        └─ not well in time: the same way back

What holds at any moment, also when the root is killed at it:

- A text with a mistake changes nothing: it never comes further than the process that reads it.
- Only children whose specification differs are touched.
- The history says that a text is being tried before anything is done with it, and its outcome before anybody is told.
- `run` begins with the text in CONFIG, but for one that was tried and not confirmed: then with the last that was
  (opening.py), and says so, until the file changes or `holdfast reload` tries it again.
- CONFIG is the operator's. Only `config rollback` writes to it, as a whole, and only when the gateway is well with it.
"""

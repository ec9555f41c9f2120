"""Far ends to try Holdfast with, one file a driver: `holdfast simulate modbus port=5020`.

A simulator file has
- a first line that says what it pretends to be; its module docstring is its manual page, with a device table to match;
- `Settings`, a frozen dataclass of `setting(...)` fields, each with a default;
- `serve(settings, announce) -> None`: opens, calls `announce("listening on 127.0.0.1:5020")` once when a driver can
  connect (a port of 0 is chosen free and named there), and serves until SIGTERM or Ctrl-C (KeyboardInterrupt). What
  cannot be opened is a LinkDown with its cure.

Simulated values follow the wall clock, so that two runs show the same; what is written is kept while it runs.
"""

from collections.abc import Callable

Announce = Callable[[str], None]

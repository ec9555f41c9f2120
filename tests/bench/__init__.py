"""What the gateway does in a second, in a millisecond, in a MiB: measured on whatever machine this is.

    python -m tests.bench [--quick] [--only NAME] [--json bench.json]

Each file named in `suite.py` measures one thing, or a few that need the same set-up; its first line says what, and
between which two points. It has `NAMES`, the figures it gives, and `measure(bench)`, which gives for each of them at
least five values; the table shows their median. Everything runs through the real product: `holdfast run` as a process,
a real Mosquitto, a real Modbus server, each a process of its own, and they share the machine's processors with what is
measured.
"""

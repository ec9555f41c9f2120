"""The field campaign: one gateway with all drivers at once, while each far end is killed and revived in turn.

    python -m tests.field 10m        # ends with "13 drivers, 0 missed periods, 0 lost"; exit code 0 only when it is so

    turns ──who, when──> ends ──SIGKILL, start again──> simulators, broker, slaves ──> gateway ──> file
                          │ when each was dead                                           │ status   │ readings
                          └──────────────> campaign <────────────────────────────────────┴──────────┘
                                              └──> periods, losses (pure) ──> verdict

What counts as a missed period is in periods.py, what as lost in losses.py, how long each device may take to heal in
site.py. Far ends are the product's own simulators (`holdfast simulate`), a real Mosquitto, and for what no simulator
can be, small scripts here: an RS-485 line (hub.py), a program (talker.py), two taps that note what was acknowledged
(tap.py). The clock of control.py tells this machine's own lateness from the gateway's.
"""
